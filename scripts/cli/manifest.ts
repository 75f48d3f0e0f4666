/**
 * `manifest [ID]`
 *
 * @module
 */
import { manifestToJson } from "../../lib/format/manifest_json.ts";
import type { Arguments, Command } from "./command.ts";
import { withPlace } from "./database.ts";
import { readManifest } from "./objects.ts";
import type { Terminal } from "./terminal.ts";

/** Shows a manifest. */
export const manifest: Command = {
  name: "manifest",
  summary: "Shows the newest manifest, or the one with a number, as JSON.",
  words: "[ID]",
  arity: [0, 1],
  flags: {},
  details: `
Names are those of the file format, byte strings are hexadecimal, numbers above
2^53 are strings. --json puts it on one line.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const found = await withPlace(
    given,
    (place) => readManifest(place, given.wordCount(0, "ID")),
  );
  const indent = given.has("json") ? undefined : 2;
  const json = JSON.stringify(manifestToJson(found), undefined, indent);
  await terminal.write(`${json}\n`);
}

/**
 * `sst [ID]`
 *
 * @module
 */
import { isUlid } from "../../lib/base/ids.ts";
import { sstName } from "../../lib/format/paths.ts";
import { DbError } from "../../mod.ts";
import type { Arguments, Command } from "./command.ts";
import { blockTransformerOf } from "./components.ts";
import { withPlace } from "./database.ts";
import { listSizes, readManifest } from "./objects.ts";
import { dumpSst } from "./sst_dump.ts";
import { LineWriter, type Terminal } from "./terminal.ts";

/** Dumps SSTs. */
export const sst: Command = {
  name: "sst",
  summary: "Lists the SSTs, or dumps one: info, stats, every version of a row.",
  words: "[ID]",
  arity: [0, 1],
  flags: {
    transform: { value: "NAME", help: "the block transformer: plus-one" },
  },
  details: `
Prints JSON, one value a line. Offsets and the entries of the info are those of
the file; the list is that of the store, so it may name SSTs no manifest needs.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const transformer = blockTransformerOf(given.text("transform"));
  const id = given.words[0];
  if (id !== undefined && !isUlid(id)) {
    throw new DbError("invalid", `ID must be a ULID, not ${id}`);
  }
  await withPlace(given, async (place) => {
    const lines = new LineWriter(terminal);
    if (id === undefined) {
      const sizes = await listSizes(place);
      // Nothing at all: is there a database?
      if (sizes.size === 0) await readManifest(place, undefined);
      for (const [found, bytes] of sizes) {
        await lines.line(JSON.stringify({ id: found, bytes }));
      }
      return await lines.flush();
    }
    const name = sstName(place.path, id);
    const dump = dumpSst({
      store: place.store,
      name,
      transformer,
      hex: given.has("hex"),
    });
    for await (const line of dump) await lines.line(line);
    await lines.flush();
  });
}

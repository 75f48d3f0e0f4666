/**
 * `wal [ID]`
 *
 * @module
 */
import { walName } from "../../lib/format/paths.ts";
import type { Arguments, Command } from "./command.ts";
import { blockTransformerOf } from "./components.ts";
import { withPlace } from "./database.ts";
import { listWal, readManifest } from "./objects.ts";
import { dumpSst } from "./sst_dump.ts";
import { LineWriter, type Terminal } from "./terminal.ts";

/** Dumps WAL files. */
export const wal: Command = {
  name: "wal",
  summary: "Lists the WAL files, or dumps one: its info and every row.",
  words: "[ID]",
  arity: [0, 1],
  flags: {
    transform: { value: "NAME", help: "the block transformer: plus-one" },
  },
  details: `
Prints JSON, one value a line. A file without rows is a fence.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const transformer = blockTransformerOf(given.text("transform"));
  const id = given.wordCount(0, "ID");
  await withPlace(given, async (place) => {
    const lines = new LineWriter(terminal);
    if (id === undefined) {
      const files = await listWal(place);
      // Nothing at all: is there a database?
      if (files.length === 0) await readManifest(place, undefined);
      for (const file of files) {
        await lines.line(JSON.stringify(file));
      }
      return await lines.flush();
    }
    const dump = dumpSst({
      store: place.store,
      name: walName(place.path, id),
      transformer,
      hex: given.has("hex"),
    });
    for await (const line of dump) await lines.line(line);
    await lines.flush();
  });
}

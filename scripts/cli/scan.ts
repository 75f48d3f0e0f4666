/**
 * `scan`
 *
 * @module
 */
import type { ScanOptions } from "../../mod.ts";
import {
  type Arguments,
  type Command,
  COMPONENT_FLAGS,
  READ_FLAGS,
} from "./command.ts";
import { withReader } from "./database.ts";
import { jsonRow, textRow } from "./rows.ts";
import { LineWriter, type Terminal } from "./terminal.ts";

/** Reads a range. */
export const scan: Command = {
  name: "scan",
  summary: "Reads the rows of a range, in key order, one a line.",
  words: "",
  arity: [0, 0],
  flags: {
    prefix: { value: "KEY", help: "only keys that begin so" },
    from: { value: "KEY", help: "only keys >= this" },
    to: { value: "KEY", help: "only keys < this" },
    reverse: { help: "from the last key to the first" },
    limit: { value: "N", help: "at most so many rows" },
    ...READ_FLAGS,
    ...COMPONENT_FLAGS,
  },
  details: `
Prints key, tab, value; with --json {"k","v","seq","create_ts","expire_ts"},
where numbers above 2^53 are strings. Bytes that are no text are exact only with
--hex.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const range = scanOptions(given);
  const hex = given.has("hex");
  const show = given.has("json") ? jsonRow : textRow;
  await withReader(given, async (reader) => {
    const lines = new LineWriter(terminal);
    let rows = 0;
    for await (const batch of reader.scan(range).batches()) {
      for (const entry of batch) {
        const full = lines.line(show(entry, hex));
        if (full !== undefined) await full;
      }
      rows += batch.length;
    }
    await lines.flush();
    if (terminal.interactive) {
      terminal.note(`${rows} ${rows === 1 ? "row" : "rows"}`);
    }
  });
}

function scanOptions(given: Arguments): ScanOptions {
  const prefix = given.bytes("prefix");
  const gte = given.bytes("from");
  const lt = given.bytes("to");
  const limit = given.count("limit");
  return {
    ...(prefix === undefined ? {} : { prefix }),
    ...(gte === undefined ? {} : { gte }),
    ...(lt === undefined ? {} : { lt }),
    ...(limit === undefined ? {} : { limit }),
    reverse: given.has("reverse"),
  };
}

/**
 * `get KEY`
 *
 * @module
 */
import { showKey, toHex } from "../../lib/base/bytes.ts";
import {
  type Arguments,
  type Command,
  COMPONENT_FLAGS,
  READ_FLAGS,
} from "./command.ts";
import { withReader } from "./database.ts";
import { jsonRow } from "./rows.ts";
import type { Terminal } from "./terminal.ts";

/** Reads one value. */
export const get: Command = {
  name: "get",
  summary: "Reads one value.",
  words: "KEY",
  arity: [1, 1],
  flags: { ...READ_FLAGS, ...COMPONENT_FLAGS },
  details: `
Prints the value's bytes as they are, with --hex as hexadecimal, with --json the
row as scan prints it. A key that is not there prints nothing (null with --json)
and is no error.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const key = given.wordBytes(0, "KEY");
  const entry = await withReader(given, (reader) => reader.getEntry(key));
  const hex = given.has("hex");
  if (given.has("json")) {
    const json = entry === undefined ? "null" : jsonRow(entry, hex);
    return await terminal.write(`${json}\n`);
  }
  if (entry === undefined) return terminal.note(`no value at ${showKey(key)}`);
  if (hex) return await terminal.write(`${toHex(entry.value)}\n`);
  await terminal.write(entry.value);
  if (terminal.interactive) terminal.note("");
}

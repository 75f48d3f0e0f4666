/**
 * `load [FILE]`
 *
 * @module
 */
import { createReadStream } from "node:fs";
import { fromHex, toBytes } from "../../lib/base/bytes.ts";
import { DbError, type WritableRow } from "../../mod.ts";
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import { withWriter } from "./database.ts";
import { integerOf, parseJsonObject } from "./json_lines.ts";
import { readLines, type Terminal } from "./terminal.ts";

const PROGRESS_ROWS = 100_000;

/** Writes many rows. */
export const load: Command = {
  name: "load",
  summary: "Writes many rows and waits until all are durable.",
  words: "[FILE]",
  arity: [0, 1],
  flags: {
    "batch-rows": {
      value: "N",
      help: "rows that become visible together (1000)",
    },
    settings: { value: "JSON", help: "settings, with SlateDB's names" },
    ...COMPONENT_FLAGS,
  },
  details: `
Each line of FILE, or of standard input, is one row: {"k","v"}, or
{"k","delete":true}; "expire_ts" is kept. What scan --json prints can be loaded;
--hex applies to both alike.`,
  run,
};

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const file = given.words[0];
  const input = file === undefined || file === "-"
    ? terminal.input
    : readFile(file);
  const batchRows = given.count("batch-rows") ?? 1000;
  const hex = given.has("hex");
  await withWriter(given, async (db) => {
    const writer = db.writable({ batchRows }).getWriter();
    let rows = 0;
    try {
      for await (const line of readLines(input)) {
        await writer.ready;
        rows++;
        // A failed write shows in `ready` and `close()`, which are awaited.
        writer.write(toRow(line, rows, hex)).catch(() => {});
        if (terminal.interactive && rows % PROGRESS_ROWS === 0) {
          terminal.note(`${rows.toLocaleString("en")} rows`);
        }
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error).catch(() => {});
      throw error;
    }
    if (given.has("json")) await terminal.write(`{"rows":${rows}}\n`);
    else terminal.note(`${rows.toLocaleString("en")} rows loaded`);
  });
}

async function* readFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk;
  } catch (cause) {
    throw new DbError("invalid", `Cannot read ${path}`, { cause });
  }
}

function toRow(line: string, number: number, hex: boolean): WritableRow {
  const row = parseJsonObject(line, number);
  const key = bytesOf(row, "k", number, hex);
  if (row["delete"] === true) return { key, delete: true };
  const value = bytesOf(row, "v", number, hex);
  const expiresAtMs = integerOf(row, "expire_ts", number);
  return expiresAtMs === undefined
    ? { key, value }
    : { key, value, expiresAtMs };
}

function bytesOf(
  row: Readonly<Record<string, unknown>>,
  name: string,
  number: number,
  hex: boolean,
): Uint8Array {
  const text = row[name];
  const bytes = typeof text !== "string"
    ? undefined
    : hex
    ? fromHex(text)
    : toBytes(text);
  if (bytes !== undefined) return bytes;
  throw new DbError(
    "invalid",
    `line ${number}: "${name}" must be ${hex ? "hexadecimal text" : "text"}`,
  );
}

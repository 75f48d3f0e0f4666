/**
 * `apply`: the engine's test door for writers in any language.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fromHex } from "../../lib/base/bytes.ts";
import {
  type Db,
  DbError,
  type PutOptions,
  type TtlOptions,
  WriteBatch,
  type WriteOptions,
} from "../../mod.ts";
import { type Arguments, type Command, COMPONENT_FLAGS } from "./command.ts";
import { withWriter } from "./database.ts";
import { integerOf, parseJsonObject } from "./json_lines.ts";
import { readLines, type Terminal } from "./terminal.ts";

/** Applies operations. */
export const apply: Command = {
  name: "apply",
  summary: "Applies the operations on standard input, one JSON object a line.",
  words: "",
  arity: [0, 0],
  flags: {
    settings: { value: "JSON", help: "settings, with SlateDB's names" },
    crash: { help: "at the end make the WAL durable and end without close" },
    ack: { help: "print ok as each operation is accepted" },
    ...COMPONENT_FLAGS,
  },
  details: `
  {"op":"put","k","v"} {"op":"delete","k"} {"op":"merge","k","v"}
  {"op":"batch","rows":[…]} {"op":"flush_wal"} {"op":"flush_mem"}
  {"op":"sleep","ms"}

Keys and values are hexadecimal. "ttl" (milliseconds) or "expire_at"
(milliseconds since the epoch) go with put and merge, "seq" with every write.
An operation is durable after flush_wal, --crash, or at the end.`,
  run,
};

/** What a timer can wait. */
const MAX_SLEEP_MS = 2n ** 31n - 1n;

type Operation = Readonly<Record<string, unknown>>;

async function run(given: Arguments, terminal: Terminal): Promise<void> {
  const ack = given.has("ack");
  await withWriter(given, async (db) => {
    let number = 0;
    for await (const line of readLines(terminal.input)) {
      number++;
      await applyOne(db, parseJsonObject(line, number), number)
        .catch((error) => {
          throw atLine(error, number);
        });
      if (ack) await terminal.write("ok\n");
    }
    if (!given.has("crash")) return;
    await db.flush({ target: "wal" });
    terminal.crash(0);
  });
}

async function applyOne(db: Db, op: Operation, number: number): Promise<void> {
  switch (op["op"]) {
    case "put":
      await db.put(
        hex(op, "k", number),
        hex(op, "v", number),
        rowOptions(op, number),
      );
      return;
    case "merge":
      await db.merge(
        hex(op, "k", number),
        hex(op, "v", number),
        rowOptions(op, number),
      );
      return;
    case "delete":
      await db.delete(hex(op, "k", number), writeOptions(op, number));
      return;
    case "batch":
      await db.write(batchOf(op, number), writeOptions(op, number));
      return;
    case "flush_wal":
      return await db.flush({ target: "wal" });
    case "flush_mem":
      return await db.flush({ target: "memtable" });
    case "sleep":
      return await sleep(sleepMs(op, number));
    default:
      throw new DbError(
        "invalid",
        `line ${number}: unknown op ${JSON.stringify(op["op"])}`,
      );
  }
}

/** Says which line is wrong, where it is a line that is wrong. */
function atLine(error: unknown, number: number): unknown {
  if (!(error instanceof DbError) || error.kind !== "invalid") return error;
  if (error.message.startsWith("line ")) return error;
  const message = `line ${number}: ${error.message}`;
  return new DbError("invalid", message, { cause: error });
}

function batchOf(op: Operation, number: number): WriteBatch {
  const batch = new WriteBatch();
  const rows = op["rows"];
  if (!Array.isArray(rows)) {
    throw new DbError("invalid", `line ${number}: a batch needs "rows"`);
  }
  for (const row of rows as (Operation | null)[]) {
    if (typeof row !== "object" || row === null) {
      throw new DbError(
        "invalid",
        `line ${number}: a row of a batch must be an object, not ${
          JSON.stringify(row)
        }`,
      );
    }
    const key = hex(row, "k", number);
    if (row["op"] === "delete") batch.delete(key);
    else if (row["op"] === "put") {
      batch.put(key, hex(row, "v", number), expiryOf(row, number));
    } else if (row["op"] === "merge") {
      batch.merge(key, hex(row, "v", number), expiryOf(row, number));
    } else {
      throw new DbError(
        "invalid",
        `line ${number}: unknown op ${JSON.stringify(row["op"])} in a batch`,
      );
    }
  }
  return batch;
}

function rowOptions(op: Operation, number: number): PutOptions {
  return { ...writeOptions(op, number), ...expiryOf(op, number) };
}

function writeOptions(op: Operation, number: number): WriteOptions {
  const seqnum = integerOf(op, "seq", number);
  return { awaitDurable: false, ...(seqnum === undefined ? {} : { seqnum }) };
}

function expiryOf(op: Operation, number: number): TtlOptions {
  const ttl = integerOf(op, "ttl", number);
  const expiresAtMs = integerOf(op, "expire_at", number);
  return {
    ...(ttl === undefined ? {} : { ttlMs: Number(ttl) }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

function sleepMs(op: Operation, number: number): number {
  const ms = integerOf(op, "ms", number);
  if (ms !== undefined && ms >= 0n && ms <= MAX_SLEEP_MS) return Number(ms);
  throw new DbError(
    "invalid",
    `line ${number}: "ms" must be a whole number from 0 to ${MAX_SLEEP_MS}`,
  );
}

function hex(op: Operation, name: string, number: number): Uint8Array {
  const text = op[name] ?? "";
  const bytes = typeof text === "string" ? fromHex(text) : undefined;
  if (bytes !== undefined) return bytes;
  throw new DbError(
    "invalid",
    `line ${number}: "${name}" must be hexadecimal text`,
  );
}

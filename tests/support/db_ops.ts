/**
 * Operations and rows in the language of the model, done by Shale.
 *
 * @module
 */
import { type Db, type Entry, WriteBatch } from "../../mod.ts";
import { assertEquals } from "./assert.ts";
import type { ModelDb, ModelEntry, ModelRange, ModelView } from "./model_db.ts";
import { hex, type Op, type RowOp, unhex } from "./op.ts";

/** Puts the operand after what is there. */
export const concatOperator = {
  merge(
    _key: Uint8Array,
    existing: Uint8Array | undefined,
    operand: Uint8Array,
  ): Uint8Array {
    const before = existing?.length ?? 0;
    const joined = new Uint8Array(before + operand.length);
    if (existing !== undefined) joined.set(existing);
    joined.set(operand, before);
    return joined;
  },
};

/** What reads: a database or a snapshot of one. */
export type Readable = Pick<Db, "get" | "getEntry" | "getMany" | "scan">;

/** A write's sequence number and clock. */
export interface Written {
  readonly seq: bigint;
  readonly createTs: bigint;
  durable(): Promise<void>;
}

/**
 * Does one operation; does not wait for durability.
 *
 * @returns The handle of a write; `undefined` for anything else.
 */
export async function applyOp(db: Db, op: Op): Promise<Written | undefined> {
  switch (op.op) {
    case "put":
      return await db.put(unhex(op.k), unhex(op.v!), optionsOf(op));
    case "merge":
      return await db.merge(unhex(op.k), unhex(op.v!), optionsOf(op));
    case "delete":
      return await db.delete(unhex(op.k), optionsOf(op));
    case "batch":
      return await db.write(batchOf(op.rows), {
        awaitDurable: false,
        ...(op.seq === undefined ? {} : { seqnum: op.seq }),
      });
    case "flush_wal":
      await db.flush({ target: "wal" });
      return undefined;
    case "flush_mem":
      await db.flush({ target: "memtable" });
      return undefined;
    case "sleep":
      await new Promise((resolve) => setTimeout(resolve, op.ms));
      return undefined;
  }
}

/** A batch of rows. */
export function batchOf(rows: readonly RowOp[]): WriteBatch {
  const batch = new WriteBatch();
  for (const row of rows) {
    if (row.op === "delete") batch.delete(unhex(row.k));
    else if (row.op === "put") {
      batch.put(unhex(row.k), unhex(row.v!), expiryOf(row));
    } else batch.merge(unhex(row.k), unhex(row.v!), expiryOf(row));
  }
  return batch;
}

function expiryOf(op: RowOp) {
  return {
    ...(op.ttl === undefined ? {} : { ttlMs: op.ttl }),
    ...(op.expire_at === undefined ? {} : { expiresAtMs: op.expire_at }),
  };
}

function optionsOf(op: RowOp) {
  return {
    awaitDurable: false,
    ...expiryOf(op),
    ...(op.seq === undefined ? {} : { seqnum: op.seq }),
  };
}

/** An entry as the model has it. */
export function toModelEntry(entry: Entry): ModelEntry {
  const { key, value, seq, createTs, expireTs } = entry;
  return { k: hex(key), v: hex(value), seq, createTs, expireTs };
}

/** A range of hex keys as `scan()` takes it. */
export function rangeOf(range: ModelRange): Record<string, Uint8Array> {
  return Object.fromEntries(
    Object.entries(range).map(([name, key]) => [name, unhex(key as string)]),
  );
}

/** All rows of a scan, collected. */
export async function scanRows(
  db: Readable,
  range: ModelRange = {},
  options: Record<string, unknown> = {},
): Promise<ModelEntry[]> {
  const rows: ModelEntry[] = [];
  for await (const entry of db.scan({ ...rangeOf(range), ...options })) {
    rows.push(toModelEntry(entry));
  }
  return rows;
}

/** One entry as the model has it. */
export async function entryOf(
  db: Readable,
  k: string,
): Promise<ModelEntry | undefined> {
  const entry = await db.getEntry(unhex(k));
  return entry === undefined ? undefined : toModelEntry(entry);
}

/**
 * Compares a whole database with the model: see {@linkcode assertReads}.
 */
export async function assertSame(
  db: Readable,
  model: ModelDb,
  view: ModelView = {},
): Promise<void> {
  await assertReads(db, model.rows({}, view), model.keys);
}

/**
 * Compares a whole database with the rows it must have: by scans in both
 * directions, by `get`, `getEntry` and `getMany` of every key that ever was, by
 * prefix scans, and by keys that never were.
 *
 * @param db What reads.
 * @param expected All rows, in key order.
 * @param keys Every key ever written, whether there is a row now or not.
 */
export async function assertReads(
  db: Readable,
  expected: readonly ModelEntry[],
  keys: readonly string[],
): Promise<void> {
  assertEquals(await scanRows(db), expected, "scan");
  const reversed = await scanRows(db, {}, { reverse: true });
  assertEquals(reversed.reverse(), expected, "reverse scan");
  const byKey = new Map(expected.map((entry) => [entry.k, entry]));
  const values = await db.getMany(keys.map(unhex));
  for (const [i, k] of keys.entries()) {
    const entry = byKey.get(k);
    assertEquals(await entryOf(db, k), entry, `getEntry ${k}`);
    const value = await db.get(unhex(k));
    assertEquals(value && hex(value), entry?.v, `get ${k}`);
    assertEquals(values[i] && hex(values[i]), entry?.v, `getMany ${k}`);
    const absent = `${k}5a5a`;
    if (!byKey.has(absent) && absent.length <= 2 * 65_535) {
      assertEquals(await db.get(unhex(absent)), undefined, `absent ${absent}`);
    }
  }
  for (const prefix of prefixesOf(keys)) {
    const within = expected.filter(({ k }) => k.startsWith(prefix));
    assertEquals(await scanRows(db, { prefix }), within, `prefix ${prefix}`);
  }
}

/** A handful of prefixes: every first byte, and some longer ones. */
function prefixesOf(keys: readonly string[]): Set<string> {
  const prefixes = new Set(keys.map((k) => k.slice(0, 2)));
  for (const k of keys.filter((_, i) => i % 37 === 0)) {
    prefixes.add(k.slice(0, 14));
  }
  return prefixes;
}

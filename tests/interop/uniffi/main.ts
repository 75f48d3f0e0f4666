/**
 * The published npm binding `@slatedb/uniffi` 0.12.1 as a judge: the same line
 * protocol as `../rust`, described in `../judge.ts`. Runs in a process of its
 * own, because it is native code and because tests end it without a close.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { Buffer } from "node:buffer";
import { mkdirSync, writeSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import process from "node:process";
import type * as Uniffi from "@slatedb/uniffi";
import type { JudgeRequest, JudgeStore } from "../judge.ts";
import type { Op, RowOp } from "../../support/op.ts";

const slatedb: typeof Uniffi = await load();
const NOT_AWAITED = { await_durable: false };
const EVERYTHING = {
  start: undefined,
  start_inclusive: true,
  end: undefined,
  end_inclusive: false,
};
/** Puts the operand after what is there. */
const concat = {
  merge: (
    _key: Uint8Array,
    existing: Uint8Array | undefined,
    operand: Uint8Array,
  ) => Buffer.concat([existing ?? new Uint8Array(), operand]),
};
const BLOCKS: Record<number, Uniffi.SstBlockSize> = {
  1: slatedb.SstBlockSize.Block1Kib,
  2: slatedb.SstBlockSize.Block2Kib,
  4: slatedb.SstBlockSize.Block4Kib,
  8: slatedb.SstBlockSize.Block8Kib,
  16: slatedb.SstBlockSize.Block16Kib,
  32: slatedb.SstBlockSize.Block32Kib,
  64: slatedb.SstBlockSize.Block64Kib,
};

let writer: Uniffi.Db | undefined;

async function load(): Promise<typeof Uniffi> {
  try {
    return await import("@slatedb/uniffi");
  } catch (error) {
    say({ error: { kind: "unloadable", message: String(error) } });
    process.exit(0);
  }
}

function say(answer: unknown): void {
  let rest = Buffer.from(JSON.stringify(answer) + "\n");
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // A full pipe of a slow reader; nothing else may be written in between.
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}

function open(store: string): Uniffi.ObjectStore {
  mkdirSync(store, { recursive: true });
  return slatedb.ObjectStore.resolve(`file://${store}`);
}

/** `{ a: { b: 1 } }` as the dotted names that the binding's settings take. */
function* flat(
  settings: Record<string, unknown>,
  under = "",
): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(settings)) {
    const isGroup = typeof value === "object" && value !== null &&
      name !== "scheduler_options";
    if (isGroup) {
      yield* flat(value as Record<string, unknown>, `${under}${name}.`);
    } else yield [under + name, value];
  }
}

async function openWriter(request: JudgeRequest & { do: "open" }) {
  const builder = new slatedb.DbBuilder(request.path, open(request.store));
  const settings = slatedb.Settings.default();
  for (const [name, value] of flat(request.settings ?? {})) {
    settings.set(name, JSON.stringify(value));
  }
  builder.with_settings(settings);
  builder.with_merge_operator(concat);
  if (request.walStore !== undefined) {
    builder.with_wal_object_store(open(request.walStore));
  }
  if (request.blockKib !== undefined) {
    builder.with_sst_block_size(BLOCKS[request.blockKib]!);
  }
  writer = await builder.build();
  return null;
}

function ttlOf(op: RowOp): Uniffi.Ttl {
  if (op.ttl !== undefined) return slatedb.Ttl.ExpireAfterTicks(op.ttl);
  if (op.expire_at !== undefined) return slatedb.Ttl.ExpireAt(op.expire_at);
  return slatedb.Ttl.Default();
}

const bytes = (hex: string | undefined) => Buffer.from(hex ?? "", "hex");

function batchOf(rows: readonly RowOp[]): Uniffi.WriteBatch {
  const batch = new slatedb.WriteBatch();
  for (const row of rows) {
    const ttl = { ttl: ttlOf(row) };
    if (row.op === "delete") batch.delete(bytes(row.k));
    else if (row.op === "put") {
      batch.put_with_options(bytes(row.k), bytes(row.v), ttl);
    } else batch.merge_with_options(bytes(row.k), bytes(row.v), ttl);
  }
  return batch;
}

/** Applies one operation; answers the sequence number of a write. */
async function apply(db: Uniffi.Db, op: Op): Promise<number | null> {
  switch (op.op) {
    case "put":
      return seqOf(
        await db.put_with_options(
          bytes(op.k),
          bytes(op.v),
          { ttl: ttlOf(op) },
          NOT_AWAITED,
        ),
      );
    case "merge":
      return seqOf(
        await db.merge_with_options(
          bytes(op.k),
          bytes(op.v),
          { ttl: ttlOf(op) },
          NOT_AWAITED,
        ),
      );
    case "delete":
      return seqOf(await db.delete_with_options(bytes(op.k), NOT_AWAITED));
    case "batch":
      return seqOf(await db.write_with_options(batchOf(op.rows), NOT_AWAITED));
    case "flush_wal":
      await db.flush_with_options({ flush_type: slatedb.FlushType.Wal });
      return null;
    case "flush_mem":
      await db.flush_with_options({ flush_type: slatedb.FlushType.MemTable });
      return null;
    case "sleep":
      await pause(op.ms);
      return null;
  }
}

function seqOf(handle: Uniffi.WriteHandle): number {
  return Number(handle.seqnum);
}

/** Every row of a scan; each must be what `get` finds too. */
async function rowsOf(
  db: Pick<Uniffi.Db, "scan" | "scan_prefix" | "get">,
  prefix?: string,
): Promise<unknown[]> {
  const scan = prefix === undefined
    ? await db.scan(EVERYTHING)
    : await db.scan_prefix(bytes(prefix));
  const rows = [];
  for (;;) {
    const row = await scan.next();
    if (row === undefined) return rows;
    const got = await db.get(row.key);
    const k = Buffer.from(row.key).toString("hex");
    if (got === undefined || !Buffer.from(got).equals(row.value)) {
      throw new Error(`get differs from scan at ${k}`);
    }
    rows.push({
      k,
      v: Buffer.from(row.value).toString("hex"),
      seq: Number(row.seq),
      create_ts: Number(row.create_ts),
      expire_ts: row.expire_ts === undefined ? null : Number(row.expire_ts),
    });
  }
}

async function read(request: JudgeStore): Promise<unknown[]> {
  const builder = new slatedb.DbReaderBuilder(
    request.path,
    open(request.store),
  );
  builder.with_merge_operator(concat);
  if (request.walStore !== undefined) {
    builder.with_wal_object_store(open(request.walStore));
  }
  const reader = await builder.build();
  const rows = await rowsOf(reader);
  await reader.shutdown();
  return rows;
}

async function answer(request: JudgeRequest): Promise<unknown> {
  if (request.do === "open") return await openWriter(request);
  if (request.do === "read") return await read(request);
  if (request.do === "die") process.exit(0);
  if (writer === undefined) throw new Error("no writer is open");
  switch (request.do) {
    case "apply": {
      const seqs = [];
      for (const op of request.ops) seqs.push(await apply(writer, op));
      return seqs;
    }
    case "rows":
      if ("of" in request) throw new Error(`no rows of a ${request.of} here`);
      return await rowsOf(writer, request.prefix);
    case "close": {
      const db = writer;
      writer = undefined;
      await db.shutdown();
      return null;
    }
    default:
      throw new Error(`unknown request ${request.do}`);
  }
}

function failureOf(error: unknown) {
  const message = String(error);
  if (error instanceof slatedb.ErrorClosed) {
    const reason = error.reason === slatedb.CloseReason.Clean
      ? "clean"
      : error.reason === slatedb.CloseReason.Fenced
      ? "fenced"
      : "failed";
    return { kind: "closed", reason, message };
  }
  const kinds = [
    [slatedb.ErrorTransaction, "transaction"],
    [slatedb.ErrorUnavailable, "unavailable"],
    [slatedb.ErrorInvalid, "invalid"],
    [slatedb.ErrorData, "data"],
    [slatedb.ErrorInternal, "internal"],
  ] as const;
  const known = kinds.find(([type]) => error instanceof type);
  return { kind: known?.[1] ?? "judge", message };
}

say({ ok: "ready" });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ ok: await answer(JSON.parse(line)) });
  } catch (error) {
    say({ error: failureOf(error) });
  }
}
process.exit(0);

/**
 * What a batch with merges comes to: one row for each key.
 *
 * A put or delete replaces whatever the batch said about the key before; merges
 * after it are folded into it. Merges alone fold to one operand.
 *
 * @module
 */
import { EMPTY_BYTES, showKey, toHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Row, RowKind } from "../base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import { foldForRead } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import { expiryOf } from "./expiry.ts";
import { type ConsumedBatch, NO_TTL } from "./write_batch.ts";

/**
 * Folds a batch.
 *
 * @param batch The batch's writes.
 * @param operator Combines operands.
 * @param createTs The batch's stamp.
 * @param defaultTtlMs Lifetime of rows whose write says nothing.
 * @returns One row a key, its sequence number still open (0).
 * @throws {DbError} Kind `"invalid"` if the operator fails, or operands of one key expire at different times.
 */
export function foldBatch(
  batch: ConsumedBatch,
  operator: MergeOperator,
  createTs: bigint,
  defaultTtlMs: number | undefined,
): Row[] {
  /** By key, what counts so far: at most one put or delete, then merges. */
  const byKey = new Map<string, Row[]>();
  for (let i = 0; i < batch.offsets.length; i++) {
    const row = rowOf(batch, i, createTs, defaultTtlMs);
    const name = toHex(row.key);
    const rows = byKey.get(name);
    if (row.kind === "merge" && rows !== undefined) rows.push(row);
    else byKey.set(name, [row]);
  }
  return Array.from(byKey.values(), (rows) => {
    if (rows.at(-1)!.kind !== "merge") return rows[0]!;
    checkExpiry(rows.filter(({ kind }) => kind === "merge"));
    return foldForRead(rows.toReversed(), operator);
  });
}

function rowOf(
  batch: ConsumedBatch,
  index: number,
  createTs: bigint,
  defaultTtlMs: number | undefined,
): Row {
  const start = batch.offsets[index]! + ROW_HEADER_BYTES;
  const end = start + batch.keyBytes[index]!;
  const kind = kindOf(batch.kinds[index]!);
  const key = batch.records.subarray(start, end);
  if (kind === "delete") return { key, value: EMPTY_BYTES, kind, seq: 0n };
  const ttl = batch.ttls.get(index) ?? NO_TTL;
  const expireTs = expiryOf(ttl, createTs, defaultTtlMs);
  return {
    key,
    value: batch.records.subarray(end, end + batch.valueBytes[index]!),
    kind,
    seq: 0n,
    ...(expireTs === undefined ? {} : { expireTs }),
  };
}

function kindOf(flags: number): RowKind {
  if (flags === RowFlag.TOMBSTONE) return "delete";
  return flags === RowFlag.MERGE ? "merge" : "put";
}

/** One row has one expiry, so operands of different ones cannot share a row. */
function checkExpiry(operands: readonly Row[]): void {
  const [first] = operands;
  if (operands.every(({ expireTs }) => expireTs === first!.expireTs)) return;
  throw new DbError(
    "invalid",
    `merges of key ${
      showKey(first!.key)
    } in one batch must expire at the same time: write them in two batches`,
  );
}

/**
 * Merged rows as entries.
 *
 * Owns: one copy of a batch out of linear memory, and entries as views on it; a
 * copy for each key and value would cost more than the rest of a scan. Merge
 * operands are folded on the way.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import type { Entry, Row } from "../base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import { readRow } from "../codec/row_record.ts";
import { foldForRead } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";

/** One entry of a batch; what is rarely asked for is read when it is. */
class BatchEntry implements Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly #batch: Batch;
  readonly #at: number;

  constructor(batch: Batch, at: number, keyBytes: number, valueBytes: number) {
    const { buffer } = batch.u8;
    const key = at + ROW_HEADER_BYTES;
    this.key = new Uint8Array(buffer, key, keyBytes);
    this.value = new Uint8Array(buffer, key + keyBytes, valueBytes);
    this.#batch = batch;
    this.#at = at;
  }

  get seq(): bigint {
    return this.#batch.view.getBigUint64(this.#at, true);
  }

  get createTs(): bigint {
    return this.#has(RowFlag.CREATE)
      ? this.#batch.view.getBigInt64(this.#at + 8, true)
      : 0n;
  }

  get expireTs(): bigint | undefined {
    return this.#has(RowFlag.EXPIRE)
      ? this.#batch.view.getBigInt64(this.#at + 16, true)
      : undefined;
  }

  #has(flag: number): boolean {
    return (this.#batch.u32[(this.#at + 32) >> 2]! & flag) !== 0;
  }
}

/** A copy of a merge's output. */
class Batch {
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly u32: Uint32Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer> | undefined;

  constructor(u8: Uint8Array<ArrayBuffer>) {
    this.u8 = u8;
    this.u32 = new Uint32Array(u8.buffer);
  }

  get view(): DataView<ArrayBuffer> {
    return this.#view ??= new DataView(this.u8.buffer);
  }
}

/**
 * Makes entries of merged rows.
 *
 * @param bytes A copy of the merge's output, in a buffer of its own.
 * @param rows How many rows it holds.
 * @param operator Folds merge operands.
 * @returns One entry for each key, in the order of the rows.
 * @throws {DbError} Kind `"invalid"` if operands cannot be folded.
 */
export function toEntries(
  bytes: Uint8Array<ArrayBuffer>,
  rows: number,
  operator: MergeOperator | undefined,
): Entry[] {
  const batch = new Batch(bytes);
  const { u32 } = batch;
  const entries: Entry[] = [];
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const header = at >> 2;
    if ((u32[header + 8]! & RowFlag.MERGE) !== 0) {
      const group = operandsAt(batch, at, rows - row);
      entries.push(foldedEntry(group.rows, operator));
      row += group.rows.length - 1;
      at = group.end;
      continue;
    }
    entries.push(new BatchEntry(batch, at, u32[header + 6]!, u32[header + 7]!));
    at += u32[header + 9]!;
  }
  return entries;
}

/** The operands at a row, and what they rest on: all rows of its key. */
function operandsAt(
  batch: Batch,
  start: number,
  left: number,
): { rows: Row[]; end: number } {
  const rows: Row[] = [];
  let at = start;
  while (rows.length < left) {
    const row = readRow(batch, at);
    if (rows.length > 0 && !equalBytes(row.key, rows[0]!.key)) break;
    rows.push(row);
    at += batch.u32[(at + 36) >> 2]!;
  }
  return { rows, end: at };
}

function foldedEntry(
  rows: readonly Row[],
  operator: MergeOperator | undefined,
): Entry {
  const { key, value, seq, createTs = 0n, expireTs } = foldForRead(
    rows,
    operator,
  );
  return { key, value, seq, createTs, expireTs };
}

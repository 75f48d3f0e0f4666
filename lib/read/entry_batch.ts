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
import type { Kernel } from "../codec/kernel.ts";
import { readRow } from "../codec/row_record.ts";
import { foldForRead } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import { OWN_ENTRIES, takeOwnEntries } from "./own_entry.ts";

const SLAB_BYTES = 64 * 1024;
/** Longer batches get a slab of their own. */
const MAX_SHARED_BYTES = 32 * 1024;

/** Where copies of batches go, and the typed arrays over it. */
class Slab {
  readonly buffer: ArrayBuffer;
  readonly u8: Uint8Array<ArrayBuffer>;
  readonly u32: Uint32Array<ArrayBuffer>;
  #view: DataView<ArrayBuffer> | undefined;

  constructor(bytes: number) {
    this.buffer = new ArrayBuffer(bytes);
    this.u8 = new Uint8Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
  }

  get view(): DataView<ArrayBuffer> {
    return this.#view ??= new DataView(this.buffer);
  }

  /** A piece of the slab as an array. */
  part(start: number, bytes: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer, start, bytes);
  }
}

/** One entry of a batch; what is rarely asked for is read when it is. */
class BatchEntry implements Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly #slab: Slab;
  readonly #at: number;

  constructor(slab: Slab, at: number, keyBytes: number, valueBytes: number) {
    const key = at + ROW_HEADER_BYTES;
    this.key = slab.part(key, keyBytes);
    this.value = slab.part(key + keyBytes, valueBytes);
    this.#slab = slab;
    this.#at = at;
  }

  get seq(): bigint {
    return this.#slab.view.getBigUint64(this.#at, true);
  }

  get createTs(): bigint {
    return this.#has(RowFlag.CREATE)
      ? this.#slab.view.getBigInt64(this.#at + 8, true)
      : 0n;
  }

  get expireTs(): bigint | undefined {
    return this.#has(RowFlag.EXPIRE)
      ? this.#slab.view.getBigInt64(this.#at + 16, true)
      : undefined;
  }

  #has(flag: number): boolean {
    return (this.#slab.u32[(this.#at + 32) >> 2]! & flag) !== 0;
  }
}

/** Copies batches out of linear memory; short ones share a slab. */
export class EntryBatches {
  #slab: Slab | undefined;
  #used = 0;

  /**
   * Makes entries of merged rows.
   *
   * @param kernel Where the rows are.
   * @param output Their address: a merge's output.
   * @param bytes Bytes of the rows.
   * @param operator Folds merge operands.
   * @returns One entry for each key, in the order of the rows.
   * @throws {DbError} Kind `"invalid"` if operands cannot be folded.
   */
  take(
    kernel: Kernel,
    output: number,
    bytes: number,
    operator: MergeOperator | undefined,
  ): Entry[] {
    if (OWN_ENTRIES) {
      const entries = takeOwnEntries(kernel, output, bytes);
      if (entries !== undefined) return entries;
    }
    let slab = this.#slab;
    let start = this.#used;
    if (bytes > MAX_SHARED_BYTES) {
      slab = new Slab(bytes);
      start = 0;
    } else {
      if (slab === undefined || start + bytes > SLAB_BYTES) {
        slab = new Slab(SLAB_BYTES);
        start = 0;
        this.#slab = slab;
      }
      this.#used = start + bytes;
    }
    slab.u8.set(new Uint8Array(kernel.u8.buffer, output, bytes), start);
    return toEntries(slab, start, start + bytes, operator);
  }
}

function toEntries(
  slab: Slab,
  start: number,
  end: number,
  operator: MergeOperator | undefined,
): Entry[] {
  const { u32 } = slab;
  const entries: Entry[] = [];
  for (let at = start; at < end;) {
    const header = at >> 2;
    if ((u32[header + 8]! & RowFlag.MERGE) === 0) {
      const keyBytes = u32[header + 6]!;
      entries.push(new BatchEntry(slab, at, keyBytes, u32[header + 7]!));
      at += u32[header + 9]!;
    } else {
      const group = operandsAt(slab, at, end);
      entries.push(foldedEntry(group.rows, operator));
      at = group.end;
    }
  }
  return entries;
}

/** The operands at a row, and what they rest on: all rows of its key. */
function operandsAt(
  slab: Slab,
  start: number,
  end: number,
): { rows: Row[]; end: number } {
  const rows: Row[] = [];
  let at = start;
  while (at < end) {
    const row = readRow(slab, at);
    if (rows.length > 0 && !equalBytes(row.key, rows[0]!.key)) break;
    rows.push(row);
    at += slab.u32[(at + 36) >> 2]!;
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

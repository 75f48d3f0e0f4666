/**
 * Going on where an earlier attempt at a compaction stopped.
 *
 * Owns: finding the last row that was written, and leaving out the rows up to
 * it. SlateDB ends an SST anywhere, so the key it ends with may have older
 * versions that are still to be written.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { intersect, type KeyRange } from "../base/key_range.ts";
import { MAX_SEQ } from "../base/row.ts";
import { MergeMode, ROW_HEADER_BYTES } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import { MergeCursor } from "../sst/merge_cursor.ts";
import type { RowSink } from "../sst/rewrite.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { TableSource } from "../sst/table_source.ts";

/** The last row of an SST. */
export interface LastRow {
  /** Its key. */
  readonly key: Uint8Array;
  /** Its sequence number: the smallest of the key's in the SST. */
  readonly seq: bigint;
}

/**
 * Finds the last row of an SST.
 *
 * @param kernel Where it is read to.
 * @param table The SST; held meanwhile.
 * @returns The row.
 * @throws {DbError} Kind `"data"` if the SST does not say its last key or does not have it.
 */
export async function readLastRow(
  kernel: Kernel,
  table: SstTable,
): Promise<LastRow> {
  const key = table.handle.info.lastEntry;
  const source = new TableSource([table], {
    descending: false,
    cacheBlocks: false,
    readAheadBytes: 1,
    maxFetchTasks: 1,
  });
  let seq: bigint | undefined;
  if (key !== undefined) {
    table.acquire();
    const bound = { key, inclusive: true };
    const cursor = new MergeCursor({
      kernel,
      sources: [source],
      mode: MergeMode.RAW,
      seqMax: MAX_SEQ,
      nowMs: 0n,
      range: { lower: bound, upper: bound },
      outputBytes: 4096,
      maxFetchTasks: 1,
    });
    try {
      while (await cursor.next(1)) {
        const end = cursor.output + cursor.bytes;
        for (let at = cursor.output; at < end;) {
          seq = kernel.readU64(at);
          at += kernel.u32[(at + 36) >> 2]!;
        }
      }
    } finally {
      cursor.close();
      table.release();
    }
  }
  if (key !== undefined && seq !== undefined) return { key, seq };
  throw new DbError(
    "data",
    `${table.name} was written by a compaction that stopped, and does not have the last key it names`,
  );
}

/**
 * The keys that are left of a range.
 *
 * @param range The range.
 * @param last The last row that was written.
 * @returns The keys from the row's own on; `undefined` where there are none.
 */
export function rangeFrom(
  range: KeyRange,
  last: LastRow,
): KeyRange | undefined {
  return intersect(range, { lower: { key: last.key, inclusive: true } });
}

/** Leaves out rows up to one that was written already. */
export class ResumeSink implements RowSink {
  readonly #kernel: Kernel;
  readonly #last: LastRow;
  readonly #next: RowSink;
  #passed = false;

  /**
   * Constructs a new {@linkcode ResumeSink}.
   *
   * @param kernel Where the rows are.
   * @param last The last row that was written.
   * @param next What takes the rows behind it.
   */
  constructor(kernel: Kernel, last: LastRow, next: RowSink) {
    this.#kernel = kernel;
    this.#last = last;
    this.#next = next;
  }

  /** {@inheritDoc RowSink.add} */
  add(pointer: number, bytes: number): Promise<void> | undefined {
    let at = pointer;
    const end = pointer + bytes;
    while (!this.#passed && at < end) {
      if (this.#isWritten(at)) at += this.#kernel.u32[(at + 36) >> 2]!;
      else this.#passed = true;
    }
    return at === end ? undefined : this.#next.add(at, end - at);
  }

  #isWritten(record: number): boolean {
    const bytes = this.#kernel.u32[(record + 24) >> 2]!;
    const key = this.#kernel.slice(record + ROW_HEADER_BYTES, bytes);
    const order = compareBytes(key, this.#last.key);
    return order < 0 ||
      order === 0 && this.#kernel.readU64(record) >= this.#last.seq;
  }
}

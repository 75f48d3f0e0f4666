/**
 * Rows from memtables and tables into SSTs, leaving out what nobody needs.
 *
 * Owns: which of two ways the rows take. Without a merge operator the kernel
 * merges, retains and hands rows straight to the encoder. With one, the kernel
 * merges alone; keys whose rows are simple pass as they are, and the others go
 * through folding and retention in JavaScript.
 * Does not own: where the output goes, and when one SST ends.
 *
 * @module
 */
import type { KeyRange } from "../base/key_range.ts";
import { MAX_SEQ, type Row } from "../base/row.ts";
import type { Runtime } from "../base/runtime.ts";
import { MergeMode, ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import { readRow, rowRecordBytes, writeRow } from "../codec/row_record.ts";
import { foldForRewrite } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import { type ExpiredRows, retainVersions } from "../iter/retain.ts";
import { MergeCursor, type RowSource } from "./merge_cursor.ts";
import { Turn } from "./turn.ts";

const OUTPUT_BYTES = 64 * 1024;
const BATCH_ROWS = 4096;

/** Flags of rows that may not pass as they are. */
const SPECIAL = RowFlag.MERGE | RowFlag.TOMBSTONE | RowFlag.EXPIRE;

/** What takes the rows, such as an `SstEncoder`. */
export interface RowSink {
  /**
   * Takes packed row records, in order; never only some versions of a key.
   *
   * @param pointer The first record; the records stay until this is done.
   * @param bytes Bytes of all records.
   * @returns A promise where it needs time.
   */
  add(pointer: number, bytes: number): Promise<void> | undefined;
}

/** What a rewrite reads and what it may forget. */
export interface RewriteOptions {
  /** Where the rows are. */
  readonly kernel: Kernel;
  /** Whose time the rewrite shares. */
  readonly runtime: Runtime;
  /** Newest first; the caller holds them, and closes those that are tables. */
  readonly sources: readonly RowSource[];
  /** The keys; all unless given. */
  readonly range?: KeyRange;
  /** Versions above this are kept, and what a reader at this seq sees. */
  readonly retainSeq: bigint;
  /** Rows whose expiry is at or below this have expired; in milliseconds. */
  readonly nowMs: bigint;
  /** Whether nothing older lies beneath the sources. */
  readonly dropTombstones: boolean;
  /** Folds merge operands; without one they stay as they are. */
  readonly operator?: MergeOperator | undefined;
  /** Sources opened at the same time. */
  readonly maxFetchTasks: number;
  /** Ends the rewrite with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a rewrite has done. */
export interface RewriteCounts {
  /** Rows read. */
  readonly rows: number;
  /** Rows that had expired. */
  readonly expired: Readonly<ExpiredRows>;
}

/**
 * Writes every row that is still needed, in order.
 *
 * @param options What to read and what to forget.
 * @param sink What takes the rows.
 * @returns What was done.
 * @throws {DbError} Kind `"data"` if an SST is missing or damaged, `"invalid"` if the operator fails.
 */
export async function rewriteRows(
  options: RewriteOptions,
  sink: RowSink,
): Promise<RewriteCounts> {
  const { kernel, operator, signal } = options;
  const cursor = new MergeCursor({
    kernel,
    sources: options.sources,
    mode: operator === undefined ? MergeMode.RETAIN : MergeMode.RAW,
    dropTombstones: options.dropTombstones,
    seqMax: MAX_SEQ,
    nowMs: options.nowMs,
    retainSeq: options.retainSeq,
    range: options.range ?? {},
    outputBytes: OUTPUT_BYTES,
    maxFetchTasks: options.maxFetchTasks,
    turn: new Turn(options.runtime),
  });
  const rewriter = operator === undefined
    ? undefined
    : new BatchRewriter(options, operator, sink);
  try {
    for (;;) {
      const more = cursor.next(BATCH_ROWS);
      if (!(more instanceof Promise ? await more : more)) break;
      signal?.throwIfAborted();
      const { output, bytes } = cursor;
      const waiting = rewriter === undefined
        ? sink.add(output, bytes)
        : rewriter.add(output, bytes);
      if (waiting !== undefined) await waiting;
    }
    const { consumed: rows, expiredPuts: puts, expiredMerges: merges } = cursor;
    return { rows, expired: rewriter?.expired ?? { puts, merges } };
  } finally {
    cursor.close();
    rewriter?.dispose();
  }
}

/** A batch of merged rows, each key's versions folded and retained. */
class BatchRewriter {
  readonly expired: ExpiredRows = { puts: 0, merges: 0 };
  readonly #kernel: Kernel;
  readonly #options: RewriteOptions;
  readonly #operator: MergeOperator;
  readonly #sink: RowSink;
  #buffer = 0;
  #bufferBytes = 0;

  constructor(
    options: RewriteOptions,
    operator: MergeOperator,
    sink: RowSink,
  ) {
    this.#kernel = options.kernel;
    this.#options = options;
    this.#operator = operator;
    this.#sink = sink;
  }

  /** Adds the rows of a batch, which divides no key. */
  async add(output: number, bytes: number): Promise<void> {
    const end = output + bytes;
    let passed = output;
    for (let at = output; at < end;) {
      const next = this.#groupEnd(at, end);
      if (!this.#isSimple(at, next)) {
        if (passed < at) await this.#sink.add(passed, at - passed);
        await this.#addGroup(at, next);
        passed = next;
      }
      at = next;
    }
    if (passed < end) await this.#sink.add(passed, end - passed);
  }

  dispose(): void {
    this.#kernel.free(this.#buffer);
    this.#buffer = 0;
  }

  /** Whether a group is one put that never expires: nothing can happen to it. */
  #isSimple(start: number, end: number): boolean {
    const { u32 } = this.#kernel;
    return start + u32[(start + 36) >> 2]! === end &&
      (u32[(start + 32) >> 2]! & SPECIAL) === 0;
  }

  /** The end of the rows that have the key of the row at `start`. */
  #groupEnd(start: number, end: number): number {
    const { u32 } = this.#kernel;
    let at = start + u32[(start + 36) >> 2]!;
    while (at < end && this.#sameKey(start, at)) at += u32[(at + 36) >> 2]!;
    return at;
  }

  #sameKey(a: number, b: number): boolean {
    const { u32, u8 } = this.#kernel;
    const bytes = u32[(a + 24) >> 2]!;
    if (bytes !== u32[(b + 24) >> 2]) return false;
    // Neighbours tend to differ near their ends.
    for (let i = ROW_HEADER_BYTES + bytes - 1; i >= ROW_HEADER_BYTES; i--) {
      if (u8[a + i] !== u8[b + i]) return false;
    }
    return true;
  }

  async #addGroup(start: number, end: number): Promise<void> {
    const rows: Row[] = [];
    const { u32 } = this.#kernel;
    for (let at = start; at < end; at += u32[(at + 36) >> 2]!) {
      rows.push(readRow(this.#kernel, at));
    }
    const { retainSeq } = this.#options;
    const folded = foldForRewrite(rows, this.#operator, retainSeq);
    const kept = retainVersions(folded, this.#options, this.expired);
    if (kept.length === 0) return;
    const bytes = kept.reduce((sum, row) => sum + rowRecordBytes(row), 0);
    this.#reserve(bytes);
    let at = this.#buffer;
    for (const row of kept) at += writeRow(this.#kernel, at, row);
    await this.#sink.add(this.#buffer, bytes);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bufferBytes) return;
    this.dispose();
    this.#bufferBytes = 2 * bytes;
    this.#buffer = this.#kernel.copyIn(new Uint8Array(this.#bufferBytes));
  }
}

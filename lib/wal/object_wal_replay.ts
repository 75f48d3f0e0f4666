/**
 * The log back into memtables: when a database is opened, and while a reader
 * follows one.
 *
 * Owns: which rows are replayed, and where memtables may be cut.
 * Does not own: the memtables, nor when they are full.
 *
 * Rows that L0 has are skipped by sequence number, not by file: the last files
 * before L0 overlap with it. A memtable is cut between batches only, and stamped
 * with the last file that is wholly in it or in older ones: whoever replays after
 * the next crash starts there, and skips what L0 then has.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import { RowFlag } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import { readRow } from "../codec/row_record.ts";
import { foldForRead } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { Memtable } from "../memtable/memtable.ts";
import { gapError } from "./object_wal_fence.ts";
import { readWalFiles, type ReadWalOptions } from "./read_wal_files.ts";
import type { RowRecords, WalFile } from "./wal_file.ts";

/** What {@linkcode replayWal} reads, and where the rows go. */
export interface ReplayOptions extends ReadWalOptions {
  /** Decides when to let others run. */
  readonly runtime: Runtime;
  /** Told about files that should not be as they are. */
  readonly logger: Logger;
  /** Rows up to this one are in L0. */
  readonly lastL0Seq: bigint;
  /** Folds rows that share key and sequence number. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** The memtable that takes the rows. */
  readonly memtable: () => Memtable;
  /** Whether the memtable is full; asked between batches. */
  readonly isFull: () => boolean;
  /**
   * Puts another memtable in the place of the full one; waits where too many are.
   *
   * @param replayAfterWalId The last file that is wholly in it or in older ones.
   */
  readonly freeze: (replayAfterWalId: number) => void | Promise<void>;
  /**
   * Told of each batch.
   *
   * @param seq Its sequence number.
   * @param createTs When it was written; `undefined` where the file does not say.
   */
  readonly onBatch?: (seq: bigint, createTs: bigint | undefined) => void;
  /**
   * Told where a file is missing that must be there; rejects where a newer writer
   * explains it. Asked only with an end given.
   */
  readonly explainGap?: () => Promise<unknown>;
}

/** What a replay found. */
export interface Replayed {
  /** The largest sequence number, of L0 where the log had none above it. */
  readonly lastSeq: bigint;
  /** The last file read; the one before the first where there was none. */
  readonly lastWalId: number;
  /** Rows put into memtables. */
  readonly rows: number;
}

/** Others must have had their turn after 5 ms, and a step takes its time. */
const YIELD_AFTER_MS = 3;

/**
 * Replays WAL files into memtables.
 *
 * @param options What and where.
 * @returns What was found.
 * @throws {DbError} Kind `"data"` if a file is damaged, or missing before `to`;
 * `"closed"` if a newer writer explains that; `"invalid"` if operands must be
 * folded and there is no operator.
 */
export async function replayWal(options: ReplayOptions): Promise<Replayed> {
  const { from, to, explainGap } = options;
  const replay = new Replay(options);
  let lastWalId = from - 1;
  for await (const file of readWalFiles(options)) {
    await replay.add(file);
    lastWalId = file.id;
  }
  if (to !== undefined && lastWalId < to) {
    await explainGap?.();
    throw gapError(lastWalId + 1, to);
  }
  return { lastSeq: replay.lastSeq, lastWalId, rows: replay.rows };
}

class Replay {
  lastSeq: bigint;
  rows = 0;
  readonly #options: ReplayOptions;
  readonly #kernel: Kernel;
  /** The batch whose rows come at present. */
  #seq = 0n;
  #skips = true;
  #yieldedAtMs: number;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#kernel = options.kernel;
    this.lastSeq = options.lastL0Seq;
    this.#yieldedAtMs = options.runtime.monotonicMs();
  }

  async add(file: WalFile): Promise<void> {
    const before = this.lastSeq;
    let isFirst = true;
    for await (const records of file.records()) {
      if (isFirst) this.#checkOrder(file, records, before);
      isFirst = false;
      await this.#addRecords(file, records);
    }
    // What follows is another batch, even under the same number.
    this.#seq = 0n;
    this.#skips = true;
  }

  /** SlateDB 0.12 reads such files, so they may exist; later versions refuse. */
  #checkOrder(file: WalFile, { pointer }: RowRecords, before: bigint): void {
    const first = this.#kernel.readU64(pointer);
    if (first > before || before <= this.#options.lastL0Seq) return;
    this.#options.logger.warn(
      `WAL file ${file.id} begins with seq ${first}, though ${before} came before it`,
    );
  }

  async #addRecords(file: WalFile, records: RowRecords): Promise<void> {
    const { runtime, freeze, onBatch } = this.#options;
    const kernel = this.#kernel;
    if (runtime.monotonicMs() - this.#yieldedAtMs >= YIELD_AFTER_MS) {
      await runtime.yield();
      this.#yieldedAtMs = runtime.monotonicMs();
    }
    const end = records.pointer + records.bytes;
    for (let at = records.pointer; at < end;) {
      const seq = kernel.readU64(at);
      if (seq !== this.#seq) {
        if (this.#beginBatch(seq)) await freeze(file.id - 1);
        if (!this.#skips) onBatch?.(seq, this.#createTsAt(at));
      }
      if (!this.#skips) this.#insert(at);
      at += kernel.u32[(at + 36) >> 2]!;
    }
  }

  /** Returns whether what is replayed so far should be frozen first. */
  #beginBatch(seq: bigint): boolean {
    const { lastL0Seq, isFull } = this.#options;
    const rises = seq > this.lastSeq;
    this.#seq = seq;
    this.#skips = seq <= lastL0Seq;
    if (!rises) return false;
    this.lastSeq = seq;
    // Only where all that is replayed so far lies below this batch may L0 end.
    return this.rows > 0 && isFull();
  }

  #createTsAt(record: number): bigint | undefined {
    const flags = this.#kernel.u32[(record + 32) >> 2]!;
    return flags & RowFlag.CREATE
      ? this.#kernel.readI64(record + 8)
      : undefined;
  }

  #insert(record: number): void {
    const memtable = this.#options.memtable();
    const replaced = memtable.insertRecord(record);
    this.rows++;
    if (replaced !== 0) this.#fold(memtable, replaced, record);
  }

  /**
   * SlateDB 0.12 logs merge operands of one batch that differ in expiry one by
   * one, under one key and number. Later ones win or are merged on top.
   */
  #fold(memtable: Memtable, older: number, newer: number): void {
    const row = readRow(this.#kernel, newer);
    if (row.kind !== "merge") return;
    const folded = foldForRead(
      [row, readRow(this.#kernel, older)],
      this.#options.mergeOperator,
    );
    const { key, value, seq, kind, createTs, expireTs } = folded;
    const flags = (kind === "merge" ? RowFlag.MERGE : 0) |
      (createTs === undefined ? 0 : RowFlag.CREATE) |
      (expireTs === undefined ? 0 : RowFlag.EXPIRE);
    memtable.insert(key, value, flags, seq, createTs ?? 0n, expireTs ?? 0n);
  }
}

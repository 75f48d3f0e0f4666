/**
 * The kernel's merge over memtables and tables.
 *
 * Owns: the merge's handle, and feeding it the blocks it asks for. What it lets
 * through is for the caller: rows that a reader sees, that a rewrite keeps, or
 * all. Does not own: memtables and tables; the caller holds them.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { KeyRange } from "../base/key_range.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import { MERGE_STATE, MergeOption, MergeStatus } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import { Memtable } from "../memtable/memtable.ts";
import { setMergeBounds } from "./merge_bounds.ts";
import type { TableSource } from "./table_source.ts";
import type { Turn } from "./turn.ts";

/** Where rows come from. */
export type RowSource = Memtable | TableSource;

/** What a {@linkcode MergeCursor} merges, and how. */
export interface MergeCursorOptions {
  /** Where the rows are. */
  readonly kernel: Kernel;
  /** Newest first. */
  readonly sources: readonly RowSource[];
  /** One of `MergeMode`. */
  readonly mode: number;
  /** From the last key to the first. */
  readonly descending?: boolean;
  /** Whether expired rows are left out. */
  readonly hideExpired?: boolean;
  /** Whether tombstones at the old end are left out. */
  readonly dropTombstones?: boolean;
  /** Rows above this are left out. */
  readonly seqMax: bigint;
  /** The time by which rows expire, in milliseconds. */
  readonly nowMs: bigint;
  /** The oldest sequence number somebody reads at. */
  readonly retainSeq?: bigint;
  /** The keys. */
  readonly range: KeyRange;
  /** Bytes at which a batch ends. */
  readonly outputBytes: number;
  /** Sources opened at the same time. */
  readonly maxFetchTasks: number;
  /** Lets others run between blocks; without it a batch is never interrupted. */
  readonly turn?: Turn | undefined;
}

/** Merged rows, batch by batch, as row records in linear memory. */
export class MergeCursor {
  readonly #kernel: Kernel;
  readonly #sources: readonly RowSource[];
  readonly #maxFetchTasks: number;
  readonly #turn: Turn | undefined;
  #merge: number;
  #started = false;
  #finished = false;
  /** Bytes of the block that was given last. */
  #fed = 0;

  /**
   * Constructs a new {@linkcode MergeCursor}; no I/O.
   *
   * @param options What it merges.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for it.
   */
  constructor(options: MergeCursorOptions) {
    const { kernel, sources, mode, outputBytes } = options;
    this.#kernel = kernel;
    this.#sources = sources;
    this.#maxFetchTasks = options.maxFetchTasks;
    this.#turn = options.turn;
    const flags = (options.descending === true ? MergeOption.DESCENDING : 0) |
      (options.hideExpired === true ? MergeOption.HIDE_EXPIRED : 0) |
      (options.dropTombstones === true ? MergeOption.DROP_TOMBSTONES : 0);
    const { exports } = kernel;
    this.#merge = exports.merge_create(
      sources.length,
      mode,
      flags,
      outputBytes,
    );
    if (this.#merge === 0) throw exhausted();
    const { seqMax, nowMs, retainSeq = 0n } = options;
    exports.merge_limits(this.#merge, seqMax, nowMs, retainSeq);
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (source instanceof Memtable) {
        exports.merge_memtable(this.#merge, i, source.pointer);
      }
    }
    this.#seek(options.range);
  }

  /** Rows in the batch. */
  get rows(): number {
    return this.#state(MERGE_STATE.ROWS);
  }

  /** Bytes of the batch. */
  get bytes(): number {
    return this.#state(MERGE_STATE.BYTES);
  }

  /** Address of the batch, until the next call. */
  get output(): number {
    return this.#state(MERGE_STATE.OUTPUT);
  }

  /** Rows read from sources so far. */
  get consumed(): number {
    return this.#state(MERGE_STATE.CONSUMED);
  }

  /** Puts that retention made tombstones so far. */
  get expiredPuts(): number {
    return this.#state(MERGE_STATE.EXPIRED_PUTS);
  }

  /** Merge operands that retention left out so far, as they had expired. */
  get expiredMerges(): number {
    return this.#state(MERGE_STATE.EXPIRED_MERGES);
  }

  /** Whether nothing comes after the batch. */
  get finished(): boolean {
    return this.#finished;
  }

  /**
   * Moves to the next batch; the versions of one key are never divided.
   *
   * @param maxRows Rows at which the batch ends.
   * @returns Whether there is one; at once where all blocks are in memory.
   * @throws {DbError} Kind `"data"` if an SST is missing or damaged.
   */
  next(maxRows: number): boolean | Promise<boolean> {
    if (this.#finished) return false;
    if (!this.#started) {
      this.#started = true;
      const opening = this.#open();
      if (opening !== undefined) return opening.then(() => this.#run(maxRows));
    }
    return this.#run(maxRows);
  }

  /**
   * Starts anew within a range, which need not lie ahead.
   *
   * @param range The keys.
   */
  seek(range: KeyRange): void {
    this.#kernel.exports.merge_restart(this.#merge);
    this.#seek(range);
    this.#started = false;
    this.#finished = false;
  }

  /** Frees the merge and gives back every block; a second time is fine. */
  close(): void {
    if (this.#merge === 0) return;
    this.#finished = true;
    this.#kernel.exports.merge_free(this.#merge);
    this.#merge = 0;
    for (const source of this.#sources) {
      if (!(source instanceof Memtable)) source.close();
    }
  }

  #run(maxRows: number): boolean | Promise<boolean> {
    const { exports } = this.#kernel;
    // It may have been closed while a block was on its way.
    while (this.#merge !== 0) {
      const status = exports.merge_run(this.#merge, maxRows);
      if (status === MergeStatus.BATCH) return true;
      if (status === MergeStatus.DONE) {
        this.#finished = true;
        return this.rows > 0;
      }
      if (status < 0) throw exhausted();
      const wanted = this.#state(MERGE_STATE.WANTED);
      const waiting = this.#feed(wanted) ?? this.#turn?.check(this.#fed);
      if (waiting !== undefined) return waiting.then(() => this.#run(maxRows));
    }
    return false;
  }

  /** Gives a source its next block. */
  #feed(index: number): Promise<void> | undefined {
    const source = this.#sources[index] as TableSource;
    const block = source.next();
    if (block instanceof Promise) {
      return block.then((block) => this.#give(index, block));
    }
    this.#give(index, block);
    return undefined;
  }

  #give(index: number, block: CachedBlock | undefined): void {
    if (this.#merge === 0) return;
    const { exports } = this.#kernel;
    this.#fed = block?.bytes ?? 0;
    if (block === undefined) exports.merge_end(this.#merge, index);
    else exports.merge_block(this.#merge, index, block.pointer, block.bytes);
  }

  /** Gives every source its first block, some of them at the same time. */
  #open(): Promise<void> | undefined {
    for (let i = 0; i < this.#sources.length; i++) {
      if (this.#sources[i] instanceof Memtable) continue;
      // An index that is read at once takes its time, too.
      const waiting = this.#feed(i) ?? this.#turn?.check();
      if (waiting !== undefined) return this.#openRest(waiting, i + 1);
    }
    return undefined;
  }

  async #openRest(first: Promise<void>, from: number): Promise<void> {
    let next = from;
    const work = async (waiting: Promise<void> | undefined) => {
      await waiting;
      while (next < this.#sources.length) {
        const index = next++;
        if (!(this.#sources[index] instanceof Memtable)) {
          await (this.#feed(index) ?? this.#turn?.check());
        }
      }
    };
    const workers = [work(first)];
    while (workers.length < this.#maxFetchTasks) workers.push(work(undefined));
    const failed = (await Promise.allSettled(workers)).find((worker) =>
      worker.status === "rejected"
    );
    if (failed !== undefined) throw failed.reason;
  }

  #seek(range: KeyRange): void {
    setMergeBounds(this.#kernel, this.#merge, range);
    for (const source of this.#sources) {
      if (!(source instanceof Memtable)) source.seek(range);
    }
  }

  #state(offset: number): number {
    return this.#kernel.u32[(this.#merge + offset) >> 2]!;
  }
}

function exhausted(): DbError {
  return new DbError(
    "unavailable",
    "Cannot merge rows: linear memory is exhausted; lower 'cacheBytes' and 'memtableBytes', or read less at once",
  );
}

/**
 * The commit: the only place where a write gets its sequence number.
 *
 * One synchronous step for each write, in the order of calls:
 *
 * ```text
 * stamp → sequence number → rows into the memtable → append to the WAL → publish → maybe freeze
 * ```
 *
 * Publishing is raising {@linkcode Committer.committedSeq}: no reader looks above
 * it, so rows inserted before it are invisible, and a batch appears at once.
 * Nothing here waits; durability comes later and in the same order.
 *
 * Owns: the order of the step. Does not own: when a write may enter it
 * (`backpressure.ts`), what a batch folds to (`batch_fold.ts`).
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Row } from "../base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { Wal } from "../wal/wal.ts";
import { foldBatch } from "./batch_fold.ts";
import { Conflicts, type Footprint, keyName } from "./conflicts.ts";
import { expiryOf, type TtlOptions } from "./expiry.ts";
import type { RowClock } from "./row_clock.ts";
import type { SegmentGuard } from "./segment_guard.ts";
import type { SeqInput, Sequence } from "./sequence.ts";
import { type ConsumedBatch, NO_TTL } from "./write_batch.ts";
import { type Durability, WriteHandle } from "./write_handle.ts";
import type { WriteMetrics } from "./write_metrics.ts";

/** Milliseconds between two entries of the sequence tracker. */
const TRACKER_INTERVAL_MS = 60_000;

/** What {@linkcode Committer} is made of. */
export interface CommitterOptions {
  /** Where memtables live. */
  readonly kernel: Kernel;
  /** The tree that takes the rows. */
  readonly state: LsmState;
  /** The log they are appended to. */
  readonly wal: Wal;
  /** Gives out sequence numbers. */
  readonly sequence: Sequence;
  /** Stamps rows. */
  readonly clock: RowClock;
  /** Whom handles ask. */
  readonly durability: Durability;
  /** Folds merges within a batch; without one, merges are refused. */
  readonly mergeOperator: MergeOperator | undefined;
  /** Judges keys; without one every key is fine. */
  readonly segments?: SegmentGuard | undefined;
  /** Lifetime of rows whose write says nothing. */
  readonly defaultTtlMs: number | undefined;
  /** Encoded bytes at which a memtable is frozen. */
  readonly l0SstBytes: number;
  /** WAL files after which it is frozen whatever its size. */
  readonly maxWalFlushesBeforeL0Flush: number;
  /** Count what is written; nothing unless given. */
  readonly metrics?: WriteMetrics | undefined;
  /** Told when a memtable was frozen. */
  onFrozen(): void;
  /** Told when a batch could not be completed: the state is not to be trusted. */
  onFailure(error: unknown): void;
}

/** Commits writes, one at a time, in the order of calls. */
export class Committer {
  /** What live transactions may conflict with. */
  readonly conflicts: Conflicts = new Conflicts();
  readonly #options: CommitterOptions;
  #committed: bigint;
  #nextTrackMs = -Infinity;

  /**
   * Constructs a new {@linkcode Committer}.
   *
   * @param options What it is made of.
   */
  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#committed = options.sequence.last;
  }

  /** The largest sequence number that readers may see. */
  get committedSeq(): bigint {
    return this.#committed;
  }

  /**
   * Commits one row.
   *
   * @param kind `RowFlag.TOMBSTONE`, `RowFlag.MERGE` or 0 for a put.
   * @param key Its key, checked.
   * @param value Its value; empty for a tombstone.
   * @param ttl When it expires.
   * @param seqnum The caller's sequence number, if any.
   * @returns The write's handle; the row is visible by now.
   * @throws {DbError} Kind `"invalid"` if the options are; nothing is written then.
   */
  commitRow(
    kind: number,
    key: Uint8Array,
    value: Uint8Array,
    ttl: TtlOptions,
    seqnum: SeqInput,
  ): WriteHandle {
    const { state, clock, sequence, defaultTtlMs, segments } = this.#options;
    if (kind === RowFlag.MERGE) this.checkOperator();
    segments?.checkKey(key);
    const createTs = clock.tick();
    const expireTs = kind === RowFlag.TOMBSTONE
      ? undefined
      : expiryOf(ttl, createTs, defaultTtlMs);
    const seq = sequence.next(seqnum);
    const memtable = state.view.active;
    const before = memtable.encodedBytes;
    const record = memtable.insert(
      key,
      value,
      kind | RowFlag.CREATE | (expireTs === undefined ? 0 : RowFlag.EXPIRE),
      seq,
      createTs,
      expireTs ?? 0n,
    );
    this.#options.metrics?.note(1, memtable.encodedBytes - before);
    const handle = this.#publish(memtable, record, before, seq, createTs);
    if (this.conflicts.tracking) {
      this.conflicts.record(seq, new Set([keyName(key)]));
    }
    return handle;
  }

  /**
   * Commits a batch: all of it, or nothing.
   *
   * @param batch The batch's writes.
   * @param seqnum The caller's sequence number, if any.
   * @param footprint What a transaction depends on.
   * @returns The write's handle; all rows are visible by now.
   * @throws {DbError} Kind `"invalid"` if a merge cannot be folded, `"transaction"` on a conflict; nothing is written then.
   */
  commitBatch(
    batch: ConsumedBatch,
    seqnum: SeqInput,
    footprint?: Footprint,
  ): WriteHandle {
    const { state, clock, sequence, segments } = this.#options;
    segments?.checkBatch(batch);
    const createTs = clock.tick();
    let folded: readonly Row[] | undefined;
    if (batch.hasMerges) {
      const { mergeOperator, defaultTtlMs } = this.#options;
      this.checkOperator();
      folded = foldBatch(batch, mergeOperator!, createTs, defaultTtlMs);
    }
    const memtable = state.view.active;
    const before = memtable.encodedBytes;
    const previous = memtable.lastRecord;
    // Memory for all rows at once, so that the batch is never half in.
    memtable.reserve(
      folded === undefined
        ? batch.records.length
        : folded.reduce((sum, row) => sum + recordBytes(row), 0),
    );
    const seq = sequence.next(seqnum);
    // The number counts as used, whatever becomes of the transaction.
    if (footprint !== undefined) this.checkConflicts(footprint);
    try {
      if (folded === undefined) {
        this.#insertRecords(memtable, batch, seq, createTs);
      } else this.#insertRows(memtable, folded, seq, createTs);
    } catch (error) {
      this.#options.onFailure(error);
      throw error;
    }
    const first = previous === 0
      ? memtable.firstRecord
      : this.#options.kernel.u32[(previous + 36) >> 2]!;
    const rows = batch.offsets.length;
    this.#options.metrics?.note(rows, memtable.encodedBytes - before);
    const handle = this.#publish(memtable, first, before, seq, createTs);
    if (this.conflicts.tracking) this.conflicts.record(seq, keyNames(batch));
    batch.release();
    return handle;
  }

  /**
   * Makes sure that a transaction may commit.
   *
   * @param footprint What it depends on.
   * @throws {DbError} Kind `"transaction"` if some of that was written since it began.
   */
  checkConflicts(footprint: Footprint): void {
    if (!this.conflicts.has(footprint)) return;
    throw new DbError("transaction", "transaction conflict");
  }

  /**
   * Makes sure that merges have a meaning.
   *
   * @throws {DbError} Kind `"invalid"` if there is no merge operator.
   */
  checkOperator(): void {
    if (this.#options.mergeOperator !== undefined) return;
    throw new DbError(
      "invalid",
      "merge operator missing: give `mergeOperator` to Db.open to write merges",
    );
  }

  /** The fast path: records go in as they were packed, the last one of a key wins. */
  #insertRecords(
    memtable: Memtable,
    batch: ConsumedBatch,
    seq: bigint,
    createTs: bigint,
  ): void {
    const { kernel, defaultTtlMs } = this.#options;
    const { exports } = kernel;
    const { records, offsets, keyBytes, valueBytes, kinds, ttls } = batch;
    const previous = memtable.lastRecord;
    const base = exports.memtable_reserve(memtable.pointer, records.length);
    kernel.u8.set(records, base);
    let replaced: Set<number> | undefined;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      const bytes = ROW_HEADER_BYTES + keyBytes[i]! + valueBytes[i]!;
      const record = exports.memtable_reserve(memtable.pointer, bytes);
      // The rows have their memory, but the tree over them may want more.
      if (record === 0) {
        throw new DbError("unavailable", "Cannot commit: memory is exhausted");
      }
      if (record !== base + offset) {
        kernel.u8.set(records.subarray(offset, offset + bytes), record);
      }
      const kind = kinds[i]!;
      const expireTs = kind === RowFlag.TOMBSTONE
        ? undefined
        : expiryOf(ttls.get(i) ?? NO_TTL, createTs, defaultTtlMs);
      const loser = exports.memtable_insert(
        memtable.pointer,
        keyBytes[i]!,
        valueBytes[i]!,
        kind | RowFlag.CREATE | (expireTs === undefined ? 0 : RowFlag.EXPIRE),
        seq,
        createTs,
        expireTs ?? 0n,
      );
      if (loser !== 0) (replaced ??= new Set()).add(loser);
    }
    if (replaced !== undefined) memtable.unlink(previous, replaced);
  }

  #insertRows(
    memtable: Memtable,
    rows: readonly Row[],
    seq: bigint,
    createTs: bigint,
  ): void {
    for (const { key, value, kind, expireTs } of rows) {
      const flags = kind === "put"
        ? 0
        : kind === "merge"
        ? RowFlag.MERGE
        : RowFlag.TOMBSTONE;
      memtable.insert(
        key,
        value,
        flags | RowFlag.CREATE | (expireTs === undefined ? 0 : RowFlag.EXPIRE),
        seq,
        createTs,
        expireTs ?? 0n,
      );
    }
  }

  #publish(
    memtable: Memtable,
    first: number,
    bytesBefore: number,
    seq: bigint,
    createTs: bigint,
  ): WriteHandle {
    const { wal, state, durability } = this.#options;
    const bytes = memtable.encodedBytes;
    wal.append(memtable, first, bytes - bytesBefore, seq);
    this.#committed = seq;
    this.#track(seq);
    memtable.charge();
    if (bytes >= this.#options.l0SstBytes || this.#replayIsLong()) {
      // The write is in, whether or not there is memory for the next memtable.
      const frozen = state.tryFreeze(wal.lastFlushedId);
      if (frozen !== undefined) this.#options.onFrozen();
    }
    return new WriteHandle(seq, createTs, durability);
  }

  #track(seq: bigint): void {
    const nowMs = this.#options.clock.lastMs;
    if (nowMs < this.#nextTrackMs) return;
    this.#nextTrackMs = nowMs + TRACKER_INTERVAL_MS;
    this.#options.state.tracker.record(seq, Math.floor(nowMs / 1000));
  }

  /** A crash now would replay too many files. */
  #replayIsLong(): boolean {
    const { wal, state, maxWalFlushesBeforeL0Flush } = this.#options;
    const { frozen, manifest } = state.view;
    const start = frozen[0]?.replayAfterWalId ?? manifest.replayAfterWalId;
    return wal.lastFlushedId - start >= maxWalFlushesBeforeL0Flush;
  }
}

function recordBytes({ key, value }: Row): number {
  return ROW_HEADER_BYTES + key.length + value.length + 8;
}

/** Every key that a batch writes. */
function keyNames({ records, offsets, keyBytes }: ConsumedBatch): Set<string> {
  return new Set(
    offsets.map((offset, i) => {
      const start = offset + ROW_HEADER_BYTES;
      return keyName(records.subarray(start, start + keyBytes[i]!));
    }),
  );
}

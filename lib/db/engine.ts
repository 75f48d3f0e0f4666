/**
 * The parts of one open database, wired together; what `Db` and its snapshots
 * delegate to.
 *
 * Owns: what happens across parts: flushing, failing, closing, the state.
 * Does not own: how the parts came to be (`open.ts`).
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { DbError, withUnknownOutcome } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { CompactNowOptions as CompactOptions } from "../compactor/manual_compactions.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { CheckpointRef } from "../manifest/checkpoints.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import type { ReadContext } from "../read/read_context.ts";
import type { Wal } from "../wal/wal.ts";
import type { Backpressure } from "../write/backpressure.ts";
import type { Committer } from "../write/commit.ts";
import type { RowClock } from "../write/row_clock.ts";
import type { Sequence } from "../write/sequence.ts";
import type { WriteHandle } from "../write/write_handle.ts";
import type { Background } from "./background.ts";
import type { DbMetrics } from "./db_metrics.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type DbCheckpointOptions, newCheckpoint } from "./new_checkpoint.ts";
import { ReadPoint } from "./reads.ts";
import { type DbStatus, treeStatus } from "./status.ts";
import type { CloseOptions, FlushOptions } from "./write_options.ts";

/** What an {@linkcode Engine} is made of. */
export interface EngineParts {
  readonly lifecycle: Lifecycle;
  readonly state: LsmState;
  readonly wal: Wal;
  readonly sequence: Sequence;
  readonly clock: RowClock;
  readonly committer: Committer;
  readonly backpressure: Backpressure;
  readonly manifest: HeldManifest;
  readonly flusher: Flusher;
  readonly background: Background;
  readonly readContext: ReadContext;
  readonly metrics: DbMetrics;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** The prefixes of all segments, stored and in memory. */
  readonly prefixes: () => readonly Uint8Array[];
}

/** One open database. */
export class Engine {
  /** The handle's life. */
  readonly lifecycle: Lifecycle;
  /** Commits writes. */
  readonly committer: Committer;
  /** Says whether a write must wait. */
  readonly backpressure: Backpressure;
  /** What reads work with. */
  readonly readContext: ReadContext;
  /** The tree. */
  readonly state: LsmState;
  /** The clock of rows. */
  readonly clock: RowClock;
  readonly #parts: EngineParts;
  /** What only memory knew, as it was before that was given back. */
  #lastState: Pick<DbStatus, "pressure" | "tree"> | undefined;

  /**
   * Constructs a new {@linkcode Engine}.
   *
   * @param parts The parts, running.
   */
  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.lifecycle = parts.lifecycle;
    this.committer = parts.committer;
    this.backpressure = parts.backpressure;
    this.readContext = parts.readContext;
    this.state = parts.state;
    this.clock = parts.clock;
  }

  /** Begins what runs beside it. */
  start(): void {
    this.#parts.background.start();
  }

  /**
   * What a read that begins now may see.
   *
   * @param remote Whether only durable rows count.
   * @param cacheBlocks Whether blocks that are read stay in the cache.
   * @returns The present view, and how far to look.
   */
  pin(remote: boolean, cacheBlocks: boolean): ReadPoint {
    const { view } = this.state;
    const { clock } = this;
    let seqMax = this.committer.committedSeq;
    if (remote) {
      const { level } = this.#parts.wal.durable;
      if (level < seqMax) seqMax = level;
    }
    return new ReadPoint(view, seqMax, clock, cacheBlocks);
  }

  /**
   * Waits until a write is durable.
   *
   * @param handle The write.
   * @param signal Ends the wait.
   * @returns The write's handle.
   */
  durableHandle(
    handle: WriteHandle,
    signal: AbortSignal | undefined,
  ): Promise<WriteHandle> {
    const wait = this.#parts.wal.durable.reached(handle.seq);
    if (wait === undefined) return Promise.resolve(handle);
    return abortable(wait, signal).then(() => handle);
  }

  /**
   * See `Db.flush`.
   *
   * @param options How far down, and how long to wait.
   */
  async flush(options: FlushOptions): Promise<void> {
    const { wal, metrics } = this.#parts;
    metrics.flushes.add();
    const { target = wal.enabled ? "wal" : "memtable", signal } = options;
    if (target === "memtable") {
      return await this.#orFailure(this.#flushMemtable(signal));
    }
    if (target !== "wal") {
      throw new DbError(
        "invalid",
        `flush target must be "wal" or "memtable", not ${
          JSON.stringify(target)
        }`,
      );
    }
    if (!wal.enabled) {
      throw new DbError(
        "invalid",
        "attempted a WAL operation when the WAL is disabled",
      );
    }
    await abortable(wal.flush(), signal);
  }

  /**
   * See `Db.compact`.
   *
   * @param options What, and how long to wait.
   */
  async compact(options: CompactOptions): Promise<void> {
    const { compactor } = this.#parts.background;
    if (compactor === undefined) {
      throw new DbError(
        "invalid",
        "this handle runs no compactor: open the database with `compactor` and `compactor_options` other than off, or compact where it runs",
      );
    }
    await this.#orFailure(this.#flushMemtable(options.signal));
    await this.#orFailure(compactor.compactNow(options));
    this.lifecycle.guard();
  }

  /**
   * See `Db.createCheckpoint`.
   *
   * @param options Scope, lifetime, name, source.
   * @returns The checkpoint.
   */
  async createCheckpoint(options: DbCheckpointOptions): Promise<CheckpointRef> {
    const { metrics, flusher } = this.#parts;
    metrics.checkpoints.add();
    const checkpoint = await this.#orFailure(newCheckpoint({
      ...this.#parts,
      flush: (signal) => this.#flushMemtable(signal),
    }, options));
    // The flusher alone shows readers a new manifest.
    flusher.poke();
    return checkpoint;
  }

  /** Asks for whatever lets waiting writers go on. */
  makeRoom(): void {
    const { wal, state, flusher } = this.#parts;
    // What fails here fails the database through its own report.
    if (wal.enabled) wal.flush().catch(() => {});
    if (state.view.frozen.length === 0) state.tryFreeze(wal.lastFlushedId);
    flusher.poke();
  }

  /**
   * Ends the database because something in the background failed.
   *
   * @param error What failed.
   */
  fail(error: unknown): void {
    const told = this.lifecycle.fail(error);
    if (told === undefined) return;
    this.#parts.logger.error(told.message);
    // What was on its way to the store may have arrived.
    this.#parts.wal.durable.fail(withUnknownOutcome(told));
    // The first close does the work; the user's own waits for it.
    this.close("none").catch(() => {});
  }

  /**
   * See `Db.close`.
   *
   * @param flush What to flush.
   */
  close(flush: NonNullable<CloseOptions["flush"]>): Promise<void> {
    if (!["memtable", "wal", "none"].includes(flush)) {
      return Promise.reject(
        new DbError(
          "invalid",
          `close flush must be "memtable", "wal" or "none", not ${
            JSON.stringify(flush)
          }`,
        ),
      );
    }
    return this.lifecycle.close(async (failed) => {
      const { backpressure } = this.#parts;
      try {
        await backpressure.close(this.lifecycle.closedError());
        if (!failed) await this.#flushBeforeClose(flush);
      } finally {
        await this.#stop(!failed);
      }
    });
  }

  /** Ends whatever runs, then gives the memory back. */
  async #stop(isOwner: boolean): Promise<void> {
    const { wal, flusher, background, state } = this.#parts;
    try {
      await background.stop(isOwner);
      await flusher.stop();
      await wal.close({ flush: false });
      this.#lastState = this.#memoryState;
    } finally {
      this.readContext.endScans();
      state.dispose();
    }
  }

  /** See `Db.status`. */
  status(): DbStatus {
    const { lifecycle, sequence, committer, wal, clock } = this.#parts;
    const { background } = this.#parts;
    return {
      state: lifecycle.state,
      closeReason: lifecycle.reason,
      lastSeq: sequence.last,
      committedSeq: committer.committedSeq,
      durableSeq: wal.durable.level,
      clockSkewMs: clock.skewMs,
      compactor: background.compactor?.status,
      ...this.#lastState ?? this.#memoryState,
    };
  }

  /** See `Db.statuses`. */
  async *statuses(): AsyncGenerator<DbStatus, void, void> {
    const { lifecycle, wal, state } = this.#parts;
    for (;;) {
      // Taken before the look, so that no change in between goes unnoticed.
      const changes = [
        lifecycle.changed.next,
        state.changed.next,
        wal.onFlushed.next,
      ];
      const status = this.status();
      yield status;
      if (status.state === "closed") return;
      await Promise.race(changes);
    }
  }

  get #memoryState(): Pick<DbStatus, "pressure" | "tree"> {
    const { state, prefixes, backpressure } = this.#parts;
    const tree = treeStatus(state.view, prefixes());
    return { pressure: backpressure.pressure, tree };
  }

  /** Where the database fails, whoever waits is told the same as all others. */
  async #orFailure<Result>(waiting: Promise<Result>): Promise<Result> {
    try {
      return await waiting;
    } catch (error) {
      throw this.lifecycle.failure ?? error;
    }
  }

  async #flushMemtable(signal: AbortSignal | undefined): Promise<void> {
    const { wal, state, flusher } = this.#parts;
    // Stored first, so that the frozen memtable's stamp covers its own rows.
    if (wal.enabled) await abortable(wal.flush(), signal);
    state.freeze(wal.lastFlushedId);
    const flushed = flusher.flush(signal === undefined ? {} : { signal });
    await Promise.all([wal.enabled ? wal.flush() : undefined, flushed]);
  }

  async #flushBeforeClose(
    flush: NonNullable<CloseOptions["flush"]>,
  ): Promise<void> {
    const { wal, state, flusher, background, logger } = this.#parts;
    if (flush === "none") return;
    if (wal.enabled) await wal.flush();
    if (flush === "wal" && wal.enabled) return;
    state.freeze(wal.lastFlushedId);
    const { state: compacting } = background.compactor?.status ?? {};
    const makesRoom = compacting === "waiting" || compacting === "running";
    try {
      await flusher.flush({
        // Without a log this is the rows' last chance.
        onStall: makesRoom && !wal.enabled ? "wait-for-compaction" : "fail",
      });
    } catch (error) {
      if (!(error instanceof DbError) || error.kind !== "unavailable") {
        throw error;
      }
      if (!wal.enabled) {
        throw new DbError(
          "unavailable",
          `closed with ${state.unflushedBytes} bytes that are not durable: ${error.message}`,
          { cause: error },
        );
      }
      logger.warn(
        `closed with ${state.unflushedBytes} bytes left to replay from the WAL: ${error.message}`,
      );
    }
  }
}

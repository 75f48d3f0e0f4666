/**
 * Backpressure: writers wait while too much is not yet in L0.
 *
 * Order is the order of calls: waiting writes go in first in, first out, none
 * overtakes, and one that is aborted while it waits has used no sequence number.
 *
 * @module
 */
import type { MemoryBudget } from "../base/budget.ts";
import type { Logger } from "../base/log.ts";
import type { Counter } from "../base/metrics.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { Wal } from "../wal/wal.ts";

/** Limits are looked at again after this long, whatever happened. */
const RECHECK_MS = 30_000;

/** What {@linkcode Backpressure} watches, and its limits. */
export interface BackpressureOptions {
  /** What is unflushed. */
  readonly state: LsmState;
  /** What is not durable. */
  readonly wal: Wal;
  /** Memory shared with other databases. */
  readonly budget: MemoryBudget;
  /** Timers. */
  readonly runtime: Runtime;
  /** Told when writers begin to wait. */
  readonly logger: Logger;
  /** Counts writes that had to wait. */
  readonly stalls: Counter;
  /** Bytes at which writers wait. */
  readonly maxUnflushedBytes: number;
  /** Frozen memtables at which writers wait. */
  readonly maxUnflushedMemtables: number;
  /** Asks for whatever makes room. */
  makeRoom(): void;
}

interface Waiter {
  run(): void;
  reject(reason: unknown): void;
}

/** How much is waiting to become part of L0. */
export interface Pressure {
  /** Bytes in memory that are not in L0 yet. */
  readonly unflushedBytes: number;
  /** Bytes at which writers wait. */
  readonly maxUnflushedBytes: number;
  /** Memtables that wait for their upload. */
  readonly frozenMemtables: number;
  /** Writes that wait. */
  readonly stalledWrites: number;
}

/** Lets writes pass, or queues them. */
export class Backpressure {
  readonly #options: BackpressureOptions;
  readonly #queue: Waiter[] = [];
  #pumping: Promise<void> | undefined;
  readonly #stop = new AbortController();
  readonly #leaveBudget: () => void;

  /**
   * Constructs a new {@linkcode Backpressure}.
   *
   * @param options What it watches.
   */
  constructor(options: BackpressureOptions) {
    this.#options = options;
    const { state, budget } = options;
    this.#leaveBudget = budget.join({
      get flushableBytes() {
        const { active, frozen } = state.view;
        const isFlushable = frozen.length === 0 && active.rows > 0;
        return isFlushable ? active.arenaBytes : 0;
      },
      makeRoom: () => options.makeRoom(),
    });
  }

  /** Whether a write has to queue now. */
  get stalled(): boolean {
    return this.#queue.length > 0 || this.#isOver();
  }

  /** The present pressure. */
  get pressure(): Pressure {
    const { state, wal, maxUnflushedBytes } = this.#options;
    return {
      unflushedBytes: state.unflushedBytes + wal.bufferedBytes,
      maxUnflushedBytes,
      frozenMemtables: state.view.frozen.length,
      stalledWrites: this.#queue.length,
    };
  }

  /**
   * Runs `write` when its turn comes and there is room.
   *
   * @param write The write; must own what it writes.
   * @param signal Takes it out of the queue.
   * @returns What it returned.
   */
  enqueue<Result>(write: () => Result, signal?: AbortSignal): Promise<Result> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const onAbort = () => {
      this.#queue.splice(this.#queue.indexOf(waiter), 1);
      reject(signal!.reason);
    };
    const waiter: Waiter = {
      run() {
        signal?.removeEventListener("abort", onAbort);
        try {
          resolve(write());
        } catch (error) {
          reject(error);
        }
      },
      reject(reason) {
        signal?.removeEventListener("abort", onAbort);
        reject(reason);
      },
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#queue.push(waiter);
    this.#options.stalls.add();
    this.#pumping ??= this.#pump();
    return promise;
  }

  /**
   * Rejects every waiting write; later ones are not queued any more by whoever
   * closes.
   *
   * @param reason Why.
   */
  async close(reason: unknown): Promise<void> {
    this.#leaveBudget();
    for (const waiter of this.#queue.splice(0)) waiter.reject(reason);
    this.#stop.abort();
    await this.#pumping;
  }

  #isOver(): boolean {
    const { budget } = this.#options;
    return this.#isFull() || budget.memtableUsed >= budget.memtableBytes;
  }

  /** Whether this database alone is at its limits. */
  #isFull(): boolean {
    const { state, wal, maxUnflushedBytes, maxUnflushedMemtables } =
      this.#options;
    return state.unflushedBytes + wal.bufferedBytes >= maxUnflushedBytes ||
      state.view.frozen.length >= maxUnflushedMemtables;
  }

  async #pump(): Promise<void> {
    const { state, wal, budget, runtime, logger } = this.#options;
    logger.info("writers wait: too much is not yet flushed");
    while (this.#queue.length > 0) {
      // Taken before the look, so that no change in between goes unnoticed.
      const changes = [state.changed, wal.onFlushed, budget.freed].map(
        ({ next }) => next,
      );
      while (this.#queue.length > 0 && !this.#isOver()) {
        this.#queue.shift()!.run();
      }
      if (this.#queue.length === 0 || this.#stop.signal.aborted) break;
      if (this.#isFull()) this.#options.makeRoom();
      else budget.askForRoom();
      const timer = new AbortController();
      const stop = () => timer.abort();
      this.#stop.signal.addEventListener("abort", stop, { once: true });
      await Promise.race([
        ...changes,
        sleep(runtime, RECHECK_MS, timer.signal).catch(() => {}),
      ]);
      timer.abort();
      this.#stop.signal.removeEventListener("abort", stop);
    }
    this.#pumping = undefined;
  }
}

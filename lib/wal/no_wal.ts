/**
 * The absence of a log: rows survive once they are in L0.
 *
 * Owns: noticing that somebody waits for durability, and asking for a flush.
 * Does not own: `durable`, which whoever writes the manifest raises.
 *
 * A waiter costs one SST and one manifest, each time: that is why it is made to
 * wait a second at least, and why writers without a log should wait rarely.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { Pulse, Watermark } from "../base/watch.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { Wal } from "./wal.ts";

/** What a {@linkcode NoWal} is made of. */
export interface NoWalOptions {
  /** Timers. */
  runtime: Runtime;
  /** The last WAL file stored: this writer's fence, which is written all the same. */
  lastId: number;
  /** The largest sequence number that is durable by now. */
  durableSeq: bigint;
  /** As of the log that is off; a waiter is served after a second at least. */
  flushIntervalMs: number | undefined;
  /** Freezes the active memtable and has it flushed; must not throw. */
  requestFlush: () => void;
}

const MIN_FLUSH_INTERVAL_MS = 1000;

/** The log of a database without one. */
export class NoWal implements Wal {
  /** See {@linkcode Wal.enabled}. */
  readonly enabled: boolean = false;
  /** See {@linkcode Wal.durable}. */
  readonly durable: Watermark;
  /** See {@linkcode Wal.lastFlushedId}. */
  readonly lastFlushedId: number;
  /** See {@linkcode Wal.bufferedBytes}: rows in memtables are counted there. */
  readonly bufferedBytes: number = 0;
  /** See {@linkcode Wal.onFlushed}; never fires. */
  readonly onFlushed: Pulse = new Pulse();
  readonly #options: NoWalOptions;
  readonly #intervalMs: number;
  #appendedSeq: bigint;
  #cancelTimer: (() => void) | undefined;
  #ended: DbError | undefined;

  /**
   * Constructs a new {@linkcode NoWal}.
   *
   * @param options What it is made of.
   */
  constructor(options: NoWalOptions) {
    this.#options = options;
    this.#intervalMs = Math.max(
      options.flushIntervalMs ?? 0,
      MIN_FLUSH_INTERVAL_MS,
    );
    this.durable = new Watermark(options.durableSeq);
    this.lastFlushedId = options.lastId;
    this.#appendedSeq = options.durableSeq;
  }

  /** See {@linkcode Wal.append}; keeps nothing. */
  append(
    _memtable: Memtable,
    _firstRecord: number,
    _bytes: number,
    seq: bigint,
  ): void {
    if (this.#ended !== undefined) throw this.#ended;
    this.#appendedSeq = seq;
    if (this.#cancelTimer === undefined) this.#startTimer();
  }

  /** See {@linkcode Wal.flush}; flushes the memtables. */
  async flush(): Promise<void> {
    const reached = this.durable.reached(this.#appendedSeq);
    if (reached === undefined) return;
    if (this.#ended === undefined) this.#options.requestFlush();
    await reached;
  }

  /** See {@linkcode Wal.close}. */
  async close(options: { flush: boolean }): Promise<void> {
    if (options.flush) await this.flush().catch(() => {});
    if (this.#ended !== undefined) return;
    // A manifest that was broken off may have arrived.
    const outcome = "unknown";
    this.#ended = new DbError("closed", "the database is closed", { outcome });
    this.#cancelTimer?.();
    this.durable.fail(this.#ended);
  }

  #startTimer(): void {
    this.#cancelTimer = this.#options.runtime.after(this.#intervalMs, () => {
      this.#cancelTimer = undefined;
      if (this.durable.level >= this.#appendedSeq) return;
      if (this.durable.hasWaiters) this.#options.requestFlush();
      // A waiter may come later, without a write that would start the timer.
      this.#startTimer();
    });
  }
}

/**
 * How long the compactor rests between two rounds.
 *
 * @module
 */
import type { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import type { CompactorOptions } from "./options.ts";

/** What goes on. */
export interface Activity {
  /** Whether a compaction is under way, or somebody waits for one. */
  readonly busy: boolean;
  /** Whether a worker of another process may finish one at any time. */
  readonly remote: boolean;
  /** Whether own jobs must show that they are alive. */
  readonly heartbeats: boolean;
}

/** The longest rest when idle. */
const MAX_IDLE_MS = 60_000;
/** Rests after failures that follow one another. */
const FIRST_HOLD_OFF_MS = 1000;
const MAX_HOLD_OFF_MS = 60_000;

/** The pace of one compactor. */
export class CompactorPace {
  readonly #runtime: Runtime;
  readonly #options: CompactorOptions;
  #idleMs: number;
  #failures = 0;
  #heldOffUntilMs = -Infinity;
  #lastFailure: DbError | undefined;

  /**
   * Constructs a new {@linkcode CompactorPace}.
   *
   * @param runtime The clock.
   * @param options Intervals.
   */
  constructor(runtime: Runtime, options: CompactorOptions) {
    this.#runtime = runtime;
    this.#options = options;
    this.#idleMs = options.pollIntervalMs;
  }

  /** What the last compaction failed with, if none has succeeded since. */
  get lastFailure(): DbError | undefined {
    return this.#lastFailure;
  }

  /** Whether the scheduler is not asked for a while, since what it proposed failed. */
  get heldOff(): boolean {
    return this.#runtime.monotonicMs() < this.#heldOffUntilMs;
  }

  /** How old the last look at the compactions may be, in milliseconds. */
  get lookMs(): number {
    return Math.min(
      this.#options.pollIntervalMs,
      this.#options.commitIntervalMs,
    );
  }

  /** Notes that a compaction was committed. */
  succeeded(): void {
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#heldOffUntilMs = -Infinity;
  }

  /**
   * Notes that a compaction or a round has failed.
   *
   * @param error What with.
   * @returns Milliseconds until it is worth trying again.
   */
  failed(error: DbError): number {
    const pause = Math.min(
      FIRST_HOLD_OFF_MS * 2 ** this.#failures++,
      MAX_HOLD_OFF_MS,
    );
    this.#lastFailure = error;
    this.#heldOffUntilMs = this.#runtime.monotonicMs() + pause;
    return pause;
  }

  /**
   * The rest after a round.
   *
   * @param activity What goes on.
   * @returns Milliseconds.
   */
  pause({ busy, remote, heartbeats }: Activity): number {
    const { pollIntervalMs, pollExact, commitIntervalMs, worker } =
      this.#options;
    let pause = this.#idleMs;
    if (busy || pollExact) {
      this.#idleMs = pollIntervalMs;
      pause = pollIntervalMs;
      if (remote) pause = Math.min(pause, commitIntervalMs);
      if (heartbeats) pause = Math.min(pause, worker.heartbeatMs);
    } else {
      this.#idleMs = Math.max(
        pollIntervalMs,
        Math.min(2 * this.#idleMs, MAX_IDLE_MS),
      );
    }
    if (!this.heldOff) return pause;
    return Math.min(
      pause,
      this.#heldOffUntilMs - this.#runtime.monotonicMs(),
    );
  }
}

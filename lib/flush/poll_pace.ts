/**
 * How often the writer looks at the manifest: as configured while anything goes
 * on, ever more rarely while nothing does.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { Wal } from "../wal/wal.ts";

/** What {@linkcode PollPace} watches. */
export interface PollPaceOptions {
  /** Whether there are writes and memtables to flush. */
  readonly lsm: LsmState;
  /** Whether somebody waits for durability. */
  readonly wal: Wal;
  /** The clock. */
  readonly runtime: Runtime;
  /** The interval while anything goes on. */
  readonly manifestPollIntervalMs: number;
  /** Whether the interval holds always. */
  readonly manifestPollExact: boolean;
  /** Whether something outside the writer wants manifests soon. */
  readonly isBusy: () => boolean;
}

/** The longest pause when idle; two requests a minute are allowed then. */
const MAX_IDLE_MS = 60_000;

/** The pace of one writer. */
export class PollPace {
  readonly #options: PollPaceOptions;
  #idleMs: number;
  #seenSeq = 0n;
  #armed = false;

  /**
   * Constructs a new {@linkcode PollPace}.
   *
   * @param options What it watches.
   */
  constructor(options: PollPaceOptions) {
    this.#options = options;
    this.#idleMs = options.manifestPollIntervalMs;
  }

  /** How old the last look may be, in milliseconds. */
  get ms(): number {
    return this.#isActive()
      ? this.#options.manifestPollIntervalMs
      : this.#idleMs;
  }

  /** Says that the manifest was looked at. */
  looked(): void {
    const { manifestPollIntervalMs } = this.#options;
    this.#idleMs = this.#isActive() ? manifestPollIntervalMs : Math.max(
      manifestPollIntervalMs,
      Math.min(2 * this.#idleMs, MAX_IDLE_MS),
    );
    this.#seenSeq = this.#lastSeq;
  }

  /**
   * Ends a long pause with the next write.
   *
   * @param wake Starts a look.
   */
  wakeOnWrites(wake: () => void): void {
    if (this.#armed || this.#idleMs <= this.#options.manifestPollIntervalMs) {
      return;
    }
    this.#armed = true;
    this.#options.wal.onFlushed.next.then(() => {
      this.#armed = false;
      wake();
    });
  }

  get #lastSeq(): bigint {
    const { active, frozen } = this.#options.lsm.view;
    return active.rows > 0 ? active.lastSeq : frozen[0]?.lastSeq ?? 0n;
  }

  #isActive(): boolean {
    const { lsm, wal, manifestPollExact, isBusy } = this.#options;
    return manifestPollExact || lsm.view.frozen.length > 0 ||
      wal.durable.hasWaiters || this.#lastSeq !== this.#seenSeq || isBusy();
  }
}

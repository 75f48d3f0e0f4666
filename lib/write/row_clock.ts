/**
 * The clock that stamps rows: never goes back, never fails.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import { MIN_TIMESTAMP } from "../base/row.ts";
import type { Runtime } from "../base/runtime.ts";

/** A system clock this far behind the rows is worth a warning. */
const SKEW_WARNING_MS = 10_000;

/** Stamps rows with `max(now, last)`. */
export class RowClock {
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  #lastMs: number;
  #last: bigint;
  #skewMs = 0;

  /**
   * Constructs a new {@linkcode RowClock}.
   *
   * @param runtime The system clock.
   * @param logger Told when the system clock is far behind.
   * @param last The latest stamp of any row stored; the smallest i64 for none.
   */
  constructor(runtime: Runtime, logger: Logger, last: bigint) {
    this.#runtime = runtime;
    this.#logger = logger;
    this.#last = last;
    this.#lastMs = last === MIN_TIMESTAMP ? -Infinity : Number(last);
  }

  /** How far the system clock was behind the rows when last asked, in milliseconds. */
  get skewMs(): number {
    return this.#skewMs;
  }

  /** The latest stamp, in milliseconds since the epoch; -Infinity before any. */
  get lastMs(): number {
    return this.#lastMs;
  }

  /**
   * The stamp for a row written now.
   *
   * @returns Milliseconds since the epoch.
   */
  tick(): bigint {
    const now = Math.floor(this.#runtime.now());
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#last = BigInt(now);
      this.#skewMs = 0;
    } else if (now < this.#lastMs) this.#noteSkew(this.#lastMs - now);
    return this.#last;
  }

  /**
   * The time by which a read judges expiry: never behind the rows.
   *
   * @returns Milliseconds since the epoch.
   */
  nowMs(): number {
    return Math.max(Math.floor(this.#runtime.now()), this.#lastMs);
  }

  #noteSkew(skewMs: number): void {
    if (skewMs > SKEW_WARNING_MS && this.#skewMs <= SKEW_WARNING_MS) {
      this.#logger.warn(
        `the system clock is ${skewMs} ms behind the newest row; rows are stamped with the newest row's time until it catches up`,
      );
    }
    this.#skewMs = skewMs;
  }
}

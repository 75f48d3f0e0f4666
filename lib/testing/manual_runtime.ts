/**
 * Time that moves when told, and randomness that repeats.
 *
 * What runs between two timers, microtasks and file or network I/O alike, is
 * given its turns on the real event loop; it takes no time here.
 *
 * @module
 */
import { type Runtime, systemRuntime } from "../base/runtime.ts";

/** Options of a {@linkcode ManualRuntime}. */
export interface ManualRuntimeOptions {
  /**
   * Milliseconds since the epoch at the start.
   *
   * @default {1700000000000}
   */
  now?: number;
  /**
   * Other seeds give other random bytes.
   *
   * @default {1}
   */
  seed?: number;
}

interface Timer {
  readonly at: number;
  /** Of timers due at one time, the one set first runs first. */
  readonly order: number;
  readonly body: () => void;
}

/** Turns of the event loop in which nothing starts before all is at rest. */
const QUIET_TURNS = 3;

/** A runtime whose clock moves when told. */
export class ManualRuntime implements Runtime {
  #elapsedMs = 0;
  #startMs: number;
  #state: number;
  #timers: Timer[] = [];
  #timersMade = 0;
  #yields = 0;

  /**
   * Constructs a new {@linkcode ManualRuntime}.
   *
   * @param options Where it starts.
   */
  constructor(options: ManualRuntimeOptions = {}) {
    this.#startMs = options.now ?? 1_700_000_000_000;
    this.#state = (options.seed ?? 1) >>> 0;
  }

  /** Timers that are set at present. */
  get timers(): number {
    return this.#timers.length;
  }

  /** {@inheritDoc Runtime.now} */
  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  /** {@inheritDoc Runtime.monotonicMs} */
  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** {@inheritDoc Runtime.after} */
  after(ms: number, body: () => void): () => void {
    const at = this.#elapsedMs + Math.max(0, ms);
    const timer = { at, order: this.#timersMade++, body };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** {@inheritDoc Runtime.yield} */
  yield(): Promise<void> {
    this.#yields++;
    return systemRuntime.yield();
  }

  /** {@inheritDoc Runtime.randomFill} */
  randomFill(bytes: Uint8Array<ArrayBuffer>): void {
    for (let i = 0; i < bytes.length; i++) {
      bytes[i] = Math.floor(this.random() * 256);
    }
  }

  /**
   * The next random number; shares its sequence with {@linkcode randomFill}.
   *
   * @returns A number in [0, 1).
   */
  random(): number {
    // mulberry32
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /**
   * Sets the system clock forth or back, as an administrator would: timers and
   * {@linkcode monotonicMs} do not notice.
   *
   * @param ms By how much.
   */
  shiftClock(ms: number): void {
    this.#startMs += ms;
  }

  /**
   * Moves time forward. Timers that fall due run in order, each at its own
   * time, and what they start comes to rest before the next.
   *
   * @param ms By how much.
   * @returns Resolves when all that was due has run.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    for (;;) {
      await this.settle();
      const next = this.#nextTimer();
      if (next === undefined || next.at > end) break;
      this.#run(next);
    }
    this.#elapsedMs = end;
  }

  /**
   * Moves time forward, from timer to timer, until a promise settles.
   *
   * @param promise What to wait for.
   * @param limitMs Longest it may take.
   * @returns What the promise resolves to.
   * @throws {Error} If it does not settle in time, or cannot for want of timers.
   */
  async run<Result>(
    promise: Promise<Result>,
    limitMs = 24 * 3_600_000,
  ): Promise<Result> {
    const end = this.#elapsedMs + limitMs;
    let isSettled = false;
    const done = () => void (isSettled = true);
    promise.then(done, done);
    for (;;) {
      await this.settle();
      if (isSettled) return await promise;
      const next = this.#nextTimer();
      if (next === undefined) {
        throw new Error("the promise waits for something other than a timer");
      }
      if (next.at > end) {
        throw new Error(`the promise did not settle within ${limitMs} ms`);
      }
      this.#run(next);
    }
  }

  /**
   * Lets everything come to rest that needs no time to pass.
   *
   * @returns Resolves when nothing has started for some turns of the event loop.
   */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      const yields = this.#yields;
      await systemRuntime.yield();
      if (yields !== this.#yields) quiet = -1;
    }
  }

  #nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      const isEarlier = next === undefined || timer.at < next.at ||
        timer.at === next.at && timer.order < next.order;
      if (isEarlier) next = timer;
    }
    return next;
  }

  #run(timer: Timer): void {
    this.#elapsedMs = Math.max(this.#elapsedMs, timer.at);
    this.#timers = this.#timers.filter((other) => other !== timer);
    timer.body();
  }
}

/**
 * Long work in short turns.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";

/** Others must have had their turn after 5 ms, and the last step of one takes its time. */
const TURN_MS = 3;
/** Work on fewer bytes is over before the clock has moved much. */
const CHECK_BYTES = 32 * 1024;

/** The turns of one event loop, of which only one is had at a time. */
interface Loop {
  /** When the turn at present is over. */
  end: number;
  /** Who waits for a turn, in order. */
  readonly waiting: (() => void)[];
}

const loops = new WeakMap<Runtime, Loop>();

/**
 * Says when work that runs in this thread has to let others run. All work under
 * way shares the turns: two SSTs that are made at the same time take turns, and
 * the event loop goes round between them.
 */
export class Turn {
  readonly #runtime: Runtime;
  readonly #loop: Loop;
  /** Bytes worked on since the clock was looked at. */
  #bytes = 0;

  /**
   * Constructs a new {@linkcode Turn}, which begins now, unless other work is at it.
   *
   * @param runtime Whose clock and event loop.
   */
  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#loop = loops.get(runtime) ?? { end: -Infinity, waiting: [] };
    loops.set(runtime, this.#loop);
    const { end, waiting } = this.#loop;
    const now = runtime.monotonicMs();
    // What is only just over may still be going on, up to its next check.
    if (waiting.length === 0 && now > end + TURN_MS) {
      this.#loop.end = now + TURN_MS;
    }
  }

  /**
   * Lets others run if the turn is over.
   *
   * @param bytes What was worked on since the last call, where it may be so little that the clock costs more.
   * @returns What to wait for; `undefined`: go on.
   */
  check(bytes: number = CHECK_BYTES): Promise<void> | undefined {
    this.#bytes += bytes;
    if (this.#bytes < CHECK_BYTES) return undefined;
    this.#bytes = 0;
    if (this.#runtime.monotonicMs() < this.#loop.end) return undefined;
    return new Promise((resolve) => {
      if (this.#loop.waiting.push(resolve) === 1) this.#next();
    });
  }

  /** Gives the first who waits a turn, once others had theirs. */
  #next(): void {
    const { waiting } = this.#loop;
    void this.#runtime.yield().then(() => {
      this.#loop.end = this.#runtime.monotonicMs() + TURN_MS;
      waiting.shift()!();
      if (waiting.length > 0) this.#next();
    });
  }
}

/**
 * Long work in short turns.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";

/** Below the 5 ms after which others must have had their turn. */
const TURN_MS = 4;

/** Says when work that runs in this thread has to let others run. */
export class Turn {
  readonly #runtime: Runtime;
  #end: number;

  /**
   * Constructs a new {@linkcode Turn}, which begins now.
   *
   * @param runtime Whose clock and event loop.
   */
  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#end = runtime.monotonicMs() + TURN_MS;
  }

  /**
   * Lets others run if the turn is over.
   *
   * @returns What to wait for; `undefined`: go on.
   */
  check(): Promise<void> | undefined {
    if (this.#runtime.monotonicMs() < this.#end) return undefined;
    return this.#runtime.yield().then(() => {
      this.#end = this.#runtime.monotonicMs() + TURN_MS;
    });
  }
}

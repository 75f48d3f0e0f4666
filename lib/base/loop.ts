/**
 * A background loop with an owner.
 *
 * @module
 */
import type { Runtime } from "./runtime.ts";

/** How a {@linkcode Loop} runs. */
export interface LoopOptions {
  /** Clock and timers. */
  runtime: Runtime;
  /**
   * Runs one round.
   *
   * @returns Milliseconds until the next round, or `undefined` to sleep until poked.
   */
  body(): Promise<number | undefined>;
  /** Told once if a round throws; the loop is over then. */
  onFailure(error: unknown): void;
}

/**
 * Runs a body again and again: after the pause it asked for, or as soon as it
 * is poked. Rounds never overlap; a poke during a round brings another. The pause
 * does not keep the process alive.
 */
export class Loop implements AsyncDisposable {
  readonly #options: LoopOptions;
  #running: Promise<void> | undefined;
  #poked = false;
  #stopped = false;
  #cancelTimer: (() => void) | undefined;

  /**
   * Constructs a new {@linkcode Loop}; it rests until {@linkcode poke}.
   *
   * @param options How it runs.
   */
  constructor(options: LoopOptions) {
    this.#options = options;
  }

  /** Starts a round now, or another one after the present one. */
  poke(): void {
    if (this.#stopped) return;
    this.#poked = true;
    this.#running ??= this.#run();
  }

  /**
   * Starts no further round and waits for the present one.
   *
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#running;
  }

  /** See {@linkcode stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    // A poke may come from the middle of a commit; the round starts after it.
    await Promise.resolve();
    let pause: number | undefined;
    try {
      while (this.#poked && !this.#stopped) {
        this.#poked = false;
        this.#cancelTimer?.();
        this.#cancelTimer = undefined;
        pause = await this.#options.body();
      }
    } catch (error) {
      this.#stopped = true;
      this.#options.onFailure(error);
    } finally {
      this.#running = undefined;
    }
    if (this.#stopped || pause === undefined) return;
    this.#cancelTimer = this.#options.runtime.after(
      pause,
      () => this.poke(),
      "background",
    );
  }
}

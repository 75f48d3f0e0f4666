/**
 * A value others wait on.
 *
 * @module
 */

/**
 * A value that only ever rises, with waiters for levels of it: `durableSeq`.
 *
 * All waiters that one rise satisfies share its promise, so a thousand writers
 * waiting for one WAL file cost one promise between them.
 */
export class Watermark {
  #level: bigint;
  #failure: unknown;
  #failed = false;
  #next: PromiseWithResolvers<void> | undefined;

  /**
   * Constructs a new {@linkcode Watermark}.
   *
   * @param level The first level.
   */
  constructor(level: bigint) {
    this.#level = level;
  }

  /** The present level. */
  get level(): bigint {
    return this.#level;
  }

  /**
   * Raises the level and wakes whoever waits; a lower level is ignored.
   *
   * @param level The new level.
   */
  raise(level: bigint): void {
    if (level <= this.#level) return;
    this.#level = level;
    const woken = this.#next;
    this.#next = undefined;
    woken?.resolve();
  }

  /**
   * Ends every wait, present and later, for a level not reached by now.
   *
   * @param reason What the waiters are rejected with; the first one is kept.
   */
  fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#next?.reject(reason);
    this.#next = undefined;
  }

  /** Whether somebody waits. */
  get hasWaiters(): boolean {
    return this.#next !== undefined;
  }

  /**
   * Waits until the level is at least `level`.
   *
   * @param level The level to wait for.
   * @returns `undefined` when it is reached already, else a promise.
   */
  reached(level: bigint): Promise<void> | undefined {
    if (this.#level >= level) return undefined;
    return this.#wait(level);
  }

  async #wait(level: bigint): Promise<void> {
    while (this.#level < level) {
      if (this.#failed) throw this.#failure;
      if (this.#next === undefined) {
        this.#next = Promise.withResolvers();
        // Nobody may be waiting by the time it fails.
        this.#next.promise.catch(() => {});
      }
      await this.#next.promise;
    }
  }
}

/** Something that happens again and again; waiters see the next time. */
export class Pulse {
  #next: PromiseWithResolvers<void> | undefined;

  /** Wakes everyone who waits now. */
  fire(): void {
    const woken = this.#next;
    this.#next = undefined;
    woken?.resolve();
  }

  /** Resolves the next time it fires. */
  get next(): Promise<void> {
    this.#next ??= Promise.withResolvers();
    return this.#next.promise;
  }
}

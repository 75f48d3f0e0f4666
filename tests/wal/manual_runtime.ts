/** A clock that moves when told. */
import type { Runtime } from "../../lib/base/runtime.ts";

export class ManualRuntime implements Runtime {
  #nowMs = 1_700_000_000_000;
  #timers: { at: number; body: () => void }[] = [];

  /** Timers that wait. */
  get timers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(ms: number, body: () => void): () => void {
    const timer = { at: this.#nowMs + ms, body };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  yield(): Promise<void> {
    return Promise.resolve();
  }

  randomFill(bytes: Uint8Array<ArrayBuffer>): void {
    crypto.getRandomValues(bytes);
  }

  /** Moves the clock, and runs the timers that are due in their order. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (;;) {
      await settle();
      const [next] = this.#timers.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.body();
    }
    this.#nowMs = end;
    await settle();
  }
}

/** Lets everything run that waits for nothing but promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/**
 * Calls of a `FaultStore` that wait until a test lets them go.
 *
 * @module
 */
import { throwIfAborted } from "../base/errors.ts";
import type { CallMatcher, StoreCall } from "./fault_store.ts";

/** Calls that are held back. */
export class Hold {
  /** Which calls are held back. */
  readonly matches: CallMatcher;
  /** Whether requests or replies are. */
  readonly stage: "request" | "reply";
  /** The calls that wait, in order of arrival. */
  readonly waiting: StoreCall[] = [];
  readonly #resume: (() => void)[] = [];
  readonly #arrivals: { count: number; resolve: () => void }[] = [];
  #isOver = false;

  /**
   * Constructs a new {@linkcode Hold}.
   *
   * @param matches Which calls are held back.
   * @param stage Whether requests or replies are.
   */
  constructor(matches: CallMatcher, stage: "request" | "reply") {
    this.matches = matches;
    this.stage = stage;
  }

  /**
   * Waits until calls wait here.
   *
   * @param count How many.
   * @returns Resolves when there are as many.
   */
  arrived(count = 1): Promise<void> {
    if (this.waiting.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#arrivals.push({ count, resolve }));
  }

  /**
   * Lets calls go that wait, the first ones first; later ones still wait.
   *
   * @param count How many; all unless given.
   */
  release(count = Infinity): void {
    this.waiting.splice(0, count);
    for (const resume of this.#resume.splice(0, count)) resume();
  }

  /** Lets all calls go and holds none from now on. */
  end(): void {
    this.#isOver = true;
    this.release();
  }

  /**
   * Waits until released; for the store.
   *
   * @param call The call.
   * @param signal Ends the wait with the signal's reason.
   */
  async wait(call: StoreCall, signal?: AbortSignal): Promise<void> {
    if (this.#isOver) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const resume = () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    };
    const onAbort = () => {
      this.waiting.splice(this.waiting.indexOf(call), 1);
      this.#resume.splice(this.#resume.indexOf(resume), 1);
      resolve();
    };
    throwIfAborted(signal);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.waiting.push(call);
    this.#resume.push(resume);
    for (const arrival of this.#arrivals.slice()) {
      if (this.waiting.length < arrival.count) continue;
      this.#arrivals.splice(this.#arrivals.indexOf(arrival), 1);
      arrival.resolve();
    }
    await promise;
    throwIfAborted(signal);
  }
}

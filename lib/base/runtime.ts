/**
 * Clock, timers and randomness: the one module that touches the globals, so
 * that a test can replay a run exactly.
 *
 * @module
 */

/** Time and randomness, as the engine uses them. */
export interface Runtime {
  /** Milliseconds since the epoch, by the system clock; may go back. */
  now(): number;
  /** Milliseconds that never go back, with a fraction; for measuring. */
  monotonicMs(): number;
  /**
   * Calls `body` once after `ms`. The timer keeps the process alive, since
   * somebody may be waiting for what it brings; a background one does not.
   *
   * @returns A function that cancels it.
   */
  after(ms: number, body: () => void, kind?: "background"): () => void;
  /** Calls `body` as soon as pending I/O and timers had their turn. */
  yield(): Promise<void>;
  /** Fills `bytes` with random bytes. */
  randomFill(bytes: Uint8Array<ArrayBuffer>): void;
}

/** The host's clock, timers and random source. */
export const systemRuntime: Runtime = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, body, kind) {
    // Node answers an object, Deno and browsers a number.
    const timer: unknown = setTimeout(body, Math.min(ms, 0x7fff_ffff));
    if (kind === "background") unref(timer);
    return () => clearTimeout(timer as number);
  },
  yield() {
    const immediate = (globalThis as {
      setImmediate?: (body: () => void) => unknown;
    }).setImmediate;
    return new Promise((resolve) => {
      if (immediate !== undefined) immediate(resolve);
      else setTimeout(resolve, 0);
    });
  },
  randomFill: (bytes) => void crypto.getRandomValues(bytes),
};

function unref(timer: unknown): void {
  if (typeof timer === "object" && timer !== null && "unref" in timer) {
    (timer as { unref(): void }).unref();
    return;
  }
  const { Deno } = globalThis as {
    Deno?: { unrefTimer?: (id: number) => void };
  };
  Deno?.unrefTimer?.(timer as number);
}

/**
 * Waits.
 *
 * @param runtime Whose time.
 * @param ms How long.
 * @param signal Ends the wait early, with the signal's reason.
 * @returns Resolves when the time is over.
 */
export function sleep(
  runtime: Runtime,
  ms: number,
  signal?: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = runtime.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Waiting that a signal can end.
 *
 * @module
 */

/**
 * Waits for `promise` until `signal` fires; what the promise stands for goes on.
 *
 * @param promise What to wait for.
 * @param signal Ends the wait with its reason.
 * @returns What the promise resolves with.
 */
export function abortable<Value>(
  promise: Promise<Value>,
  signal: AbortSignal | undefined,
): Promise<Value> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", onAbort)
    );
  });
}

/**
 * Does several things at once. Where one fails, the others are told to end:
 * nobody waits for what they would bring.
 *
 * @param signal Ends all of them.
 * @param bodies What to do, each until the signal that it is given fires.
 * @returns What each brought.
 */
export async function together<Results extends readonly unknown[]>(
  signal: AbortSignal | undefined,
  ...bodies: {
    [Index in keyof Results]: (signal: AbortSignal) => Promise<Results[Index]>;
  }
): Promise<Results> {
  const end = new AbortController();
  const either = signal === undefined
    ? end.signal
    : AbortSignal.any([signal, end.signal]);
  try {
    const running = bodies.map((body) => body(either));
    return await Promise.all(running) as unknown as Results;
  } finally {
    end.abort();
  }
}

/**
 * A promise that only ever rejects, for a race.
 *
 * @param signal When it fires, the promise rejects with its reason.
 * @param end When it fires, nothing is listened to any more.
 * @returns The promise.
 */
export function aborted(
  signal: AbortSignal,
  end: AbortSignal,
): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), {
      once: true,
      signal: end,
    });
  });
}

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

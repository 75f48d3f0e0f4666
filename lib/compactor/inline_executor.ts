/**
 * Compactions in the event loop of the database, between everything else.
 *
 * Every few milliseconds a part lets others run. Several parts take turns, one
 * turn of the event loop each, so that the others wait for one of them and not
 * for all.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import type { JobExecutor } from "./executor.ts";
import {
  type PartHooks,
  type PartRequest,
  type PartResult,
  type PartTools,
  runPart,
} from "./part.ts";

/** Runs parts in this thread. */
export class InlineExecutor implements JobExecutor {
  /** {@inheritDoc JobExecutor.parallelism} */
  readonly parallelism = 1;
  readonly #tools: PartTools;
  /** Ends with the last part. */
  readonly #running = new Set<Promise<unknown>>();
  readonly #abort = new AbortController();

  /**
   * Constructs a new {@linkcode InlineExecutor}.
   *
   * @param tools What parts work with.
   */
  constructor(tools: PartTools) {
    this.#tools = { ...tools, runtime: inTurns(tools.runtime) };
  }

  /** {@inheritDoc JobExecutor.runPart} */
  async runPart(request: PartRequest, hooks: PartHooks): Promise<PartResult> {
    const signal = AbortSignal.any([hooks.signal, this.#abort.signal]);
    signal.throwIfAborted();
    const running = runPart(request, this.#tools, { ...hooks, signal });
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** {@inheritDoc JobExecutor.close} */
  async close(): Promise<void> {
    this.#abort.abort();
    await Promise.allSettled(this.#running);
  }
}

/** The runtime, but for turns that are waited for one after another. */
function inTurns(runtime: Runtime): Runtime {
  let last = Promise.resolve();
  return {
    now: () => runtime.now(),
    monotonicMs: () => runtime.monotonicMs(),
    after: (ms, body, kind) => runtime.after(ms, body, kind),
    yield: () => last = last.then(() => runtime.yield()),
    randomFill: (bytes) => runtime.randomFill(bytes),
  };
}

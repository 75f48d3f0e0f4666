/**
 * Compactions in threads of their own, so that readers and writers do not notice
 * them.
 *
 * Owns: how many threads there are. They start with the first part, and end
 * after a while without one. Where a thread cannot do the work, it is done in
 * the event loop instead, and the log says why.
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import type { JobExecutor } from "./executor.ts";
import type { PartHooks, PartRequest, PartResult } from "./part.ts";
import type { WorkerSetup } from "./worker_messages.ts";
import { UnfitWorker, WorkerThread } from "./worker_thread.ts";

/** What a {@linkcode WorkerExecutor} works with. */
export interface WorkerExecutorOptions {
  /** What each worker is told. */
  readonly setup: WorkerSetup;
  /** Most threads. */
  readonly threads: number;
  /** Timers. */
  readonly runtime: Runtime;
  /** Told what workers log, and why there are none. */
  readonly logger: Logger;
  /** Does the work where no thread can. */
  readonly fallback: () => JobExecutor;
  /**
   * Module the threads run.
   *
   * @default {worker_main.ts}
   */
  readonly url?: URL;
}

/** A thread, and how many parts it has or will have. */
interface Place {
  readonly thread: WorkerThread;
  parts: number;
}

const IDLE_MS = 30_000;

/** Whether this runtime has threads at all. */
export function hasWorkers(): boolean {
  return typeof Worker !== "undefined";
}

/** Runs parts in worker threads. */
export class WorkerExecutor implements JobExecutor {
  readonly #options: WorkerExecutorOptions;
  #places: Place[] = [];
  /** Parts under way, wherever they run. */
  #parts = 0;
  #fallback: JobExecutor | undefined;
  #isClosed = false;
  #cancelIdle: (() => void) | undefined;

  /**
   * Constructs a new {@linkcode WorkerExecutor}; no thread is started yet.
   *
   * @param options What it works with.
   */
  constructor(options: WorkerExecutorOptions) {
    this.#options = options;
  }

  /** {@inheritDoc JobExecutor.parallelism} */
  get parallelism(): number {
    return this.#fallback?.parallelism ?? this.#options.threads;
  }

  /** {@inheritDoc JobExecutor.runPart} */
  async runPart(request: PartRequest, hooks: PartHooks): Promise<PartResult> {
    if (this.#isClosed) throw ended();
    this.#cancelIdle?.();
    this.#parts++;
    try {
      if (this.#fallback === undefined) {
        const place = this.#place();
        place.parts++;
        try {
          await abortable(place.thread.ready, hooks.signal);
          return await place.thread.run(request, hooks);
        } finally {
          place.parts--;
        }
      }
    } catch (error) {
      if (this.#isClosed || !(error instanceof UnfitWorker)) throw error;
      this.#giveUp(error);
    } finally {
      if (--this.#parts === 0) this.#endLater();
    }
    if (this.#isClosed) throw ended();
    return await this.#fallback!.runPart(request, hooks);
  }

  /** {@inheritDoc JobExecutor.close} */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelIdle?.();
    this.#endAll("it was stopped");
    await this.#fallback?.close();
  }

  /** The thread with least to do, a new one where all have something. */
  #place(): Place {
    const least = this.#places.toSorted((a, b) => a.parts - b.parts)[0];
    if (least !== undefined && least.parts === 0) return least;
    const { threads, setup, runtime, logger, url } = this.#options;
    if (least !== undefined && this.#places.length >= threads) return least;
    const thread = new WorkerThread({
      setup,
      runtime,
      logger,
      url: url ?? new URL("./worker_main.ts", import.meta.url),
      onDeath: () => {
        this.#places = this.#places.filter((place) => place.thread !== thread);
      },
    });
    const place = { thread, parts: 0 };
    this.#places.push(place);
    return place;
  }

  #giveUp(error: UnfitWorker): void {
    if (this.#fallback !== undefined) return;
    this.#fallback = this.#options.fallback();
    this.#options.logger.warn(
      `compactions run in the event loop: ${error.message}`,
    );
    this.#endAll("it cannot work");
  }

  #endLater(): void {
    this.#cancelIdle?.();
    if (this.#isClosed) return;
    this.#cancelIdle = this.#options.runtime.after(
      IDLE_MS,
      () => this.#endAll("it was idle"),
      "background",
    );
  }

  #endAll(why: string): void {
    for (const { thread } of this.#places) thread.end(why);
  }
}

function ended(): DbError {
  return new DbError("closed", "the compactor has ended");
}

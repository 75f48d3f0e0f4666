/**
 * One worker thread, seen from the database.
 *
 * Owns: the thread, what runs in it, and noticing that it is dead: it says why,
 * or it says nothing for a minute although it should every few seconds.
 *
 * @module
 */
import {
  DbError,
  fromPlainError,
  messageOf,
  type PlainError,
} from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import type { PartHooks, PartRequest, PartResult } from "./part.ts";
import type { FromWorker, ToWorker, WorkerSetup } from "./worker_messages.ts";

/** What a {@linkcode WorkerThread} works with. */
export interface WorkerThreadOptions {
  /** What the worker is told at its start. */
  readonly setup: WorkerSetup;
  /** Module the thread runs. */
  readonly url: URL;
  /** Timers. */
  readonly runtime: Runtime;
  /** Told what the worker logs. */
  readonly logger: Logger;
  /** Told once when the thread is dead; what ran in it was told before. */
  readonly onDeath: () => void;
}

interface RunningPart {
  readonly hooks: PartHooks;
  readonly done: PromiseWithResolvers<PartResult>;
}

/** As far as it is used here; runtimes differ in the rest. */
interface WorkerLike {
  postMessage(message: ToWorker): void;
  addEventListener(kind: string, listener: (event: Event) => void): void;
  terminate(): void;
}

const TICK_MS = 10_000;
const MAX_SILENT_TICKS = 6;

/** A thread cannot do the work here, however often it is tried. */
export class UnfitWorker extends DbError {
  /**
   * Constructs a new {@linkcode UnfitWorker}.
   *
   * @param why Why not.
   * @param cause What it failed with, if anything.
   */
  constructor(why: string, cause?: unknown) {
    super("invalid", why, cause === undefined ? {} : { cause });
  }
}

/** One thread and the parts that run in it. */
export class WorkerThread {
  /** Resolves once it can work; rejects with {@linkcode UnfitWorker} where it cannot. */
  readonly ready: Promise<void>;
  readonly #options: WorkerThreadOptions;
  readonly #worker: WorkerLike;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #running = new Map<number, RunningPart>();
  #parts = 0;
  #silentTicks = 0;
  #isReady = false;
  #cancelTick: (() => void) | undefined;
  #isDead = false;

  /**
   * Starts a thread.
   *
   * @param options What it works with.
   * @throws {UnfitWorker} If the runtime does not let it.
   */
  constructor(options: WorkerThreadOptions) {
    this.#options = options;
    this.ready = this.#started.promise;
    this.ready.catch(() => {});
    this.#worker = startWorker(options.url);
    this.#worker.addEventListener("message", (event) => {
      this.#silentTicks = 0;
      this.#receive((event as MessageEvent<FromWorker>).data);
    });
    this.#worker.addEventListener("error", (event) => {
      // Unhandled here, it would end the process.
      event.preventDefault();
      this.#die((event as ErrorEvent).message || "uncaught error");
    });
    this.#worker.addEventListener("messageerror", () => {
      this.#die("it sent what cannot be read");
    });
    this.#worker.addEventListener("close", () => this.#die("it ended"));
    this.#send({ kind: "setup", setup: options.setup });
    this.#tick();
  }

  /**
   * Runs a part.
   *
   * @param request What to do.
   * @param hooks How to watch and end it.
   * @returns What it made.
   * @throws {DbError} What it failed with; kind `"unavailable"` if the thread died.
   */
  async run(request: PartRequest, hooks: PartHooks): Promise<PartResult> {
    hooks.signal.throwIfAborted();
    if (this.#isDead) throw died("it had ended");
    const part = this.#parts++;
    const done = Promise.withResolvers<PartResult>();
    const abort = () => this.#send({ kind: "abort", part });
    this.#running.set(part, { hooks, done });
    hooks.signal.addEventListener("abort", abort, { once: true });
    this.#send({ kind: "run", part, request });
    try {
      return await done.promise;
    } catch (error) {
      hooks.signal.throwIfAborted();
      throw error;
    } finally {
      hooks.signal.removeEventListener("abort", abort);
      this.#running.delete(part);
    }
  }

  /**
   * Ends the thread.
   *
   * @param why What those are told who wait for a part.
   */
  end(why: string): void {
    this.#die(why);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        this.#isReady = true;
        return this.#started.resolve();
      case "unfit":
        return this.#started.reject(unfit(message.error));
      case "log":
        return this.#options.logger[message.level](message.message);
      case "progress":
        return this.#running.get(message.part)?.hooks.onProgress(
          message.progress,
        );
      case "done":
        return this.#running.get(message.part)?.done.resolve(message.result);
      case "failed":
        return this.#running.get(message.part)?.done.reject(
          fromPlainError(message.error),
        );
      case "alive":
    }
  }

  #send(message: ToWorker): void {
    if (!this.#isDead) this.#worker.postMessage(message);
  }

  #tick(): void {
    const isExpected = !this.#isReady || this.#running.size > 0;
    this.#silentTicks = isExpected ? this.#silentTicks + 1 : 0;
    if (this.#silentTicks > MAX_SILENT_TICKS) {
      return this.#die("it is silent");
    }
    this.#cancelTick = this.#options.runtime.after(
      TICK_MS,
      () => this.#tick(),
      "background",
    );
  }

  #die(why: string): void {
    if (this.#isDead) return;
    this.#isDead = true;
    this.#cancelTick?.();
    this.#worker.terminate();
    this.#started.reject(
      new UnfitWorker(`a compaction worker did not start: ${why}`),
    );
    for (const { done } of this.#running.values()) done.reject(died(why));
    this.#options.onDeath();
  }
}

function startWorker(url: URL): WorkerLike {
  try {
    return new Worker(url, { type: "module" }) as unknown as WorkerLike;
  } catch (error) {
    throw new UnfitWorker(
      `the runtime refuses to start a worker: ${messageOf(error)}`,
      error,
    );
  }
}

function unfit(error: PlainError): UnfitWorker {
  return new UnfitWorker(
    `a compaction worker cannot work: ${error.message}`,
    fromPlainError(error),
  );
}

function died(why: string): DbError {
  return new DbError("unavailable", `a compaction worker died: ${why}`);
}

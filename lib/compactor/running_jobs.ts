/**
 * The jobs that this process runs.
 *
 * Owns: starting and ending them, how far they are, and going on where one
 * stopped when a thread died under it.
 * Does not own: which jobs there are, and what becomes of those that end.
 *
 * @module
 */
import { DbError, toDbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import type { CompactionContext } from "../format/compactions.ts";
import type { CompactorMetrics } from "./compactor_metrics.ts";
import {
  type JobRequest,
  type JobResult,
  type JobTools,
  runJob,
} from "./job.ts";

/** What {@linkcode RunningJobs} works with. */
export interface RunningJobsOptions extends JobTools {
  /** Clock and timers. */
  readonly runtime: Runtime;
  /** Told of jobs that begin, go on and end. */
  readonly logger: Logger;
  /** Counts what jobs do. */
  readonly metrics: CompactorMetrics;
  /** Told whenever a job has ended. */
  readonly onEnded: () => void;
}

/** How a job is doing. */
export interface JobStatus {
  /** The compaction's id. */
  readonly id: Ulid;
  /** Id of the output run. */
  readonly destination: number;
  /** Stored bytes of the inputs' blocks. */
  readonly inputBytes: number;
  /** Bytes of blocks read; uncompressed, so it may pass `inputBytes`. */
  readonly readBytes: number;
  /** SSTs stored. */
  readonly outputs: number;
}

/** A job that has ended, and how. */
export type EndedJob =
  | { readonly id: Ulid; readonly result: JobResult }
  | { readonly id: Ulid; readonly error: DbError };

interface RunningJob {
  readonly request: JobRequest;
  readonly inputBytes: number;
  readonly abort: AbortController;
  readonly done: Promise<void>;
  readBytes: number;
  context: CompactionContext | undefined;
}

/** A job goes on this often without having come further. */
const MAX_ATTEMPTS = 3;
const PAUSE_MS = 1000;

/** The jobs of one process. */
export class RunningJobs {
  readonly #options: RunningJobsOptions;
  readonly #jobs = new Map<Ulid, RunningJob>();
  /** Ends with the last job, those that were dropped included. */
  readonly #running = new Set<Promise<void>>();
  #ended: EndedJob[] = [];
  #isStopped = false;

  /**
   * Constructs a new {@linkcode RunningJobs}; none runs yet.
   *
   * @param options What it works with.
   */
  constructor(options: RunningJobsOptions) {
    this.#options = options;
  }

  /** How many run, or have ended and were not taken yet. */
  get size(): number {
    return this.#jobs.size + this.#ended.length;
  }

  /** How each is doing. */
  get statuses(): JobStatus[] {
    return [...this.#jobs.values()].map((
      { request, inputBytes, readBytes, context },
    ) => ({
      id: request.id,
      destination: request.destination,
      inputBytes,
      readBytes,
      outputs: countOutputs(context),
    }));
  }

  /**
   * Whether a job runs here, or has ended and was not taken yet.
   *
   * @param id The compaction.
   * @returns Whether it does.
   */
  has(id: Ulid): boolean {
    return this.#jobs.has(id) || this.#ended.some((job) => job.id === id);
  }

  /**
   * What another attempt at a job would need.
   *
   * @param id The compaction.
   * @returns How far it has come; `undefined` before it is known.
   */
  contextOf(id: Ulid): CompactionContext | undefined {
    return this.#jobs.get(id)?.context;
  }

  /** The jobs that have ended and were neither taken nor dropped. */
  get ended(): readonly EndedJob[] {
    return this.#ended;
  }

  /** The same, once: they are not here any more. */
  takeEnded(): EndedJob[] {
    const ended = this.#ended;
    this.#ended = [];
    return ended;
  }

  /**
   * Starts a job, unless all have been stopped.
   *
   * @param request What to do.
   */
  start(request: JobRequest): void {
    if (this.#isStopped) return;
    const abort = new AbortController();
    const { l0, runs } = request;
    const job: RunningJob = {
      request,
      inputBytes: [...l0, ...runs.flatMap(({ ssts }) => ssts)]
        .reduce((sum, { info }) => sum + info.indexOffset, 0),
      abort,
      // Nothing of the job runs before it is among the others.
      done: Promise.resolve().then(() => this.#run(job)),
      readBytes: 0,
      context: request.context,
    };
    this.#jobs.set(request.id, job);
    this.#running.add(job.done);
    job.done.then(() => this.#running.delete(job.done));
    this.#showRunning();
    this.#options.logger.info(
      `compaction ${request.id} begins: ${l0.length} SSTs of L0 and ${runs.length} runs to run ${request.destination}`,
    );
  }

  /**
   * Ends a job whose result nobody wants; it is not among those that have ended.
   *
   * @param id The compaction.
   * @returns Resolves when nothing of it runs any more.
   */
  async drop(id: Ulid): Promise<void> {
    const job = this.#jobs.get(id);
    this.#ended = this.#ended.filter((ended) => ended.id !== id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    job.abort.abort(new DbError("closed", "the compaction was dropped"));
    await job.done;
  }

  /** Ends all jobs, and waits for them; what they have stored is collected. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const id of [...this.#jobs.keys()]) this.drop(id);
    await Promise.all(this.#running);
  }

  #showRunning(): void {
    const { running, inputBytes } = this.#options.metrics;
    running.set(this.#jobs.size);
    let bytes = 0;
    for (const job of this.#jobs.values()) bytes += job.inputBytes;
    inputBytes.set(bytes);
  }

  async #run(job: RunningJob): Promise<void> {
    const { request, abort } = job;
    const { logger, metrics, runtime } = this.#options;
    const beganAtMs = runtime.monotonicMs();
    let ended: EndedJob;
    try {
      const result = await this.#untilItWorks(job);
      ended = { id: request.id, result };
      const seconds = (runtime.monotonicMs() - beganAtMs) / 1000;
      metrics.jobDone(result, seconds);
      logger.info(
        `compaction ${request.id} is done: ${result.rowsRead} rows and ${result.bytesRead} bytes became ${result.rowsWritten} rows and ${result.bytesWritten} bytes in ${
          seconds.toFixed(2)
        } s`,
      );
    } catch (error) {
      ended = { id: request.id, error: toDbError(error) };
      if (!abort.signal.aborted) {
        logger.error(`compaction ${request.id} failed: ${ended.error.message}`);
      }
    }
    // One that was dropped is of no interest any more.
    const isWanted = this.#jobs.delete(request.id);
    this.#showRunning();
    if (!isWanted) return;
    this.#ended.push(ended);
    this.#options.onEnded();
  }

  /** Goes on from what is stored where a store or a thread failed. */
  async #untilItWorks(job: RunningJob): Promise<JobResult> {
    const { runtime, logger } = this.#options;
    const { signal } = job.abort;
    for (let failures = 0;;) {
      const before = countOutputs(job.context);
      try {
        return await runJob(
          { ...job.request, context: job.context },
          this.#options,
          {
            signal,
            onProgress: ({ readBytes, context }) => {
              job.readBytes = readBytes;
              job.context = context;
            },
          },
        );
      } catch (error) {
        signal.throwIfAborted();
        const failure = toDbError(error);
        if (failure.kind !== "unavailable") throw failure;
        failures = countOutputs(job.context) > before ? 1 : failures + 1;
        if (failures === MAX_ATTEMPTS) throw failure;
        logger.warn(
          `compaction ${job.request.id} goes on after a failure: ${failure.message}`,
        );
      }
      await sleep(runtime, PAUSE_MS, signal);
    }
  }
}

function countOutputs(context: CompactionContext | undefined): number {
  return context?.subcompactions.reduce(
    (sum, { outputs }) => sum + outputs.length,
    0,
  ) ?? 0;
}

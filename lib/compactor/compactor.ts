/**
 * The compactor: makes few sorted runs of many SSTs, in the background.
 *
 * Owns: when a round of the coordinator begins, and the compactor's life. There
 * is one compactor for a database; a second one that starts fences the first.
 * Does not own: what to compact (`scheduler.ts`), what a round does
 * (`coordinator.ts`), running compactions (`job.ts`).
 *
 * It takes over, with a few small writes, when there is something to do or after
 * one interval, so that a database opened for a moment does not pay for it.
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { DbError, messageOf, toDbError } from "../base/errors.ts";
import { type Ulid, UlidSource } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import { Loop } from "../base/loop.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { CompactionSpec } from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import type { CompactionsStore } from "../manifest/compactions_store.ts";
import type { ManifestStore } from "../manifest/manifest_store.ts";
import { createCompactorMetrics } from "./compactor_metrics.ts";
import { CompactorPace } from "./compactor_pace.ts";
import { Coordinator, type CoordinatorParts } from "./coordinator.ts";
import type { JobTools, OldestReader } from "./job.ts";
import {
  type CompactNowOptions,
  ManualCompactions,
} from "./manual_compactions.ts";
import type { CompactorOptions } from "./options.ts";
import { type JobStatus, RunningJobs } from "./running_jobs.ts";
import type { CompactionScheduler } from "./scheduler.ts";

/** The writer, where it lives in the same process. */
export interface CompactorEngine {
  /** Who reads old versions. */
  oldestReader(): OldestReader;
  /** The newest manifest the writer has seen. */
  latestManifest(): Manifest;
  /** Told that the manifest has changed; what it returns is waited for. */
  onTreeChanged(): void | Promise<void>;
}

/** What a {@linkcode Compactor} is made of. */
export interface CompactorParts {
  /** Clock, timers and randomness. */
  readonly runtime: Runtime;
  /** Told what is done. */
  readonly logger: Logger;
  /** Where compactions are counted. */
  readonly recorder: Recorder;
  /** The database's manifests. */
  readonly manifests: ManifestStore;
  /** The database's compactions files. */
  readonly compactions: CompactionsStore;
  /** Resolved settings. */
  readonly options: CompactorOptions;
  /** Decides what to compact. */
  readonly scheduler: CompactionScheduler;
  /** The version of the compactions file; a database with segments always has 2. */
  readonly version: 1 | 2;
  /** What own jobs work with; absent: workers of other processes do everything. */
  readonly tools?: JobTools | undefined;
  /** The writer, where it lives in this process. */
  readonly engine?: CompactorEngine | undefined;
  /**
   * Told once what ended the compactor, unless it was stopped; kind `"closed"`
   * (`fenced`) where another one took over.
   */
  readonly onFailure: (error: DbError) => void;
}

/** What a compactor is doing. */
export interface CompactorStatus {
  /** `"waiting"` until it has taken over. */
  readonly state: "waiting" | "running" | "fenced" | "failed" | "stopped";
  /** The epoch it works under; 0 until it has taken over. */
  readonly epoch: number;
  /** Jobs of this process. */
  readonly jobs: readonly JobStatus[];
  /** Compactions that are not finished, wherever they run. */
  readonly active: number;
  /** What the last job failed with, if nothing has succeeded since. */
  readonly lastFailure: DbError | undefined;
}

/** Longest that giving claims back may take at the end. */
const RELEASE_MS = 2000;

const FOREVER_MS = 0x7fff_ffff;

/** Compacts one database. */
export class Compactor implements AsyncDisposable {
  readonly #parts: CoordinatorParts;
  readonly #loop: Loop;
  readonly #abort = new AbortController();
  #takingOver: Promise<Coordinator> | undefined;
  #coordinator: Coordinator | undefined;
  #state: CompactorStatus["state"] = "waiting";
  /** What ended it, unless it was stopped. */
  #failure: DbError | undefined;
  #lookWanted = false;
  #cancelStart: (() => void) | undefined;

  /**
   * Constructs a new {@linkcode Compactor}; it rests until {@linkcode start} or
   * {@linkcode poke}.
   *
   * @param parts What it is made of.
   */
  constructor(parts: CompactorParts) {
    const { runtime, tools, options, recorder } = parts;
    const metrics = createCompactorMetrics(recorder);
    const ids = new UlidSource(runtime);
    this.#loop = new Loop({
      runtime,
      body: () => this.#round(),
      onFailure: (error) => this.#fail(error),
    });
    const onEnded = () => this.#loop.poke();
    this.#parts = {
      ...parts,
      metrics,
      ids,
      workerId: ids.next(),
      pace: new CompactorPace(runtime, options),
      manual: new ManualCompactions(),
      jobs: tools && new RunningJobs({ ...parts, ...tools, metrics, onEnded }),
    };
  }

  /** What it is doing. */
  get status(): CompactorStatus {
    const { jobs, pace } = this.#parts;
    return {
      state: this.#state,
      epoch: this.#coordinator?.epoch ?? 0,
      jobs: jobs?.statuses ?? [],
      active: this.#coordinator?.active.length ?? 0,
      lastFailure: pace.lastFailure,
    };
  }

  /** Whether a compaction is under way. */
  get isBusy(): boolean {
    return (this.#coordinator?.active.length ?? 0) > 0;
  }

  /** Takes over after one interval, unless there is something to do before. */
  start(): void {
    const { runtime, options } = this.#parts;
    this.#cancelStart ??= runtime.after(
      options.pollIntervalMs,
      () => this.#loop.poke(),
      "background",
    );
  }

  /** Says that the tree may have changed. */
  poke(): void {
    const { engine, scheduler } = this.#parts;
    // Nothing is written for a tree that needs nothing.
    if (this.#coordinator === undefined && engine !== undefined) {
      const manifest = engine.latestManifest();
      if (scheduler.propose({ manifest, compactions: [] }).length === 0) return;
    }
    this.#loop.poke();
  }

  /**
   * Compacts now.
   *
   * @param options What.
   * @throws {DbError} What a compaction failed with; kind `"unavailable"` if the store cannot be written to, and not only now; kind `"closed"` if the compactor has ended.
   */
  async compactNow(options: CompactNowOptions = {}): Promise<void> {
    this.#checkAlive();
    const done = this.#parts.manual.add(options);
    this.#look();
    await this.#kept(abortable(done, options.signal));
  }

  /**
   * Submits a compaction.
   *
   * @param spec What it shall do; `destination` may be `undefined` where only L0 is compacted.
   * @returns Its id, and when it is committed; that rejects with kind `"invalid"` if the spec does not fit the tree.
   * @throws {DbError} Kind `"invalid"` if files of this format target cannot say it.
   */
  async submit(
    spec: CompactionSpec,
  ): Promise<{ id: Ulid; done: Promise<void> }> {
    this.#checkAlive();
    const coordinator = await this.#takeOver();
    const id = this.#parts.ids.next();
    await coordinator.submit(id, spec);
    this.#checkAlive();
    const done = this.#parts.manual.waitFor(id);
    this.#look();
    return { id, done: this.#kept(done) };
  }

  /**
   * Ends everything. Jobs are broken off; the next compactor starts them anew, or
   * goes on with them where files can say how.
   *
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(): Promise<void> {
    const { manual, jobs, tools } = this.#parts;
    const wasRunning = this.#state === "running";
    if (this.#state === "waiting" || wasRunning) this.#state = "stopped";
    this.#cancelStart?.();
    const closed = new DbError("closed", "the compactor was stopped");
    manual.fail(closed);
    this.#abort.abort(closed);
    await this.#loop.stop();
    if (wasRunning) await this.#release();
    await this.#coordinator?.close();
    await jobs?.stop();
    await tools?.executor.close();
  }

  /** See {@linkcode stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Gives claims back, so that others need not wait until they are stale. */
  async #release(): Promise<void> {
    const { runtime, logger } = this.#parts;
    const released = this.#coordinator?.release();
    if (released === undefined) return;
    // A store that is down must not hold up the end.
    const timeout = new AbortController();
    const cancel = runtime.after(RELEASE_MS, () => timeout.abort());
    try {
      await abortable(released, timeout.signal);
    } catch (error) {
      logger.warn(`cannot give compactions back: ${messageOf(error)}`);
    } finally {
      cancel();
    }
  }

  async #round(): Promise<number | undefined> {
    const { pace, logger, manual } = this.#parts;
    try {
      const coordinator = await this.#takeOver();
      const lookWanted = this.#lookWanted;
      this.#lookWanted = false;
      // Whoever ends the compactor does not wait for a store that is down.
      const round = coordinator.round(lookWanted);
      return pace.pause(await abortable(round, this.#abort.signal));
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      if (!(error instanceof DbError) || error.kind !== "unavailable") {
        throw error;
      }
      logger.warn(`the compactor tries again: ${error.message}`);
      // Whoever waits for a compaction is told what will not pass by itself.
      if (!error.retryable) manual.fail(error);
      this.#lookWanted = true;
      return pace.failed(error);
    }
  }

  #takeOver(): Promise<Coordinator> {
    if (this.#takingOver === undefined) {
      this.#cancelStart?.();
      const taking = Coordinator.takeOver(this.#parts, this.#abort.signal);
      this.#takingOver = taking;
      taking.then((coordinator) => {
        this.#coordinator = coordinator;
        if (this.#state === "waiting") this.#state = "running";
      }, () => {
        this.#takingOver = undefined;
      });
    }
    return this.#takingOver;
  }

  #look(): void {
    this.#lookWanted = true;
    this.#loop.poke();
  }

  /** Keeps the process alive while somebody waits; the loop's timers do not. */
  #kept(done: Promise<void>): Promise<void> {
    const cancel = this.#parts.runtime.after(FOREVER_MS, () => {});
    const kept = done.finally(cancel);
    kept.catch(() => {});
    return kept;
  }

  #checkAlive(): void {
    if (this.#state === "waiting" || this.#state === "running") return;
    throw this.#failure ?? new DbError("closed", "the compactor was stopped");
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const { manual, jobs, tools, onFailure } = this.#parts;
    const failure = toDbError(error);
    this.#state = failure.reason === "fenced" ? "fenced" : "failed";
    this.#failure = failure;
    this.#abort.abort(failure);
    manual.fail(failure);
    // Threads that have no work any more end at once.
    jobs?.stop().then(() => tools?.executor.close());
    onFailure(failure);
  }
}

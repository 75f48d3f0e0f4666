/**
 * A worker of another process: claims compactions through the compactions file,
 * runs them, and hands them over.
 *
 * Owns: one worker's claims. Any number of workers on any number of machines may
 * do the same; what is claimed by one is left alone by the others.
 * Does not own: what there is to do, and committing it; the compactor does that,
 * and takes claims back from workers that are silent for too long.
 *
 * ```text
 * poll    every few seconds, each pause a random part longer or shorter
 * claim   scheduled → running with our name: the loser of a race claims nothing
 * read    the manifest, after the claim: it has the inputs, or nothing has them
 * beat    every few seconds: we live, and these SSTs are stored
 * hand    running → compacted with all SSTs, if the claim is still ours
 * ```
 *
 * A claim that was lost ends the job; its SSTs are collected. Nothing else is
 * lost, since only the compactor changes the tree.
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
import type {
  Compactions,
  CompactionWorker as WorkerName,
} from "../format/compactions.ts";
import type {
  CompactionsEdit,
  CompactionsStore,
} from "../manifest/compactions_store.ts";
import type { ManifestStore } from "../manifest/manifest_store.ts";
import { beat, claim, handOver, ownedBy, release } from "./claims.ts";
import { createCompactorMetrics } from "./compactor_metrics.ts";
import { jobOf, type JobTools } from "./job.ts";
import type { WorkerOptions } from "./options.ts";
import { type JobStatus, RunningJobs } from "./running_jobs.ts";

/** What a {@linkcode CompactionWorker} is made of. */
export interface CompactionWorkerParts {
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
  readonly options: WorkerOptions;
  /** What jobs work with. */
  readonly tools: JobTools;
  /** Told once what ended the worker, unless it was stopped. */
  readonly onFailure: (error: DbError) => void;
}

/** Pauses are up to this part longer or shorter. */
const JITTER = 0.5;
/** How long what failed here is left to others. */
const REST_MS = 30_000;
/** Longest that giving claims back may take at the end. */
const RELEASE_MS = 2000;

/** Runs compactions that a compactor elsewhere has scheduled. */
export class CompactionWorker implements AsyncDisposable {
  /** Its name among workers. */
  readonly id: Ulid;
  readonly #parts: CompactionWorkerParts;
  readonly #jobs: RunningJobs;
  readonly #loop: Loop;
  readonly #abort = new AbortController();
  readonly #metrics: ReturnType<typeof createCompactorMetrics>;
  #seen: Compactions | undefined;
  #beatAtMs: number;
  /** Compactions that failed here, and when to try them again. */
  readonly #restUntilMs = new Map<Ulid, number>();

  /**
   * Constructs a new {@linkcode CompactionWorker}; it rests until
   * {@linkcode start}.
   *
   * @param parts What it is made of.
   */
  constructor(parts: CompactionWorkerParts) {
    const { runtime, recorder, tools } = parts;
    this.#parts = parts;
    this.id = new UlidSource(runtime).next();
    this.#beatAtMs = runtime.monotonicMs();
    this.#metrics = createCompactorMetrics(recorder);
    this.#loop = new Loop({
      runtime,
      body: () => this.#round(),
      onFailure: (error) => this.#fail(error),
    });
    this.#jobs = new RunningJobs({
      ...parts,
      ...tools,
      metrics: this.#metrics,
      onEnded: () => this.#loop.poke(),
    });
  }

  /** How its jobs are doing. */
  get jobs(): readonly JobStatus[] {
    return this.#jobs.statuses;
  }

  /** Begins to look for work. */
  start(): void {
    this.#loop.poke();
  }

  /**
   * Ends everything and gives claims back, so that other workers go on with them
   * at once.
   *
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(): Promise<void> {
    const { runtime, logger, tools } = this.#parts;
    const isAlive = !this.#abort.signal.aborted;
    this.#abort.abort(new DbError("closed", "the worker was stopped"));
    await this.#loop.stop();
    // A store that is down must not hold up the end.
    const timeout = new AbortController();
    const cancel = runtime.after(RELEASE_MS, () => timeout.abort());
    try {
      if (isAlive && this.#owned().length > 0) {
        await abortable(this.#release(timeout.signal), timeout.signal);
      }
    } catch (error) {
      logger.warn(`cannot give compactions back: ${messageOf(error)}`);
    } finally {
      cancel();
    }
    await this.#jobs.stop();
    await tools.executor.close();
  }

  /** See {@linkcode stop}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #round(): Promise<number | undefined> {
    const { logger, options } = this.#parts;
    try {
      const turn = this.#look().then(() => this.#turn());
      await abortable(turn, this.#abort.signal);
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      if (!(error instanceof DbError) || error.kind !== "unavailable") {
        throw error;
      }
      logger.warn(`the compaction worker tries again: ${error.message}`);
    }
    const jitter = 1 + JITTER * (2 * this.#random() - 1);
    const pause = Math.round(jitter * options.pollIntervalMs);
    return this.#jobs.size === 0 ? pause : Math.min(pause, options.heartbeatMs);
  }

  async #look(): Promise<void> {
    const { compactions } = this.#parts;
    this.#seen = this.#seen === undefined
      ? await compactions.readLatest(this.#abort.signal)
      : await compactions.readNewer(this.#seen, this.#abort.signal);
  }

  async #turn(): Promise<void> {
    // No compactor was ever there: there is nothing to do yet.
    if (this.#seen === undefined) return;
    await this.#dropLost();
    await this.#handOver();
    await this.#beat();
    await this.#claim();
  }

  /** Ends jobs whose claim somebody else has, or nobody. */
  async #dropLost(): Promise<void> {
    const owned = new Set(this.#owned().map(({ id }) => id));
    for (const { id } of this.#jobs.statuses) {
      if (owned.has(id)) continue;
      this.#parts.logger.warn(`compaction ${id} was given to another worker`);
      await this.#jobs.drop(id);
    }
  }

  async #handOver(): Promise<void> {
    const { runtime } = this.#parts;
    for (const ended of this.#jobs.ended) {
      const { id } = ended;
      const failed = "error" in ended;
      await this.#update((state) =>
        failed
          ? release(state, this.id, () => undefined, new Set([id]))
          : handOver(state, id, this.#name(), ended.result.outputs)
      );
      await this.#jobs.drop(id);
      // Others shall try first.
      if (failed) this.#restUntilMs.set(id, runtime.monotonicMs() + REST_MS);
    }
  }

  async #beat(): Promise<void> {
    const { runtime, options } = this.#parts;
    const nowMs = runtime.monotonicMs();
    const isDue = nowMs - this.#beatAtMs >= options.heartbeatMs;
    if (this.#jobs.size === 0 || !isDue) return;
    await this.#update((state) =>
      beat(state, this.#name(), (id) => this.#jobs.contextOf(id))
    );
    this.#beatAtMs = nowMs;
    await this.#dropLost();
  }

  async #claim(): Promise<void> {
    const { options, manifests, runtime } = this.#parts;
    const room = options.maxConcurrent - this.#jobs.size;
    await this.#update((state) =>
      state.version === 1 ? state : claim(
        state,
        this.#name(),
        room,
        (id) => this.#jobs.has(id) || this.#isResting(id),
      )
    );
    const claimed = this.#owned().filter(({ id }) => !this.#jobs.has(id));
    if (claimed.length === 0) return;
    this.#metrics.claimed.add(claimed.length);
    this.#beatAtMs = runtime.monotonicMs();
    const manifest = await manifests.readLatest(this.#abort.signal);
    const unfit = new Set<Ulid>();
    for (const compaction of claimed) {
      try {
        if (manifest === undefined) throw new DbError("data", "no manifest");
        this.#jobs.start(jobOf(manifest, compaction));
      } catch (error) {
        this.#parts.logger.warn(
          `compaction ${compaction.id} does not fit the tree: ${
            messageOf(error)
          }`,
        );
        unfit.add(compaction.id);
      }
    }
    if (unfit.size === 0) return;
    await this.#update((state) =>
      release(state, this.id, () => undefined, unfit)
    );
  }

  /** Whether a compaction failed here a short time ago. */
  #isResting(id: Ulid): boolean {
    const untilMs = this.#restUntilMs.get(id);
    if (untilMs === undefined) return false;
    if (this.#parts.runtime.monotonicMs() < untilMs) return true;
    this.#restUntilMs.delete(id);
    return false;
  }

  #owned() {
    return this.#seen === undefined ? [] : ownedBy(this.#seen, this.id);
  }

  async #release(signal: AbortSignal): Promise<void> {
    this.#seen = await this.#parts.compactions.update(
      (state) => release(state, this.id, (id) => this.#jobs.contextOf(id)),
      this.#seen,
      signal,
    );
  }

  async #update(edit: CompactionsEdit): Promise<void> {
    const { compactions } = this.#parts;
    this.#seen = await compactions.update(
      edit,
      this.#seen,
      this.#abort.signal,
    );
  }

  #name(): WorkerName {
    const lastHeartbeatMs = Math.floor(this.#parts.runtime.now());
    return { id: this.id, lastHeartbeatMs };
  }

  #random(): number {
    const random = new Uint8Array(2);
    this.#parts.runtime.randomFill(random);
    return (random[0]! * 256 + random[1]!) / 65_536;
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const failure = toDbError(error);
    this.#abort.abort(failure);
    // Threads that have no work any more end at once.
    this.#jobs.stop().then(() => this.#parts.tools.executor.close());
    this.#parts.onFailure(failure);
  }
}

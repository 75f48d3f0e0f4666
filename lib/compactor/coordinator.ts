/**
 * The rounds of the one compactor that a database has.
 *
 * Owns: everything that is changed under the compactor's epoch, and the order of
 * the steps of a round:
 *
 * ```text
 * look      compactions, then manifest: what was completed is in the manifest
 * tend      signs of life of own jobs; claims of silent workers are taken back
 * commit    what own jobs and other processes have finished
 * admit     what the scheduler proposes and users submitted, checked one by one
 * start     jobs, where there is room
 * ```
 *
 * Whatever a round cannot do for the moment the next one does: each begins with
 * what is stored, and what was not committed is still pending.
 * Does not own: when a round begins (`compactor.ts`).
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { type DbError, toDbError } from "../base/errors.ts";
import type { Ulid, UlidSource } from "../base/ids.ts";
import type {
  Compaction,
  Compactions,
  CompactionSpec,
} from "../format/compactions.ts";
import type { HeldCompactions } from "../manifest/compactions_store.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { type Admission, admit } from "./admission.ts";
import { beat, ownedBy, release } from "./claims.ts";
import { commitFinished, type FinishedCompaction } from "./commit_protocol.ts";
import {
  addCompaction,
  findCompaction,
  reclaimStale,
  recover,
  setStatus,
  trim,
} from "./compaction_state.ts";
import type { CompactorParts } from "./compactor.ts";
import type { CompactorMetrics } from "./compactor_metrics.ts";
import type { Activity, CompactorPace } from "./compactor_pace.ts";
import { jobOf } from "./job.ts";
import type { ManualCompactions } from "./manual_compactions.ts";
import { collectProposals } from "./proposals.ts";
import { RunIds } from "./run_ids.ts";
import type { RunningJobs } from "./running_jobs.ts";
import { isActive } from "./scheduler.ts";

/** What a {@linkcode Coordinator} shares with its compactor. */
export interface CoordinatorParts extends CompactorParts {
  /** Own jobs; absent: none are run here. */
  readonly jobs: RunningJobs | undefined;
  /** Who waits for what. */
  readonly manual: ManualCompactions;
  /** Knows of failures. */
  readonly pace: CompactorPace;
  /** Counts what is done. */
  readonly metrics: CompactorMetrics;
  /** Makes ids of compactions. */
  readonly ids: UlidSource;
  /** This process's name among workers. */
  readonly workerId: Ulid;
}

/** Holds the compactor's epoch and works through its rounds. */
export class Coordinator {
  readonly #parts: CoordinatorParts;
  readonly #manifest: HeldManifest;
  readonly #compactions: HeldCompactions;
  readonly #version: 1 | 2;
  /** What only has to be committed. */
  readonly #pending = new Map<Ulid, FinishedCompaction>();
  /** Entries that cannot be run, and why. */
  readonly #failed = new Map<Ulid, DbError>();
  readonly #runIds = new RunIds();
  #heartbeatAtMs = -Infinity;

  private constructor(
    parts: CoordinatorParts,
    manifest: HeldManifest,
    compactions: HeldCompactions,
    version: 1 | 2,
  ) {
    this.#parts = parts;
    this.#manifest = manifest;
    this.#compactions = compactions;
    this.#version = version;
  }

  /**
   * Takes over: from now on every older compactor is fenced. What it left is
   * brought into a form in which it can go on.
   *
   * @param parts What it works with.
   * @param signal Ends the attempt.
   * @returns The coordinator.
   * @throws {DbError} Kind `"closed"` (`fenced`) if another compactor starts at the same time; `"data"` if there is no database.
   */
  static async takeOver(
    parts: CoordinatorParts,
    signal: AbortSignal,
  ): Promise<Coordinator> {
    const { options, manifests, compactions, metrics, logger } = parts;
    const timeoutMs = options.manifestUpdateTimeoutMs;
    const manifest = await manifests.open("compactor", { timeoutMs, signal });
    const { segments, segmentExtractorName } = manifest.latest;
    const isSegmented = segments.length > 0 ||
      segmentExtractorName !== undefined;
    const version = isSegmented ? 2 : parts.version;
    const { epoch } = manifest;
    const held = await compactions.open({ epoch, version, timeoutMs, signal });
    const coordinator = new Coordinator(parts, manifest, held, version);
    const recovered = held.update((state) =>
      recover(state, version, manifest.latest)
    );
    try {
      await abortable(recovered, signal);
    } catch (error) {
      await coordinator.close();
      throw error;
    }
    metrics.epoch.set(epoch);
    logger.info(`compactor epoch ${epoch} begins`);
    return coordinator;
  }

  /** The epoch it works under. */
  get epoch(): number {
    return this.#manifest.epoch;
  }

  /** Compactions that are not finished, wherever they run. */
  get active(): readonly Compaction[] {
    return this.#compactions.latest.compactions.filter(isActive);
  }

  /**
   * Works through one round.
   *
   * @param lookWanted Whether to look at the files at once.
   * @returns What goes on now.
   * @throws {DbError} Kind `"unavailable"` if the store fails for the moment; `"closed"` (`fenced`) if another compactor took over.
   */
  async round(lookWanted: boolean): Promise<Activity> {
    this.#parts.manual.look();
    await this.#look(lookWanted);
    await this.#tend();
    await this.#commit();
    // What needs no work is done at once, and may make room for more.
    while (await this.#admit()) await this.#commit();
    this.#start();
    if (this.#failed.size > 0) await this.#tend();
    return this.#activity();
  }

  /**
   * Submits a compaction.
   *
   * @param id Its id.
   * @param spec What it shall do.
   */
  async submit(id: Ulid, spec: CompactionSpec): Promise<void> {
    await this.#compactions.update((state) =>
      addCompaction(
        this.#resolved(state),
        { id, spec, status: "submitted", outputs: [] },
      )
    );
  }

  /**
   * Gives own jobs that were broken off to whoever wants them, where files can
   * say so.
   */
  async release(): Promise<void> {
    const { jobs, workerId } = this.#parts;
    if (this.#version === 1 || jobs === undefined) return;
    if (ownedBy(this.#compactions.latest, workerId).length === 0) return;
    await this.#compactions.update((state) =>
      release(state, workerId, (id) => jobs.contextOf(id))
    );
  }

  /** Ends the requests under way; resolves when none is made any more. */
  async close(): Promise<void> {
    await Promise.all([this.#manifest.close(), this.#compactions.close()]);
  }

  async #look(lookWanted: boolean): Promise<void> {
    const { engine, pace } = this.#parts;
    const isDue = this.#compactions.msSinceLook >= pace.lookMs;
    if (lookWanted || isDue) await this.#compactions.refresh();
    // The writer beside it looks at the manifest often enough for both.
    const isBehind = engine === undefined ||
      engine.latestManifest().id > this.#manifest.latest.id;
    if (lookWanted || isBehind) await this.#manifest.refresh();
  }

  /** Own jobs that have ended or must show that they live; workers that do not. */
  async #tend(): Promise<void> {
    const { jobs, metrics, pace } = this.#parts;
    for (const ended of jobs?.takeEnded() ?? []) {
      if ("error" in ended) this.#failed.set(ended.id, ended.error);
      else this.#finish(ended.id, ended.result.outputs);
    }
    const failed = new Map(this.#failed);
    await this.#compactions.update((state) =>
      [...failed.keys()].reduce(
        (edited, id) => setStatus(edited, id, "failed"),
        state,
      )
    );
    for (const [id, error] of failed) {
      this.#failed.delete(id);
      pace.failed(error);
      this.#ended(id, error);
    }
    if (this.#version === 1) return;
    await this.#tendWorkers();
    for (const { worker } of this.active) {
      if (worker) metrics.heartbeat(worker.id, worker.lastHeartbeatMs);
    }
  }

  async #tendWorkers(): Promise<void> {
    const { jobs, runtime, options, metrics, workerId } = this.#parts;
    const lastHeartbeatMs = Math.floor(runtime.now());
    const beats = jobs !== undefined && jobs.size > 0 &&
      runtime.monotonicMs() - this.#heartbeatAtMs >=
        options.worker.heartbeatMs;
    let reclaimed = 0;
    await this.#compactions.update((state) => {
      const own = beats
        ? beat(
          state,
          { id: workerId, lastHeartbeatMs },
          (id) => jobs.contextOf(id),
        )
        : state;
      const heard = reclaimStale(
        own,
        lastHeartbeatMs,
        options.workerTimeoutMs,
        (id) => id === workerId,
      );
      reclaimed = countRunning(own) - countRunning(heard);
      return heard;
    });
    if (beats) this.#heartbeatAtMs = runtime.monotonicMs();
    if (reclaimed > 0) metrics.reclaimed.add(reclaimed);
  }

  #finish(id: Ulid, outputs: FinishedCompaction["outputs"]): void {
    const compaction = findCompaction(
      this.#resolved(this.#compactions.latest),
      id,
    );
    if (compaction === undefined || !isActive(compaction)) return;
    this.#pending.set(id, { compaction, outputs });
  }

  async #commit(): Promise<void> {
    const { runtime, metrics, pace, engine, logger } = this.#parts;
    for (const { id, status, outputs } of this.active) {
      if (status === "compacted") this.#finish(id, outputs);
    }
    if (this.#pending.size === 0) return;
    const finished = [...this.#pending.values()];
    const refused = await commitFinished(finished, {
      manifest: this.#manifest,
      compactions: this.#compactions,
      runtime,
    });
    metrics.lastCompactionS.set(Math.floor(runtime.now() / 1000));
    await engine?.onTreeChanged();
    for (const { compaction: { id } } of finished) {
      const error = refused.get(id);
      this.#pending.delete(id);
      if (error === undefined) pace.succeeded();
      else logger.warn(`compaction ${id} was not committed: ${error.message}`);
      this.#ended(id, error);
    }
  }

  /**
   * Lets what was submitted and what is proposed begin, as far as it may.
   *
   * @returns Whether something has only to be committed.
   */
  async #admit(): Promise<boolean> {
    const { scheduler, options, jobs, runtime, workerId, manual, logger } =
      this.#parts;
    const manifest = this.#manifest.latest;
    const { compactions } = this.#resolved(this.#compactions.latest);
    const added = collectProposals({ manifest, compactions }, this.#parts);
    const lastHeartbeatMs = Math.floor(runtime.now());
    const worker = { id: workerId, lastHeartbeatMs };
    let admission: Admission | undefined;
    await this.#compactions.update((state) => {
      const resolved = this.#resolved(state);
      const submitted = added.reduce(addCompaction, resolved);
      admission = admit(submitted, {
        manifest,
        scheduler,
        trivialMove: options.trivialMove,
        room: jobs === undefined ? 0 : options.worker.maxConcurrent - jobs.size,
        worker: this.#version === 1 ? undefined : worker,
        pending: new Set(this.#pending.keys()),
      });
      // Destinations alone are not worth a file: version 1 would not say them.
      return admission.state === resolved ? state : trim(admission.state);
    });
    const { finished, refused } = admission!;
    for (const each of finished) this.#pending.set(each.compaction.id, each);
    for (const [id, error] of refused) {
      logger.warn(`compaction ${id} was refused: ${error.message}`);
      this.#ended(id, error);
    }
    if (added.length === 0 && this.active.length === 0) manual.quiet();
    return finished.length > 0;
  }

  /** Starts the jobs that are this process's to run. */
  #start(): void {
    const { jobs, workerId, engine } = this.#parts;
    if (jobs === undefined) return;
    const { compactions } = this.#resolved(this.#compactions.latest);
    for (const compaction of compactions) {
      const { id, status, worker } = compaction;
      const isOwn = this.#version === 1 || worker?.id === workerId;
      if (status !== "running" || !isOwn) continue;
      if (jobs.has(id) || this.#pending.has(id) || this.#failed.has(id)) {
        continue;
      }
      try {
        jobs.start(
          jobOf(this.#manifest.latest, compaction, engine?.oldestReader()),
        );
      } catch (error) {
        this.#failed.set(id, toDbError(error));
      }
    }
  }

  #ended(id: Ulid, error: DbError | undefined): void {
    this.#runIds.forget(id);
    this.#parts.manual.ended(id, error);
  }

  #resolved(state: Compactions): Compactions {
    return this.#runIds.resolve(state, this.#manifest.latest);
  }

  #activity(): Activity {
    const { jobs, manual } = this.#parts;
    const { active } = this;
    const running = jobs?.size ?? 0;
    return {
      busy: active.length > 0 || !manual.isEmpty,
      remote: this.#version === 2 && active.length > running,
      heartbeats: this.#version === 2 && running > 0,
    };
  }
}

function countRunning({ compactions }: Compactions): number {
  return compactions.filter(({ status }) => status === "running").length;
}

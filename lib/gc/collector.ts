/**
 * The collector: deletes files that nothing needs any more.
 *
 * Owns: when a task is due, the order within a pass, the deleting itself.
 * Does not own: which files nothing needs (`live_set.ts` and the `collect_*`).
 *
 * A pass, and what it means to die after each step:
 *
 * ```text
 * compactions   read first: what finishes from now on is younger than they are
 * manifest      read; checkpoints whose time is over are removed from it
 * listings      each file is kept for a reason or becomes a candidate
 * mark          raised above the numbers about to go: nobody creates them again
 * deletes       a few at once; what is left is a candidate the next time
 * ```
 *
 * Several collectors may run on one database, in any processes: each deletes by
 * the rules alone, and a file that is gone already is fine.
 *
 * @module
 */
import { DbError, messageOf } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Loop } from "../base/loop.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import { Boundary } from "../cas/boundary.ts";
import type { Manifest } from "../format/manifest.ts";
import { type BoundaryKind, boundaryName } from "../format/paths.ts";
import { dropExpired, isExpired } from "../manifest/checkpoints.ts";
import type { CompactionsStore } from "../manifest/compactions_store.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { collectCompactions, collectManifests } from "./collect_numbered.ts";
import { collectSsts } from "./collect_ssts.ts";
import { collectWal, WalKinds } from "./collect_wal.ts";
import { type CollectorMetrics, registerCollectorMetrics } from "./metrics.ts";
import {
  GC_RESOURCES,
  type GcOptions,
  type GcResource,
  type GcTask,
} from "./options.ts";
import { Pass, type Picture } from "./pass.ts";
import { Schedule } from "./schedule.ts";
import { type GcFilter, sweep } from "./sweep.ts";
import type { Candidate, GcReport } from "./verdict.ts";

/** The manifests, as the collector reaches them. */
export interface GcManifests {
  /** Number of the newest one that is known, where somebody else looks for it all the time. */
  readonly knownId?: (() => number) | undefined;
  /** Finds the latest one. */
  refresh(signal?: AbortSignal): Promise<Manifest>;
  /** Changes the latest one. */
  update(
    edit: (manifest: Manifest) => Manifest,
    signal?: AbortSignal,
  ): Promise<Manifest>;
  /** Reads one by its number. */
  read(id: number, signal?: AbortSignal): Promise<Manifest | undefined>;
}

/** What a {@linkcode Collector} is made of. */
export interface CollectorOptions {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** Where its WAL lives. */
  readonly walStore: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The manifests. */
  readonly manifests: GcManifests;
  /** The compactor's state. */
  readonly compactions: CompactionsStore;
  /** What is collected, and when. */
  readonly options: GcOptions;
  /** May keep files that nothing needs. */
  readonly filter?: GcFilter | undefined;
  /** Clock and timers. */
  readonly runtime: Runtime;
  /** Told about failures, and about what a dry run would delete. */
  readonly logger: Logger;
  /** Counts what is deleted. */
  readonly recorder: Recorder;
  /** Told once if the database was taken over or closed; nothing else ends the loop. */
  readonly onFailure?: (error: DbError) => void;
}

/** Options of {@linkcode Collector.run}. */
export interface RunOptions {
  /** Whether to delete nothing, whatever the tasks say. */
  readonly dryRun?: boolean | undefined;
  /** Whether to report every file that was looked at. */
  readonly verdicts?: boolean | undefined;
  /** Ends the pass. */
  readonly signal?: AbortSignal | undefined;
}

/** Deletes what nothing needs any more. */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #metrics: CollectorMetrics;
  readonly #walKinds: WalKinds;
  readonly #schedule: Schedule;
  readonly #loop: Loop;
  readonly #abort = new AbortController();

  /**
   * Constructs a new {@linkcode Collector}; it rests until {@linkcode start}.
   *
   * @param options What it is made of.
   */
  constructor(options: CollectorOptions) {
    const { runtime, recorder, logger } = options;
    this.#options = options;
    this.#metrics = registerCollectorMetrics(recorder);
    this.#walKinds = new WalKinds(options.walStore);
    this.#schedule = new Schedule(options.options.tasks, runtime);
    this.#loop = new Loop({
      runtime,
      body: () => this.#round(),
      onFailure: (error) => logger.error(`gc: ${messageOf(error)}`),
    });
  }

  /** Begins to collect, again and again. */
  start(): void {
    this.#schedule.begin();
    this.#loop.poke();
  }

  /**
   * Ends the loop; a delete under way is waited for.
   *
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#loop.stop();
  }

  /**
   * Runs every task once, now. A task that fails leaves its files to the next
   * time, and the others their turn.
   *
   * @param options What to report, and whether to delete.
   * @returns What was done.
   * @throws {DbError} What kept the manifest from being read; kind `"data"` if there is no database.
   */
  async run(options: RunOptions = {}): Promise<GcReport> {
    const due = GC_RESOURCES.filter((resource) =>
      this.#options.options.tasks[resource] !== undefined
    );
    const picture = await this.#look(options.dryRun === true, options.signal);
    const pass = this.#newPass(picture, options);
    await this.#collect(pass, due);
    this.#metrics.passes.add();
    return pass.report();
  }

  async #round(): Promise<number | undefined> {
    const { signal } = this.#abort;
    const due = this.#schedule.due();
    const knownId = this.#options.manifests.knownId?.();
    const isQuiet = knownId !== undefined && due.length > 0 &&
      this.#schedule.skips(due, knownId);
    if (due.length > 0 && !isQuiet) {
      try {
        await this.#runDue(due, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        this.#schedule.failed(due);
        if (error instanceof DbError && error.kind === "closed") {
          this.#options.onFailure?.(error);
          return undefined;
        }
        this.#options.logger.warn(`gc: trying again: ${messageOf(error)}`);
      }
    }
    return this.#schedule.pauseMs();
  }

  async #runDue(
    due: readonly GcResource[],
    signal: AbortSignal,
  ): Promise<void> {
    const { tasks } = this.#options.options;
    const dryRun = due.every((resource) => tasks[resource]!.dryRun);
    const picture = await this.#look(dryRun, signal);
    const pass = this.#newPass(picture, { signal });
    await this.#collect(pass, this.#schedule.worthwhile(due, picture));
    if (signal.aborted) return;
    this.#schedule.done(due, picture, pass);
    this.#metrics.passes.add();
  }

  /** Reads the state that decides, compactions first. */
  async #look(
    dryRun: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Picture> {
    const { manifests, compactions, runtime } = this.#options;
    const state = await compactions.readLatest(signal);
    let latest = await manifests.refresh(signal);
    const nowMs = runtime.now();
    const expired = latest.checkpoints.filter((checkpoint) =>
      isExpired(checkpoint, nowMs)
    );
    if (expired.length > 0) {
      latest = dryRun
        ? dropExpired(latest, nowMs)
        : await manifests.update((next) => dropExpired(next, nowMs), signal);
    }
    return { compactions: state, latest, nowMs, expired };
  }

  #newPass(picture: Picture, options: RunOptions): Pass {
    const { store, walStore, root, manifests } = this.#options;
    const { dryRun = false, verdicts = false, signal } = options;
    return new Pass({
      store,
      walStore,
      root,
      picture,
      readManifest: (id) => manifests.read(id, signal),
      dryRun,
      wantsAll: verdicts,
      signal,
    });
  }

  async #collect(pass: Pass, resources: readonly GcResource[]): Promise<void> {
    const { tasks } = this.#options.options;
    const has = (resource: GcResource) => resources.includes(resource);
    const work: Partial<Record<GcResource, () => Promise<void>>> = {
      manifest: () => this.#collectNumbered(pass, "manifest"),
      // One listing serves both kinds of WAL files.
      wal: () => this.#collectWal(pass, tasks.wal, has("wal_fence")),
      ...(has("wal") ? {} : {
        wal_fence: () => this.#collectWal(pass, undefined, true),
      }),
      compacted: () => this.#collectSsts(pass),
      compactions: () => this.#collectNumbered(pass, "compactions"),
    };
    for (const resource of resources) {
      try {
        await work[resource]?.();
      } catch (error) {
        if (pass.signal?.aborted === true) throw error;
        this.#options.logger.warn(
          `gc: cannot collect ${resource}: ${messageOf(error)}`,
        );
        pass.noteFailure(resource, error);
        if (resource === "wal") pass.noteFailure("wal_fence", error);
      }
    }
  }

  async #collectWal(
    pass: Pass,
    data: GcTask | undefined,
    alsoFences: boolean,
  ): Promise<void> {
    const fences = alsoFences
      ? this.#options.options.tasks.wal_fence
      : undefined;
    const garbage = await collectWal(pass, this.#walKinds, { data, fences });
    if (data !== undefined) {
      await this.#sweep(pass, "wal", garbage.data, data);
    }
    if (fences !== undefined) {
      await this.#sweep(pass, "wal_fence", garbage.fences, fences);
    }
  }

  async #collectSsts(pass: Pass): Promise<void> {
    const task = this.#options.options.tasks.compacted!;
    await this.#sweep(pass, "compacted", await collectSsts(pass, task), task);
  }

  async #collectNumbered(pass: Pass, kind: BoundaryKind): Promise<void> {
    const { store, root, options } = this.#options;
    const task = options.tasks[kind]!;
    const { candidates, greatest, versions } = kind === "manifest"
      ? await collectManifests(pass, task)
      : await collectCompactions(pass, task);
    const dryRun = pass.dryRun || task.dryRun;
    if (!dryRun && options.boundaryFiles && candidates.length > 0) {
      const boundary = new Boundary(store, boundaryName(root, kind));
      await boundary.raise(greatest, pass.signal);
    }
    const deleted = await this.#sweep(pass, kind, candidates, task);
    this.#metrics.versions[kind].set(versions - deleted);
  }

  async #sweep(
    pass: Pass,
    resource: GcResource,
    candidates: readonly Candidate[],
    task: GcTask,
  ): Promise<number> {
    const { store, walStore, logger, filter } = this.#options;
    const isWal = resource === "wal" || resource === "wal_fence";
    const deleted = await sweep({
      store: isWal ? walStore : store,
      resource,
      candidates,
      dryRun: pass.dryRun || task.dryRun,
      filter,
      logger,
      note: (verdict) => pass.note(verdict),
      signal: pass.signal,
    });
    this.#metrics.deleted[resource].add(deleted);
    return deleted;
  }
}

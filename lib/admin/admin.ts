/**
 * A database's files as those see them who run it: what is there, what keeps
 * what, and what to do about it.
 *
 * Owns: the calls. Does not own: anything in memory: no writer is fenced, no
 * reader disturbed, and every call looks at the store anew.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { isUlid, randomUuid, type Ulid, type Uuid } from "../base/ids.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { noRecorder, type Recorder } from "../base/metrics.ts";
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import { resolvePath } from "../db/open_options.ts";
import type { Compaction, Compactions } from "../format/compactions.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";
import type { Rounding } from "../format/seq_tracker.ts";
import { Collector } from "../gc/collector.ts";
import {
  type GarbageCollectorSettings,
  resolveGcOptions,
} from "../gc/options.ts";
import type { GcFilter } from "../gc/sweep.ts";
import type { GcReport } from "../gc/verdict.ts";
import {
  addCheckpoint,
  checkedCheckpointId,
  type CheckpointOptions,
  type CheckpointRef,
  deleteCheckpoints,
  refreshCheckpoint,
  requireCheckpoint,
} from "../manifest/checkpoints.ts";
import { CompactionsStore } from "../manifest/compactions_store.ts";
import type { HistoryFile } from "../manifest/history.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import { componentStores } from "../object_store/component_stores.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type {
  AdminOptions,
  CompactorState,
  RunGcOptions,
  RunningGc,
  StartGcOptions,
} from "./admin_options.ts";
import { checkedId, type IdRange, inRange } from "./id_range.ts";
import { seqAtTime, timeOfSeq } from "./seq_times.ts";
import { type CompactionRequest, Submission } from "./submission.ts";

/**
 * Looks at a database's files and looks after them, beside whoever writes it.
 *
 * Damaged files are kind `"data"`, and so is a path without a database.
 *
 * @example
 * ```ts ignore
 * const admin = Admin.open("orders", { store: new FileStore("./data") });
 * const { id } = await admin.createCheckpoint({ lifetimeMs: 3_600_000 });
 * const { verdicts } = await admin.runGc({ dryRun: true });
 * ```
 */
export class Admin {
  readonly #root: string;
  readonly #runtime: Runtime;
  readonly #logger: Logger;
  readonly #recorder: Recorder;
  readonly #store: ObjectStore;
  readonly #walStore: ObjectStore;
  readonly #manifests: ManifestStore;
  readonly #compactions: CompactionsStore;

  private constructor(root: string, options: AdminOptions) {
    const {
      runtime = systemRuntime,
      logger = silentLogger,
      recorder = noRecorder,
      manifestChecksum: checksum = true,
    } = options;
    const { store, walStore } = componentStores("gc", {
      store: options.store,
      walStore: options.walStore,
      runtime,
      logger,
      recorder,
    });
    this.#root = root;
    this.#runtime = runtime;
    this.#logger = logger;
    this.#recorder = recorder;
    this.#store = store;
    this.#walStore = walStore;
    const files = { store, root, runtime, checksum };
    this.#manifests = new ManifestStore({ ...files, logger });
    this.#compactions = new CompactionsStore(files);
  }

  /**
   * Makes an {@linkcode Admin}; no I/O, and nothing to close.
   *
   * @param path The database's path in the store.
   * @param options Components; only `store` is required.
   * @returns The admin.
   * @throws {DbError} Kind `"invalid"` if an option or the path is.
   */
  static open(path: string, options: AdminOptions): Admin {
    if (typeof options?.store?.get !== "function") {
      throw new DbError("invalid", "option 'store' must be an ObjectStore");
    }
    return new Admin(resolvePath(path), options);
  }

  /**
   * Reads a manifest.
   *
   * @param id Its number; the latest unless given.
   * @returns The manifest, or `undefined` where it does not exist (any more).
   */
  async readManifest(id?: number): Promise<Manifest | undefined> {
    return id === undefined
      ? await this.#manifests.readLatest()
      : await this.#manifests.read(checkedId("manifest", id));
  }

  /**
   * Lists the stored manifests.
   *
   * @param range Which; all unless given.
   * @returns Numbers, sizes and times, ascending.
   */
  async listManifests(range: IdRange = {}): Promise<HistoryFile[]> {
    return await inRange(this.#manifests.list(), range);
  }

  /**
   * Reads a state of the compactor.
   *
   * @param id Its number; the latest unless given.
   * @returns The state, or `undefined` where it does not exist (any more).
   */
  async readCompactions(id?: number): Promise<Compactions | undefined> {
    return id === undefined
      ? await this.#compactions.readLatest()
      : await this.#compactions.read(checkedId("compactions file", id));
  }

  /**
   * Lists the stored states of the compactor.
   *
   * @param range Which; all unless given.
   * @returns Numbers, sizes and times, ascending.
   */
  async listCompactions(range: IdRange = {}): Promise<HistoryFile[]> {
    return await inRange(this.#compactions.list(), range);
  }

  /**
   * Reads one compaction. Of those that have ended a state keeps the one with the
   * greatest id alone, so a compaction may be gone as soon as it is done.
   *
   * @param id The compaction.
   * @param fileId Number of the state to look into; the latest unless given.
   * @returns The compaction, or `undefined` where that state does not have it.
   * @throws {DbError} Kind `"invalid"` if `id` is no ULID.
   */
  async readCompaction(
    id: Ulid,
    fileId?: number,
  ): Promise<Compaction | undefined> {
    if (!isUlid(id)) {
      throw new DbError(
        "invalid",
        `invalid compaction_id ULID: ${JSON.stringify(id)}`,
      );
    }
    const state = await this.readCompactions(fileId);
    return state?.compactions.find((compaction) => compaction.id === id);
  }

  /**
   * Reads the compactor's state, and then the manifest: what it says is made of
   * the manifest's tree is still there, or replaced.
   *
   * @returns Both.
   */
  async readCompactorState(): Promise<CompactorState> {
    const compactions = await this.#compactions.readLatest();
    return { compactions, manifest: await this.#latest() };
  }

  /**
   * Asks the compactor for a compaction. It checks again whether that may run
   * when its turn comes; follow it with {@linkcode readCompaction}. A compactor
   * looks for submissions once in its poll interval, an idle one once a minute.
   *
   * @param request Which.
   * @returns The compaction, as submitted.
   * @throws {DbError} Kind `"invalid"` if it must not run as the database is now; `"data"` if no compactor was ever started on it.
   */
  async submitCompaction(request: CompactionRequest): Promise<Compaction> {
    const [compaction] = await this.#submit((submission, state) =>
      submission.one(state, request)
    );
    return compaction!;
  }

  /**
   * Asks the compactor to make one run of L0 and all runs, tree by tree.
   *
   * @param options One segment; all trees unless given.
   * @returns The compactions, as submitted; none for trees that are one run.
   * @throws {DbError} As {@linkcode submitCompaction}.
   */
  async submitFullCompaction(
    options: { segment?: Bytes } = {},
  ): Promise<Compaction[]> {
    return await this.#submit((submission, state) =>
      submission.full(state, options.segment)
    );
  }

  /**
   * Lists the checkpoints.
   *
   * @param name Only those with this name, or `""` for those without one.
   * @returns The checkpoints, in the order in which they were made.
   */
  async listCheckpoints(name?: string): Promise<Checkpoint[]> {
    const { checkpoints } = await this.#latest();
    return checkpoints.filter((checkpoint) =>
      name === undefined || (checkpoint.name ?? "") === name
    );
  }

  /**
   * Makes a checkpoint of the latest manifest, or of what another one refers to.
   * Rows that the writer has not flushed to L0 are in it as far as its WAL files
   * are known to the manifest; `db.createCheckpoint` flushes first.
   *
   * @param options Lifetime, name, source.
   * @returns Its id, and the manifest it keeps.
   * @throws {DbError} Kind `"data"` if the source does not exist; `"invalid"` if an option is.
   */
  async createCheckpoint(
    options: CheckpointOptions = {},
  ): Promise<CheckpointRef> {
    const id = randomUuid(this.#runtime);
    const nowMs = this.#runtime.now();
    const stored = await this.#manifests.update((manifest) =>
      addCheckpoint(manifest, id, nowMs, options)
    );
    return { id, manifestId: requireCheckpoint(stored, id).manifestId };
  }

  /**
   * Gives a checkpoint a new lifetime, from now on.
   *
   * @param id The checkpoint.
   * @param options Its lifetime; without one it never ends.
   * @throws {DbError} Kind `"data"` if it does not exist; `"invalid"` if an argument is.
   */
  async refreshCheckpoint(
    id: Uuid,
    options: { lifetimeMs?: number } = {},
  ): Promise<void> {
    const known = checkedCheckpointId(id);
    const nowMs = this.#runtime.now();
    await this.#manifests.update((manifest) =>
      refreshCheckpoint(manifest, known, nowMs, options.lifetimeMs)
    );
  }

  /**
   * Deletes a checkpoint; one that does not exist is fine. What it kept goes with
   * the next collection.
   *
   * @param id The checkpoint.
   * @throws {DbError} Kind `"invalid"` if `id` is no UUID.
   */
  async deleteCheckpoint(id: Uuid): Promise<void> {
    const known = checkedCheckpointId(id);
    await this.#manifests.update((manifest) =>
      deleteCheckpoints(manifest, [known])
    );
  }

  /**
   * Deletes what nothing needs, once. A kind of files that cannot be collected,
   * or a file that cannot be deleted, is in the report; the rest goes.
   *
   * @param options What to collect, and whether to delete it.
   * @returns What was done, with a reason for every file kept or deleted.
   */
  async runGc(options: RunGcOptions = {}): Promise<GcReport> {
    const { dryRun, signal, settings, filter } = options;
    const collector = this.#newCollector(settings, filter);
    return await collector.run({ dryRun, signal, verdicts: true });
  }

  /**
   * Deletes what nothing needs, again and again, each kind of files at its own
   * interval; for a process beside writers whose `garbage_collector_options` are
   * `null`, though several collectors do no harm.
   *
   * @param options What to collect.
   * @returns The collector, running; failures are logged and tried again.
   * @throws {DbError} Kind `"invalid"` if a setting is.
   */
  startGc(options: StartGcOptions = {}): RunningGc {
    const collector = this.#newCollector(options.settings, options.filter);
    collector.start();
    return {
      stop: () => collector.stop(),
      [Symbol.asyncDispose]: () => collector.stop(),
    };
  }

  #newCollector(
    settings: GarbageCollectorSettings | undefined,
    filter: GcFilter | undefined,
  ): Collector {
    const manifests = this.#manifests;
    return new Collector({
      store: this.#store,
      walStore: this.#walStore,
      root: this.#root,
      manifests: {
        refresh: (signal) => manifests.update(unchanged, undefined, signal),
        update: (edit, signal) => manifests.update(edit, undefined, signal),
        read: (id, signal) => manifests.read(id, signal),
      },
      compactions: this.#compactions,
      options: resolveGcOptions(settings),
      filter,
      runtime: this.#runtime,
      logger: this.#logger,
      recorder: this.#recorder,
    });
  }

  /**
   * Finds out when a sequence number was given out: about once a minute one is
   * noted.
   *
   * @param seq The sequence number.
   * @param rounding Which neighbour to take between two notes.
   * @returns Milliseconds since the epoch, or `undefined` where there is no such note.
   */
  async timeOfSeq(
    seq: number | bigint,
    rounding: Rounding = "down",
  ): Promise<number | undefined> {
    return timeOfSeq(await this.#latest(), seq, rounding);
  }

  /**
   * Finds out which sequence number was the newest at a time.
   *
   * @param timeMs Milliseconds since the epoch.
   * @param rounding Which neighbour to take between two notes.
   * @returns The sequence number, or `undefined` where there is no such note.
   */
  async seqAtTime(
    timeMs: number,
    rounding: Rounding = "down",
  ): Promise<bigint | undefined> {
    return seqAtTime(await this.#latest(), timeMs, rounding);
  }

  #latest(): Promise<Manifest> {
    return this.#manifests.update(unchanged);
  }

  async #submit(
    edit: (submission: Submission, state: Compactions) => Compactions,
  ): Promise<Compaction[]> {
    const { compactions: seen, manifest } = await this.readCompactorState();
    const submission = new Submission(this.#runtime, manifest);
    await this.#compactions.update((state) => edit(submission, state), seen);
    return submission.submitted;
  }
}

/** The edit that changes nothing: a look that fails where there is no database. */
function unchanged(manifest: Manifest): Manifest {
  return manifest;
}

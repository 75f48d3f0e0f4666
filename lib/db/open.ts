/**
 * Opening a database as its writer: wires the parts, in the order that shuts
 * the old writer out before anything of its log is believed.
 *
 * ```text
 * manifest   found or created; the writer's epoch is raised: from now on the old
 *            writer cannot change it
 * fence      a file without rows at the end of the WAL: from now on the old writer
 *            cannot make anything durable
 * replay     what the log has above L0, into memtables; full ones are flushed
 *            meanwhile, so memory stays bounded
 * loops      polling begins
 * ```
 *
 * Dying anywhere in between leaves a database that the next open takes over.
 *
 * @module
 */
import { MemoryBudget } from "../base/budget.ts";
import { DbError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { noRecorder } from "../base/metrics.ts";
import { MIN_TIMESTAMP } from "../base/row.ts";
import { systemRuntime } from "../base/runtime.ts";
import { BlockCache } from "../cache/block_cache.ts";
import { Flusher } from "../flush/flusher.ts";
import { initialManifest, type Manifest } from "../format/manifest.ts";
import { FENCE_FILE } from "../format/wal_file.ts";
import { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { RetryingStore } from "../object_store/retrying_store.ts";
import { ReadContext } from "../read/read_context.ts";
import { decodeSection } from "../sst/section.ts";
import { SstEncoder } from "../sst/sst_encoder.ts";
import { SstStore } from "../sst/sst_store.ts";
import { NoWal } from "../wal/no_wal.ts";
import { ObjectWal } from "../wal/object_wal.ts";
import { fenceWal } from "../wal/object_wal_fence.ts";
import { replayWal } from "../wal/object_wal_replay.ts";
import type { Wal } from "../wal/wal.ts";
import { Backpressure } from "../write/backpressure.ts";
import { Committer } from "../write/commit.ts";
import { RowClock } from "../write/row_clock.ts";
import { Sequence } from "../write/sequence.ts";
import { Engine } from "./engine.ts";
import { Lifecycle } from "./lifecycle.ts";
import { checkDbOptions, type DbOptions, resolvePath } from "./open_options.ts";
import { type ResolvedSettings, resolveSettings } from "./settings.ts";
import { sharedKernel } from "./shared_kernel.ts";

/** Everything the steps of an opening share. */
interface Opening {
  readonly root: string;
  readonly options: DbOptions;
  readonly settings: ResolvedSettings;
  readonly store: ObjectStore;
  readonly walStore: ObjectStore;
  readonly runtime: NonNullable<DbOptions["runtime"]>;
  readonly logger: Logger;
  readonly recorder: NonNullable<DbOptions["recorder"]>;
  readonly budget: MemoryBudget;
  readonly kernel: Awaited<ReturnType<typeof sharedKernel>>;
  readonly lifecycle: Lifecycle;
  /** Ends the database; the engine's own once there is one. */
  fail: (error: unknown) => void;
}

/**
 * Opens a database as its writer.
 *
 * @param path The database's path in the store.
 * @param options Components and settings.
 * @returns The running engine.
 * @throws {DbError} See `Db.open`.
 */
export async function openEngine(
  path: string,
  options: DbOptions,
): Promise<Engine> {
  checkDbOptions(options);
  options.signal?.throwIfAborted();
  const settings = resolveSettings(options.settings);
  const opening: Opening = {
    ...resolveComponents(options, settings),
    root: resolvePath(path),
    options,
    settings,
    kernel: await sharedKernel(),
    lifecycle: new Lifecycle(),
    fail: () => {},
  };
  opening.logger.info(`opening SlateDB database at "${opening.root}"`);
  const manifest = await openManifest(opening);
  const walId = await fence(opening, manifest);
  return await startEngine(opening, manifest, walId);
}

function resolveComponents(options: DbOptions, settings: ResolvedSettings) {
  const { runtime = systemRuntime, logger = silentLogger } = options;
  const retrying = (inner: ObjectStore) =>
    new RetryingStore(inner, {
      runtime,
      logger,
      ...(settings.objectStoreMaxRetries === undefined
        ? {}
        : { maxRetries: settings.objectStoreMaxRetries }),
    });
  const store = retrying(options.store);
  return {
    store,
    walStore: options.walStore === undefined
      ? store
      : retrying(options.walStore),
    runtime,
    logger,
    recorder: options.recorder ?? noRecorder,
    budget: options.budget ?? new MemoryBudget(),
  };
}

function openManifest(opening: Opening): Promise<HeldManifest> {
  const { store, root, runtime, logger, options, settings } = opening;
  const manifests = new ManifestStore({
    store,
    root,
    runtime,
    logger,
    checksum: options.manifestChecksum ?? true,
  });
  return manifests.open("writer", {
    create: {
      ...initialManifest(),
      ...(options.walStore === undefined ? {} : { walObjectStoreUri: "" }),
    },
    check: (manifest) => checkManifest(manifest, options),
    timeoutMs: settings.manifestUpdateTimeoutMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Refuses what this writer would damage or could not find. */
function checkManifest(manifest: Manifest, options: DbOptions): void {
  if (!manifest.initialized) {
    throw new DbError(
      "data",
      "the database is a clone that was not finished: finish it, or delete it",
    );
  }
  const ownWalStore = manifest.walObjectStoreUri !== undefined;
  if (ownWalStore !== (options.walStore !== undefined)) {
    throw new DbError(
      "invalid",
      ownWalStore
        ? "wal store reconfiguration unsupported: the database has a WAL store of its own, give it as option 'walStore'"
        : "wal store reconfiguration unsupported: the database has no WAL store of its own, leave out option 'walStore'",
    );
  }
  if (
    manifest.segmentExtractorName !== undefined || manifest.segments.length > 0
  ) {
    throw new DbError(
      "invalid",
      `the database is segmented (extractor "${
        manifest.segmentExtractorName ?? ""
      }"): this version reads such databases with DbReader and does not write them yet`,
    );
  }
}

function fence(opening: Opening, manifest: HeldManifest): Promise<number> {
  const { walStore, root, options } = opening;
  return fenceWal({
    store: walStore,
    root,
    replayAfterWalId: manifest.latest.replayAfterWalId,
    fence: FENCE_FILE,
    checkEpoch: async () => (await manifest.refresh()).replayAfterWalId,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function startEngine(
  opening: Opening,
  manifest: HeldManifest,
  walId: number,
): Promise<Engine> {
  const { kernel, budget, lifecycle, runtime, logger, settings } = opening;
  let engine: Engine | undefined;
  let early: unknown;
  opening.fail = (error) => {
    if (engine === undefined) early ??= error;
    else engine.fail(error);
  };
  const cache = BlockCache.shared(kernel, budget);
  const ssts = openSsts(opening, cache);
  const state = new LsmState({
    kernel,
    budget,
    ssts,
    manifest: manifest.latest,
  });
  const wal: Wal = openWal(opening, manifest, walId, () => {
    state.freeze(wal.lastFlushedId);
    flusher.poke();
  });
  const flusher: Flusher = openFlusher(opening, { manifest, state, wal, ssts });
  try {
    flusher.start();
    const { lastSeq, lastCreateTs } = await replay(opening, {
      manifest,
      state,
      wal,
      flusher,
      walId,
    });
    if (early !== undefined) throw early;
    const sequence = new Sequence(lastSeq);
    const clock = new RowClock(runtime, logger, lastCreateTs);
    const committer = new Committer({
      kernel,
      state,
      wal,
      sequence,
      clock,
      durability: { durable: async (seq) => await wal.durable.reached(seq) },
      mergeOperator: opening.options.mergeOperator,
      defaultTtlMs: settings.defaultTtlMs,
      l0SstBytes: settings.l0SstBytes,
      maxWalFlushesBeforeL0Flush: settings.maxWalFlushesBeforeL0Flush,
      onFrozen: () => flusher.poke(),
      onFailure: opening.fail,
    });
    const backpressure = new Backpressure({
      state,
      wal,
      budget,
      runtime,
      logger,
      stalls: opening.recorder.counter(
        "slatedb.db.backpressure_count",
        "Writes that had to wait until rows were flushed.",
      ),
      maxUnflushedBytes: settings.maxUnflushedBytes,
      maxUnflushedMemtables: settings.maxUnflushedMemtables,
      makeRoom: () => engine?.makeRoom(),
    });
    engine = new Engine({
      lifecycle,
      state,
      wal,
      sequence,
      clock,
      committer,
      backpressure,
      flusher,
      readContext: new ReadContext({
        kernel,
        mergeOperator: opening.options.mergeOperator,
        hideExpired: opening.options.expiredReads !== "return",
      }),
      logger,
    });
    return engine;
  } catch (error) {
    await flusher.stop();
    await wal.close({ flush: false });
    state.dispose();
    throw error;
  }
}

function openSsts(opening: Opening, cache: BlockCache): SstStore {
  const { kernel, store, root, options, runtime, recorder, logger } = opening;
  return new SstStore({
    kernel,
    store,
    root,
    cache,
    transformer: options.blockTransformer,
    runtime,
    recorder,
    logger,
  });
}

function newEncoder(
  opening: Opening,
  sstType: "compacted" | "wal",
  rowBytes: number,
): SstEncoder {
  const { kernel, options, settings, runtime } = opening;
  return new SstEncoder(kernel, {
    sstType,
    blockBytes: options.blockBytes ?? 4096,
    compression: settings.compression,
    transformer: options.blockTransformer,
    filterBitsPerKey: settings.filterBitsPerKey,
    minFilterKeys: settings.minFilterKeys,
    // Rows are most of it; the rest is index and filter.
    expectedBytes: Math.ceil(rowBytes * 1.06) + 4096,
    runtime,
  });
}

function openWal(
  opening: Opening,
  manifest: HeldManifest,
  walId: number,
  requestFlush: () => void,
): Wal {
  const { walStore, root, runtime, recorder, settings } = opening;
  const durableSeq = manifest.latest.lastL0Seq;
  const { flushIntervalMs } = settings;
  if (!settings.walEnabled) {
    return new NoWal({
      runtime,
      lastId: walId,
      durableSeq,
      flushIntervalMs,
      requestFlush,
    });
  }
  return new ObjectWal({
    store: walStore,
    root,
    runtime,
    recorder,
    newEncoder: (bytes) => newEncoder(opening, "wal", bytes),
    lastId: walId,
    durableSeq,
    flushIntervalMs,
    maxFileBytes: settings.l0SstBytes,
    confirmOwnership: () => manifest.confirm(settings.walMinAgeMs / 2),
    onFailure: (error) => opening.fail(error),
  });
}

function openFlusher(
  opening: Opening,
  parts: {
    manifest: HeldManifest;
    state: LsmState;
    wal: Wal;
    ssts: SstStore;
  },
): Flusher {
  const { kernel, runtime, logger, recorder, settings } = opening;
  return new Flusher({
    kernel,
    runtime,
    logger,
    recorder,
    lsm: parts.state,
    wal: parts.wal,
    manifest: parts.manifest,
    ssts: parts.ssts,
    newEncoder: (bytes) => newEncoder(opening, "compacted", bytes),
    mergeOperator: opening.options.mergeOperator,
    l0MaxSsts: settings.l0MaxSsts,
    l0MaxSstsPerKey: settings.l0MaxSstsPerKey,
    l0FlushParallelism: settings.l0FlushParallelism,
    manifestPollIntervalMs: settings.manifestPollIntervalMs,
    manifestPollExact: settings.manifestPollExact,
    isBusy: () => false,
    onFailure: (error) => opening.fail(error),
  });
}

/** What the log has above L0, into memtables. */
async function replay(
  opening: Opening,
  parts: {
    manifest: HeldManifest;
    state: LsmState;
    wal: Wal;
    flusher: Flusher;
    walId: number;
  },
): Promise<{ lastSeq: bigint; lastCreateTs: bigint }> {
  const { kernel, walStore, root, runtime, logger, options, settings } =
    opening;
  const { manifest, state, wal, flusher, walId } = parts;
  const { replayAfterWalId, lastL0Seq, lastL0ClockTick } = manifest.latest;
  let lastCreateTs = lastL0ClockTick;
  const { lastSeq } = await replayWal({
    kernel,
    store: walStore,
    root,
    runtime,
    logger,
    decodeSection: (compression, stored, what) =>
      decodeSection(
        { kernel, compression, transformer: options.blockTransformer },
        stored,
        what,
      ),
    from: replayAfterWalId + 1,
    to: walId - 1,
    lastL0Seq,
    mergeOperator: options.mergeOperator,
    memtable: () => state.view.active,
    isFull: () => state.view.active.encodedBytes >= settings.l0SstBytes,
    freeze: async (stamp) => {
      wal.durable.raise(state.view.active.lastSeq);
      state.freeze(stamp);
      flusher.poke();
      while (
        state.unflushedBytes >= settings.maxUnflushedBytes && !flusher.stalled
      ) await Promise.race([state.changed.next, flusher.progressed.next]);
    },
    onBatch: (_seq, createTs = MIN_TIMESTAMP) => {
      if (createTs > lastCreateTs) lastCreateTs = createTs;
    },
    explainGap: () => manifest.refresh(),
    signal: options.signal,
  });
  wal.durable.raise(lastSeq);
  return { lastSeq, lastCreateTs };
}

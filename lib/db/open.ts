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
 * loops      polling and collecting begin
 * ```
 *
 * Dying anywhere in between leaves a database that the next open takes over.
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { MemoryBudget } from "../base/budget.ts";
import { DbError } from "../base/errors.ts";
import { silentLogger } from "../base/log.ts";
import { noRecorder } from "../base/metrics.ts";
import { MIN_TIMESTAMP } from "../base/row.ts";
import { systemRuntime } from "../base/runtime.ts";
import { BlockCache } from "../cache/block_cache.ts";
import type { Flusher } from "../flush/flusher.ts";
import { FORMAT_PROFILES } from "../format/format_target.ts";
import { initialManifest, type Manifest } from "../format/manifest.ts";
import { countedOperator } from "../iter/counted_operator.ts";
import { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import { componentStores } from "../object_store/component_stores.ts";
import { ReadContext } from "../read/read_context.ts";
import { decodeSection } from "../sst/section.ts";
import { fenceWal } from "../wal/object_wal_fence.ts";
import { replayWal } from "../wal/object_wal_replay.ts";
import type { Wal } from "../wal/wal.ts";
import { openBackground } from "./background.ts";
import { checkCompacting } from "./compacting.ts";
import { registerDbMetrics } from "./db_metrics.ts";
import { Engine } from "./engine.ts";
import {
  openFlusher,
  type Opening,
  openSsts,
  openWal,
  openWriter,
  type Replayed,
} from "./engine_parts.ts";
import { Lifecycle } from "./lifecycle.ts";
import { checkDbOptions, type DbOptions, resolvePath } from "./open_options.ts";
import { checkSegments, prefixesOf } from "./segments.ts";
import { type ResolvedSettings, resolveSettings } from "./settings.ts";
import { sharedKernel } from "./shared_kernel.ts";

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
  checkCompacting(options);
  const opening: Opening = {
    ...resolveComponents(options, settings),
    root: resolvePath(path),
    options,
    settings,
    kernel: await sharedKernel(),
    lifecycle: new Lifecycle(),
    fail: () => {},
    isBusy: () => false,
  };
  opening.logger.info(`opening SlateDB database at "${opening.root}"`);
  const manifest = await openManifest(opening);
  try {
    const walId = await fence(opening, manifest);
    return await startEngine(opening, manifest, walId);
  } catch (error) {
    await manifest.close();
    throw error;
  }
}

function resolveComponents(options: DbOptions, settings: ResolvedSettings) {
  const { runtime = systemRuntime, logger = silentLogger } = options;
  const { recorder = noRecorder } = options;
  const stores = (component: "db" | "gc" | "compactor") =>
    componentStores(component, {
      store: options.store,
      walStore: options.walStore,
      runtime,
      logger,
      recorder,
      maxRetries: settings.objectStoreMaxRetries,
    });
  return {
    ...stores("db"),
    storesOf: stores,
    runtime,
    logger,
    recorder,
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
    staleAfterMs: Math.min(settings.walMinAgeMs, settings.viewMinAgeMs) / 2,
  });
  return manifests.open("writer", {
    create: {
      ...initialManifest(),
      ...(options.walStore === undefined ? {} : { walObjectStoreUri: "" }),
      ...(options.segmentExtractor === undefined
        ? {}
        : { segmentExtractorName: options.segmentExtractor.name }),
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
  checkSegments(manifest, options.segmentExtractor);
  // Manifests with segments cannot say where the WAL is.
  if (manifest.segmentExtractorName !== undefined) return;
  const ownWalStore = manifest.walObjectStoreUri !== undefined;
  if (ownWalStore !== (options.walStore !== undefined)) {
    throw new DbError(
      "invalid",
      ownWalStore
        ? "wal store reconfiguration unsupported: the database has a WAL store of its own, give it as option 'walStore'"
        : "wal store reconfiguration unsupported: the database has no WAL store of its own, leave out option 'walStore'",
    );
  }
}

function fence(opening: Opening, manifest: HeldManifest): Promise<number> {
  const { walStore, root, options } = opening;
  return fenceWal({
    store: walStore,
    root,
    replayAfterWalId: manifest.latest.replayAfterWalId,
    fence: FORMAT_PROFILES[options.formatTarget ?? "interop"].fence,
    checkEpoch: async () => {
      const { replayAfterWalId } = await manifest.refresh(options.signal);
      return replayAfterWalId;
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function startEngine(
  opening: Opening,
  manifest: HeldManifest,
  walId: number,
): Promise<Engine> {
  const { kernel, budget, lifecycle, options, runtime, recorder } = opening;
  const metrics = registerDbMetrics(recorder);
  let engine: Engine | undefined;
  let early: unknown;
  opening.fail = (error) => {
    if (engine === undefined) early ??= error;
    else engine.fail(error);
  };
  const ssts = openSsts(opening, BlockCache.shared(kernel, budget));
  const state = new LsmState({
    kernel,
    budget,
    ssts,
    manifest: manifest.latest,
  });
  const wal: Wal = openWal(opening, manifest, walId, () => {
    state.tryFreeze(wal.lastFlushedId);
    flusher.poke();
  });
  const flusher: Flusher = openFlusher(opening, { manifest, state, wal, ssts });
  const checkAlive = () => {
    if (early !== undefined) throw early;
  };
  try {
    flusher.start();
    const parts = { manifest, state, wal, flusher, walId, checkAlive };
    const replayed = await replay(opening, parts);
    checkAlive();
    const prefixes = () =>
      prefixesOf(kernel, state.view, options.segmentExtractor);
    engine = new Engine({
      lifecycle,
      state,
      wal,
      manifest,
      flusher,
      background: openBackground(opening, { manifest, state, flusher }),
      ...openWriter(
        opening,
        { state, wal, flusher, replayed, prefixes, metrics },
        () => engine?.makeRoom(),
      ),
      prefixes,
      readContext: new ReadContext({
        kernel,
        mergeOperator: countedOperator(options.mergeOperator, recorder, "read"),
        hideExpired: options.expiredReads !== "return",
        requests: metrics.reads,
      }),
      metrics,
      runtime,
      logger: opening.logger,
    });
    engine.start();
    return engine;
  } catch (error) {
    await flusher.stop();
    await wal.close({ flush: false });
    state.dispose();
    throw error;
  }
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
    /** Throws what has ended the database meanwhile, if anything. */
    checkAlive: () => void;
  },
): Promise<Replayed> {
  const { kernel, walStore, root, runtime, logger, options, settings } =
    opening;
  const { manifest, state, wal, flusher, walId, checkAlive } = parts;
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
      ) {
        checkAlive();
        const changes = [state.changed.next, flusher.progressed.next];
        await abortable(Promise.race(changes), options.signal);
      }
    },
    onBatch: (seq, createTs = MIN_TIMESTAMP) => {
      if (createTs <= lastCreateTs) return;
      lastCreateTs = createTs;
      state.tracker.record(seq, Number(createTs / 1000n));
    },
    explainGap: () => manifest.refresh(options.signal),
    signal: options.signal,
  });
  wal.durable.raise(lastSeq);
  return { lastSeq, lastCreateTs };
}

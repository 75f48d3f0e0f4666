/**
 * The parts of an open database, each made from what its opening knows.
 *
 * Owns: which option and setting goes to which part. Does not own: the order in
 * which they start (`open.ts`).
 *
 * @module
 */
import { BufferPool } from "../base/buffer_pool.ts";
import type { MemoryBudget } from "../base/budget.ts";
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { Kernel } from "../codec/kernel.ts";
import { Flusher } from "../flush/flusher.ts";
import { FORMAT_PROFILES } from "../format/format_target.ts";
import { countedOperator } from "../iter/counted_operator.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import type { ComponentStores } from "../object_store/component_stores.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { SstEncoder, type SstEncoderOptions } from "../sst/sst_encoder.ts";
import { SstStore } from "../sst/sst_store.ts";
import { NoWal } from "../wal/no_wal.ts";
import { ObjectWal } from "../wal/object_wal.ts";
import type { Wal } from "../wal/wal.ts";
import { Backpressure } from "../write/backpressure.ts";
import { Committer } from "../write/commit.ts";
import { RowClock } from "../write/row_clock.ts";
import { SegmentGuard } from "../write/segment_guard.ts";
import { Sequence } from "../write/sequence.ts";
import type { DbMetrics } from "./db_metrics.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { DbOptions } from "./open_options.ts";
import type { ResolvedSettings } from "./settings.ts";

/**
 * A WAL file is cut here at the latest, however large memtables may grow: two of
 * them are in memory besides the rows, and a smaller one travels while the next
 * is encoded.
 */
const MAX_WAL_FILE_BYTES = 8 * 1024 * 1024;
/** Of all databases of this thread: a file travels, another is encoded. */
const WAL_BUFFERS = new BufferPool(2, 1.25 * MAX_WAL_FILE_BYTES);

/** Everything the steps of an opening share. */
export interface Opening {
  readonly root: string;
  readonly options: DbOptions;
  readonly settings: ResolvedSettings;
  readonly store: ObjectStore;
  readonly walStore: ObjectStore;
  /** The same stores for what runs beside the writer, which counts as itself. */
  readonly storesOf: (component: "gc" | "compactor") => ComponentStores;
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly recorder: Recorder;
  readonly budget: MemoryBudget;
  readonly kernel: Kernel;
  readonly lifecycle: Lifecycle;
  /** Ends the database; the engine's own once there is one. */
  fail: (error: unknown) => void;
  /** Whether something beside the writer wants manifests soon. */
  isBusy: () => boolean;
}

/** What a replay found. */
export interface Replayed {
  /** The largest sequence number of any row. */
  readonly lastSeq: bigint;
  /** The latest stamp of any row. */
  readonly lastCreateTs: bigint;
}

/**
 * The SSTs.
 *
 * @param opening What the opening knows.
 * @param cache Keeps their blocks.
 * @returns The SSTs of the database.
 */
export function openSsts(opening: Opening, cache: BlockCache): SstStore {
  const { kernel, store, root, options, runtime, recorder, logger } = opening;
  return new SstStore({
    kernel,
    store,
    root,
    cache,
    transformer: options.blockTransformer,
    filterPolicies: options.filterPolicies,
    runtime,
    recorder,
    logger,
  });
}

/**
 * How the database writes its SSTs, in L0 and below.
 *
 * @param options Components.
 * @param settings Settings.
 * @returns What every encoder takes.
 */
export function encodingOf(
  options: DbOptions,
  settings: ResolvedSettings,
): Pick<
  SstEncoderOptions,
  | "blockBytes"
  | "compression"
  | "filterBitsPerKey"
  | "filterFormat"
  | "minFilterKeys"
> {
  return {
    blockBytes: options.blockBytes ?? 4096,
    compression: settings.compression,
    filterBitsPerKey: settings.filterBitsPerKey,
    filterFormat:
      FORMAT_PROFILES[options.formatTarget ?? "interop"].filterFormat,
    minFilterKeys: settings.minFilterKeys,
  };
}

function newEncoder(
  opening: Opening,
  sstType: "compacted" | "wal",
  rowBytes: number,
  target: Pick<SstEncoderOptions, "buffers" | "sink">,
): SstEncoder {
  const { kernel, options, settings, runtime } = opening;
  return new SstEncoder(kernel, {
    sstType,
    ...encodingOf(options, settings),
    filterPolicies: options.filterPolicies,
    transformer: options.blockTransformer,
    // Rows are most of it; the rest is index and filter.
    expectedBytes: Math.ceil(rowBytes * 1.06) + 4096,
    ...target,
    runtime,
  });
}

/**
 * The log.
 *
 * @param opening What the opening knows.
 * @param manifest Says whether this writer still owns the database.
 * @param walId The last file: this writer's fence.
 * @param requestFlush Without a log, makes rows durable.
 * @returns The log, at its end.
 */
export function openWal(
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
    newEncoder: (bytes) =>
      newEncoder(opening, "wal", bytes, { buffers: WAL_BUFFERS }),
    buffers: WAL_BUFFERS,
    lastId: walId,
    durableSeq,
    flushIntervalMs,
    maxFileBytes: Math.min(settings.l0SstBytes, MAX_WAL_FILE_BYTES),
    confirmOwnership: () => manifest.confirm(settings.walMinAgeMs / 2),
    onFailure: (error) => opening.fail(error),
  });
}

/**
 * The flusher.
 *
 * @param opening What the opening knows.
 * @param parts What it moves rows between.
 * @returns The flusher, not started.
 */
export function openFlusher(
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
    newEncoder: (bytes, sink) =>
      newEncoder(opening, "compacted", bytes, { sink }),
    mergeOperator: countedOperator(
      opening.options.mergeOperator,
      recorder,
      "flush",
    ),
    segmentExtractor: opening.options.segmentExtractor,
    l0MaxSsts: settings.l0MaxSsts,
    l0MaxSstsPerKey: settings.l0MaxSstsPerKey,
    l0FlushParallelism: settings.l0FlushParallelism,
    manifestPollIntervalMs: settings.manifestPollIntervalMs,
    manifestPollExact: settings.manifestPollExact,
    isBusy: () => opening.isBusy(),
    onFailure: (error) => opening.fail(error),
  });
}

/**
 * The write path.
 *
 * @param opening What the opening knows.
 * @param parts Where rows go, and where the last ones stood.
 * @param makeRoom Asks for whatever lets waiting writers go on.
 * @returns Its parts.
 */
export function openWriter(
  opening: Opening,
  parts: {
    state: LsmState;
    wal: Wal;
    flusher: Flusher;
    replayed: Replayed;
    prefixes: () => Uint8Array[];
    metrics: DbMetrics;
  },
  makeRoom: () => void,
): {
  sequence: Sequence;
  clock: RowClock;
  committer: Committer;
  backpressure: Backpressure;
} {
  const { kernel, budget, runtime, logger, recorder, settings } = opening;
  const { mergeOperator, segmentExtractor } = opening.options;
  const { state, wal, flusher, replayed, prefixes, metrics } = parts;
  const sequence = new Sequence(replayed.lastSeq);
  const clock = new RowClock(runtime, logger, replayed.lastCreateTs);
  const committer = new Committer({
    kernel,
    state,
    wal,
    sequence,
    clock,
    durability: { durable: async (seq) => await wal.durable.reached(seq) },
    mergeOperator,
    segments: segmentExtractor &&
      new SegmentGuard({ extractor: segmentExtractor, prefixes }),
    defaultTtlMs: settings.defaultTtlMs,
    l0SstBytes: settings.l0SstBytes,
    maxWalFlushesBeforeL0Flush: settings.maxWalFlushesBeforeL0Flush,
    metrics: metrics.writes,
    onFrozen: () => flusher.poke(),
    onFailure: opening.fail,
  });
  const backpressure = new Backpressure({
    state,
    wal,
    budget,
    runtime,
    logger,
    stalls: recorder.counter(
      "slatedb.db.backpressure_count",
      "Writes that had to wait until rows were flushed.",
    ),
    maxUnflushedBytes: settings.maxUnflushedBytes,
    maxUnflushedMemtables: settings.maxUnflushedMemtables,
    makeRoom,
  });
  return { sequence, clock, committer, backpressure };
}

/**
 * A database opened for reading alone.
 *
 * Owns: a view of the moment of opening, or of a checkpoint: a manifest, and what
 * the WAL has above it. Does not own: anything in the store. It fences nobody, and writes
 * nothing but a checkpoint where it is open for minutes (`reader_lease.ts`).
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { MemoryBudget } from "../base/budget.ts";
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { noRecorder } from "../base/metrics.ts";
import type { Entry } from "../base/row.ts";
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import { BlockCache } from "../cache/block_cache.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Manifest } from "../format/manifest.ts";
import { countedOperator } from "../iter/counted_operator.ts";
import { LsmState } from "../lsm/lsm_state.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import type { ViewLease } from "../manifest/view_lease.ts";
import { componentStores } from "../object_store/component_stores.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { KeyExplanation } from "../read/explain.ts";
import { ReadContext } from "../read/read_context.ts";
import { decodeSection } from "../sst/section.ts";
import { SstStore } from "../sst/sst_store.ts";
import { replayWal } from "../wal/object_wal_replay.ts";
import { registerReadRequests } from "./db_metrics.ts";
import { Lifecycle } from "./lifecycle.ts";
import {
  checkReaderOptions,
  type ReaderOptions,
  resolvePath,
} from "./open_options.ts";
import type { ReadOptions, ScanOptions } from "./read_options.ts";
import { ReadPoint, Reads } from "./reads.ts";
import type { Scan } from "./scan.ts";
import { openReaderLease } from "./reader_lease.ts";
import {
  checkedMode,
  type CheckpointMode,
  findBasis,
  type ReaderBasis,
} from "./reader_mode.ts";
import { checkSegments, prefixesOf } from "./segments.ts";
import { sharedKernel } from "./shared_kernel.ts";
import { type TreeStatus, treeStatus } from "./status.ts";

/** Components of `DbReader.open`. */
export interface DbReaderOptions extends ReaderOptions {
  /**
   * Whether to see what is in L0 and below alone, and so save reading the WAL.
   *
   * @default {false}
   */
  skipWalReplay?: boolean;
  /**
   * `{ checkpoint: id }` shows what that checkpoint keeps, instead of the latest
   * state. The reader keeps the files, too, while it is open: within seconds
   * where the checkpoint ends soon, else within two minutes.
   */
  mode?: CheckpointMode;
}

const MORE_OPTION_NAMES = ["skipWalReplay", "mode"];

/**
 * A database as it was when the reader was opened, or when a checkpoint was made,
 * to read from; any number of readers may be open beside the writer, which does not notice them. A reader
 * that stays open for minutes makes a checkpoint, so that collectors spare its
 * files, and removes it when it is closed.
 */
export class DbReader implements AsyncDisposable {
  /** The tree in numbers. */
  readonly tree: TreeStatus;
  readonly #lifecycle: Lifecycle;
  readonly #state: LsmState;
  readonly #reads: Reads;
  readonly #lease: ViewLease;
  readonly #lastSeq: bigint;

  private constructor(
    lifecycle: Lifecycle,
    state: LsmState,
    reads: Reads,
    lease: ViewLease,
    lastSeq: bigint,
    tree: TreeStatus,
  ) {
    this.tree = tree;
    this.#lifecycle = lifecycle;
    this.#state = state;
    this.#reads = reads;
    this.#lease = lease;
    this.#lastSeq = lastSeq;
    lease.start();
  }

  /**
   * Opens a database for reading.
   *
   * @param path The database's path in the store.
   * @param options Components; only `store` is required.
   * @returns The reader.
   * @throws {DbError} Kind `"data"` if there is no database, or no such checkpoint, or it is damaged; `"invalid"` if the options do not fit it.
   *
   * @example
   * ```ts
   * import { Db, DbReader, MemoryStore } from "@shale/db";
   *
   * const store = new MemoryStore();
   * await using db = await Db.open("orders", { store });
   * await db.put("sku/7", "blue");
   * const { id } = await db.createCheckpoint({ lifetimeMs: 3_600_000 });
   * await db.put("sku/7", "red");
   *
   * const mode = { checkpoint: id };
   * await using reader = await DbReader.open("orders", { store, mode });
   * console.log(new TextDecoder().decode(await reader.get("sku/7"))); // blue
   * ```
   */
  static async open(path: string, options: DbReaderOptions): Promise<DbReader> {
    checkReaderOptions(options, MORE_OPTION_NAMES);
    const checkpointId = checkedMode(options.mode);
    options.signal?.throwIfAborted();
    const opening = await prepare(path, options);
    const { manifests, root } = opening;
    const basis = await abortable(
      findBasis(manifests, root, checkpointId, options.signal),
      options.signal,
    );
    const state = openState(opening, basis.manifest);
    try {
      const lastSeq = options.skipWalReplay === true
        ? state.view.manifest.lastL0Seq
        : await replay(opening, state, basis);
      const { runtime, kernel } = opening;
      const { recorder = noRecorder } = options;
      const lifecycle = new Lifecycle();
      const reads = new Reads({
        context: new ReadContext({
          kernel,
          mergeOperator: countedOperator(
            options.mergeOperator,
            recorder,
            "read",
          ),
          requests: registerReadRequests(recorder),
          hideExpired: options.expiredReads !== "return",
        }),
        guard: () => lifecycle.guard(),
        pin: (_remote, cacheBlocks) =>
          new ReadPoint(
            state.view,
            lastSeq,
            { nowMs: () => runtime.now() },
            cacheBlocks,
          ),
      });
      const { view } = state;
      const prefixes = prefixesOf(kernel, view, options.segmentExtractor);
      const tree = treeStatus(view, prefixes);
      const lease = openReaderLease(manifests, basis, runtime, opening.logger);
      return new DbReader(lifecycle, state, reads, lease, lastSeq, tree);
    } catch (error) {
      state.dispose();
      throw error;
    }
  }

  /** The largest sequence number it sees. */
  get seq(): bigint {
    return this.#lastSeq;
  }

  /** The manifest it reads by. */
  get manifest(): Manifest {
    return this.#state.view.manifest;
  }

  /**
   * Reads a value; see `Db.get`.
   *
   * @param key The key.
   * @param options How to read.
   * @returns The value, or `undefined`.
   */
  get(key: Bytes, options?: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#reads.get(key, options);
  }

  /**
   * Reads a value with its sequence number and timestamps; see `Db.getEntry`.
   *
   * @param key The key.
   * @param options How to read.
   * @returns The entry, or `undefined`.
   */
  getEntry(key: Bytes, options?: ReadOptions): Promise<Entry | undefined> {
    return this.#reads.getEntry(key, options);
  }

  /**
   * Reads several values; see `Db.getMany`.
   *
   * @param keys The keys, in any order.
   * @param options How to read.
   * @returns For each key its value, or `undefined`.
   */
  getMany(
    keys: readonly Bytes[],
    options?: ReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    return this.#reads.getMany(keys, options);
  }

  /**
   * Reads a range; see `Db.scan`.
   *
   * @param options Range, direction, limit, fetching.
   * @returns An async iterable of entries.
   */
  scan(options: ScanOptions = {}): Scan {
    return this.#reads.scan(options);
  }

  /**
   * Reads a key and says how; see `Db.explain`.
   *
   * @param key The key.
   * @param options How to read.
   * @returns The search, step by step.
   */
  explain(key: Bytes, options?: ReadOptions): Promise<KeyExplanation> {
    return this.#reads.explain(key, options);
  }

  /**
   * Lets go of everything; may be called again.
   *
   * @returns Resolves when it is done.
   */
  close(): Promise<void> {
    return this.#lifecycle.close(() => {
      this.#reads.endScans();
      this.#state.dispose();
      return this.#lease.stop(true);
    });
  }

  /** See {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Everything the steps of an opening share. */
interface Opening {
  readonly root: string;
  readonly options: DbReaderOptions;
  readonly store: ObjectStore;
  readonly walStore: ObjectStore;
  readonly manifests: ManifestStore;
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly logger: Logger;
}

async function prepare(
  path: string,
  options: DbReaderOptions,
): Promise<Opening> {
  const { runtime = systemRuntime, logger = silentLogger } = options;
  const { recorder = noRecorder } = options;
  const root = resolvePath(path);
  const { store, walStore } = componentStores("reader", {
    store: options.store,
    walStore: options.walStore,
    runtime,
    logger,
    recorder,
  });
  return {
    root,
    options,
    store,
    walStore,
    manifests: new ManifestStore({
      store,
      root,
      runtime,
      logger,
      checksum: true,
    }),
    kernel: await sharedKernel(),
    runtime,
    logger,
  };
}

/** The tree of a manifest. */
function openState(opening: Opening, manifest: Manifest): LsmState {
  const { root, options, store, kernel, runtime, logger } = opening;
  const { recorder = noRecorder, budget = new MemoryBudget() } = options;
  checkManifest(manifest, options);
  const ssts = new SstStore({
    kernel,
    store,
    root,
    cache: BlockCache.shared(kernel, budget),
    transformer: options.blockTransformer,
    filterPolicies: options.filterPolicies,
    runtime,
    recorder,
    logger,
  });
  return new LsmState({ kernel, budget, ssts, manifest });
}

/** What the log has above L0, into the memtable. */
async function replay(
  opening: Opening,
  state: LsmState,
  { checkpoint }: ReaderBasis,
): Promise<bigint> {
  const { root, options, walStore, kernel, runtime, logger } = opening;
  const { replayAfterWalId, nextWalId, lastL0Seq } = state.view.manifest;
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
    to: checkpoint && nextWalId - 1,
    lastL0Seq,
    mergeOperator: options.mergeOperator,
    memtable: () => state.view.active,
    isFull: () => false,
    freeze: () => {},
    signal: options.signal,
  });
  return lastSeq;
}

function checkManifest(manifest: Manifest, options: DbReaderOptions): void {
  checkSegments(manifest, options.segmentExtractor);
  const ownWalStore = manifest.walObjectStoreUri !== undefined;
  if (ownWalStore && options.walStore === undefined && !options.skipWalReplay) {
    throw new DbError(
      "invalid",
      "the database has a WAL store of its own: give it as option 'walStore', or set 'skipWalReplay'",
    );
  }
}

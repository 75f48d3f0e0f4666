/**
 * SST ids to tables and objects.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { ExternalDb, SstHandle } from "../format/manifest.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { BlockTransformer } from "./block_transformer.ts";
import type { EncodedSst } from "./sst_encoder.ts";
import { SstTable } from "./sst_table.ts";

/** What a {@linkcode SstStore} works with. */
export interface SstStoreOptions {
  /** Where loaded blocks live. */
  readonly kernel: Kernel;
  /** Where the objects are. */
  readonly store: ObjectStore;
  /** The database's path in the store. */
  readonly root: string;
  /** Holds blocks, indexes and filters. */
  readonly cache: BlockCache;
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** Clock and randomness. */
  readonly runtime: Runtime;
  /** Where requests and cache hits are counted. */
  readonly recorder: Recorder;
  /** Told of reads that had to be repeated. */
  readonly logger: Logger;
}

/** The SSTs of one database. */
export class SstStore {
  /**
   * Constructs a new {@linkcode SstStore}; no I/O.
   *
   * @param options What it works with.
   */
  constructor(_options: SstStoreOptions) {
  }

  /**
   * The table of a handle; the same one for the same SST and visible range while
   * somebody holds it. No I/O.
   *
   * @param handle How the manifest refers to the SST.
   * @param externalDbs Where SSTs of other databases live.
   * @returns The table; acquire it to keep it.
   */
  table(
    handle: SstHandle,
    _externalDbs: readonly ExternalDb[] = [],
  ): SstTable {
    return new SstTable(handle);
  }

  /**
   * Makes the id of the next SST; later ids are greater.
   *
   * @returns A ULID.
   */
  nextId(): Ulid {
    throw new DbError("internal", "not yet");
  }

  /**
   * Stores an SST.
   *
   * @param id Its id, from {@linkcode nextId}.
   * @param encoded The SST.
   * @param signal Ends the call with the signal's reason.
   */
  put(
    _id: Ulid,
    _encoded: EncodedSst,
    _signal?: AbortSignal,
  ): Promise<void> {
    throw new DbError("internal", "not yet");
  }
}

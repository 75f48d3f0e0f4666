/**
 * SST ids to tables and objects.
 *
 * Owns: one table for each SST and visible range, however many views hold it;
 * where an SST's object is; putting new ones.
 * Does not own: which SSTs are live; the manifest says.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type Ulid, UlidSource } from "../base/ids.ts";
import type { KeyBound } from "../base/key_range.ts";
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { ExternalDb, SstHandle } from "../format/manifest.ts";
import { sstName } from "../format/paths.ts";
import {
  type ObjectStore,
  takesChunksAtOnce,
} from "../object_store/object_store.ts";
import type { BlockTransformer } from "./block_transformer.ts";
import { type FilterPolicy, WHOLE_KEYS } from "./filter_policy.ts";
import type { EncodedSst } from "./sst_encoder.ts";
import { SstObject } from "./sst_object.ts";
import { SstTable, type TableContext } from "./sst_table.ts";
import { createTableMetrics } from "./table_metrics.ts";
import { Turn } from "./turn.ts";

/** What a {@linkcode SstStore} works with. */
export interface SstStoreOptions {
  /** Where what is loaded lives; the cache's own. */
  readonly kernel: Kernel;
  /** Where the objects are. */
  readonly store: ObjectStore;
  /** The database's path in the store. */
  readonly root: string;
  /** Holds blocks, indexes and filters. */
  readonly cache: BlockCache;
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** The policies whose filters are asked, besides that of whole keys. */
  readonly filterPolicies?: readonly FilterPolicy[] | undefined;
  /** Clock and randomness. */
  readonly runtime: Runtime;
  /** Where cache misses and filters are counted. */
  readonly recorder: Recorder;
  /** Told of reads that had to be repeated. */
  readonly logger: Logger;
}

/** The SSTs of one database. */
export class SstStore {
  readonly #store: ObjectStore;
  readonly #root: string;
  readonly #logger: Logger;
  readonly #ids: UlidSource;
  readonly #context: TableContext;
  readonly #tables = new Map<string, SstTable>();
  readonly #closing = new AbortController();

  /**
   * Constructs a new {@linkcode SstStore}; no I/O.
   *
   * @param options What it works with.
   */
  constructor(options: SstStoreOptions) {
    const { store, root, cache, transformer, filterPolicies = [] } = options;
    this.#store = store;
    this.#root = root;
    this.#logger = options.logger;
    this.#ids = new UlidSource(options.runtime);
    this.#context = {
      kernel: options.kernel,
      cache,
      transformer,
      policies: [WHOLE_KEYS, ...filterPolicies],
      metrics: createTableMetrics(options.recorder),
      turn: new Turn(options.runtime),
      retire: (table) => this.#retire(table),
    };
  }

  /** How many tables somebody holds, or has made and not yet held. */
  get tables(): number {
    return this.#tables.size;
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
    externalDbs: readonly ExternalDb[] = [],
  ): SstTable {
    const key = keyOf(handle);
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const owner = externalDbs.find(({ sstIds }) => sstIds.includes(handle.id));
    const name = sstName(owner?.path ?? this.#root, handle.id);
    const { signal } = this.#closing;
    const object = new SstObject(this.#store, name, this.#logger, signal);
    const table = new SstTable(handle, object, this.#context);
    this.#tables.set(key, table);
    return table;
  }

  /**
   * Makes the id of the next SST; later ids are greater.
   *
   * @returns A ULID.
   */
  nextId(): Ulid {
    return this.#ids.next();
  }

  /**
   * Makes every later id greater than one that was seen.
   *
   * @param id The ULID of an SST or of a compaction.
   */
  observeId(id: Ulid): void {
    this.#ids.observe(id);
  }

  /**
   * Stores an SST.
   *
   * @param id Its id, from {@linkcode nextId}.
   * @param encoded The SST.
   * @param signal Ends the call with the signal's reason.
   * @throws {DbError} Kind `"unavailable"` if the store fails.
   */
  async put(
    id: Ulid,
    encoded: EncodedSst,
    signal?: AbortSignal,
  ): Promise<void> {
    const name = sstName(this.#root, id);
    // Nobody else has this id: a second try may overwrite the first.
    const result = await this.#store.put(name, encoded.body, {
      mode: "overwrite",
      ...(signal === undefined ? {} : { signal }),
    });
    if (!result.ok) {
      throw new DbError("internal", `${name} was refused: ${result.reason}`);
    }
  }

  /**
   * Stores an SST while it is under construction.
   *
   * @param id Its id, from {@linkcode nextId}.
   * @param body The SST's bytes, a chunk's buffer perhaps used again once the next is asked for; one that breaks off leaves nothing behind.
   * @param signal Ends the call with the signal's reason.
   * @throws {DbError} Kind `"unavailable"` if the store fails; a stream is not sent twice.
   */
  async putStream(
    id: Ulid,
    body: ReadableStream<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<void> {
    const name = sstName(this.#root, id);
    const chunks = takesChunksAtOnce(this.#store) ? body : copied(body);
    const result = await this.#store.put(name, chunks, {
      mode: "overwrite",
      ...(signal === undefined ? {} : { signal }),
    });
    if (!result.ok) {
      throw new DbError("internal", `${name} was refused: ${result.reason}`);
    }
  }

  /**
   * Ends reads that are under way: nobody is answered any more. A store that is
   * down would be asked again and again for them.
   */
  close(): void {
    const closed = new DbError("closed", "the database is closed");
    this.#closing.abort(closed);
  }

  #retire(table: SstTable): void {
    const key = keyOf(table.handle);
    if (this.#tables.get(key) === table) this.#tables.delete(key);
  }
}

/** The same bytes, each chunk in a buffer of its own. */
function copied(body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

function keyOf({ id, visibleRange }: SstHandle): string {
  if (visibleRange === undefined) return id;
  const { lower, upper } = visibleRange;
  return `${id} ${showBound(lower)} ${showBound(upper)}`;
}

function showBound(bound: KeyBound | undefined): string {
  if (bound === undefined) return "";
  return (bound.inclusive ? "=" : "<") + toHex(bound.key);
}

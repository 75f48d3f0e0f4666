/**
 * One SST, ready to read.
 *
 * Owns: its index and filters while they are in linear memory, and loading them,
 * once at a time however many ask.
 * Does not own: what stays in memory; the cache decides. Nothing is loaded before
 * it is needed.
 *
 * Invariant: whatever is found in memory without an `await` may be used until the
 * next load, without pinning it.
 *
 * @module
 */
import { DbError, invariant } from "../base/errors.ts";
import { intersect, type KeyBound, type KeyRange } from "../base/key_range.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { BlockOwner, CachedBlock } from "../cache/cached_block.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { SstHandle } from "../format/manifest.ts";
import { dataEnd } from "../format/sst_info.ts";
import type { BlockTransformer } from "./block_transformer.ts";
import type { Filter, FilterPolicy } from "./filter_policy.ts";
import { prefixLengthOf } from "./prefix_extractor.ts";
import { BYTES_AT_ONCE, type SectionCoding } from "./section.ts";
import type { SstObject } from "./sst_object.ts";
import { TableBlocks } from "./table_blocks.ts";
import {
  decodeTail,
  type LoadedFilter,
  placeContent,
  type TableContent,
} from "./table_content.ts";
import type { TableMetrics } from "./table_metrics.ts";
import type { Turn } from "./turn.ts";

/** Room for the info block and the footer besides the info's two keys. */
const TAIL_BYTES = 1024;
/** One byte behind a key makes the next greater one. */
const ZERO = 0;

/** What every table of a store shares. */
export interface TableContext {
  /** Where what is loaded lives; the cache's own. */
  readonly kernel: Kernel;
  /** Holds what is loaded. */
  readonly cache: BlockCache;
  /** The user's step after compression. */
  readonly transformer: BlockTransformer | undefined;
  /** The policies whose filters can be asked. */
  readonly policies: readonly FilterPolicy[];
  /** Hits, misses, and what filters say. */
  readonly metrics: TableMetrics;
  /** Whose turns decoding much at a time takes. */
  readonly turn: Turn;
  /** Told when nobody holds a table any more. */
  retire(table: SstTable): void;
}

/** One SST as one place of the tree refers to it. */
export class SstTable implements BlockOwner {
  /** How the manifest refers to it. */
  readonly handle: SstHandle;
  /** The keys it may hold, as far as the reference lets them be seen. */
  readonly range: KeyRange;
  /** Whether it certainly holds no key at all. */
  readonly empty: boolean;
  /** See {@linkcode BlockOwner.serial}. */
  readonly serial: number;
  /** The name of its object. */
  readonly name: string;
  /** Whether what is missing in memory can be read at once. */
  readonly synchronous: boolean;
  /** The most that one read of blocks should take: it is decoded at once. */
  readonly bytesAtOnce: number;
  /** What reads count. */
  readonly metrics: TableMetrics;
  /** Its data blocks; their number is known once it is ready. */
  readonly blocks: TableBlocks;
  /** Address of the index; 0: not in memory. */
  index = 0;
  /** The filter over whole keys; `undefined`: none, or not in memory. */
  wholeKeyFilter: LoadedFilter | undefined;
  /** Filters over prefixes of keys; empty while not in memory. */
  prefixFilters: readonly LoadedFilter[] = [];
  /** Whether filters besides that of whole keys can tell something about a key. */
  asksMoreOfKeys = false;
  /** Merge operands among its rows; `undefined`: not known, or not yet. */
  merges: number | undefined;
  readonly #context: TableContext;
  readonly #object: SstObject;
  readonly #coding: SectionCoding;
  readonly #kernel: Kernel;
  #content: TableContent | undefined;
  /** Filters of users' own policies; empty while not in memory. */
  #customFilters: readonly Filter[] = [];
  #loading: Promise<void> | undefined;
  #references = 0;
  #retired = false;

  /**
   * Constructs a new {@linkcode SstTable}, referenced by nobody; no I/O.
   *
   * @param handle How the manifest refers to it.
   * @param object Where its bytes are.
   * @param context What every table shares.
   */
  constructor(handle: SstHandle, object: SstObject, context: TableContext) {
    const { kernel, cache, transformer, metrics, turn } = context;
    this.handle = handle;
    this.name = object.name;
    this.synchronous = object.synchronous && transformer === undefined;
    this.bytesAtOnce = object.synchronous
      ? BYTES_AT_ONCE[handle.info.compression]
      : Infinity;
    this.metrics = metrics;
    this.#object = object;
    this.#context = context;
    this.#kernel = kernel;
    this.#coding = {
      kernel: this.#kernel,
      compression: handle.info.compression,
      transformer,
    };
    const range = rangeOf(handle);
    this.range = range ?? {};
    this.empty = range === undefined;
    this.blocks = new TableBlocks({
      object,
      coding: this.#coding,
      formatVersion: handle.formatVersion,
      visibleRange: handle.visibleRange,
      cache,
      metrics,
      turn,
    });
    this.serial = this.blocks.serial;
  }

  /** Whether index and filters are in memory. */
  get ready(): boolean {
    return this.index !== 0;
  }

  /** What reading it has cost so far. */
  get cost(): { readonly requests: number; readonly bytesRead: number } {
    const { requests, bytesRead } = this.#object;
    return { requests, bytesRead };
  }

  /** Keeps what is loaded until {@linkcode release}. */
  acquire(): void {
    this.#references++;
  }

  /** Gives back one reference; the last one frees all that is loaded. */
  release(): void {
    if (--this.#references !== 0) return;
    this.#retired = true;
    const memory = this.#content?.memory;
    this.#forget();
    // What found no room in the cache is pinned by the table.
    if (memory?.queue === undefined) memory?.unpin();
    else this.#context.cache.remove(memory);
    this.blocks.retire();
    this.#context.retire(this);
  }

  /**
   * Brings index and filters into memory, with one read.
   *
   * @returns `undefined` when they are there already or could be read at once.
   * @throws {DbError} Kind `"data"` if the SST is missing or damaged.
   */
  load(): Promise<void> | undefined {
    if (this.index !== 0) return undefined;
    if (this.#loading !== undefined) return this.#loading;
    invariant(!this.#retired, "a table is read by whoever holds it");
    const { info } = this.handle;
    this.metrics.indexMisses.add();
    if (info.filterBytes > 0) this.metrics.filterMisses.add();
    const sectionsEnd = info.statsBytes > 0
      ? info.statsOffset + info.statsBytes
      : info.indexOffset + info.indexBytes;
    const keyBytes = (info.firstEntry?.length ?? 0) +
      (info.lastEntry?.length ?? 0);
    const content = this.#object.read(
      "tail",
      dataEnd(info),
      sectionsEnd + keyBytes + TAIL_BYTES,
      (bytes) => this.#decode(bytes),
    );
    if (!(content instanceof Promise)) {
      this.#set(content)?.unpin();
      return undefined;
    }
    let held: CachedBlock | undefined;
    const loading = content.then((content) => {
      held = this.#set(content);
    }).finally(() => {
      this.#loading = undefined;
    });
    // Unpinned in the very turn in which those who wait go on: where the cache
    // has no room for two tables, they would push each other out for ever.
    loading.then(() => held?.unpin(), () => {});
    this.#loading = loading;
    return loading;
  }

  /**
   * The block in which a key's newest version must be if it is in this table.
   *
   * @param key Address of the key.
   * @param bytes Its length.
   * @returns The block's number; the table must be ready.
   */
  findBlock(key: number, bytes: number): number {
    return this.#kernel.exports.index_seek(this.index, key, bytes);
  }

  /**
   * The first block that may hold a key inside a bound.
   *
   * @param lower The bound; `undefined`: none.
   * @returns The block's number; the table must be ready.
   */
  firstBlock(lower: KeyBound | undefined): number {
    if (lower === undefined) return 0;
    const bytes = this.#kernel.scratchKey(lower.key);
    return this.findBlock(this.#kernel.scratchPointer, bytes);
  }

  /**
   * The last block that may hold a key inside a bound.
   *
   * @param upper The bound; `undefined`: none.
   * @returns The block's number; the table must be ready.
   */
  lastBlock(upper: KeyBound | undefined): number {
    if (upper === undefined) return this.blocks.count - 1;
    const { key, inclusive } = upper;
    if (!inclusive) return this.firstBlock(upper);
    // Blocks whose separator is the key itself may hold it too.
    const pointer = this.#kernel.scratch(key.length + 1);
    const { u8 } = this.#kernel;
    u8.set(key, pointer);
    u8[pointer + key.length] = ZERO;
    return this.findBlock(pointer, key.length + 1);
  }

  /**
   * Asks the filters over prefixes, and users' own, about all keys that begin
   * with a prefix.
   *
   * @param prefix The prefix.
   * @param context What the read gives to users' filters.
   * @returns `false` when there is certainly none; `true` while not ready.
   * @throws {DbError} Kind `"invalid"` if a user's extractor or filter fails.
   */
  mayContainPrefix(prefix: Uint8Array, context?: unknown): boolean {
    const passes = this.#ask(prefix, "prefix", context);
    if (passes === undefined) return true;
    const { prefixPositives, prefixNegatives } = this.metrics;
    (passes ? prefixPositives : prefixNegatives).add();
    return passes;
  }

  /**
   * Asks the filters that remember only prefixes, and users' own, about one key.
   *
   * @param key The key.
   * @param context What the read gives to users' filters.
   * @returns `false` when it is certainly not there; `true` while not ready.
   * @throws {DbError} Kind `"invalid"` if a user's extractor or filter fails.
   */
  passesFurther(key: Uint8Array, context?: unknown): boolean {
    return this.#ask(key, "key", context) !== false;
  }

  /** See {@linkcode BlockOwner.evicted}. */
  evicted(): void {
    this.#forget();
  }

  /** What the filters say; `undefined`: none of them can tell. */
  #ask(
    bytes: Uint8Array,
    kind: "key" | "prefix",
    context: unknown,
  ): boolean | undefined {
    let answer: true | undefined;
    for (const filter of this.prefixFilters) {
      const { prefixExtractor, wholeKeys = true } = filter.policy;
      // A filter with whole keys answers for a key better by the key itself.
      if (prefixExtractor === undefined || (kind === "key" && wholeKeys)) {
        continue;
      }
      const prefixBytes = prefixLengthOf(prefixExtractor, bytes, kind);
      if (prefixBytes === undefined) continue;
      if (!this.#probe(filter, bytes, prefixBytes)) return false;
      answer = true;
    }
    for (const filter of this.#customFilters) {
      if (!asks(filter, bytes, kind, context)) return false;
      answer = true;
    }
    return answer;
  }

  #probe(
    { pointer, bytes: length, probes }: LoadedFilter,
    bytes: Uint8Array,
    prefixBytes: number,
  ): boolean {
    this.#kernel.scratchKey(bytes);
    const { exports, scratchPointer } = this.#kernel;
    const hash = exports.siphash13(scratchPointer, prefixBytes);
    return exports.bloom_probe(pointer, length, probes, hash) !== 0;
  }

  #decode(bytes: Uint8Array): TableContent | Promise<TableContent> {
    const { cache, policies } = this.#context;
    const sections = decodeTail(this.#coding, this.handle.info, bytes);
    return sections instanceof Promise
      ? sections.then((sections) => placeContent(cache, sections, policies))
      : placeContent(cache, sections, policies);
  }

  /** Answers what to unpin once whoever waits has had a look at it. */
  #set(content: TableContent): CachedBlock | undefined {
    const { memory, offsets, filters, customFilters } = content;
    if (this.#retired) {
      memory.unpin();
      return undefined;
    }
    this.#content = content;
    this.index = memory.pointer;
    this.merges = content.merges;
    this.wholeKeyFilter = filters.find(({ policy }) =>
      policy.wholeKeys !== false
    );
    this.prefixFilters = filters.filter(({ policy }) =>
      policy.prefixExtractor !== undefined
    );
    this.#customFilters = customFilters;
    this.asksMoreOfKeys = customFilters.length > 0 ||
      this.prefixFilters.some(({ policy }) => policy.wholeKeys === false);
    const { lower, upper } = this.handle.visibleRange ?? {};
    this.blocks.map = {
      offsets,
      lowClip: lower === undefined
        ? -1
        : this.lastBlock({ key: lower.key, inclusive: true }),
      highClip: upper === undefined ? Infinity : this.firstBlock(upper),
    };
    return this.#context.cache.add(memory, this, true) ? memory : undefined;
  }

  #forget(): void {
    this.#content = undefined;
    this.index = 0;
    this.wholeKeyFilter = undefined;
    this.prefixFilters = [];
    this.#customFilters = [];
    this.asksMoreOfKeys = false;
  }
}

/** What a user's filter answers. */
function asks(
  filter: Filter,
  bytes: Uint8Array,
  kind: "key" | "prefix",
  context: unknown,
): boolean {
  try {
    return filter.mayContain(bytes, kind, context);
  } catch (error) {
    throw new DbError("invalid", "a filter of a custom policy failed", {
      cause: error,
    });
  }
}

/** First to last key, as far as they may be seen; `undefined`: none may. */
function rangeOf(handle: SstHandle): KeyRange | undefined {
  const { firstEntry, lastEntry } = handle.info;
  if (firstEntry === undefined) return undefined;
  const held: KeyRange = {
    lower: { key: firstEntry, inclusive: true },
    ...(lastEntry === undefined
      ? {}
      : { upper: { key: lastEntry, inclusive: true } }),
  };
  return handle.visibleRange === undefined
    ? held
    : intersect(held, handle.visibleRange);
}

/**
 * The data blocks of one SST.
 *
 * Owns: reading runs of blocks, each block once at a time however many ask.
 * Does not own: which blocks stay in memory; the cache decides.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { KeyRange } from "../base/key_range.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { BlockOwner, CachedBlock } from "../cache/cached_block.ts";
import { placeBlock } from "./block_load.ts";
import { decodeSection, type SectionCoding } from "./section.ts";
import type { SstObject } from "./sst_object.ts";
import type { TableMetrics } from "./table_metrics.ts";
import type { Turn } from "./turn.ts";

/** Where the blocks are, once the index is known. */
export interface BlockMap {
  /** Start of each block and the end of the last. */
  readonly offsets: Float64Array;
  /** Blocks up to this one may hold keys below the visible range. */
  readonly lowClip: number;
  /** Blocks from this one on may hold keys above the visible range. */
  readonly highClip: number;
}

/** What the blocks of one SST are read with. */
export interface TableBlocksOptions {
  /** Where they are. */
  readonly object: SstObject;
  /** How they are stored. */
  readonly coding: SectionCoding;
  /** How they are laid out. */
  readonly formatVersion: 1 | 2;
  /** The keys that may be seen; `undefined`: all. */
  readonly visibleRange: KeyRange | undefined;
  /** Holds them. */
  readonly cache: BlockCache;
  /** Counts hits and misses. */
  readonly metrics: TableMetrics;
  /** Whose turns decoding many blocks takes. */
  readonly turn: Turn;
}

/** Blocks that are decoded at once where the store has to be waited for. */
const TURN_BLOCKS = 32;

/** A read of neighbouring blocks that others may join. */
interface BlockLoad {
  readonly from: number;
  /** How many joined, per block, besides the one that started it. */
  readonly joined: number[];
  /** Whether one of them wants the blocks cached. */
  cache: boolean;
  promise: Promise<CachedBlock[]>;
}

let serials = 0;

/** The data blocks of one SST. */
export class TableBlocks implements BlockOwner {
  /** See {@linkcode BlockOwner.serial}. */
  readonly serial: number = ++serials;
  /** The blocks in the cache, by number. */
  readonly cached: (CachedBlock | undefined)[] = [];
  readonly #options: TableBlocksOptions;
  readonly #loads = new Map<number, BlockLoad>();
  #map: BlockMap = { offsets: new Float64Array(1), lowClip: -1, highClip: 0 };
  #retired = false;

  /**
   * Constructs a new {@linkcode TableBlocks}; no I/O.
   *
   * @param options What they are read with.
   */
  constructor(options: TableBlocksOptions) {
    this.#options = options;
  }

  /** How many there are; 0 until the index is known. */
  get count(): number {
    return this.#map.offsets.length - 1;
  }

  /** Takes note of the index. */
  set map(map: BlockMap) {
    this.#map = map;
  }

  /**
   * Stored bytes of some neighbouring blocks.
   *
   * @param from The first.
   * @param to The one behind the last.
   * @returns Their length.
   */
  bytes(from: number, to: number): number {
    return this.#map.offsets[to]! - this.#map.offsets[from]!;
  }

  /**
   * Brings neighbouring blocks into memory, with one read for each gap in what
   * is there already.
   *
   * @param from The first.
   * @param to The one behind the last.
   * @param cache Whether those read now shall stay.
   * @returns The blocks, each pinned once for the caller.
   * @throws {DbError} Kind `"data"` if one is damaged; nothing is pinned then.
   */
  fetch(
    from: number,
    to: number,
    cache: boolean,
  ): CachedBlock[] | Promise<CachedBlock[]> {
    const { metrics } = this.#options;
    const found: (CachedBlock[] | Promise<CachedBlock[]>)[] = [];
    let waits = false;
    try {
      for (let at = from; at < to;) {
        const hit = this.cached[at];
        if (hit !== undefined) {
          metrics.hits?.blocks.add();
          hit.touch();
          hit.pin();
          found.push([hit]);
          at++;
          continue;
        }
        const joined = this.#join(at, cache);
        const end = joined === undefined ? this.#gapEnd(at, to) : at + 1;
        const part = joined ?? this.#read(at, end, cache);
        waits ||= part instanceof Promise;
        found.push(part);
        at = end;
      }
    } catch (error) {
      unpinAll(found);
      throw error;
    }
    if (waits) return gather(found);
    return found.length === 1
      ? found[0] as CachedBlock[]
      : (found as CachedBlock[][]).flat();
  }

  /** Drops every cached block; those that are pinned live until they are not. */
  retire(): void {
    this.#retired = true;
    for (const block of this.cached) {
      if (block !== undefined) this.#options.cache.remove(block);
    }
    this.cached.length = 0;
  }

  /** See {@linkcode BlockOwner.evicted}. */
  evicted(index: number): void {
    this.cached[index] = undefined;
  }

  /** The end of the run of blocks that are neither in memory nor on their way. */
  #gapEnd(from: number, to: number): number {
    let end = from + 1;
    while (
      end < to && this.cached[end] === undefined && !this.#loads.has(end)
    ) end++;
    return end;
  }

  #join(index: number, cache: boolean): Promise<CachedBlock[]> | undefined {
    const load = this.#loads.get(index);
    if (load === undefined) return undefined;
    const at = index - load.from;
    load.joined[at] = (load.joined[at] ?? 0) + 1;
    load.cache ||= cache;
    return load.promise.then((blocks) => [blocks[at]!]);
  }

  #read(
    from: number,
    to: number,
    cache: boolean,
  ): CachedBlock[] | Promise<CachedBlock[]> {
    const { object, metrics } = this.#options;
    const { offsets } = this.#map;
    metrics.blockMisses.add(to - from);
    const placed = object.read(
      "data block",
      offsets[from]!,
      offsets[to]!,
      (bytes) =>
        object.synchronous || to - from <= TURN_BLOCKS
          ? this.#place(bytes, from, to)
          : this.#placeInTurns(bytes, from, to),
    );
    if (!(placed instanceof Promise)) {
      if (cache) this.#keep(placed);
      return placed;
    }
    const load: BlockLoad = {
      from,
      joined: [],
      cache,
      promise: placed.then(
        (blocks) => {
          this.#endLoad(from, to);
          this.#pinJoined(load, blocks);
          if (load.cache) this.#keep(blocks);
          return blocks;
        },
        (error) => {
          this.#endLoad(from, to);
          throw error;
        },
      ),
    };
    for (let i = from; i < to; i++) this.#loads.set(i, load);
    return load.promise;
  }

  #endLoad(from: number, to: number): void {
    for (let i = from; i < to; i++) this.#loads.delete(i);
  }

  /** Before any of those who wait runs, every one has its pin. */
  #pinJoined(load: BlockLoad, blocks: readonly CachedBlock[]): void {
    for (let i = 0; i < load.joined.length; i++) {
      for (let left = load.joined[i] ?? 0; left > 0; left--) blocks[i]!.pin();
    }
  }

  #keep(blocks: readonly CachedBlock[]): void {
    if (this.#retired) return;
    for (const block of blocks) {
      const { index } = block;
      if (this.cached[index] !== undefined) continue;
      if (this.#options.cache.add(block, this, false)) {
        this.cached[index] = block;
      }
    }
  }

  /** Decodes the blocks of one read. */
  #place(
    bytes: Uint8Array,
    from: number,
    to: number,
  ): CachedBlock[] | Promise<CachedBlock[]> {
    const { offsets } = this.#map;
    if (bytes.length !== this.bytes(from, to)) {
      throw new DbError(
        "data",
        `The SST is cut short: ${
          this.bytes(from, to)
        } bytes of blocks expected, ${bytes.length} read`,
      );
    }
    const start = offsets[from]!;
    const placed: (CachedBlock[] | Promise<CachedBlock[]>)[] = [];
    let waits = false;
    try {
      for (let i = from; i < to; i++) {
        const stored = bytes.subarray(
          offsets[i]! - start,
          offsets[i + 1]! - start,
        );
        const block = this.#placeOne(stored, i);
        waits ||= block instanceof Promise;
        placed.push(block);
      }
    } catch (error) {
      unpinAll(placed);
      throw error;
    }
    return waits ? gather(placed) : (placed as CachedBlock[][]).flat();
  }

  /** The same of many blocks, for which somebody waits anyway. */
  async #placeInTurns(
    bytes: Uint8Array,
    from: number,
    to: number,
  ): Promise<CachedBlock[]> {
    const { turn } = this.#options;
    const { offsets } = this.#map;
    const placed: CachedBlock[] = [];
    try {
      for (let at = from; at < to; at += TURN_BLOCKS) {
        const end = Math.min(at + TURN_BLOCKS, to);
        const piece = bytes.subarray(
          offsets[at]! - offsets[from]!,
          // What is too short or too long is to be noticed.
          end === to ? bytes.length : offsets[end]! - offsets[from]!,
        );
        const blocks = this.#place(piece, at, end);
        placed.push(...blocks instanceof Promise ? await blocks : blocks);
        const waiting = turn.check();
        if (waiting !== undefined) await waiting;
      }
    } catch (error) {
      for (const block of placed) block.unpin();
      throw error;
    }
    return placed;
  }

  #placeOne(
    stored: Uint8Array,
    index: number,
  ): CachedBlock[] | Promise<CachedBlock[]> {
    const { coding, formatVersion, visibleRange, cache } = this.#options;
    const { lowClip, highClip } = this.#map;
    const clip = index <= lowClip || index >= highClip
      ? visibleRange
      : undefined;
    const place = (bytes: Uint8Array) => [
      placeBlock(cache, { bytes, formatVersion, clip }, index),
    ];
    const content = decodeSection(coding, stored, "data block");
    return content instanceof Promise ? content.then(place) : place(content);
  }
}

/** Waits for all parts; where one fails, gives the others back. */
async function gather(
  parts: readonly (CachedBlock[] | Promise<CachedBlock[]>)[],
): Promise<CachedBlock[]> {
  const settled = await Promise.allSettled(parts);
  const blocks: CachedBlock[] = [];
  let failure: PromiseRejectedResult | undefined;
  for (const part of settled) {
    if (part.status === "fulfilled") blocks.push(...part.value);
    else failure ??= part;
  }
  if (failure === undefined) return blocks;
  for (const block of blocks) block.unpin();
  throw failure.reason;
}

/** Gives back what is there and, later, what is still on its way. */
function unpinAll(
  parts: readonly (CachedBlock[] | Promise<CachedBlock[]>)[],
): void {
  const unpin = (blocks: CachedBlock[]) => {
    for (const block of blocks) block.unpin();
  };
  for (const part of parts) {
    if (part instanceof Promise) part.then(unpin, () => {});
    else unpin(part);
  }
}

/**
 * Blocks in linear memory, kept by S3-FIFO.
 *
 * A new block waits in a small queue, a tenth of the whole. When it comes to that
 * queue's end and was asked for meanwhile it moves to the main queue, else it is
 * evicted and only its name is remembered for a while; a block that comes back
 * while its name is remembered goes straight to the main queue. At the end of the
 * main queue a block goes round again as often as it was asked for. So one long
 * scan passes through the small queue alone.
 *
 * Owns: which block goes, and the charge to the budget. Does not own: finding a
 * block. Each owner keeps its blocks in an array of its own and is told when one
 * goes, so that a hit costs an array access and no look-up by name.
 *
 * @module
 */
import type { MemoryBudget } from "../base/budget.ts";
import { DbError } from "../base/errors.ts";
import type { Kernel } from "../codec/kernel.ts";
import { BlockQueue } from "./block_queue.ts";
import { type BlockOwner, CachedBlock } from "./cached_block.ts";

/** A tenth of the bytes belongs to blocks not asked for twice. */
const SMALL_SHARE = 0.1;
/** Owners have fewer blocks than this. */
const INDEX_SPAN = 2 ** 22;

const SHARED = new WeakMap<MemoryBudget, BlockCache>();

/** Keeps the blocks most likely to be asked for again, within a budget. */
export class BlockCache {
  /** Where the blocks live. */
  readonly kernel: Kernel;
  readonly #budget: MemoryBudget;
  readonly #small = new BlockQueue();
  readonly #main = new BlockQueue();
  /** Names of blocks that the small queue let go, oldest first. */
  readonly #remembered = new Set<number>();

  /**
   * Constructs a new {@linkcode BlockCache}.
   *
   * @param kernel Where blocks live.
   * @param budget What blocks are charged to.
   */
  constructor(kernel: Kernel, budget: MemoryBudget) {
    this.kernel = kernel;
    this.#budget = budget;
  }

  /**
   * The cache that all databases with one budget share.
   *
   * @param kernel Where blocks live.
   * @param budget What blocks are charged to.
   * @returns The same cache for the same budget.
   */
  static shared(kernel: Kernel, budget: MemoryBudget): BlockCache {
    let cache = SHARED.get(budget);
    if (cache === undefined) {
      cache = new BlockCache(kernel, budget);
      SHARED.set(budget, cache);
    }
    return cache;
  }

  /** Bytes of the blocks that can be evicted once nobody pins them. */
  get bytes(): number {
    return this.#small.bytes + this.#main.bytes;
  }

  /** How many blocks are cached. */
  get blocks(): number {
    return this.#small.length + this.#main.length;
  }

  /**
   * Takes memory for a block, evicting others where the budget or linear memory
   * is spent.
   *
   * @param bytes How many.
   * @returns Where; give it to {@linkcode block}, or back to the kernel.
   * @throws {DbError} Kind `"unavailable"` if linear memory is exhausted.
   */
  reserve(bytes: number): number {
    this.#makeRoom(bytes);
    const { exports } = this.kernel;
    let pointer = exports.alloc(bytes);
    while (pointer === 0 && this.#evictOne()) pointer = exports.alloc(bytes);
    if (pointer !== 0) return pointer;
    throw new DbError(
      "unavailable",
      `Cannot hold a block of ${bytes} bytes: linear memory is exhausted; lower 'cacheBytes' and 'memtableBytes', or read less at once`,
    );
  }

  /**
   * Makes a block of filled memory, charged to the budget, pinned once and not
   * cached.
   *
   * @param pointer Memory of the kernel's allocator; the block's from now on.
   * @param bytes Its length.
   * @param index Its place among its owner's blocks.
   * @returns The block.
   */
  block(pointer: number, bytes: number, index: number): CachedBlock {
    this.#budget.chargeCache(bytes);
    const block = new CachedBlock(this, pointer, bytes, index);
    block.pin();
    return block;
  }

  /**
   * Caches a block. One that the budget has no room for stays uncached.
   *
   * @param block A block made by {@linkcode block}, pinned.
   * @param owner Who finds it from now on.
   * @param lasting Whether to treat it as asked for more than once.
   * @returns Whether it is cached.
   */
  add(block: CachedBlock, owner: BlockOwner, lasting: boolean): boolean {
    if (block.bytes > this.#budget.cacheBytes) return false;
    const name = nameOf(owner, block.index);
    const known = this.#remembered.delete(name);
    block.owner = owner;
    (known || lasting ? this.#main : this.#small).push(block);
    this.#makeRoom(0);
    return true;
  }

  /**
   * Drops a cached block because its owner goes; a pinned one stays in memory
   * until it is unpinned. The owner is not told.
   *
   * @param block The block.
   */
  remove(block: CachedBlock): void {
    block.owner = undefined;
    block.queue?.remove(block);
    if (!block.pinned) this.release(block);
  }

  /**
   * Makes a block's directory, charged like the block; blocks call it themselves.
   *
   * @param block The block; stays where it is.
   * @returns The kernel's pointer; 0 where there can be none.
   */
  direct(block: CachedBlock): number {
    const { exports } = this.kernel;
    const directory = exports.block_directory(block.pointer, block.bytes);
    if (directory === 0) return 0;
    this.#budget.chargeCache(this.#directoryBytes(directory));
    block.pin();
    this.#makeRoom(0);
    block.unpin();
    return directory;
  }

  /**
   * Frees a block that is neither cached nor pinned; blocks call it themselves.
   *
   * @param block The block.
   */
  release(block: CachedBlock): void {
    const { directory } = block;
    if (directory !== 0) {
      this.#budget.chargeCache(-this.#directoryBytes(directory));
      this.kernel.free(directory);
    }
    this.#budget.chargeCache(-block.bytes);
    this.kernel.free(block.pointer);
  }

  #directoryBytes(directory: number): number {
    return this.kernel.u32[directory >> 2]!;
  }

  #makeRoom(bytes: number): void {
    const { cacheBytes } = this.#budget;
    while (this.#budget.cacheUsed + bytes > cacheBytes && this.#evictOne()) {
      // Each round frees one block.
    }
  }

  /** Frees one block that nobody pins; `false` where there is none. */
  #evictOne(): boolean {
    // Each block is passed over a few times at most before it must go.
    let rounds = 4 * this.blocks;
    while (rounds-- > 0) {
      const smallFirst = this.#main.length === 0 ||
        this.#small.bytes > SMALL_SHARE * this.#budget.cacheBytes;
      const queue = smallFirst && this.#small.length > 0
        ? this.#small
        : this.#main;
      const block = queue.oldest;
      if (block === undefined) break;
      if (
        queue === this.#small ? this.#passSmall(block) : this.#passMain(block)
      ) {
        return true;
      }
    }
    return this.#evictUnpinned();
  }

  #passSmall(block: CachedBlock): boolean {
    this.#small.remove(block);
    if (block.pinned || block.wane() > 0) {
      block.settle();
      this.#main.push(block);
      return false;
    }
    this.#remember(block);
    this.#evict(block);
    return true;
  }

  #passMain(block: CachedBlock): boolean {
    this.#main.remove(block);
    if (block.pinned || block.wane() > 0) {
      this.#main.push(block);
      return false;
    }
    this.#evict(block);
    return true;
  }

  /** The small queue is under its share, and all of the main one is pinned. */
  #evictUnpinned(): boolean {
    for (let block = this.#small.oldest; block; block = block.newer) {
      if (block.pinned) continue;
      this.#small.remove(block);
      this.#evict(block);
      return true;
    }
    return false;
  }

  #evict(block: CachedBlock): void {
    block.owner?.evicted(block.index);
    block.owner = undefined;
    this.release(block);
  }

  #remember(block: CachedBlock): void {
    if (block.owner === undefined) return;
    this.#remembered.add(nameOf(block.owner, block.index));
    if (this.#remembered.size <= this.#main.length + this.#small.length) return;
    for (const oldest of this.#remembered) {
      this.#remembered.delete(oldest);
      break;
    }
  }
}

function nameOf(owner: BlockOwner, index: number): number {
  return owner.serial * INDEX_SPAN + index;
}

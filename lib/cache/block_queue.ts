/**
 * Blocks in the order in which they came.
 *
 * @module
 */
import type { CachedBlock } from "./cached_block.ts";

/** A first-in, first-out list that also lets go of blocks in its middle. */
export class BlockQueue {
  #oldest: CachedBlock | undefined;
  #newest: CachedBlock | undefined;
  #bytes = 0;
  #length = 0;

  /** Bytes of all blocks in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many blocks are in it. */
  get length(): number {
    return this.#length;
  }

  /** The block that came first. */
  get oldest(): CachedBlock | undefined {
    return this.#oldest;
  }

  /**
   * Adds a block that is in no queue.
   *
   * @param block The block.
   */
  push(block: CachedBlock): void {
    block.queue = this;
    block.older = this.#newest;
    block.newer = undefined;
    if (this.#newest === undefined) this.#oldest = block;
    else this.#newest.newer = block;
    this.#newest = block;
    this.#bytes += block.bytes;
    this.#length++;
  }

  /**
   * Lets go of a block.
   *
   * @param block A block in this queue.
   */
  remove(block: CachedBlock): void {
    if (block.older === undefined) this.#oldest = block.newer;
    else block.older.newer = block.newer;
    if (block.newer === undefined) this.#newest = block.older;
    else block.newer.older = block.older;
    block.queue = undefined;
    block.older = undefined;
    block.newer = undefined;
    this.#bytes -= block.bytes;
    this.#length--;
  }
}

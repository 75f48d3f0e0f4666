/**
 * Blocks in linear memory.
 *
 * @module
 */
import type { MemoryBudget } from "../base/budget.ts";
import type { Kernel } from "../codec/kernel.ts";

/** Keeps the blocks most likely to be asked for again, within a budget. */
export class BlockCache {
  /**
   * The cache that all databases with one budget share.
   *
   * @param kernel Where blocks live.
   * @param budget What blocks are charged to.
   * @returns The same cache for the same kernel and budget.
   */
  static shared(kernel: Kernel, budget: MemoryBudget): BlockCache {
    return new BlockCache(kernel, budget);
  }

  /**
   * Constructs a new {@linkcode BlockCache}.
   *
   * @param kernel Where blocks live.
   * @param budget What blocks are charged to.
   */
  constructor(_kernel: Kernel, _budget: MemoryBudget) {
  }
}

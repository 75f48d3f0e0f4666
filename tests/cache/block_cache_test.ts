import fc from "fast-check";
import { MemoryBudget } from "../../lib/base/budget.ts";
import { BlockCache } from "../../lib/cache/block_cache.ts";
import type { BlockOwner, CachedBlock } from "../../lib/cache/cached_block.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { encodeBlock, row } from "../codec/blocks.ts";

const BLOCK_BYTES = 1000;

/** An owner of blocks, as a table is one. */
class Shelf implements BlockOwner {
  readonly serial: number;
  readonly blocks: (CachedBlock | undefined)[] = [];
  readonly #cache: BlockCache;

  constructor(cache: BlockCache, serial = 1) {
    this.#cache = cache;
    this.serial = serial;
  }

  evicted(index: number): void {
    this.blocks[index] = undefined;
  }

  /** Loads a block and caches it; it stays pinned. */
  load(index: number, bytes = BLOCK_BYTES): CachedBlock {
    const pointer = this.#cache.reserve(bytes);
    const block = this.#cache.block(pointer, bytes, index);
    if (this.#cache.add(block, this, false)) this.blocks[index] = block;
    return block;
  }

  /** Asks for a block as a read does. */
  get(index: number): void {
    const cached = this.blocks[index];
    if (cached === undefined) this.load(index).unpin();
    else cached.touch();
  }

  get present(): number[] {
    return [...this.blocks.keys()].filter((i) => this.blocks[i] !== undefined);
  }
}

function createCache(cacheBytes: number) {
  const kernel = Kernel.createSync();
  const budget = new MemoryBudget({ cacheBytes });
  const cache = new BlockCache(kernel, budget);
  return { kernel, budget, cache, shelf: new Shelf(cache) };
}

test("BlockCache stays within its budget", () => {
  const { budget, shelf, cache } = createCache(10 * BLOCK_BYTES);

  for (let i = 0; i < 100; i++) {
    shelf.get(i);
    assert(budget.cacheUsed <= 10 * BLOCK_BYTES);
  }

  assertEquals(cache.blocks, 10);
  assertEquals(shelf.present.length, 10);
  assertEquals(cache.bytes, budget.cacheUsed);
});

test("BlockCache keeps pinned blocks where they are", () => {
  const { budget, shelf, kernel } = createCache(4 * BLOCK_BYTES);
  const pinned = shelf.load(0);
  kernel.u8.fill(7, pinned.pointer, pinned.pointer + pinned.bytes);

  for (let i = 1; i < 50; i++) {
    shelf.get(i);
    kernel.u8.fill(
      i,
      shelf.blocks[i]!.pointer,
      shelf.blocks[i]!.pointer + BLOCK_BYTES,
    );
  }

  assert(shelf.blocks[0] === pinned);
  assert(kernel.slice(pinned.pointer, BLOCK_BYTES).every((byte) => byte === 7));
  assertEquals(budget.cacheUsed, 4 * BLOCK_BYTES);
  pinned.unpin();
});

test("BlockCache gives more than its budget where everything is pinned, and takes it back", () => {
  const { budget, shelf } = createCache(4 * BLOCK_BYTES);
  const pinned = Array.from({ length: 9 }, (_, i) => shelf.load(i));
  assertEquals(budget.cacheUsed, 9 * BLOCK_BYTES);

  for (const block of pinned) block.unpin();
  shelf.get(9);

  assertEquals(budget.cacheUsed, 4 * BLOCK_BYTES);
});

test("BlockCache frees a block that is not cached with its last pin", () => {
  const { budget, cache, kernel } = createCache(0);
  const before = kernel.exports.memory_used();
  const block = cache.block(cache.reserve(100), 100, 0);
  block.pin();

  block.unpin();
  assertEquals(budget.cacheUsed, 100);
  block.unpin();

  assertEquals(budget.cacheUsed, 0);
  assertEquals(kernel.exports.memory_used(), before);
});

test("CachedBlock.revisit() makes a directory, charged and freed with the block", () => {
  const { budget, cache, kernel, shelf } = createCache(4 * BLOCK_BYTES);
  const before = kernel.exports.memory_used();
  const rows = encodeBlock([row("put", "a", 1), row("put", "b", 1)]);
  const pointer = cache.reserve(rows.length);
  kernel.u8.set(rows, pointer);
  const block = cache.block(pointer, rows.length, 0);
  cache.add(block, shelf, false);
  block.unpin();
  assertEquals(block.directory, 0);

  const directory = block.revisit();

  assert(directory > 0);
  assertEquals([block.revisit(), block.directory], [directory, directory]);
  assertEquals(budget.cacheUsed, rows.length + 8 + 2 * 6);
  cache.remove(block);
  assertEquals(budget.cacheUsed, 0);
  assertEquals(kernel.exports.memory_used(), before);
});

test("CachedBlock.revisit() makes room for its directory, but not by its own block", () => {
  const rows = encodeBlock([row("put", "a", 1), row("put", "b", 1)]);
  const { budget, cache, kernel, shelf } = createCache(2 * rows.length);
  const blocks = [0, 1].map((index) => {
    const pointer = cache.reserve(rows.length);
    kernel.u8.set(rows, pointer);
    const block = cache.block(pointer, rows.length, index);
    cache.add(block, shelf, false);
    shelf.blocks[index] = block;
    block.unpin();
    return block;
  });

  assert(blocks[0]!.revisit() > 0);

  assertEquals(shelf.present, [0]);
  assert(budget.cacheUsed <= budget.cacheBytes);
});

test("BlockCache does not cache what the budget has no room for", () => {
  const { cache, shelf, budget } = createCache(BLOCK_BYTES - 1);
  const block = shelf.load(0);

  assertEquals([cache.blocks, shelf.present], [0, []]);
  block.unpin();
  assertEquals(budget.cacheUsed, 0);
});

test("BlockCache keeps what is asked for again through one long scan", () => {
  const { shelf } = createCache(20 * BLOCK_BYTES);
  const hot = [0, 1, 2, 3, 4, 5, 6, 7];
  for (let round = 0; round < 3; round++) hot.forEach((i) => shelf.get(i));

  for (let i = 100; i < 1000; i++) shelf.get(i);

  assertEquals(shelf.present.filter((i) => i < 8), hot);
});

test("BlockCache keeps a block that comes back soon after it went", () => {
  const { shelf } = createCache(20 * BLOCK_BYTES);
  for (let i = 0; i < 30; i++) shelf.get(i);
  const gone = Array.from({ length: 10 }, (_, i) => i)
    .filter((i) => shelf.blocks[i] === undefined);
  assert(gone.length > 0);
  gone.forEach((i) => shelf.get(i));

  for (let i = 100; i < 118; i++) shelf.get(i);

  assertEquals(shelf.present.filter((i) => gone.includes(i)), gone);
});

test("BlockCache.remove() forgets a block and frees it when nobody pins it", () => {
  const { cache, shelf, budget } = createCache(9 * BLOCK_BYTES);
  const pinned = shelf.load(0);
  const free = shelf.load(1);
  free.unpin();

  cache.remove(free);
  cache.remove(pinned);
  assertEquals([cache.blocks, budget.cacheUsed], [0, BLOCK_BYTES]);
  pinned.unpin();

  assertEquals(budget.cacheUsed, 0);
});

test("BlockCache.shared() is one cache for one budget", () => {
  const kernel = Kernel.createSync();
  const budget = new MemoryBudget();

  assert(
    BlockCache.shared(kernel, budget) === BlockCache.shared(kernel, budget),
  );
  assert(
    BlockCache.shared(kernel, budget) !==
      BlockCache.shared(kernel, new MemoryBudget()),
  );
});

test("BlockCache evicts where linear memory is spent before the budget is", () => {
  const { kernel, shelf, cache } = createCache(Infinity);
  kernel.exports.memory_limit(4 * 65_536);
  for (let i = 0; i < 400; i++) shelf.get(i);
  assert(cache.blocks < 300);

  const refused = (() => {
    try {
      return cache.reserve(1 << 20);
    } catch (error) {
      return (error as { kind: string }).kind;
    }
  })();

  assertEquals(refused, "unavailable");
});

test("property: BlockCache finds what it says it holds, and charges for no more", () => {
  const arbitraryStep = fc.record({
    owner: fc.nat(1),
    index: fc.nat(12),
    pins: fc.boolean(),
    bytes: fc.integer({ min: 1, max: 400 }),
  });
  fc.assert(fc.property(
    fc.array(arbitraryStep, { maxLength: 120 }),
    fc.nat(1500),
    (steps, cacheBytes) => {
      const { cache, budget, kernel } = createCache(cacheBytes);
      const before = kernel.exports.memory_used();
      const shelves = [new Shelf(cache, 1), new Shelf(cache, 2)];
      const pinned: CachedBlock[] = [];

      for (const { owner, index, pins, bytes } of steps) {
        const shelf = shelves[owner]!;
        const cached = shelf.blocks[index];
        const block = cached ?? shelf.load(index, bytes);
        if (cached !== undefined) {
          cached.touch();
          cached.pin();
        }
        if (pins) pinned.push(block);
        else block.unpin();
        const held = shelves.flatMap((shelf) => shelf.present).length;
        assertEquals(cache.blocks, held);
        assert(pinned.length > 0 || budget.cacheUsed <= cacheBytes);
      }

      for (const block of pinned) block.unpin();
      for (const shelf of shelves) {
        for (const block of shelf.blocks) {
          if (block !== undefined) cache.remove(block);
        }
      }
      assertEquals(budget.cacheUsed, 0);
      assertEquals(kernel.exports.memory_used(), before);
    },
  ));
});

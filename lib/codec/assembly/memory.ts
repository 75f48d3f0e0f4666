/**
 * The one allocator of the kernel's linear memory.
 *
 * Two-level segregated fit: constant time, free neighbours are joined at once,
 * and a block is taken from the smallest class that surely fits. Every block,
 * free or not, is
 *
 *   +0 u32 size      bytes to the next block, a multiple of 8; bit 0: free
 *   +4 u32 previous  address of the block before it; 0 for the first
 *   +8 payload       in a free block: u32 next, u32 previous of its class
 *
 * An 8-byte block that is never free ends the heap, so reading up to 8 bytes
 * past any payload stays inside the memory; key comparisons rely on that.
 * Addresses stay below 2 GiB: to the host a pointer is never negative.
 */

const HEADER: u32 = 8;
const FREE: u32 = 1;
const MIN_BLOCK: u32 = 16;
const MAX_REQUEST: u32 = 0x7c000000;
const MAX_PAGES: u32 = 0x8000;
const MIN_GROWTH: u32 = 16;
const MAX_GROWTH: u32 = 256;

/** Classes of a row: 32 of 8 bytes below 256 bytes, then 32 per power of two. */
const ROW_BITS: u32 = 5;
const ROW: u32 = 1 << ROW_BITS;
const FIRST_BIT: u32 = 8;
const ROWS: u32 = 32 - FIRST_BIT;

const HEADS = memory.data(ROWS * ROW * 4, 8);
const ROW_MAPS = memory.data(ROWS * 4, 8);

let rowMap: u32 = 0;
let heapEnd: u32 = 0;
let maxPages: u32 = MAX_PAGES;
let used: u32 = 0;
let scratchPointer: u32 = 0;
let scratchBytes: u32 = 0;

/** Hands out `bytes`, 8-byte aligned, with undefined contents; 0 when exhausted. */
export function alloc(bytes: u32): usize {
  if (bytes > MAX_REQUEST) return 0;
  let size = (bytes + HEADER + 7) & ~7;
  if (size < MIN_BLOCK) size = MIN_BLOCK;
  let block = take(size);
  if (!block) {
    if (!grow(size)) return 0;
    block = take(size);
    if (!block) return 0;
  }
  const spare = load<u32>(block) - size;
  if (spare >= MIN_BLOCK) {
    store<u32>(block, size);
    const rest = block + size;
    store<u32>(rest, spare);
    store<u32>(rest, block, 4);
    store<u32>(rest + spare, rest, 4);
    give(rest);
  }
  used += load<u32>(block);
  return block + HEADER;
}

/** Takes back what {@link alloc} handed out; 0 is allowed. Traps on a double free. */
export function free(pointer: usize): void {
  if (!pointer) return;
  let block = <u32>pointer - HEADER;
  let size = load<u32>(block);
  if (size & FREE) unreachable();
  used -= size;
  const next = block + size;
  const nextSize = load<u32>(next);
  if (nextSize & FREE) {
    remove(next);
    size += nextSize & ~FREE;
  }
  const previous = load<u32>(block, 4);
  if (previous) {
    const previousSize = load<u32>(previous);
    if (previousSize & FREE) {
      remove(previous);
      size += previousSize & ~FREE;
      block = previous;
    }
  }
  store<u32>(block, size);
  store<u32>(block + size, block, 4);
  give(block);
}

/** Caps the linear memory at `bytes`, rounded down to pages; 0 lifts the cap. */
export function memory_limit(bytes: u32): void {
  const pages = bytes >>> 16;
  maxPages = bytes && pages < MAX_PAGES ? pages : MAX_PAGES;
}

/** Bytes handed out and not freed, headers included. */
export function memory_used(): u32 {
  return used;
}

/** The shared scratch area, at least `bytes` long; 0 when memory is exhausted. */
export function scratch(bytes: u32): usize {
  if (scratchPointer && bytes <= scratchBytes) return scratchPointer;
  const pointer = alloc(bytes);
  if (!pointer) return 0;
  free(scratchPointer);
  scratchPointer = <u32>pointer;
  scratchBytes = bytes;
  return pointer;
}

/** The class that blocks of `size` are kept in. */
// @ts-ignore: decorator
@inline
function classOf(size: u32): u32 {
  if (size < 1 << FIRST_BIT) return size >>> 3;
  const bit = 31 - clz(size);
  return ((bit - FIRST_BIT + 1) << ROW_BITS) |
    ((size >>> (bit - ROW_BITS)) & (ROW - 1));
}

/** Puts a block whose size is set, without the free bit, into its class. */
function give(block: u32): void {
  const size = load<u32>(block);
  const at = classOf(size);
  const row = at >>> ROW_BITS;
  const slot = HEADS + (at << 2);
  const head = load<u32>(slot);
  store<u32>(block, size | FREE);
  store<u32>(block, head, 8);
  store<u32>(block, 0, 12);
  if (head) store<u32>(head, block, 12);
  store<u32>(slot, block);
  const map = ROW_MAPS + (row << 2);
  store<u32>(map, load<u32>(map) | 1 << (at & (ROW - 1)));
  rowMap |= 1 << row;
}

/** Removes a free block from its class. */
function remove(block: u32): void {
  const next = load<u32>(block, 8);
  const previous = load<u32>(block, 12);
  if (next) store<u32>(next, previous, 12);
  if (previous) {
    store<u32>(previous, next, 8);
    return;
  }
  const at = classOf(load<u32>(block) & ~FREE);
  store<u32>(HEADS + (at << 2), next);
  if (next) return;
  const row = at >>> ROW_BITS;
  const map = ROW_MAPS + (row << 2);
  const left = load<u32>(map) & ~(1 << (at & (ROW - 1)));
  store<u32>(map, left);
  if (!left) rowMap &= ~(1 << row);
}

/** Removes a block of at least `size` bytes from its class and marks it used. */
function take(size: u32): u32 {
  let wanted = size;
  if (size >= 1 << FIRST_BIT) {
    wanted += (1 << (31 - clz(size) - ROW_BITS)) - 1;
  }
  const at = classOf(wanted);
  let row = at >>> ROW_BITS;
  let slots = load<u32>(ROW_MAPS + (row << 2)) & (<u32>-1 << (at & (ROW - 1)));
  if (!slots) {
    const rows = rowMap & ~((2 << row) - 1);
    if (!rows) return 0;
    row = ctz(rows);
    slots = load<u32>(ROW_MAPS + (row << 2));
  }
  const block = load<u32>(HEADS + (((row << ROW_BITS) | ctz(slots)) << 2));
  remove(block);
  store<u32>(block, load<u32>(block) & ~FREE);
  return block;
}

/** Adds memory so that a block of `size` bytes can be taken. */
function grow(size: u32): bool {
  // A block is taken from the class above, so that much more must be there.
  const round = size >= 1 << FIRST_BIT ? 1 << (31 - clz(size) - ROW_BITS) : 0;
  const base = heapEnd ? tail() : (<u32>__heap_base + 7) & ~7;
  const bytes: u64 = <u64>base + size + round + 2 * HEADER;
  const now: u32 = memory.size();
  const needed = <u32>((bytes + 0xffff) >>> 16);
  if (needed > maxPages) return false;
  if (needed > now) {
    const growth = min(max(now >>> 2, MIN_GROWTH), MAX_GROWTH);
    const wanted = min(max(needed, now + growth), maxPages);
    if (
      memory.grow(wanted - now) < 0 && memory.grow(needed - now) < 0
    ) return false;
  }
  extend(base);
  return true;
}

/** The free block before the heap's end, or the end itself. */
function tail(): u32 {
  const last = load<u32>(heapEnd, 4);
  return load<u32>(last) & FREE ? last : heapEnd;
}

/**
 * Turns what lies from `block`, a tail or the heap's base, to the memory's end
 * into one free block.
 */
function extend(block: u32): void {
  if (!heapEnd) store<u32>(block, 0, 4);
  else if (block != heapEnd) remove(block);
  const end = (<u32>memory.size() << 16) - HEADER;
  store<u32>(block, end - block);
  store<u32>(end, HEADER);
  store<u32>(end, block, 4);
  heapEnd = end;
  give(block);
}

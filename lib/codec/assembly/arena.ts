/**
 * A bump arena over the allocator: many small pieces, given back all at once.
 *
 *   +0  u32 chunks   the newest chunk; each begins with the address of the one
 *                    before it, and its own size
 *   +4  u32 bump     the next free byte of the open chunk
 *   +8  u32 end      of the open chunk
 *   +12 u32 grain    bytes of the next chunk; doubles up to the arena's most
 *   +16 u32 most
 *   +20 u32 held     bytes of all chunks
 */
import { alloc, free } from "./memory";

/** Bytes of an arena. */
export const ARENA_BYTES: u32 = 24;

/** Keeps chunks a whole block of the allocator, its header included. */
const ALLOCATOR_HEADER: u32 = 8;
const CHUNK_HEADER: u32 = 8;

/** Makes an empty arena; its first chunk is `least` bytes, later ones up to `most`. */
export function arenaInit(arena: usize, least: u32, most: u32): void {
  store<u32>(arena, 0);
  store<u32>(arena, 0, 4);
  store<u32>(arena, 0, 8);
  store<u32>(arena, least, 12);
  store<u32>(arena, most, 16);
  store<u32>(arena, 0, 20);
}

/** Frees every chunk. */
export function arenaFree(arena: usize): void {
  let chunk = load<u32>(arena);
  while (chunk) {
    const next = load<u32>(chunk);
    free(chunk);
    chunk = next;
  }
}

/** Bytes of linear memory the arena holds. */
// @ts-ignore: decorator
@inline
export function arenaHeld(arena: usize): u32 {
  return load<u32>(arena, 20);
}

/** Whether the open chunk has room for `bytes`. */
// @ts-ignore: decorator
@inline
export function arenaFits(arena: usize, bytes: u32): bool {
  return load<u32>(arena, 8) - load<u32>(arena, 4) >= bytes;
}

/** Opens a chunk with room for `bytes`, leaving the rest of the last one unused. */
export function arenaOpen(arena: usize, bytes: u32): bool {
  const grain = load<u32>(arena, 12);
  const wanted = max(grain - ALLOCATOR_HEADER, bytes + CHUNK_HEADER);
  const chunk = arenaChunk(arena, wanted);
  if (!chunk) return false;
  store<u32>(arena, <u32>chunk + CHUNK_HEADER, 4);
  store<u32>(arena, <u32>chunk + wanted, 8);
  store<u32>(arena, min(grain << 1, load<u32>(arena, 16)), 12);
  return true;
}

/** Takes `bytes` that are known to fit; with 0, tells where the next piece will be. */
// @ts-ignore: decorator
@inline
export function arenaTake(arena: usize, bytes: u32): usize {
  const piece = load<u32>(arena, 4);
  store<u32>(arena, piece + bytes, 4);
  return piece;
}

/** Whether a piece is so large that opening a chunk for it would waste too much. */
// @ts-ignore: decorator
@inline
export function arenaIsLarge(arena: usize, bytes: u32): bool {
  return bytes > load<u32>(arena, 12) >>> 2;
}

/** Adds a chunk of its own for one piece; the open chunk stays open. 0 when exhausted. */
export function arenaOversized(arena: usize, bytes: u32): usize {
  const chunk = arenaChunk(arena, bytes + CHUNK_HEADER);
  return chunk ? chunk + CHUNK_HEADER : 0;
}

/** Makes an unused {@link arenaOversized} chunk, if it was added last, the open one. */
export function arenaReopen(arena: usize): void {
  const chunk = load<u32>(arena);
  store<u32>(arena, chunk + CHUNK_HEADER, 4);
  store<u32>(arena, chunk + load<u32>(chunk, 4), 8);
}

/** Frees an unused {@link arenaOversized} chunk, if it was added last. */
export function arenaPop(arena: usize): void {
  const chunk = load<u32>(arena);
  store<u32>(arena, load<u32>(chunk));
  store<u32>(arena, load<u32>(arena, 20) - load<u32>(chunk, 4), 20);
  free(chunk);
}

function arenaChunk(arena: usize, bytes: u32): usize {
  const chunk = alloc(bytes);
  if (!chunk) return 0;
  store<u32>(chunk, load<u32>(arena));
  store<u32>(chunk, bytes, 4);
  store<u32>(arena, <u32>chunk);
  store<u32>(arena, load<u32>(arena, 20) + bytes, 20);
  return chunk;
}

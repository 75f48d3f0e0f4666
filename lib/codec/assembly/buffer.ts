/**
 * Growable buffers, and copying into them.
 *
 * A buffer is two words inside its owner: its address and the bytes it may
 * hold. Behind those bytes is always room for one more word, so that a copy may
 * go word by word.
 */
import { alloc, free } from "./memory";

/** Bytes that a buffer takes inside its owner. */
export const BUFFER_BYTES: u32 = 8;

const SLACK: u32 = 8;
const LEAST: u32 = 120;
const MOST: u32 = 0x7c000000 - SLACK;
/** From this length on, `memory.copy` is worth its call. */
const LONG_COPY: u32 = 160;

/** The buffer's address; 0 before it first grew. */
// @ts-ignore: decorator
@inline
export function bufferData(buffer: usize): usize {
  return load<u32>(buffer);
}

/** The bytes that the buffer may hold. */
// @ts-ignore: decorator
@inline
export function bufferRoom(buffer: usize): u32 {
  return load<u32>(buffer, 4);
}

/**
 * Makes room for `bytes`, keeping the first `kept` and moving the rest away;
 * false, and nothing changed, when memory is exhausted.
 */
// @ts-ignore: decorator
@inline
export function bufferReserve(buffer: usize, bytes: u32, kept: u32): bool {
  return bytes <= bufferRoom(buffer) || grow(buffer, bytes, kept);
}

function grow(buffer: usize, bytes: u32, kept: u32): bool {
  if (bytes > MOST) return false;
  const room = bufferRoom(buffer);
  let wanted = max(max(bytes, LEAST), min(room, MOST >>> 1) << 1);
  let data = alloc(wanted + SLACK);
  if (!data && wanted > bytes) {
    wanted = bytes;
    data = alloc(wanted + SLACK);
  }
  if (!data) return false;
  const old = bufferData(buffer);
  if (kept) memory.copy(data, old, kept);
  free(old);
  store<u32>(buffer, <u32>data);
  store<u32>(buffer, wanted, 4);
  return true;
}

/** Makes the buffer's content the given bytes; false when memory is exhausted. */
export function bufferAssign(buffer: usize, source: usize, bytes: u32): bool {
  if (!bufferReserve(buffer, bytes, 0)) return false;
  copyWords(bufferData(buffer), source, bytes);
  return true;
}

/** Gives the memory back; the buffer is empty after that. */
export function bufferFree(buffer: usize): void {
  free(bufferData(buffer));
  store<u64>(buffer, 0);
}

/** Copies `length` bytes, and up to 7 more: the target must have room for them. */
export function copyWords(target: usize, source: usize, length: u32): void {
  if (length >= LONG_COPY) {
    memory.copy(target, source, length);
    return;
  }
  let at: u32 = 0;
  for (; at + 16 <= length; at += 16) {
    v128.store(target + at, v128.load(source + at));
  }
  for (; at < length; at += 8) {
    store<u64>(target + at, load<u64>(source + at));
  }
}

/**
 * Rewrites a V1 block, as old files hold it, as a V2 block.
 *
 *   V1 row: prefix u16 | suffix length u16 | suffix | seq u64 | flags u8
 *           | [expire i64] | [create i64] | value length u32 | value
 *   V1 block: rows | one offset u16 per row | their count u16
 *
 * All integers are big-endian. A prefix is what a key shares with the FIRST key
 * of the block; a tombstone ends after its timestamps, of which the expiry is
 * dropped. Nothing about the input is trusted.
 */
import { flagsAllowed, MAX_KEY } from "./block_check";
import {
  loadU16,
  RESTART_INTERVAL,
  ROW_TAIL,
  timestampBytes,
} from "./block_row";
import { bufferData, bufferFree, bufferReserve, copyWords } from "./buffer";
import { alloc } from "./memory";
import { MALFORMED, OUT_OF_MEMORY } from "./results";
import { FLAG_EXPIRE, FLAG_TOMBSTONE } from "./row";
import { varintBytes, writeVarint } from "./varint";

/** The block's first key: its suffix, as it has no prefix. */
let firstKey: usize = 0;
let firstLen: u32 = 0;

/** The row being read: the key in its two parts, the value, what lies between. */
let prefix: u32 = 0;
let suffix: usize = 0;
let suffixLen: u32 = 0;
let value: usize = 0;
let valueLen: u32 = 0;
let flags: u32 = 0;
let seqAt: usize = 0;

/** The key of the row before, in its two parts, and its whole length. */
let lastPrefix: u32 = 0;
let lastSuffix: usize = 0;
let lastLen: u32 = 0;

/** The block under construction, and its restarts. */
const BLOCK = memory.data(8, 8);
const RESTARTS = memory.data(8, 8);

/** See `block_from_v1` in ../abi.ts. */
export function block_from_v1(block: usize, bytes: u32, target: usize): i32 {
  const rows = rewrite(block, bytes, target);
  bufferFree(BLOCK);
  bufferFree(RESTARTS);
  return rows;
}

function rewrite(block: usize, bytes: u32, target: usize): i32 {
  if (bytes < 2) return MALFORMED;
  const offsetsEnd = block + bytes - 2;
  const rows = loadU16(offsetsEnd);
  if (!rows || (rows << 1) + 2 > bytes) return MALFORMED;
  const end = offsetsEnd - (rows << 1);

  let row = block;
  let size: u32 = 0;
  let restarts: u32 = 0;
  lastLen = 0;
  for (let n: u32 = 0; n < rows; n++) {
    if (row - block != loadU16(end + (n << 1))) return MALFORMED;
    row = readRow(row, end, n == 0);
    if (!row) return MALFORMED;
    // A V2 block can grow past what an offset can say; then it goes without.
    const restart = n % RESTART_INTERVAL == 0 && size <= 0xffff;
    if (restart && !addRestart(restarts++, size)) return OUT_OF_MEMORY;
    size = writeRow(size, restart ? 0 : sharedWithLast());
    if (!size) return OUT_OF_MEMORY;
    lastPrefix = prefix;
    lastSuffix = suffix;
    lastLen = prefix + suffixLen;
  }
  if (row != end) return MALFORMED;
  return finish(target, size, restarts) ? <i32>rows : OUT_OF_MEMORY;
}

/** Reads the row at `at`; returns where it ends, or 0. */
function readRow(at: usize, end: usize, first: bool): usize {
  if (end - at < 4) return 0;
  prefix = loadU16(at);
  suffixLen = loadU16(at + 2);
  suffix = at + 4;
  if (first) {
    firstKey = suffix;
    firstLen = 0;
  }
  const length = prefix + suffixLen;
  if (prefix > firstLen || !length || length > MAX_KEY) return 0;
  if (end - suffix < suffixLen + ROW_TAIL) return 0;
  if (first) firstLen = suffixLen;

  seqAt = suffix + suffixLen;
  flags = load<u8>(seqAt, 8);
  const size = ROW_TAIL + timestampBytes(flags);
  if (!flagsAllowed(flags, 0) || end - seqAt < size) return 0;
  value = seqAt + size;
  valueLen = 0;
  if (flags & FLAG_TOMBSTONE) return value;

  if (end - value < 4) return 0;
  valueLen = bswap(load<u32>(value));
  value += 4;
  return valueLen <= <u32>(end - value) ? value + valueLen : 0;
}

function addRestart(index: u32, offset: u32): bool {
  const bytes = index << 1;
  if (!bufferReserve(RESTARTS, bytes + 2, bytes)) return false;
  store<u16>(bufferData(RESTARTS) + bytes, bswap(<u16>offset));
  return true;
}

/** How many bytes the row's key has in common with the key before. */
function sharedWithLast(): u32 {
  const most = min(lastLen, prefix + suffixLen);
  let shared = min(lastPrefix, prefix);
  while (shared < most) {
    const last = shared < lastPrefix
      ? load<u8>(firstKey + shared)
      : load<u8>(lastSuffix + (shared - lastPrefix));
    const own = shared < prefix
      ? load<u8>(firstKey + shared)
      : load<u8>(suffix + (shared - prefix));
    if (last != own) break;
    shared++;
  }
  return shared;
}

/** Appends the row at `size`; returns the new size, or 0 when memory is exhausted. */
function writeRow(size: u32, shared: u32): u32 {
  const length = prefix + suffixLen - shared;
  const kept = flags & FLAG_TOMBSTONE ? flags & ~FLAG_EXPIRE : flags;
  const bytes = varintBytes(shared) + varintBytes(length) +
    varintBytes(valueLen) + length + valueLen + ROW_TAIL + timestampBytes(kept);
  if (!bufferReserve(BLOCK, size + bytes, size)) return 0;
  let at = writeVarint(bufferData(BLOCK) + size, shared);
  at = writeVarint(at, length);
  at = writeVarint(at, valueLen);
  if (shared < prefix) {
    copyWords(at, firstKey + shared, prefix - shared);
    at += prefix - shared;
    shared = prefix;
  }
  const rest = prefix + suffixLen - shared;
  copyWords(at, suffix + (shared - prefix), rest);
  at += rest;
  copyWords(at, value, valueLen);
  at += valueLen;
  store<u64>(at, load<u64>(seqAt));
  store<u8>(at, kept, 8);
  // The create_ts comes last in both; an expire_ts that is dropped stays behind.
  const timestamps = timestampBytes(kept);
  copyWords(
    at + ROW_TAIL,
    seqAt + ROW_TAIL + timestampBytes(flags) - timestamps,
    timestamps,
  );
  return size + bytes;
}

/** Hands the block over in memory of its exact size. */
function finish(target: usize, size: u32, restarts: u32): bool {
  const bytes = size + (restarts << 1) + 2;
  const block = alloc(bytes);
  if (!block) return false;
  memory.copy(block, bufferData(BLOCK), size);
  memory.copy(block + size, bufferData(RESTARTS), restarts << 1);
  store<u16>(block + bytes - 2, bswap(<u16>restarts));
  store<u32>(target, <u32>block);
  store<u32>(target, bytes, 4);
  return true;
}

/**
 * One pass over a V2 block that came from disk. What it accepts, the functions
 * on blocks read without any further check.
 */
import { loadU16, ROW_TAIL, timestampBytes } from "./block_row";
import { MALFORMED } from "./results";
import { FLAG_MERGE, FLAG_TOMBSTONE } from "./row";
import { readVarint, varintEnd } from "./varint";

/** The longest key. */
export const MAX_KEY: u32 = 0xffff;
/** All flags there are. */
const KNOWN_FLAGS: u32 = 15;

/** See `block_check` in ../abi.ts. */
export function block_check(block: usize, bytes: u32): i32 {
  if (bytes < 2) return MALFORMED;
  const restartsEnd = block + bytes - 2;
  const restarts = loadU16(restartsEnd);
  if (!restarts || (restarts << 1) + 2 > bytes) return MALFORMED;
  const end = restartsEnd - (restarts << 1);
  if (loadU16(end) != 0) return MALFORMED;

  // An offset that is out of order or inside a row is never reached.
  let restart = end;
  let keyLen: u32 = 0;
  let rows: i32 = 0;
  for (let row = block; row < end; rows++) {
    const restarted = restart < restartsEnd &&
      row - block == loadU16(restart);
    if (restarted) restart += 2;
    keyLen = checkKey(row, end, restarted ? 0 : keyLen);
    if (!keyLen) return MALFORMED;
    row = checkRest(end);
    if (!row) return MALFORMED;
  }
  return restart == restartsEnd ? rows : MALFORMED;
}

/** Where the key just checked ends, and the length of the value there. */
let valueAt: usize = 0;
let valueLen: u32 = 0;

/** Length of the row's key, or 0; at most `most` bytes may be shared. */
function checkKey(row: usize, end: usize, most: u32): u32 {
  const shared = readVarint(row, end);
  if (!varintEnd || shared > most) return 0;
  const suffix = readVarint(varintEnd, end);
  if (!varintEnd || suffix > MAX_KEY) return 0;
  valueLen = readVarint(varintEnd, end);
  if (!varintEnd || suffix > <u32>(end - varintEnd)) return 0;
  valueAt = varintEnd + suffix;
  return shared + suffix <= MAX_KEY ? shared + suffix : 0;
}

/** Where the row whose key was just checked ends, or 0. */
function checkRest(end: usize): usize {
  if (valueLen > <u32>(end - valueAt)) return 0;
  const tail = valueAt + valueLen;
  if (end - tail < ROW_TAIL) return 0;
  const flags: u32 = load<u8>(tail, 8);
  if (!flagsAllowed(flags, valueLen)) return 0;
  const size = ROW_TAIL + timestampBytes(flags);
  return size <= <u32>(end - tail) ? tail + size : 0;
}

/** Whether a row may have these flags with a value of that length. */
export function flagsAllowed(flags: u32, valueLen: u32): bool {
  if (flags > KNOWN_FLAGS) return false;
  return !(flags & FLAG_TOMBSTONE) || (!(flags & FLAG_MERGE) && !valueLen);
}

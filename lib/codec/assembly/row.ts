/** Row records in linear memory (see ../abi.ts) and the order of their keys. */

/** Offsets into a row record. */
export const ROW_SEQ: usize = 0;
export const ROW_CREATE_TS: usize = 8;
export const ROW_EXPIRE_TS: usize = 16;
export const ROW_KEY_LEN: usize = 24;
export const ROW_VALUE_LEN: usize = 28;
export const ROW_FLAGS: usize = 32;
export const ROW_LINK: usize = 36;
export const ROW_HEADER: u32 = 40;

/** Bits of a row's flags. */
export const FLAG_TOMBSTONE: u32 = 1;
export const FLAG_EXPIRE: u32 = 2;
export const FLAG_CREATE: u32 = 4;
export const FLAG_MERGE: u32 = 8;

/** How many leading bytes, of the first `most`, are the same. */
export function sharedBytes(a: usize, b: usize, most: u32): u32 {
  let at: u32 = 0;
  while (at < most) {
    const difference = load<u64>(a + at) ^ load<u64>(b + at);
    if (difference) {
      return min(at + <u32>(ctz(difference) >>> 3), most);
    }
    at += 8;
  }
  return most;
}

/**
 * Compares two keys whose first `from` bytes are known to be the same: negative
 * where the first sorts first, 0 where they are equal.
 */
export function compareKeys(
  a: usize,
  aBytes: u32,
  b: usize,
  bBytes: u32,
  from: u32,
): i32 {
  const shorter = min(aBytes, bBytes);
  for (let at = from; at < shorter; at += 8) {
    let x = load<u64>(a + at);
    let y = load<u64>(b + at);
    if (x == y) continue;
    const rest = shorter - at;
    if (rest < 8) {
      const mask = ((<u64>1) << (rest << 3)) - 1;
      x &= mask;
      y &= mask;
      if (x == y) break;
    }
    return bswap(x) < bswap(y) ? -1 : 1;
  }
  return aBytes == bBytes ? 0 : aBytes < bBytes ? -1 : 1;
}

/** CRC-32 (IEEE) by slicing: sixteen bytes a step, one table per byte. */

const TABLES = memory.data(16 * 256 * 4, 16);

for (let byte: u32 = 0; byte < 256; byte++) {
  let c = byte;
  for (let bit = 0; bit < 8; bit++) {
    c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  }
  store<u32>(TABLES + (byte << 2), c);
}
for (let at: u32 = 256; at < 16 * 256; at++) {
  const c = load<u32>(TABLES + ((at - 256) << 2));
  store<u32>(
    TABLES + (at << 2),
    load<u32>(TABLES + ((c & 0xff) << 2)) ^ (c >>> 8),
  );
}

/** What four bytes contribute when `distance` further words follow in the step. */
// @ts-ignore: decorator
@inline
function fold(word: u32, distance: usize): u32 {
  const table = TABLES + distance * 4096;
  return load<u32>(table + ((word & 0xff) << 2), 3072) ^
    load<u32>(table + (((word >>> 8) & 0xff) << 2), 2048) ^
    load<u32>(table + (((word >>> 16) & 0xff) << 2), 1024) ^
    load<u32>(table + ((word >>> 24) << 2));
}

/** CRC-32 of `length` bytes. */
export function crc32(pointer: usize, length: u32): u32 {
  let c: u32 = 0xffffffff;
  let at = pointer;
  const end = pointer + length;
  for (; at + 16 <= end; at += 16) {
    c = fold(c ^ load<u32>(at), 3) ^
      fold(load<u32>(at, 4), 2) ^
      fold(load<u32>(at, 8), 1) ^
      fold(load<u32>(at, 12), 0);
  }
  for (; at < end; at++) {
    c = load<u32>(TABLES + (((c ^ load<u8>(at)) & 0xff) << 2)) ^ (c >>> 8);
  }
  return ~c;
}

/** LEB128, unsigned 32-bit, 1 to 5 bytes: the integers of a V2 row. */

/** Where the varint just read ends; 0 when there was none inside the bounds. */
export let varintEnd: usize = 0;

/** Reads a varint that must end at or before `end`; sets {@link varintEnd}. */
export function readVarint(at: usize, end: usize): u32 {
  let value: u32 = 0;
  for (let shift: u32 = 0; shift < 35; shift += 7) {
    if (at >= end) break;
    const byte: u32 = load<u8>(at++);
    // The fifth byte holds the upper four bits.
    if (shift == 28 && byte > 0x0f) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) {
      varintEnd = at;
      return value;
    }
  }
  varintEnd = 0;
  return 0;
}

/** Bytes that {@link writeVarint} takes for `value`. */
// @ts-ignore: decorator
@inline
export function varintBytes(value: u32): u32 {
  return value < 1 << 7
    ? 1
    : value < 1 << 14
    ? 2
    : value < 1 << 21
    ? 3
    : value < 1 << 28
    ? 4
    : 5;
}

/** Writes `value` in its shortest form; returns where it ends. */
// @ts-ignore: decorator
@inline
export function writeVarint(at: usize, value: u32): usize {
  while (value >= 0x80) {
    store<u8>(at++, value | 0x80);
    value >>>= 7;
  }
  store<u8>(at++, value);
  return at;
}

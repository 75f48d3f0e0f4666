/**
 * Raw Snappy blocks: a varint with the decoded length, then elements.
 *
 *   tag & 3 == 0  literal; length - 1 in the upper six bits, or in as many
 *                 following bytes as they exceed 59
 *   tag & 3 == 1  copy of 4 to 11 bytes, offset of 11 bits
 *   tag & 3 == 2  copy of 1 to 64 bytes, offset of 16 bits
 *   tag & 3 == 3  the same with an offset of 32 bits; never written
 */
import {
  copyLiteral,
  copyMatch,
  matchAt,
  matchLength,
  matchNote,
  matchReset,
  MIN_MATCH,
} from "./matching";
import { MALFORMED, OUTPUT_FULL } from "./results";
import { readVarint, varintBytes, varintEnd, writeVarint } from "./varint";

/** Inputs shorter than this, and the end of longer ones, are not searched. */
const TAIL: u32 = 15;
/** No element decodes to more than 64 bytes for 3; a longer claim is a lie. */
const MAX_RATIO: u64 = 22;

/** Encodes; bytes written, or OUTPUT_FULL. */
export function snappy_encode(
  source: usize,
  bytes: u32,
  target: usize,
  capacity: u32,
): i32 {
  if (varintBytes(bytes) > capacity) return OUTPUT_FULL;
  let out = writeVarint(target, bytes);
  const outEnd = target + capacity;
  const end = source + bytes;
  let literal = source;
  if (bytes > TAIL) {
    const limit = end - TAIL;
    matchReset(bytes);
    matchNote(source);
    let at = source + 1;
    // The longer nothing is found, the larger the steps.
    let patience: u32 = 32;
    while (at < limit) {
      let candidate = matchAt(at);
      if (!candidate) {
        at += patience++ >>> 5;
        continue;
      }
      while (
        at > literal && candidate > source &&
        load<u8>(at - 1) == load<u8>(candidate - 1)
      ) {
        at--;
        candidate--;
      }
      const length = MIN_MATCH +
        matchLength(candidate + MIN_MATCH, at + MIN_MATCH, end);
      out = putLiteral(out, outEnd, literal, <u32>(at - literal));
      if (!out) return OUTPUT_FULL;
      out = putCopy(out, outEnd, <u32>(at - candidate), length);
      if (!out) return OUTPUT_FULL;
      at += length;
      literal = at;
      patience = 32;
      if (at < limit) matchNote(at - 2);
    }
  }
  out = putLiteral(out, outEnd, literal, <u32>(end - literal));
  return out ? <i32>(out - target) : OUTPUT_FULL;
}

/** Writes a literal; where it ends, or 0 when it does not fit. */
function putLiteral(at: usize, end: usize, from: usize, length: u32): usize {
  if (!length) return at;
  const room = <u32>(end - at);
  const value = length - 1;
  const extra: u32 = value < 60 ? 0 : (39 - clz(value)) >>> 3;
  if (<u64>length + 1 + extra > room) return 0;
  if (!extra) {
    store<u8>(at, value << 2);
  } else {
    store<u8>(at, (59 + extra) << 2);
    for (let i: u32 = 0; i < extra; i++) {
      store<u8>(at + 1 + i, value >>> (i << 3));
    }
  }
  copyLiteral(at + 1 + extra, from, length, room - 1 - extra);
  return at + 1 + extra + length;
}

/** Writes a match as copies; where they end, or 0 when they do not fit. */
function putCopy(start: usize, end: usize, offset: u32, length: u32): usize {
  let at = start;
  let left = length;
  // What is left after the last long copy must be at least a short one.
  while (left > 64) {
    const part: u32 = left >= 68 ? 64 : 60;
    if (end - at < 3) return 0;
    store<u8>(at, ((part - 1) << 2) | 2);
    store<u16>(at, offset, 1);
    at += 3;
    left -= part;
  }
  if (left < 12 && offset < 2048) {
    if (end - at < 2) return 0;
    store<u8>(at, ((offset >>> 8) << 5) | ((left - 4) << 2) | 1);
    store<u8>(at, offset, 1);
    return at + 2;
  }
  if (end - at < 3) return 0;
  store<u8>(at, ((left - 1) << 2) | 2);
  store<u16>(at, offset, 1);
  return at + 3;
}

/** The decoded length that the preamble claims, or MALFORMED where it cannot be. */
export function snappy_length(source: usize, bytes: u32): i32 {
  const length = readVarint(source, source + bytes);
  if (!varintEnd || length > 0x7fffffff) return MALFORMED;
  return <u64>length > <u64>bytes * MAX_RATIO ? MALFORMED : <i32>length;
}

/**
 * Decodes; bytes written, or OUTPUT_FULL where what the preamble claims does not
 * fit, or MALFORMED.
 */
export function snappy_decode(
  source: usize,
  bytes: u32,
  target: usize,
  capacity: u32,
): i32 {
  const claimed = snappy_length(source, bytes);
  if (claimed < 0) return MALFORMED;
  if (<u32>claimed > capacity) return OUTPUT_FULL;
  const end = source + bytes;
  const outEnd = target + claimed;
  let at = varintEnd;
  let out = target;
  while (at < end) {
    const tag: u32 = load<u8>(at++);
    const room = <u32>(outEnd - out);
    if (!(tag & 3)) {
      let value = tag >>> 2;
      if (value >= 60) {
        const extra = value - 59;
        if (<u32>(end - at) < extra) return MALFORMED;
        value = 0;
        for (let i: u32 = 0; i < extra; i++) {
          value |= <u32>load<u8>(at++) << (i << 3);
        }
      }
      if (value >= room || value >= <u32>(end - at)) return MALFORMED;
      copyLiteral(out, at, value + 1, room);
      at += value + 1;
      out += value + 1;
      continue;
    }
    const operand = tag & 3;
    const size: u32 = operand == 3 ? 4 : operand;
    if (<u32>(end - at) < size) return MALFORMED;
    let length = (tag >>> 2) + 1;
    let offset: u32;
    if (operand == 1) {
      length = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | load<u8>(at);
    } else {
      offset = operand == 2 ? load<u16>(at) : load<u32>(at);
    }
    at += size;
    // An offset of 0 wraps around and is refused as well.
    if (offset - 1 >= <u32>(out - target) || length > room) return MALFORMED;
    copyMatch(out, offset, length, room);
    out += length;
  }
  return out == outEnd ? claimed : MALFORMED;
}

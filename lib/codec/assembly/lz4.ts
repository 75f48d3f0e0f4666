/**
 * Raw LZ4 blocks: sequences of
 *
 *   token       literal length (upper four bits), match length - 4 (lower four);
 *               a 15 continues in bytes that are added up, until one is not 255
 *   literals
 *   offset u16  little-endian; absent from the last sequence, as is the match
 *
 * The encoder keeps the format's end rules: the last match begins at least 12
 * bytes before the end, and the last 5 bytes are literals.
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

const LAST_LITERALS: u32 = 5;
const LAST_MATCH: u32 = 12;
const MORE: u32 = 15;

/** Encodes; bytes written, or OUTPUT_FULL. */
export function lz4_encode(
  source: usize,
  bytes: u32,
  target: usize,
  capacity: u32,
): i32 {
  const outEnd = target + capacity;
  const end = source + bytes;
  let out = target;
  let literal = source;
  if (bytes > LAST_MATCH) {
    const limit = end - LAST_MATCH;
    matchReset(bytes);
    matchNote(source);
    let at = source + 1;
    // The longer nothing is found, the larger the steps.
    let patience: u32 = 64;
    while (at <= limit) {
      let candidate = matchAt(at);
      if (!candidate) {
        at += patience++ >>> 6;
        continue;
      }
      while (
        at > literal && candidate > source &&
        load<u8>(at - 1) == load<u8>(candidate - 1)
      ) {
        at--;
        candidate--;
      }
      const more = matchLength(
        candidate + MIN_MATCH,
        at + MIN_MATCH,
        end - LAST_LITERALS,
      );
      out = putLiteral(out, outEnd, literal, <u32>(at - literal), more);
      if (!out) return OUTPUT_FULL;
      out = putMatch(out, outEnd, <u32>(at - candidate), more);
      if (!out) return OUTPUT_FULL;
      at += MIN_MATCH + more;
      literal = at;
      patience = 64;
      if (at <= limit) matchNote(at - 2);
    }
  }
  out = putLiteral(out, outEnd, literal, <u32>(end - literal), 0);
  return out ? <i32>(out - target) : OUTPUT_FULL;
}

/** Writes a token and its literals; where they end, or 0 when they do not fit. */
function putLiteral(
  start: usize,
  end: usize,
  from: usize,
  length: u32,
  more: u32,
): usize {
  const room = <u32>(end - start);
  const extra = length < MORE ? 0 : (length - MORE) / 255 + 1;
  if (<u64>length + 1 + extra > room) return 0;
  store<u8>(start, (min(length, MORE) << 4) | min(more, MORE));
  const at = putLength(start + 1, length);
  copyLiteral(at, from, length, <u32>(end - at));
  return at + length;
}

/** Writes a match; where it ends, or 0 when it does not fit. */
function putMatch(at: usize, end: usize, offset: u32, more: u32): usize {
  const extra = more < MORE ? 0 : (more - MORE) / 255 + 1;
  if (<u32>(end - at) < 2 + extra) return 0;
  store<u16>(at, offset);
  return putLength(at + 2, more);
}

/** Writes what of a length the token cannot hold. */
function putLength(start: usize, length: u32): usize {
  if (length < MORE) return start;
  let at = start;
  let left = length - MORE;
  for (; left >= 255; left -= 255) store<u8>(at++, 255);
  store<u8>(at, left);
  return at + 1;
}

/** Decodes; bytes written, or OUTPUT_FULL where they do not fit, or MALFORMED. */
export function lz4_decode(
  source: usize,
  bytes: u32,
  target: usize,
  capacity: u32,
): i32 {
  const end = source + bytes;
  const outEnd = target + capacity;
  let at = source;
  let out = target;
  while (at < end) {
    const token: u32 = load<u8>(at++);
    let length = token >>> 4;
    let room = <u32>(outEnd - out);
    if (length == MORE) {
      for (let byte: u32 = 255; byte == 255;) {
        if (at == end) return MALFORMED;
        byte = load<u8>(at++);
        length += byte;
        // Refused at once, so that no number of bytes can wrap the sum around.
        if (length > room) return OUTPUT_FULL;
      }
    }
    if (length > room) return OUTPUT_FULL;
    if (length > <u32>(end - at)) return MALFORMED;
    copyLiteral(out, at, length, room);
    at += length;
    out += length;
    if (at == end) return <i32>(out - target);
    if (end - at < 2) return MALFORMED;
    const offset: u32 = load<u16>(at);
    at += 2;
    // An offset of 0 wraps around and is refused as well.
    if (offset - 1 >= <u32>(out - target)) return MALFORMED;
    room -= length;
    length = token & 15;
    if (length == MORE) {
      for (let byte: u32 = 255; byte == 255;) {
        if (at == end) return MALFORMED;
        byte = load<u8>(at++);
        length += byte;
        if (length > room) return OUTPUT_FULL;
      }
    }
    length += MIN_MATCH;
    if (length > room) return OUTPUT_FULL;
    copyMatch(out, offset, length, room);
    out += length;
  }
  return MALFORMED;
}

/** Finding earlier occurrences, and replaying them: what Snappy and LZ4 share. */

/** Both formats reach back this far with two bytes. */
export const MAX_OFFSET: u32 = 0xffff;
/** The shortest match worth encoding, and what the hash covers. */
export const MIN_MATCH: u32 = 4;

const MIN_BITS: u32 = 8;
const MAX_BITS: u32 = 13;
const TABLE = memory.data(4 << 13, 8);

let shift: u32 = 0;

/** Forgets all positions; the table is as large as so many input bytes deserve. */
export function matchReset(bytes: u32): void {
  const bits = min(max(32 - clz(bytes), MIN_BITS), MAX_BITS);
  shift = 32 - bits;
  memory.fill(TABLE, 0, <usize>4 << bits);
}

/**
 * Remembers that its four bytes occur at `at`; returns where they did before, if
 * that is within reach, else 0.
 */
// @ts-ignore: decorator
@inline
export function matchAt(at: usize): usize {
  const word = load<u32>(at);
  const slot = TABLE + (((word * 0x9e3779b1) >>> shift) << 2);
  const candidate: usize = load<u32>(slot);
  store<u32>(slot, <u32>at);
  return candidate && <u32>(at - candidate) <= MAX_OFFSET &&
      load<u32>(candidate) == word
    ? candidate
    : 0;
}

/** Remembers that its four bytes occur at `at`. */
// @ts-ignore: decorator
@inline
export function matchNote(at: usize): void {
  const word = load<u32>(at);
  store<u32>(TABLE + (((word * 0x9e3779b1) >>> shift) << 2), <u32>at);
}

/** How many bytes from `at`, up to `end`, equal those from `candidate`. */
export function matchLength(candidate: usize, at: usize, end: usize): u32 {
  const most = <u32>(end - at);
  let length: u32 = 0;
  while (length < most) {
    const difference = load<u64>(candidate + length) ^ load<u64>(at + length);
    if (difference) return min(length + <u32>(ctz(difference) >>> 3), most);
    length += 8;
  }
  return most;
}

/** Copies bytes that do not overlap; `room` bytes may be overwritten at `target`. */
// @ts-ignore: decorator
@inline
export function copyLiteral(
  target: usize,
  source: usize,
  length: u32,
  room: u32,
): void {
  if (length <= 32 && room >= 32) {
    // A literal is short as a rule; four words are cheaper than a call.
    const a = load<u64>(source);
    store<u64>(target, a);
    if (length > 8) {
      store<u64>(target, load<u64>(source, 8), 8);
      if (length > 16) {
        store<u64>(target, load<u64>(source, 16), 16);
        if (length > 24) store<u64>(target, load<u64>(source, 24), 24);
      }
    }
  } else {
    memory.copy(target, source, length);
  }
}

/**
 * Repeats what lies `offset` bytes before `target`, which may overlap what it
 * makes; `room` bytes may be overwritten at `target`.
 */
export function copyMatch(
  target: usize,
  offset: u32,
  length: u32,
  room: u32,
): void {
  const source = target - offset;
  if (offset >= 8 && room - length >= 8) {
    for (let at: u32 = 0; at < length; at += 8) {
      store<u64>(target + at, load<u64>(source + at));
    }
  } else if (offset >= length) {
    memory.copy(target, source, length);
  } else if (offset == 1) {
    memory.fill(target, load<u8>(source), length);
  } else {
    for (let at: u32 = 0; at < length; at++) {
      store<u8>(target + at, load<u8>(source + at));
    }
  }
}

/**
 * Earlier occurrences in a byte string, for the block codecs of the kernel's
 * TypeScript twin.
 *
 * @module
 */

/** Bytes that come unchanged, then bytes that were there before. */
export interface Sequence {
  /** Where the unchanged bytes begin and end. */
  readonly literal: number;
  readonly at: number;
  /** How far back the match lies; 0 for the last sequence, which has none. */
  readonly offset: number;
  /** How long the match is. */
  readonly length: number;
}

const MAX_OFFSET = 0xffff;

/** The shortest match that is reported. */
export const MIN_MATCH = 4;

/**
 * Cuts a byte string into sequences, greedily.
 *
 * @param bytes What to cut.
 * @param lastMatch No match begins less than this before the end.
 * @param lastLiterals No match reaches into so many bytes at the end.
 * @returns The sequences, in order; only the last has no match.
 */
export function findSequences(
  bytes: Uint8Array,
  lastMatch: number,
  lastLiterals: number,
): Sequence[] {
  const sequences: Sequence[] = [];
  const seen = new Map<number, number>();
  let literal = 0;
  let at = 0;
  while (at + lastMatch <= bytes.length) {
    const word = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
      bytes[at + 3]! << 24;
    const earlier = seen.get(word);
    seen.set(word, at);
    if (earlier === undefined || at - earlier > MAX_OFFSET) {
      at++;
      continue;
    }
    const end = bytes.length - lastLiterals;
    let length = MIN_MATCH;
    while (
      at + length < end && bytes[earlier + length] === bytes[at + length]
    ) length++;
    sequences.push({ literal, at, offset: at - earlier, length });
    at += length;
    literal = at;
  }
  sequences.push({ literal, at: bytes.length, offset: 0, length: 0 });
  return sequences;
}

/**
 * Makes a match: repeats what lies `offset` bytes before the end.
 *
 * @param out What was decoded so far; is extended.
 * @param offset How far back.
 * @param length How many bytes; may exceed the offset.
 */
export function repeatMatch(
  out: number[],
  offset: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) out.push(out[out.length - offset]!);
}

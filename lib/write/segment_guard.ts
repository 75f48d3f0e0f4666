/**
 * Keeps keys out that belong to no segment, or whose segment would lie in
 * another one.
 *
 * Owns: the prefixes known so far, so that a write to a known segment costs one
 * call of the extractor. They are advice: before a key is refused, they are
 * gathered anew from what the database really has.
 * Does not own: what a prefix is (`sst/prefix_extractor.ts`).
 *
 * @module
 */
import { compareBytes, showKey, startsWith } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { ROW_HEADER_BYTES } from "../codec/abi.ts";
import { segmentLength } from "../lsm/segments.ts";
import type { PrefixExtractor } from "../sst/prefix_extractor.ts";
import type { ConsumedBatch } from "./write_batch.ts";

/** What a {@linkcode SegmentGuard} is made of. */
export interface SegmentGuardOptions {
  /** Assigns keys to segments. */
  readonly extractor: PrefixExtractor;
  /** The prefixes of all segments, stored and in memory, in any order. */
  readonly prefixes: () => Iterable<Uint8Array>;
}

/** Segments come and go; so many more than there were are worth a look. */
const SPARE_PREFIXES = 1024;

/** Judges the keys of writes, before anything is written. */
export class SegmentGuard {
  readonly #options: SegmentGuardOptions;
  /** Ascending; none begins with another. */
  #known: Uint8Array[] = [];
  /** The prefix of the key before. */
  #last: Uint8Array | undefined;
  #gatherAt = 0;

  /**
   * Constructs a new {@linkcode SegmentGuard}.
   *
   * @param options What it is made of.
   */
  constructor(options: SegmentGuardOptions) {
    this.#options = options;
    this.#gather([]);
  }

  /**
   * Judges the key of one row.
   *
   * @param key The key.
   * @throws {DbError} Kind `"invalid"` if it may not be written.
   */
  checkKey(key: Uint8Array): void {
    this.#check(key, undefined);
  }

  /**
   * Judges the keys of a batch.
   *
   * @param batch The batch.
   * @throws {DbError} Kind `"invalid"` if one of them may not be written.
   */
  checkBatch({ records, offsets, keyBytes }: ConsumedBatch): void {
    const added: Uint8Array[] = [];
    for (let i = 0; i < offsets.length; i++) {
      const start = offsets[i]! + ROW_HEADER_BYTES;
      this.#check(records.subarray(start, start + keyBytes[i]!), added);
    }
  }

  #check(key: Uint8Array, added: Uint8Array[] | undefined): void {
    const length = segmentLength(this.#options.extractor, key);
    if (this.#last?.length === length && startsWith(key, this.#last)) return;
    const prefix = key.slice(0, length);
    const at = this.#place(prefix);
    const found = this.#known[at];
    if (found !== undefined && compareBytes(found, prefix) === 0) {
      this.#last = found;
      return;
    }
    this.#checkNew(prefix, added ?? []);
    added?.push(prefix);
    this.#known.splice(this.#place(prefix), 0, prefix);
    this.#last = prefix;
  }

  /** Makes sure that no prefix begins with another. */
  #checkNew(prefix: Uint8Array, added: readonly Uint8Array[]): void {
    if (this.#known.length >= this.#gatherAt) this.#gather(added);
    if (this.#conflict(prefix) === undefined) return;
    // Perhaps with one that is gone, or was never written.
    this.#gather(added);
    const conflict = this.#conflict(prefix);
    if (conflict === undefined) return;
    const { extractor } = this.#options;
    throw new DbError(
      "invalid",
      `segment ${showKey(prefix)} and segment ${
        showKey(conflict)
      } would lie in each other: what extractor "${extractor.name}" answers depends on bytes behind the prefix`,
    );
  }

  #conflict(prefix: Uint8Array): Uint8Array | undefined {
    const at = this.#place(prefix);
    const after = this.#known[at];
    if (after !== undefined && startsWith(after, prefix)) return after;
    const before = this.#known[at - 1];
    return before !== undefined && startsWith(prefix, before)
      ? before
      : undefined;
  }

  /** How many known prefixes are less than `prefix`. */
  #place(prefix: Uint8Array): number {
    let low = 0;
    let high = this.#known.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes(this.#known[middle]!, prefix) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets what the database does not have, but for a batch under way. */
  #gather(added: readonly Uint8Array[]): void {
    const sorted = [...this.#options.prefixes(), ...added].sort(compareBytes);
    this.#known = sorted.filter((prefix, i) =>
      i === 0 || compareBytes(prefix, sorted[i - 1]!) !== 0
    );
    this.#last = undefined;
    this.#gatherAt = 2 * this.#known.length + SPARE_PREFIXES;
  }
}

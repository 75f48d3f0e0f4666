/**
 * Which segment a key belongs to, and which segments a memtable touches.
 *
 * A segment is all keys that begin with one prefix. Every key of a segmented
 * database has a prefix, and no prefix begins with another: so the keys of a
 * segment are neighbours, and a range of keys is a row of whole segments.
 *
 * Owns: going from keys to segments. Does not own: refusing keys that would
 * break that (`write/segment_guard.ts`), nor what is stored for a segment.
 *
 * @module
 */
import { showKey } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type KeyRange, resolveRange } from "../base/key_range.ts";
import { MAX_SEQ, MIN_TIMESTAMP } from "../base/row.ts";
import { MergeMode, ROW_HEADER_BYTES } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Memtable } from "../memtable/memtable.ts";
import { MergeCursor } from "../sst/merge_cursor.ts";
import {
  type PrefixExtractor,
  prefixLengthOf,
} from "../sst/prefix_extractor.ts";

/** One key is looked at, whatever it is. */
const OUTPUT_BYTES = 1024;

/**
 * The length of the prefix that names a key's segment.
 *
 * @param extractor Assigns keys to segments.
 * @param key The key.
 * @returns At least 1.
 * @throws {DbError} Kind `"invalid"` if the key has no prefix, or the extractor fails.
 */
export function segmentLength(
  extractor: PrefixExtractor,
  key: Uint8Array,
): number {
  const length = prefixLengthOf(extractor, key, "key");
  if (length !== undefined && length > 0) return length;
  throw new DbError(
    "invalid",
    `key ${
      showKey(key)
    } belongs to no segment: extractor "${extractor.name}" finds no prefix in it`,
  );
}

/**
 * The keys of a segment.
 *
 * @param prefix What they begin with; `undefined`: all keys of a database without segments.
 * @returns The range.
 */
export function segmentRange(prefix: Uint8Array | undefined): KeyRange {
  return prefix === undefined ? {} : resolveRange({ prefix });
}

/**
 * The segments that a memtable has rows of: it is asked for its first key, then
 * for the first one behind that key's segment, and so on.
 *
 * @param kernel Where memtables live.
 * @param memtable The memtable.
 * @param extractor Assigns keys to segments.
 * @returns Their prefixes, ascending.
 * @throws {DbError} Kind `"invalid"` if a key has no prefix, or the extractor fails.
 */
export function segmentsOf(
  kernel: Kernel,
  memtable: Memtable,
  extractor: PrefixExtractor,
): Uint8Array[] {
  const prefixes: Uint8Array[] = [];
  const cursor = new MergeCursor({
    kernel,
    sources: [memtable],
    // The newest row of a key, tombstones too.
    mode: MergeMode.RETAIN,
    seqMax: MAX_SEQ,
    retainSeq: MAX_SEQ,
    nowMs: MIN_TIMESTAMP,
    range: {},
    outputBytes: OUTPUT_BYTES,
    maxFetchTasks: 1,
  });
  try {
    // Synchronous: a memtable is never waited for.
    while (cursor.next(1) === true) {
      const key = firstKey(kernel, cursor.output);
      const prefix = key.slice(0, segmentLength(extractor, key));
      prefixes.push(prefix);
      const { upper } = segmentRange(prefix);
      // Nothing comes behind 0xff bytes alone.
      if (upper === undefined) break;
      cursor.seek({ lower: { key: upper.key, inclusive: true } });
    }
  } finally {
    cursor.close();
  }
  return prefixes;
}

function firstKey(kernel: Kernel, record: number): Uint8Array {
  const start = record + ROW_HEADER_BYTES;
  const bytes = kernel.u32[(record + 24) >> 2]!;
  return kernel.slice(start, bytes);
}

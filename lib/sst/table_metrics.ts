/**
 * What reads of SSTs count.
 *
 * @module
 */
import type { Counter, Recorder } from "../base/metrics.ts";

/** Counters that every table of a store shares. */
export interface TableMetrics {
  /** Data blocks found in the cache. */
  readonly blockHits: Counter;
  /** Data blocks that had to be read. */
  readonly blockMisses: Counter;
  /** Indexes and filters that had to be read. */
  readonly indexMisses: Counter;
  /** Keys that a filter let pass. */
  readonly filterPositives: Counter;
  /** Keys that a filter ruled out. */
  readonly filterNegatives: Counter;
  /** Keys that a filter let pass and that were not there. */
  readonly filterFalsePositives: Counter;
  /** Tables that filters left for a prefix scan to read. */
  readonly prefixPositives: Counter;
  /** Tables that filters spared a prefix scan. */
  readonly prefixNegatives: Counter;
}

/**
 * Registers the counters.
 *
 * @param recorder Where.
 * @returns The counters.
 */
export function createTableMetrics(recorder: Recorder): TableMetrics {
  const access = (entryKind: string, result: string) =>
    recorder.counter(
      "slatedb.db_cache.access_count",
      "Look-ups in the block cache",
      { entry_kind: entryKind, result },
    );
  const filter = (name: string, description: string, kind = "point") =>
    recorder.counter(`slatedb.db.sst_filter_${name}_count`, description, {
      kind,
    });
  return {
    blockHits: access("data_block", "hit"),
    blockMisses: access("data_block", "miss"),
    indexMisses: access("index", "miss"),
    filterPositives: filter("positive", "Keys that a filter let pass"),
    filterNegatives: filter("negative", "Keys that a filter ruled out"),
    filterFalsePositives: filter(
      "false_positive",
      "Keys that a filter let pass although they were not there",
    ),
    prefixPositives: filter(
      "positive",
      "Keys that a filter let pass",
      "prefix",
    ),
    prefixNegatives: filter(
      "negative",
      "Keys that a filter ruled out",
      "prefix",
    ),
  };
}

/**
 * What reads of SSTs count.
 *
 * @module
 */
import { type Counter, noRecorder, type Recorder } from "../base/metrics.ts";

/** Counters of what is found in memory. */
export interface TableHits {
  /** Data blocks. */
  readonly blocks: Counter;
  /**
   * Notes that a table is asked whose index and filters are in memory.
   *
   * @param hasFilter Whether it has filters.
   */
  table(hasFilter: boolean): void;
}

/** Counters that every table of a store shares. */
export interface TableMetrics {
  /** What is found in memory; `undefined` where nobody counts, since look-ups are fast. */
  readonly hits: TableHits | undefined;
  /** Data blocks that had to be read. */
  readonly blockMisses: Counter;
  /** Indexes that had to be read. */
  readonly indexMisses: Counter;
  /** Filters that had to be read, along with the index. */
  readonly filterMisses: Counter;
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
    hits: recorder === noRecorder ? undefined : hitsOf(access),
    blockMisses: access("data_block", "miss"),
    indexMisses: access("index", "miss"),
    filterMisses: access("filter", "miss"),
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

function hitsOf(access: (entryKind: string, result: string) => Counter) {
  const indexes = access("index", "hit");
  const filters = access("filter", "hit");
  return {
    blocks: access("data_block", "hit"),
    table(hasFilter: boolean) {
      indexes.add();
      if (hasFilter) filters.add();
    },
  };
}

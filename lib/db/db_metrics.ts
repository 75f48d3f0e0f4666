/**
 * What a database counts of the calls it gets, under SlateDB's names.
 *
 * @module
 */
import { type Counter, noRecorder, type Recorder } from "../base/metrics.ts";
import type { ReadRequests } from "../read/read_context.ts";
import { WriteMetrics } from "../write/write_metrics.ts";

/** The metrics of one database's calls. */
export interface DbMetrics {
  /** Keys and ranges asked for. */
  readonly reads: ReadRequests;
  /** Flushes asked for. */
  readonly flushes: Counter;
  /** Checkpoints asked for. */
  readonly checkpoints: Counter;
  /** What is written; `undefined` where nobody counts. */
  readonly writes: WriteMetrics | undefined;
}

/**
 * Registers the metrics.
 *
 * @param recorder Where.
 * @returns The metrics.
 */
export function registerDbMetrics(recorder: Recorder): DbMetrics {
  return {
    reads: registerReadRequests(recorder),
    flushes: requestCounter(recorder, "flush"),
    checkpoints: recorder.counter(
      "slatedb.memtable_flush.checkpoint_request_count",
      "Checkpoints asked for",
    ),
    writes: recorder === noRecorder ? undefined : new WriteMetrics(recorder),
  };
}

/**
 * Registers what counts calls that read; all that a reader has.
 *
 * @param recorder Where.
 * @returns The counters.
 */
export function registerReadRequests(recorder: Recorder): ReadRequests {
  return {
    gets: requestCounter(recorder, "get"),
    scans: requestCounter(recorder, "scan"),
  };
}

function requestCounter(recorder: Recorder, op: string): Counter {
  return recorder.counter("slatedb.db.request_count", "Calls", { op });
}

/**
 * What the compactor counts, under SlateDB's names.
 *
 * @module
 */
import type { Counter, Gauge, Recorder } from "../base/metrics.ts";
import { operandsCounter } from "../iter/counted_operator.ts";
import type { JobResult } from "./job.ts";

/** The compactor's metrics. */
export interface CompactorMetrics {
  /** The epoch under which this compactor works. */
  readonly epoch: Gauge;
  /** Jobs that run in this process. */
  readonly running: Gauge;
  /** When a compaction was last committed, in seconds since the epoch. */
  readonly lastCompactionS: Gauge;
  /** Stored bytes of the inputs of compactions under way. */
  readonly inputBytes: Gauge;
  /** Claims that workers took. */
  readonly claimed: Counter;
  /** Claims that were taken back from silent workers. */
  readonly reclaimed: Counter;
  /** When a worker was last heard of, in milliseconds since the epoch. */
  heartbeat(workerId: string, ms: number): void;
  /** Notes that a job is done. */
  jobDone(result: JobResult, seconds: number): void;
}

/**
 * Registers the compactor's metrics.
 *
 * @param recorder Where.
 * @returns The metrics.
 */
export function createCompactorMetrics(recorder: Recorder): CompactorMetrics {
  const bytes = recorder.counter(
    "slatedb.compactor.bytes_compacted",
    "Bytes of SSTs that compactions wrote.",
  );
  const ssts = recorder.counter(
    "slatedb.compactor.ssts_written",
    "SSTs that compactions wrote.",
  );
  const throughput = recorder.gauge(
    "slatedb.compactor.total_throughput_bytes_per_sec",
    "Input bytes a second of the last compaction.",
  );
  const purged = (entryType: string) =>
    recorder.counter(
      "slatedb.compactor.expired_entries_purged",
      "Rows that compactions found expired.",
      { entry_type: entryType },
    );
  const purgedValues = purged("value");
  const purgedMerges = purged("merge");
  const operands = operandsCounter(recorder, "compact");
  const heartbeats = new Map<string, Gauge>();
  return {
    epoch: recorder.gauge(
      "slatedb.compactor.epoch",
      "The epoch under which this compactor works.",
    ),
    running: recorder.gauge(
      "slatedb.compactor.running_compactions",
      "Compactions that run in this process.",
    ),
    lastCompactionS: recorder.gauge(
      "slatedb.compactor.last_compaction_timestamp_sec",
      "When a compaction was last committed.",
    ),
    inputBytes: recorder.gauge(
      "slatedb.compactor.total_bytes_being_compacted",
      "Input bytes of compactions under way.",
    ),
    claimed: recorder.counter(
      "slatedb.compactor.jobs_claimed",
      "Compactions that workers claimed.",
    ),
    reclaimed: recorder.counter(
      "slatedb.compactor.jobs_reclaimed",
      "Compactions that were taken back from silent workers.",
    ),
    heartbeat(workerId, ms) {
      let gauge = heartbeats.get(workerId);
      if (gauge === undefined) {
        gauge = recorder.gauge(
          "slatedb.compactor.worker_last_heartbeat_ms",
          "When a worker was last heard of.",
          { worker_id: workerId },
        );
        heartbeats.set(workerId, gauge);
      }
      gauge.set(ms);
    },
    jobDone(result, seconds) {
      bytes.add(result.bytesWritten);
      ssts.add(result.outputs.length);
      purgedValues.add(result.expired.puts);
      purgedMerges.add(result.expired.merges);
      operands.add(result.operands);
      if (seconds > 0) throughput.set(result.bytesRead / seconds);
    },
  };
}

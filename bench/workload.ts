/**
 * What a workload is: its name, how much it does, what it is given, and what it
 * reports.
 *
 * @module
 */
import type { BenchEngine } from "./engine.ts";

/** Workloads of single calls, in the order in which they are run and shown. */
export const CALL_WORKLOADS = [
  "pipelined-put",
  "batch-row",
  "durable-put",
  "warm-get",
  "absent-get",
  "scan-row",
  "prefix-100",
  "bulk-load-row",
  "reopen",
] as const;

/** Workloads that watch the tree at work, in the order in which they are run and shown. */
export const TREE_WORKLOADS = [
  "compaction",
  "compaction-inline",
  "get-p99-inline",
  "get-p99-worker",
  "ingest",
] as const;

/** Every workload. */
export const WORKLOADS = [...CALL_WORKLOADS, ...TREE_WORKLOADS] as const;

/** One of {@linkcode WORKLOADS}. */
export type Workload = typeof WORKLOADS[number];

/** How much is done. */
export interface Scale {
  /**
   * Rows of the read workloads; the writes do twice, compactions eight times, the
   * bulk load ten times and the ingest twenty times as many.
   */
  readonly rows: number;
  /** Longest time of one timed part of the calls; of the bulk load several times that. */
  readonly capMs: number;
}

/** What some workloads tell besides their time. */
export interface Extras {
  /** Megabytes of input SSTs that a compaction took in a second. */
  readonly mb_per_s?: number;
  /** The latency that one get of a hundred exceeds, in microseconds. */
  readonly p99_us?: number;
  /** The same from when the timer before a get was due, in microseconds. */
  readonly p99_due_us?: number;
  /** The longest that one batch took to be written. */
  readonly max_stall_ms?: number;
  /** Bytes of the settled tree, by those of the same rows in one run. */
  readonly space_amplification?: number;
}

/** One workload's figure in one process. */
export interface Measurement extends Extras {
  readonly workload: Workload;
  /** Microseconds an operation, a row, or a reopening takes. */
  readonly us: number;
  /** Operations done. */
  readonly ops: number;
  /** Milliseconds the whole workload took, its preparation included. */
  readonly wallMs: number;
}

/** What a workload works with. */
export interface Context {
  /** Closed, before and after. */
  readonly engine: BenchEngine;
  /** An empty folder. */
  readonly directory: string;
  readonly scale: Scale;
  readonly wanted: ReadonlySet<Workload>;
  /** Takes a figure; of workloads that are not wanted, too. */
  readonly report: (
    workload: Workload,
    us: number,
    ops: number,
    extras?: Extras,
  ) => void;
}

/** Rows of one batch, and puts under way at once. */
export const WINDOW = 1000;

/**
 * Writes batches until all rows or the time is used up.
 *
 * @param engine An open engine.
 * @param keys The keys.
 * @param values As many values.
 * @param deadline When to stop, by `performance.now()`.
 * @returns The rows written.
 */
export async function writeBatches(
  engine: BenchEngine,
  keys: readonly Uint8Array[],
  values: readonly Uint8Array[],
  deadline: number,
): Promise<number> {
  return await inWindows(
    keys.length,
    deadline,
    (start, end) => engine.writeBatch(keys, values, start, end),
  );
}

/**
 * Writes windows of rows until all rows or the time is used up.
 *
 * @param rows How many there are.
 * @param deadline When to stop, by `performance.now()`.
 * @param write Writes the rows from `start` to `end`.
 * @returns The rows written.
 */
export async function inWindows(
  rows: number,
  deadline: number,
  write: (start: number, end: number) => Promise<unknown> | undefined,
): Promise<number> {
  let done = 0;
  while (done < rows && performance.now() < deadline) {
    const end = Math.min(done + WINDOW, rows);
    await write(done, end);
    done = end;
  }
  return done;
}

/**
 * The time since a start.
 *
 * @param start By `performance.now()`.
 * @returns Microseconds.
 */
export function microseconds(start: number): number {
  return (performance.now() - start) * 1000;
}

/**
 * Makes sure that an engine is not fast by being wrong.
 *
 * @param value What it read.
 * @param present Whether the row is there.
 */
export function expectValue(
  value: Uint8Array | undefined,
  present: boolean,
): void {
  const length = value?.length ?? 0;
  if (length === (present ? 100 : 0)) return;
  throw new Error(`Cannot trust the engine: a value of ${length} bytes`);
}

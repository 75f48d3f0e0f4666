/**
 * Figures of several processes to medians, and medians to a table.
 *
 * @module
 */
import type { EngineName } from "./engine.ts";
import { type Measurement, type Workload, WORKLOADS } from "./workloads.ts";

/** One cell of the result. */
export interface Figure {
  readonly workload: Workload;
  readonly engine: EngineName;
  /** Median over the runs, in microseconds. */
  readonly median_us: number;
  /** Best run, in microseconds. */
  readonly min_us: number;
  /** Worst run, in microseconds. */
  readonly max_us: number;
  /** Processes that measured it. */
  readonly runs: number;
  /** Operations of the last run. */
  readonly ops: number;
  /** What a durable put waited for; with `durable-put` alone. */
  readonly durability?: string;
}

/**
 * Reduces the figures of all processes to one for each workload and engine.
 *
 * @param results Each engine's figures.
 * @param durability What each engine's durable put waits for.
 * @returns Figures, workload by workload.
 */
export function summarize(
  results: ReadonlyMap<EngineName, readonly Measurement[]>,
  durability: ReadonlyMap<EngineName, string>,
): Figure[] {
  const figures: Figure[] = [];
  for (const workload of WORKLOADS) {
    for (const [engine, measurements] of results) {
      const own = measurements.filter((one) => one.workload === workload);
      if (own.length === 0) continue;
      const sorted = own.map(({ us }) => us).sort((a, b) => a - b);
      figures.push({
        workload,
        engine,
        median_us: round(median(sorted)),
        min_us: round(sorted[0]!),
        max_us: round(sorted.at(-1)!),
        runs: own.length,
        ops: own.at(-1)!.ops,
        ...(workload === "durable-put"
          ? { durability: durability.get(engine) ?? "" }
          : {}),
      });
    }
  }
  return figures;
}

/**
 * A table with a row for each workload and a column for each engine; beside each
 * peer's median stands how many times that of the first engine it is.
 *
 * @param figures What {@linkcode summarize} returned.
 * @param engines The columns.
 * @returns Lines of text.
 */
export function renderTable(
  figures: readonly Figure[],
  engines: readonly EngineName[],
): string {
  const cell = (workload: Workload, engine: EngineName) =>
    figures.find((one) => one.workload === workload && one.engine === engine);
  const reference = engines[0]!;
  const rows: string[][] = [["workload", ...engines]];
  for (const workload of WORKLOADS) {
    if (!figures.some((figure) => figure.workload === workload)) continue;
    const base = cell(workload, reference)?.median_us;
    rows.push([
      workload,
      ...engines.map((engine) => {
        const us = cell(workload, engine)?.median_us;
        if (us === undefined) return "–";
        if (engine === reference || base === undefined) return showMicros(us);
        return `${showMicros(us)} (${showRatio(us / base)})`;
      }),
    ]);
  }
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  );
  const lines = rows.map((row) =>
    row.map((text, column) =>
      column === 0
        ? text.padEnd(widths[column]!)
        : text.padStart(widths[column]!)
    ).join("  ")
  );
  const notes = figures
    .filter((figure) => figure.durability !== undefined)
    .map(({ engine, durability }) => `durable-put, ${engine}: ${durability}`);
  return [...lines, "", ...notes].join("\n").trimEnd();
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(us: number): number {
  return Number(us.toPrecision(4));
}

function showMicros(us: number): string {
  if (us >= 100) return Math.round(us).toLocaleString("en");
  return us.toFixed(us >= 10 ? 1 : 2);
}

function showRatio(ratio: number): string {
  if (ratio >= 10) return `${Math.round(ratio)}×`;
  return `${ratio.toFixed(ratio >= 1 ? 1 : 2)}×`;
}

/**
 * Figures of several processes to medians, and medians to tables.
 *
 * @module
 */
import type { EngineName } from "./engine.ts";
import {
  CALL_WORKLOADS,
  type Extras,
  type Measurement,
  type Workload,
  WORKLOADS,
} from "./workload.ts";

/** One cell of the result; what is there besides depends on the workload. */
export interface Figure extends Extras {
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

/** One line of the table of {@linkcode renderTree}. */
interface TreeLine {
  readonly workload: Workload;
  readonly title: string;
  readonly of: (figure: Figure) => number | undefined;
  /** Whether a larger figure is a better one; `undefined`: not to be compared. */
  readonly largerIsBetter?: boolean;
}

const TREE_LINES: readonly TreeLine[] = [
  {
    workload: "compaction",
    title: "compaction, MB/s",
    of: (figure) => figure.mb_per_s,
    largerIsBetter: true,
  },
  {
    workload: "compaction-inline",
    title: "compaction in the event loop, MB/s",
    of: (figure) => figure.mb_per_s,
  },
  ...(["inline", "worker"] as const).flatMap((place): TreeLine[] => [
    {
      workload: `get-p99-${place}`,
      title: `get beside it (${place}), p99 ms`,
      of: ({ p99_us }) => p99_us === undefined ? undefined : p99_us / 1000,
    },
    {
      workload: `get-p99-${place}`,
      title: "… and its timer, p99 ms",
      of: ({ p99_due_us }) =>
        p99_due_us === undefined ? undefined : p99_due_us / 1000,
    },
  ]),
  {
    workload: "ingest",
    title: "ingest, µs a row",
    of: (figure) => figure.median_us,
  },
  {
    workload: "ingest",
    title: "… longest batch, ms",
    of: (figure) => figure.max_stall_ms,
  },
  {
    workload: "ingest",
    title: "… space amplification once settled",
    of: (figure) => figure.space_amplification,
  },
];

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
        ...extrasOf(own),
        ...(workload === "durable-put"
          ? { durability: durability.get(engine) ?? "" }
          : {}),
      });
    }
  }
  return figures;
}

/** Medians, but for what is a maximum in itself. */
function extrasOf(measurements: readonly Measurement[]): Extras {
  const values = (name: keyof Extras) =>
    measurements.map((one) => one[name])
      .filter((value) => value !== undefined)
      .sort((a, b) => a - b);
  const extras: [keyof Extras, number | undefined][] = [
    ["mb_per_s", median(values("mb_per_s"))],
    ["p99_us", median(values("p99_us"))],
    ["p99_due_us", median(values("p99_due_us"))],
    ["max_stall_ms", values("max_stall_ms").at(-1)],
    ["space_amplification", median(values("space_amplification"))],
  ];
  return Object.fromEntries(
    extras
      .filter(([, value]) => value !== undefined && !Number.isNaN(value))
      .map(([name, value]) => [name, round(value!)]),
  );
}

/**
 * A table of calls, with a row for each workload and a column for each engine;
 * beside each peer's median stands how many times that of the first engine it is.
 *
 * @param figures What {@linkcode summarize} returned.
 * @param engines The columns.
 * @returns Lines of text; none without such workloads.
 */
export function renderTable(
  figures: readonly Figure[],
  engines: readonly EngineName[],
): string {
  const reference = engines[0]!;
  const rows: string[][] = [];
  for (const workload of CALL_WORKLOADS) {
    if (!figures.some((figure) => figure.workload === workload)) continue;
    const base = find(figures, workload, reference)?.median_us;
    rows.push([
      workload,
      ...engines.map((engine) => {
        const us = find(figures, workload, engine)?.median_us;
        if (us === undefined) return "–";
        if (engine === reference || base === undefined) return show(us);
        return `${show(us)} (${showRatio(us / base)})`;
      }),
    ]);
  }
  if (rows.length === 0) return "";
  const notes = figures
    .filter((figure) => figure.durability !== undefined)
    .map(({ engine, durability }) => `durable-put, ${engine}: ${durability}`);
  const lines = layOut([["workload", ...engines], ...rows]);
  return [...lines, "", ...notes].join("\n").trimEnd();
}

/**
 * A table of the tree at work, with units; beside a peer's figure stands how many
 * times better the first engine's is.
 *
 * @param figures What {@linkcode summarize} returned.
 * @param engines The columns; those without a figure are left out.
 * @returns Lines of text; none without such workloads.
 */
export function renderTree(
  figures: readonly Figure[],
  engines: readonly EngineName[],
): string {
  const reference = engines[0]!;
  const columns = engines.filter((engine) =>
    TREE_LINES.some(({ workload }) => find(figures, workload, engine))
  );
  const rows: string[][] = [];
  for (const { workload, title, of, largerIsBetter } of TREE_LINES) {
    const valueOf = (engine: EngineName) => {
      const figure = find(figures, workload, engine);
      return figure && of(figure);
    };
    const base = valueOf(reference);
    const cells = columns.map((engine) => {
      const value = valueOf(engine);
      if (value === undefined) return "–";
      if (engine === reference || base === undefined || !largerIsBetter) {
        return show(value);
      }
      return `${show(value)} (${showRatio(base / value)})`;
    });
    if (cells.some((cell) => cell !== "–")) rows.push([title, ...cells]);
  }
  if (rows.length === 0) return "";
  return layOut([["tree", ...columns], ...rows]).join("\n");
}

function find(
  figures: readonly Figure[],
  workload: Workload,
  engine: EngineName,
): Figure | undefined {
  return figures.find((one) =>
    one.workload === workload && one.engine === engine
  );
}

function layOut(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) =>
    Math.max(...rows.map((row) => row[column]!.length))
  );
  return rows.map((row) =>
    row.map((text, column) =>
      column === 0
        ? text.padEnd(widths[column]!)
        : text.padStart(widths[column]!)
    ).join("  ")
  );
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function show(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toFixed(value >= 10 ? 1 : 2);
}

function showRatio(ratio: number): string {
  if (ratio >= 10) return `${Math.round(ratio)}×`;
  return `${ratio.toFixed(ratio >= 1 ? 1 : 2)}×`;
}

/**
 * Metrics as text that Prometheus reads.
 *
 * Owns: the text format, version 0.0.4: names, escapes, histograms.
 * Does not own: values (`memory_recorder.ts`), nor serving the text.
 *
 * A name keeps its words; only what Prometheus does not allow becomes `_`, so
 * that `slatedb.db.write_ops` is found as `slatedb_db_write_ops`.
 *
 * @module
 */
import type { Labels } from "../base/metrics.ts";
import type { HistogramValue, Metric, MetricValue } from "./memory_recorder.ts";

/** What an HTTP answer with this text calls itself. */
export const PROMETHEUS_CONTENT_TYPE: string =
  "text/plain; version=0.0.4; charset=utf-8";

/**
 * Shows metrics in Prometheus' text format.
 *
 * @param metrics What `MemoryRecorder.snapshot()` returned.
 * @returns The text, ending with a line end; empty where there are none.
 *
 * @example
 * ```ts ignore
 * const recorder = new MemoryRecorder();
 * const db = await Db.open("orders", { store, recorder });
 * const text = toPrometheusText(recorder.snapshot());
 * ```
 */
export function toPrometheusText(metrics: readonly Metric[]): string {
  const families = Map.groupBy(metrics, ({ name }) => nameOf(name));
  const lines: string[] = [];
  for (const [name, members] of families) {
    const { description, value } = members[0]!;
    lines.push(`# HELP ${name} ${escapeHelp(description)}`);
    lines.push(`# TYPE ${name} ${typeOf(value)}`);
    for (const { labels, value } of members) {
      lines.push(...samples(name, labels, value));
    }
  }
  return lines.map((line) => `${line}\n`).join("");
}

function samples(name: string, labels: Labels, value: MetricValue): string[] {
  return value.kind === "histogram"
    ? buckets(name, labels, value)
    : [`${name}${labelsOf(labels)} ${numberOf(value.value)}`];
}

function buckets(
  name: string,
  labels: Labels,
  { boundaries, bucketCounts, sum, count }: HistogramValue,
): string[] {
  let below = 0;
  const lines = bucketCounts.map((samples, i) => {
    below += samples;
    const le = numberOf(boundaries[i] ?? Infinity);
    return `${name}_bucket${labelsOf({ ...labels, le })} ${below}`;
  });
  return [
    ...lines,
    `${name}_sum${labelsOf(labels)} ${numberOf(sum)}`,
    `${name}_count${labelsOf(labels)} ${count}`,
  ];
}

function typeOf({ kind }: MetricValue): string {
  // Prometheus' counters only rise; a gauge may move both ways.
  return kind === "upDownCounter" ? "gauge" : kind;
}

function nameOf(name: string): string {
  return name.replaceAll(/[^a-zA-Z0-9_:]/g, "_").replace(/^(?=[0-9])/, "_");
}

function labelsOf(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) =>
    `${nameOf(name).replaceAll(":", "_")}="${escapeLabel(value)}"`
  );
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function numberOf(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}

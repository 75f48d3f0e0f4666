/**
 * What the collector counts, under SlateDB's names.
 *
 * @module
 */
import type { Counter, Gauge, Recorder } from "../base/metrics.ts";
import { GC_RESOURCES, type GcResource } from "./options.ts";

/** The collector's metrics. */
export interface CollectorMetrics {
  /** Passes. */
  readonly passes: Counter;
  /** Files deleted, by kind. */
  readonly deleted: Readonly<Record<GcResource, Counter>>;
  /** Numbered objects that are left, by kind. */
  readonly versions: Readonly<Record<"manifest" | "compactions", Gauge>>;
}

/**
 * Registers the metrics.
 *
 * @param recorder Where.
 * @returns The metrics.
 */
export function registerCollectorMetrics(recorder: Recorder): CollectorMetrics {
  const deleted = GC_RESOURCES.map((resource) => {
    const name = "slatedb.gc.deleted_count";
    return [resource, recorder.counter(name, "Files deleted", { resource })];
  });
  const versions = (resource: string) =>
    recorder.gauge(
      "slatedb.gc.version_count",
      "Numbered objects that are left",
      { resource },
    );
  return {
    passes: recorder.counter("slatedb.gc.count", "Passes of the collector"),
    deleted: Object.fromEntries(deleted),
    versions: {
      manifest: versions("manifest"),
      compactions: versions("compactions"),
    },
  };
}

import {
  type MeterLike,
  OpenTelemetryRecorder,
} from "../../lib/metrics/open_telemetry.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("OpenTelemetryRecorder makes one instrument for each name", () => {
  const made: unknown[] = [];
  const seen: unknown[] = [];
  const take =
    (kind: string) => (name: string, options?: { description?: string }) => {
      made.push([kind, name, options]);
      const note = (value: number, attributes?: Record<string, string>) =>
        void seen.push([name, value, attributes]);
      return { add: note, record: note };
    };
  const meter: MeterLike = {
    createCounter: take("counter"),
    createUpDownCounter: take("upDownCounter"),
    createGauge: take("gauge"),
    createHistogram: take("histogram"),
  };
  const recorder = new OpenTelemetryRecorder(meter);
  recorder.counter("c", "Count", { op: "get" }).add();
  recorder.counter("c", "Count", { op: "scan" }).add(5);
  recorder.gauge("g", "Gauge").set(2);
  recorder.gauge("g", "Gauge", { a: "b" }).set(-3);
  recorder.upDownCounter("u", "Both").add(-1);
  recorder.histogram("h", "Time", [1, 2], { op: "get" }).record(1.5);
  assertEquals(made, [
    ["counter", "c", { description: "Count" }],
    ["gauge", "g", { description: "Gauge" }],
    ["upDownCounter", "u", { description: "Both" }],
    ["histogram", "h", {
      description: "Time",
      advice: { explicitBucketBoundaries: [1, 2] },
    }],
  ]);
  assertEquals(seen, [
    ["c", 1, { op: "get" }],
    ["c", 5, { op: "scan" }],
    ["g", 2, {}],
    ["g", -3, { a: "b" }],
    ["u", -1, {}],
    ["h", 1.5, { op: "get" }],
  ]);
});

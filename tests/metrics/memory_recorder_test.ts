import type { DbError } from "../../lib/base/errors.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import {
  type HistogramValue,
  MemoryRecorder,
} from "../../lib/metrics/memory_recorder.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("MemoryRecorder keeps one value for each name and set of labels", () => {
  const recorder = new MemoryRecorder();
  const get = recorder.counter("requests", "Requests", { op: "get" });
  const scan = recorder.counter("requests", "Requests", { op: "scan" });
  get.add();
  get.add(2);
  scan.add(0);
  // Registered again, in another order of labels: the same value.
  recorder.counter("two", "", { a: "1", b: "2" }).add();
  recorder.counter("two", "", { b: "2", a: "1" }).add();
  assertEquals(recorder.numberOf("requests", { op: "get" }), 3);
  assertEquals(recorder.numberOf("requests", { op: "scan" }), 0);
  assertEquals(recorder.numberOf("requests"), undefined);
  assertEquals(recorder.numberOf("two", { b: "2", a: "1" }), 2);
  assertEquals(recorder.byName("requests").length, 2);
});

test("MemoryRecorder: gauges are replaced, up-down counters move", () => {
  const recorder = new MemoryRecorder();
  const gauge = recorder.gauge("gauge", "");
  gauge.set(7);
  gauge.set(-2.5);
  const upDown = recorder.upDownCounter("running", "");
  upDown.add(3);
  upDown.add(-5);
  assertEquals(recorder.numberOf("gauge"), -2.5);
  assertEquals(recorder.find("running")!.value, {
    kind: "upDownCounter",
    value: -2,
  });
});

test("MemoryRecorder: boundaries are upper ends, and there is one bucket above", () => {
  const recorder = new MemoryRecorder();
  const histogram = recorder.histogram("seconds", "Time", [1, 2]);
  const empty = recorder.find("seconds")!.value as HistogramValue;
  assertEquals(empty.bucketCounts, [0, 0, 0]);
  assertEquals([empty.min, empty.max], [Infinity, -Infinity]);
  histogram.record(1.5);
  histogram.record(3);
  const value = recorder.find("seconds")!.value;
  assertEquals(value, {
    kind: "histogram",
    count: 2,
    sum: 4.5,
    min: 1.5,
    max: 3,
    boundaries: [1, 2],
    bucketCounts: [0, 1, 1],
  });
  histogram.record(2);
  histogram.record(-1);
  const later = recorder.find("seconds")!.value as HistogramValue;
  assertEquals(later.bucketCounts, [1, 2, 1]);
  // What was shown before does not move.
  assertEquals((value as HistogramValue).bucketCounts, [0, 1, 1]);
  assertEquals(recorder.numberOf("seconds"), 4);
});

test("MemoryRecorder refuses what contradicts an earlier registration", () => {
  const recorder = new MemoryRecorder();
  recorder.counter("name", "");
  recorder.histogram("seconds", "", [1, 2]);
  for (
    const body of [
      () => recorder.gauge("name", ""),
      () => recorder.gauge("name", "", { other: "labels" }),
      () => recorder.histogram("seconds", "", [1, 3]),
      () => recorder.histogram("other", "", [2, 1]),
      () => recorder.histogram("other", "", [1, NaN]),
    ]
  ) {
    assertEquals((assertThrows(body) as DbError).kind, "invalid");
  }
  assertEquals(recorder.byName("other"), []);
});

test("MemoryRecorder.snapshot() is in order of names and labels", () => {
  const recorder = new MemoryRecorder();
  recorder.counter("b", "", { x: "2" });
  recorder.gauge("c", "");
  recorder.counter("b", "", { x: "1" });
  recorder.counter("a", "The first");
  const shown = recorder.snapshot().map(({ name, labels }) => [name, labels.x]);
  assertEquals(shown, [
    ["a", undefined],
    ["b", "1"],
    ["b", "2"],
    ["c", undefined],
  ]);
  assertEquals(recorder.snapshot()[0]!.description, "The first");
});

test("noRecorder takes everything and keeps nothing", () => {
  const counter = noRecorder.counter("a", "");
  counter.add();
  noRecorder.gauge("a", "").set(1);
  noRecorder.upDownCounter("a", "").add(-1);
  noRecorder.histogram("a", "", []).record(1);
  // No registration makes an object.
  assert(counter === noRecorder.counter("b", "", { c: "d" }));
});

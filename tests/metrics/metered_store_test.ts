import { DbError } from "../../lib/base/errors.ts";
import {
  type HistogramValue,
  MemoryRecorder,
} from "../../lib/metrics/memory_recorder.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { MeteredStore } from "../../lib/object_store/metered_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

class SlowStore extends MemoryStore {
  readonly #clock: ManualRuntime;

  constructor(runtime: ManualRuntime) {
    super({ runtime });
    this.#clock = runtime;
  }

  override async delete(name: string): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.after(700, resolve));
    if (name === "broken") throw new DbError("unavailable", "not now");
    await super.delete(name);
  }
}

test("MeteredStore counts every request under SlateDB's names", async () => {
  const runtime = new ManualRuntime();
  const recorder = new MemoryRecorder();
  const store = new MeteredStore(new SlowStore(runtime), {
    recorder,
    runtime,
    component: "gc",
    storeType: "wal",
  });
  await store.put("a", new Uint8Array(3));
  await store.get("a");
  await store.get("a", { range: { start: 1 } });
  await store.head("a");
  store.readSync!("a", { start: 0, end: 1 });
  await Array.fromAsync(store.list(""));
  await runtime.run(store.delete("a"));
  await runtime.run(assertRejects(() => store.delete("broken")));

  const labels = (op: string, api: string) => ({
    component: "gc",
    store_type: "wal",
    op,
    api,
  });
  const name = "slatedb.object_store.request_count";
  const counts = recorder.byName(name).map(({ labels, value }) => [
    labels.api,
    labels.op,
    value.kind === "histogram" ? -1 : value.value,
  ]);
  assertEquals(counts, [
    ["delete", "delete", 2],
    ["get", "get", 1],
    ["get_range", "get", 2],
    ["head", "get", 1],
    ["list", "get", 1],
    ["put", "put", 1],
  ]);
  assertEquals(
    recorder.numberOf(
      "slatedb.object_store.error_count",
      labels("delete", "delete"),
    ),
    1,
  );
  const seconds = recorder.find(
    "slatedb.object_store.request_duration_seconds",
    labels("delete", "delete"),
  )!.value as HistogramValue;
  assertEquals([seconds.count, seconds.sum], [2, 1.4]);
  assertEquals(seconds.bucketCounts[8], 2);
});

import { Db } from "../../mod.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { compactorOf, fill, manifestOf, shapeOf } from "./compactors.ts";

const MINUTE = 60_000;

test("an idle database with a compactor sends two requests a minute", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }), { runtime });
  const opening = Db.open("db", {
    store,
    runtime,
    settings: { garbage_collector_options: null },
  });
  const db = await runtime.run(opening);
  await runtime.run(db.put("a", "1"));
  await runtime.run(db.flush({ target: "memtable" }));
  await runtime.advance(10 * MINUTE);
  store.calls.length = 0;
  await runtime.advance(10 * MINUTE);
  assert(store.calls.length <= 20, `${store.calls.length} in ten minutes`);
  assertEquals(store.count("list"), 0);
  assertEquals(store.count("put"), 0);
  await runtime.run(db.close());
});

test("a database that is opened for a moment has no compactor's files", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }), { runtime });
  const db = await runtime.run(Db.open("db", { store, runtime }));
  await runtime.run(db.put("a", "1"));
  await runtime.run(db.close());
  assertEquals(store.count("put", "compactions/"), 0);
  assertEquals((await manifestOf(store)).compactorEpoch, 0);
});

test("an idle Compactor in a process of its own looks ever less often", async () => {
  const memory = new MemoryStore();
  await fill(memory, 1);
  const runtime = new ManualRuntime();
  const store = new FaultStore(memory, { runtime });
  await using made = compactorOf(store, { runtime });
  await runtime.run(made.compactor.compactNow({ full: false }));
  await runtime.advance(10 * MINUTE);
  store.calls.length = 0;
  await runtime.advance(10 * MINUTE);
  // Both files, once a minute.
  assert(store.calls.length <= 22, `${store.calls.length} in ten minutes`);
  // Work is found within the longest pause all the same.
  await fill(memory, 5);
  await runtime.advance(2 * MINUTE);
  assertEquals(shapeOf(await manifestOf(memory)), "l0 0, runs 0:1");
});

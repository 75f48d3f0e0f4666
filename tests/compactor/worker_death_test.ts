/**
 * Workers in processes of their own that die at any moment, and the compactor
 * with them: whoever comes next finishes, and nothing is lost.
 *
 * @module
 */
import { Admin } from "../../mod.ts";
import type { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { copyStore, JournalStore } from "../support/journal_store.ts";
import { test } from "../support/test.ts";
import {
  assertWhole,
  compactorOf,
  contentOf,
  fill,
  manifestOf,
  stateOf,
  workerOf,
} from "./compactors.ts";

const HOUR_MS = 3_600_000;
const ALONE = { formatTarget: "0.15", settings: { worker: null } } as const;
const SMALL = { max_sst_size: 2000 };

/** Collects as if all files were an hour older. */
async function collectLater(store: MemoryStore): Promise<void> {
  const runtime = new ManualRuntime({ now: Date.now() + HOUR_MS });
  const report = await Admin.open("db", { store, runtime }).runGc();
  assertEquals(report.failures, []);
}

test("worker and compactor may die after every change of the store", async () => {
  const store = new JournalStore();
  await fill(store, 6);
  const before = await contentOf(await copyStore(store));
  const from = store.length;
  const runtime = new ManualRuntime({ now: Date.now() });
  const compactor = compactorOf(store, { ...ALONE, runtime });
  const worker = workerOf(store, { runtime, settings: SMALL });
  worker.start();
  await runtime.run(compactor.compactor.compactNow());
  await runtime.run(worker.stop());
  await runtime.run(compactor.compactor.stop());
  assert(store.length - from > 8, `${store.length - from} changes`);

  for (let changes = from; changes <= store.length; changes++) {
    const what = `after ${store.describe(changes - 1)}`;
    const left = await store.at(changes);
    await assertWhole(left);
    await collectLater(left);
    // Late enough that the dead are known to be dead.
    const later = new ManualRuntime({ now: Date.now() + HOUR_MS });
    const next = compactorOf(left, { ...ALONE, runtime: later });
    const other = workerOf(left, { runtime: later, settings: SMALL });
    other.start();
    // What was under way, then everything.
    await later.run(next.compactor.compactNow({ full: false }));
    assertEquals(await contentOf(left), before, what);
    await later.run(next.compactor.compactNow());
    await later.run(other.stop());
    await later.run(next.compactor.stop());
    assertEquals(later.timers, 0);
    assertEquals([...next.failures, ...other.failures], []);
    const { tree } = await manifestOf(left);
    assertEquals([tree.l0.length, tree.runs.length], [0, 1], what);
    const { compactions } = (await stateOf(left))!;
    assertEquals(compactions.map(({ status }) => status), ["completed"], what);
    await collectLater(left);
    await assertWhole(left);
    assertEquals(await contentOf(left), before, what);
  }
});

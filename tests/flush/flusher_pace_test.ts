import type { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { names } from "./mini_db.ts";
import { MINUTE, openCompactor, setUp } from "./set_up.ts";

test("Flusher waits while L0 is full, says so, and goes on after a compaction", async () => {
  const warnings: string[] = [];
  const { runtime, store, memory, db } = await setUp({
    l0MaxSsts: 2,
    logger: { ...silentLogger, warn: (text) => warnings.push(text) },
  });
  for (const key of ["a", "b"]) {
    db.write([key]);
    await db.flush();
  }
  db.write(["c"]);
  db.freeze();
  await runtime.settle();
  assert(db.flusher.stalled);
  const error = await assertRejects(() =>
    db.flusher.flush({ onStall: "fail" })
  ) as DbError;
  assertEquals(error.kind, "unavailable");
  const controller = new AbortController();
  const waiting = db.flusher.flush({ signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  assertEquals(await assertRejects(() => waiting), reason);
  store.calls.length = 0;
  await runtime.advance(29_500);
  assertEquals(warnings.length, 3);
  // While it waits it looks as often as configured.
  assertEquals(store.count("get", "manifest"), 29);
  const flushed = db.flusher.flush();
  const compactor = await openCompactor(memory, runtime);
  await compactor.update((manifest) => ({
    ...manifest,
    tree: {
      l0: [],
      runs: [{ id: 0, ssts: manifest.tree.l0.toReversed() }],
      lastCompactedL0: manifest.tree.l0[0]!.viewId,
    },
  }));
  db.flusher.poke(true);
  await flushed;
  assert(!db.flusher.stalled);
  assertEquals(names(await db.rows()), ["a@1", "b@2", "c@3"]);
  await db.crash();
});

test("Flusher waits while too many SSTs of L0 hold one key", async () => {
  const { runtime, db } = await setUp({ l0MaxSsts: 99, l0MaxSstsPerKey: 2 });
  for (const key of ["a", "b", "c", "d"]) {
    db.write([key]);
    await db.flush();
  }
  assert(!db.flusher.stalled);
  db.write(["a", "c"]);
  await db.flush();
  db.write(["z"]);
  db.freeze();
  await runtime.settle();
  assert(db.flusher.stalled);
  await db.crash();
});

test("Flusher looks ever more rarely while nothing goes on", async () => {
  const { runtime, store, db } = await setUp();
  await runtime.advance(10 * MINUTE);
  store.calls.length = 0;
  await runtime.advance(10 * MINUTE);
  assert(store.calls.length <= 10, `${store.calls.length} requests`);
  // A write brings the configured pace back.
  db.write(["a"]);
  await runtime.advance(100);
  store.calls.length = 0;
  await runtime.advance(3000);
  assert(store.count("get", "manifest") >= 1);
  await db.crash();
});

test("Flusher keeps its pace where it is told to, or something is going on", async () => {
  let busy = true;
  for (const exact of [true, false]) {
    const { runtime, store, db } = await setUp({
      manifestPollExact: exact,
      isBusy: () => busy,
    });
    busy = !exact;
    await runtime.advance(MINUTE);
    assertEquals(store.count("get", "manifest"), 60);
    await db.crash();
  }
});

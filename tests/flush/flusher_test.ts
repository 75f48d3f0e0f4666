import type { DbError } from "../../lib/base/errors.ts";
import { ulidToBits } from "../../lib/base/ids.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { MiniDb, names, storedRows } from "./mini_db.ts";
import {
  isManifestPut,
  isSstPut,
  MINUTE,
  openCompactor,
  setUp,
} from "./set_up.ts";

test("Flusher puts a memtable into L0 and moves every counter", async () => {
  const { runtime, memory, db } = await setUp();
  db.write(["b", "a"]);
  db.lsm.tracker.record(1n, 1_700_000_000);
  await runtime.advance(5);
  db.write(["c"]);
  await db.flush();
  const { manifest } = db.lsm.view;
  assertEquals(manifest.lastL0Seq, 2n);
  assertEquals(manifest.replayAfterWalId, 2);
  assertEquals(manifest.nextWalId, 3);
  assertEquals(manifest.lastL0ClockTick, BigInt(runtime.now()));
  assertEquals(manifest.recentSnapshotMinSeq, 2n);
  assertEquals(manifest.tree.l0.length, 1);
  assertEquals(manifest.tree.l0[0]!.viewId, manifest.tree.l0[0]!.id);
  assertEquals(
    SeqTracker.decode(manifest.sequenceTracker!).seqAt(1_700_000_000, "down"),
    1n,
  );
  assertEquals(db.lsm.view.frozen.length, 0);
  assertEquals(db.lsm.unflushedBytes, 0);
  assertEquals(
    names(await storedRows(memory, manifest)),
    ["a@1", "b@1", "c@2"],
  );
  await db.crash();
});

test("Flusher.flush() waits for what is frozen, and for nothing else", async () => {
  const { store, db } = await setUp();
  await db.flusher.flush();
  db.write(["a"]);
  await db.flusher.flush();
  assertEquals(store.count("put", "compacted"), 0);
  db.freeze();
  db.write(["b"]);
  await db.flusher.flush();
  assertEquals(db.lsm.view.manifest.lastL0Seq, 1n);
  assertEquals(db.lsm.view.active.rows, 1);
  await db.crash();
});

test("Flusher uploads in parallel and commits in order, several at once", async () => {
  const { store, runtime, db } = await setUp({ l0FlushParallelism: 2 });
  const uploads = store.hold(isSstPut);
  for (const key of ["a", "b", "c"]) {
    db.write([key]);
    db.freeze();
  }
  await db.wal.flush();
  await runtime.settle();
  const [first, second] = uploads.waiting;
  assertEquals(uploads.waiting.length, 2);
  assert(first!.name < second!.name, "ids rise in the order of dispatch");
  const held = db.lsm.unflushedBytes;
  store.calls.length = 0;
  uploads.end();
  await runtime.settle();
  assert(db.lsm.unflushedBytes < held);
  await db.flusher.flush();
  const { manifest } = db.lsm.view;
  assertEquals(manifest.lastL0Seq, 3n);
  const ids = manifest.tree.l0.map(({ id }) => id);
  assertEquals(ids, ids.toSorted().toReversed());
  assert(store.count("put", "manifest") <= 2);
  await db.crash();
});

test("Flusher does not commit a later memtable before an earlier one", async () => {
  const { store, runtime, db } = await setUp();
  let uploads = 0;
  const hold = store.hold((call) => isSstPut(call) && uploads++ === 0);
  db.write(["a"]);
  db.freeze();
  db.write(["b"]);
  db.freeze();
  await db.wal.flush();
  await runtime.advance(5000);
  assertEquals(store.count("put", "compacted"), 2);
  assertEquals(store.count("put", "manifest"), 0);
  assertEquals(db.lsm.view.frozen.length, 2);
  hold.end();
  await db.flusher.flush();
  assertEquals(db.lsm.view.manifest.lastL0Seq, 2n);
  assertEquals(store.count("put", "manifest"), 1);
  await db.crash();
});

test("Flusher commits nothing that the log has not stored", async () => {
  const { store, runtime, db } = await setUp();
  const log = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("/wal/")
  );
  db.write(["a"]);
  db.freeze();
  await runtime.advance(10_000);
  assertEquals(store.count("put", "compacted"), 1);
  assertEquals(store.count("put", "manifest"), 0);
  log.end();
  await db.flusher.flush();
  assertEquals(store.count("put", "manifest"), 1);
  await db.crash();
});

test("Flusher asks for the log where no interval does", async () => {
  const { runtime, db } = await setUp({ flushIntervalMs: 1e9 });
  db.write(["a"]);
  db.freeze();
  await runtime.run(db.flusher.flush());
  assertEquals(db.wal.durable.level, 1n);
  await db.crash();
});

test("Flusher makes rows durable where there is no log", async () => {
  const { runtime, db, memory } = await setUp({ walEnabled: false });
  db.write(["a"]);
  const durable = db.wal.durable.reached(1n)!;
  await runtime.run(durable);
  assertEquals(db.lsm.view.manifest.lastL0Seq, 1n);
  const { manifest } = db.lsm.view;
  assertEquals(names(await storedRows(memory, manifest)), ["a@1"]);
  await db.crash();
});

test("Flusher commits once where the reply to its commit is lost", async () => {
  const { store, runtime, db } = await setUp();
  store.fail(isManifestPut, { kind: "fail-after" }, 1);
  db.write(["a"]);
  await db.wal.flush();
  db.freeze();
  await runtime.run(db.flusher.flush());
  assertEquals(db.lsm.view.manifest.tree.l0.length, 1);
  assertEquals(store.count("put", "manifest"), 2);
  assertEquals(names(await db.rows()), ["a@1"]);
  await db.crash();
});

test("Flusher commits on top of what another process changed", async () => {
  const { runtime, memory, db } = await setUp();
  for (const key of ["a", "b"]) {
    db.write([key]);
    await db.flush();
  }
  const compactor = await openCompactor(memory, runtime);
  await compactor.update((manifest) => ({
    ...manifest,
    tree: {
      l0: [],
      runs: [{ id: 0, ssts: manifest.tree.l0.toReversed() }],
      lastCompactedL0: manifest.tree.l0[0]!.viewId,
    },
  }));
  db.write(["c"]);
  await db.flush();
  const { tree } = db.lsm.view.manifest;
  assertEquals(tree.l0.length, 1);
  assertEquals(tree.runs.length, 1);
  assertEquals(names(await db.rows(memory)), ["a@1", "b@2", "c@3"]);
  await db.crash();
});

test("Flusher is fenced by the next writer even when idle", async () => {
  const { runtime, store, db } = await setUp();
  db.write(["a"]);
  await db.wal.flush();
  const next = await MiniDb.open({ store, runtime });
  await runtime.advance(2 * MINUTE);
  assertEquals(db.failures.map(({ reason }) => reason), ["fenced"]);
  const error = await assertRejects(async () => {
    db.freeze();
    await db.flusher.flush();
  }) as DbError;
  assertEquals(error.reason, "fenced");
  assertEquals(next.failures, []);
  await db.crash();
  await next.crash();
});

test("Flusher gives new SSTs greater ids than old ones whatever the clock says", async () => {
  const { runtime, store, db } = await setUp();
  db.write(["a"]);
  await db.flush();
  await db.crash();
  runtime.shiftClock(-60 * MINUTE);
  const next = await MiniDb.open({ store, runtime });
  next.write(["b"]);
  await next.flush();
  const [newer, older] = next.lsm.view.manifest.tree.l0;
  assert(ulidToBits(newer!.id) > ulidToBits(older!.id));
  await next.crash();
});

test("Flusher.stop() ends requests that hang, and all waits", async () => {
  const { runtime, store, db } = await setUp();
  db.write(["a"]);
  await db.wal.flush();
  const hold = store.hold(() => true);
  db.freeze();
  const flushed = db.flusher.flush();
  await runtime.settle();
  await db.flusher.stop();
  const error = await assertRejects(() => flushed) as DbError;
  assertEquals(error.kind, "closed");
  assertEquals(db.failures, []);
  hold.end();
  await db.crash();
  assertEquals(runtime.timers, 0);
});

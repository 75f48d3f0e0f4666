import { toText } from "../../lib/base/bytes.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { ulidToBits } from "../../lib/base/ids.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore, type StoreCall } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { CONCAT } from "../wal/memtable_rows.ts";
import { MiniDb, type MiniDbOptions, names, storedRows } from "./mini_db.ts";

const MINUTE = 60_000;

async function setUp(options: Partial<MiniDbOptions> = {}) {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const db = await MiniDb.open({ store, runtime, ...options });
  await runtime.settle();
  store.calls.length = 0;
  return { runtime, memory, store, db };
}

const isSst = ({ name }: StoreCall) => name.includes("/compacted/");
const isSstPut = (call: StoreCall) => call.operation === "put" && isSst(call);
const isManifestPut = (call: StoreCall) =>
  call.operation === "put" && call.name.includes("/manifest/");

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

test("Flusher advances the counters where no row was worth keeping", async () => {
  const { store, runtime, db } = await setUp();
  db.write(["a"], { kind: "merge", expireTs: BigInt(runtime.now()) });
  await db.flush();
  assertEquals(store.count("put", "compacted"), 0);
  assertEquals(db.lsm.view.manifest.lastL0Seq, 1n);
  assertEquals(db.lsm.view.manifest.replayAfterWalId, 2);
  assertEquals(db.lsm.view.frozen.length, 0);
  await db.crash();
});

test("Flusher keeps the versions that a snapshot sees, and only those", async () => {
  const { db, memory } = await setUp();
  for (let i = 0; i < 6; i++) db.write(["a"]);
  const token = db.lsm.snapshots.register(3n, 0);
  await db.flush();
  assertEquals(db.lsm.view.manifest.recentSnapshotMinSeq, 3n);
  db.lsm.snapshots.release(token);
  for (let i = 0; i < 3; i++) db.write(["b"]);
  await db.flush();
  const { manifest } = db.lsm.view;
  assertEquals(manifest.recentSnapshotMinSeq, 9n);
  assertEquals(names(await storedRows(memory, manifest)), [
    "b@9",
    "a@6",
    "a@5",
    "a@4",
    "a@3",
  ]);
  await db.crash();
});

test("Flusher keeps the versions that readers of durable rows see", async () => {
  const { store, runtime, db, memory } = await setUp();
  for (let i = 0; i < 3; i++) db.write(["a"]);
  await db.wal.flush();
  const log = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("/wal/")
  );
  for (let i = 0; i < 3; i++) db.write(["a"]);
  db.freeze();
  await runtime.settle();
  log.end();
  await db.flusher.flush();
  assertEquals(
    names(await storedRows(memory, db.lsm.view.manifest)),
    ["a@6", "a@5", "a@4", "a@3"],
  );
  await db.crash();
});

test("Flusher folds merge operands that no reader tells apart", async () => {
  const { db, memory } = await setUp({ mergeOperator: CONCAT });
  db.write(["a"]);
  db.write(["a"], { kind: "merge" });
  db.write(["a", "b"], { kind: "merge" });
  const token = db.lsm.snapshots.register(3n, 0);
  db.write(["a", "b"], { kind: "merge" });
  await db.flush();
  db.lsm.snapshots.release(token);
  const rows = await storedRows(memory, db.lsm.view.manifest);
  assertEquals(names(rows), ["a@4", "a@3", "b@4", "b@3"]);
  assertEquals(rows.map(({ kind }) => kind), [
    "merge",
    "put",
    "merge",
    "merge",
  ]);
  assertEquals(toText(rows[1]!.value), "a@1;a@2;a@3;");
  await db.crash();
});

test("Flusher ends with the merge operator's failure", async () => {
  const { db } = await setUp({
    mergeOperator: {
      merge: () => {
        throw new Error("no idea");
      },
    },
  });
  db.write(["a"], { kind: "merge" });
  db.write(["a"], { kind: "merge" });
  const error = await assertRejects(() => db.flush()) as DbError;
  assertEquals(error.kind, "invalid");
  assertEquals(db.failures, [error]);
  await db.crash();
});

test("Flusher lets rows expire by the memtable's own clock, not under a snapshot", async () => {
  for (const snapshot of [false, true]) {
    const { runtime, db, memory } = await setUp();
    const start = runtime.now();
    db.write(["a"], { expireTs: BigInt(start + 10) });
    db.write(["later"], { expireTs: BigInt(start + 1000) });
    if (snapshot) db.lsm.snapshots.register(9n, start + 9);
    await runtime.advance(20);
    db.write(["b"]);
    // Time that passes after the last row does not count.
    await runtime.advance(5 * MINUTE);
    await db.flush();
    const rows = await storedRows(memory, db.lsm.view.manifest);
    assertEquals(rows.map(({ kind }) => kind), [
      snapshot ? "put" : "delete",
      "put",
      "put",
    ]);
    await db.crash();
  }
});

test("Flusher uploads again until the store takes it", async () => {
  const { store, runtime, db } = await setUp();
  store.fail(isSstPut, { kind: "fail-before" }, 2);
  store.fail(isSstPut, { kind: "fail-after" }, 1);
  db.write(["a"]);
  await db.wal.flush();
  db.freeze();
  await runtime.run(db.flusher.flush());
  const names = store.calls.filter(isSst).map(({ name }) => name);
  assertEquals(names.length, 4);
  assertEquals(new Set(names).size, 1);
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

function openCompactor(store: MemoryStore, runtime: ManualRuntime) {
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  return manifests.open("compactor", { timeoutMs: MINUTE });
}

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

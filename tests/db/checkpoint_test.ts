/** Checkpoints that the writer makes, and views that collectors must spare. */
import {
  Admin,
  Db,
  type DbError,
  DbReader,
  type DbSettings,
  MemoryStore,
} from "../../mod.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const ABSENT = "c0ffee00-0000-4000-8000-000000000001";
const MINUTE = 60_000;
/** Nothing is flushed, compacted or collected but on request. */
const QUIET: DbSettings = {
  flush_interval: null,
  compactor_options: null,
  garbage_collector_options: null,
};

async function setUp(settings: DbSettings = QUIET) {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const db = await Db.open("db", { store, runtime, settings });
  const admin = Admin.open("db", { store: memory, runtime });
  return { runtime, memory, store, db, admin };
}

test("Db.createCheckpoint() has every row so far, flushed", async () => {
  const { db, admin } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  const { seq } = await db.put("b", "2", { awaitDurable: false });
  const { id, manifestId } = await db.createCheckpoint({
    lifetimeMs: 10_000,
    name: "n",
  });
  const kept = (await admin.readManifest(manifestId))!;
  assertEquals(kept.lastL0Seq, seq);
  assertEquals(kept.tree.l0.length, 1);
  const [checkpoint] = kept.checkpoints;
  assertEquals(checkpoint!.id, id);
  assertEquals(checkpoint!.name, "n");
  assertEquals(checkpoint!.expireTimeS, checkpoint!.createTimeS + 10);
  // The manifest that has it first is the one that it keeps.
  assertEquals(kept.id, manifestId);
  assertEquals((await admin.readManifest(manifestId - 1))!.checkpoints, []);
  await db.close();
});

test("Db.createCheckpoint() of what is durable flushes nothing, and knows its WAL files", async () => {
  const { db, admin } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "wal" });
  await db.put("b", "2", { awaitDurable: false });
  const { manifestId } = await db.createCheckpoint({ scope: "durable" });
  const kept = (await admin.readManifest(manifestId))!;
  assertEquals(kept.lastL0Seq, 0n);
  // The fence, and the file with "a"; "b" is nowhere yet.
  assertEquals([kept.replayAfterWalId, kept.nextWalId], [0, 3]);
  assertEquals(db.status().durableSeq, 1n);
  await db.close();
});

test("Db.createCheckpoint() with a source keeps what that keeps", async () => {
  const { db, admin } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  const first = await db.createCheckpoint();
  await db.put("b", "2", { awaitDurable: false });
  const second = await db.createCheckpoint({ source: first.id });
  assertEquals(second.manifestId, first.manifestId);
  assertEquals((await admin.listCheckpoints()).length, 2);
  // Nothing was flushed for it.
  assertEquals((await admin.readManifest())!.lastL0Seq, 1n);
  await db.close();
});

test("Db.createCheckpoint() says what is wrong before it flushes", async () => {
  const { db, store } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  store.calls.length = 0;
  const kindOf = async (options: unknown) =>
    (await assertRejects(() =>
      db.createCheckpoint(options as { lifetimeMs?: number })
    ) as DbError).kind;
  assertEquals(await kindOf({ scope: "some" }), "invalid");
  assertEquals(await kindOf({ lifetimeMs: 0 }), "invalid");
  assertEquals(await kindOf({ source: "x" }), "invalid");
  assertEquals(await kindOf({ source: ABSENT }), "data");
  assertEquals(store.calls.filter(({ operation }) => operation === "put"), []);
  const reason = new Error("enough");
  assertEquals(
    await assertRejects(() =>
      db.createCheckpoint({ signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  await db.close();
  assertEquals(await kindOf({}), "closed");
});

test("Db.createCheckpoint() of many at once loses none", async () => {
  const { db, admin } = await setUp();
  const made = await Promise.all(
    Array.from({ length: 8 }, async (_, i) => {
      await db.put(`k${i}`, "v", { awaitDurable: false });
      return i % 2 === 0
        ? await db.createCheckpoint()
        : await admin.createCheckpoint();
    }),
  );
  const stored = (await admin.listCheckpoints()).map(({ id }) => id);
  assertEquals(stored.sort(), made.map(({ id }) => id).sort());
  await db.put("after", "v", { awaitDurable: false });
  await db.close();
  assertEquals((await admin.listCheckpoints()).length, 8);
});

test("Db.createCheckpoint() after a fence fails as fenced", async () => {
  const { db, memory } = await setUp();
  const next = await Db.open("db", { store: memory, settings: QUIET });
  const error = await assertRejects(() => db.createCheckpoint()) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  await next.close();
  await db.close();
});

/** Rows enough for several SSTs, and a scan that has read one of them. */
async function openScan(db: Db) {
  for (let i = 0; i < 4; i++) {
    for (let key = 0; key < 50; key++) {
      await db.put(`${key}-${i}`, "x".repeat(500), { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
  }
  const scan = db.scan({ readAheadBytes: 1 });
  const first = await scan.next();
  assert(first !== undefined);
  return scan;
}

test("DESIGN 7.8: a scan held longer than min_age never loses its files", async () => {
  const { runtime, db, admin, memory } = await setUp({
    ...QUIET,
    compactor_options: {},
    manifest_poll_interval: "1s",
  });
  const scan = await openScan(db);
  const sstsOf = async () => {
    const names: string[] = [];
    for await (const { name } of memory.list("db/compacted/")) names.push(name);
    return names;
  };
  const inputs = await sstsOf();
  // Every SST that the scan needs is replaced, and then the years go by.
  for (let hour = 0; hour < 6; hour++) {
    const compacting = db.compact();
    await runtime.run(compacting);
    await db.put(`new ${hour}`, "y", { awaitDurable: false });
    await db.flush({ target: "memtable" });
    for (let minute = 0; minute < 60; minute += 5) {
      await runtime.advance(5 * MINUTE);
      // A collector of another process, which knows of no scan.
      const { failures } = await admin.runGc({
        settings: { compacted_options: { min_age: "5m" } },
      });
      assertEquals(failures, []);
    }
  }
  const left = await sstsOf();
  for (const name of inputs) assert(left.includes(name), `${name} is gone`);
  const checkpoints = await admin.listCheckpoints("open view");
  assertEquals(checkpoints.length > 0, true);
  let rows = 1;
  while (await scan.next() !== undefined) rows++;
  assertEquals(rows, 200);
  await scan.close();

  // Once it is closed, its checkpoints and its files go.
  await runtime.advance(20 * MINUTE);
  assertEquals(await admin.listCheckpoints("open view"), []);
  await admin.runGc();
  const later = await sstsOf();
  for (const name of inputs) assert(!later.includes(name), `${name} is left`);
  assertEquals(await db.count(), 206);
  await db.close();
});

test("DESIGN 7.8: a snapshot held longer than min_age reads what it saw", async () => {
  const { runtime, db, admin } = await setUp({
    ...QUIET,
    compactor_options: {},
  });
  for (let key = 0; key < 20; key++) {
    await db.put(`k${key}`, "old", { awaitDurable: false });
  }
  await db.flush({ target: "memtable" });
  using snapshot = db.snapshot();
  for (let hour = 0; hour < 3; hour++) {
    for (let key = 0; key < 20; key++) {
      await db.put(`k${key}`, `new ${hour}`, { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
    await runtime.run(db.compact());
    await runtime.advance(60 * MINUTE);
    const { failures } = await admin.runGc({
      settings: { compacted_options: { min_age: 0 } },
    });
    assertEquals(failures, []);
    for await (const { value } of snapshot.scan()) {
      assertEquals(new TextDecoder().decode(value), "old");
    }
  }
  await db.close();
});

test("DESIGN 7.8: checkpoints of open scans end with the database", async () => {
  const { runtime, db, admin } = await setUp();
  const scan = await openScan(db);
  await runtime.advance(10 * MINUTE);
  assertEquals((await admin.listCheckpoints("open view")).length, 1);
  await db.close();
  assertEquals(await admin.listCheckpoints("open view"), []);
  await scan.close();
  assertEquals(runtime.timers, 0);
});

test("DESIGN 7.8: a reader held longer than min_age never loses its files", async () => {
  const { runtime, db, admin, memory } = await setUp({
    ...QUIET,
    compactor_options: {},
  });
  for (let i = 0; i < 4; i++) {
    await db.put(`k${i}`, "old", { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  const store = new FaultStore(memory, { runtime });
  const reader = await DbReader.open("db", { store, runtime });
  const writes = () => store.count("put");
  await runtime.advance(1.5 * MINUTE);
  assertEquals(writes(), 0);
  for (let hour = 0; hour < 3; hour++) {
    for (let i = 0; i < 4; i++) {
      await db.put(`k${i}`, `new ${hour}`, { awaitDurable: false });
    }
    await runtime.run(db.compact());
    await runtime.advance(60 * MINUTE);
    const { failures } = await admin.runGc();
    assertEquals(failures, []);
  }
  assertEquals((await admin.listCheckpoints("open view")).length > 0, true);
  const values = await Array.fromAsync(reader.scan());
  assertEquals(
    values.map(({ value }) => new TextDecoder().decode(value)),
    ["old", "old", "old", "old"],
  );
  await reader.close();
  assertEquals(await admin.listCheckpoints("open view"), []);
  await db.close();
});

test("a reader that may not write reads on, and says that nothing keeps its files", async () => {
  const { runtime, db, memory } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.close();
  const logged: string[] = [];
  const log = (message: string) => void logged.push(message);
  const store = new FaultStore(memory, { runtime });
  const reader = await DbReader.open("db", {
    store,
    runtime,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  store.fail(({ operation }) => operation === "put", {
    kind: "fail-before",
    error: new Error("forbidden"),
  }, Infinity);
  await runtime.advance(10 * MINUTE);
  assert(logged.some((line) => line.includes("cannot keep the files")));
  assertEquals((await reader.get("a"))?.length, 1);
  await reader.close();
  assertEquals(runtime.timers, 0);
});

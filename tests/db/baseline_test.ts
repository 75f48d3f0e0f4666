/**
 * Linear memory is back where it was once a database is closed, or could not be
 * opened, whatever was under way and is still held.
 *
 * @module
 */
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import {
  Db,
  DbError,
  DbReader,
  MemoryBudget,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { isSstGet, isSstPut, isWalPut } from "../support/calls.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const QUIET = { compactor_options: null, garbage_collector_options: null };
const kernel = await sharedKernel();

/** Runs a body until its memory is constant: the first run warms up. */
async function assertBaseline(
  name: string,
  body: () => Promise<void>,
): Promise<void> {
  await body();
  const before = kernel.exports.memory_used();
  for (let i = 0; i < 3; i++) await body();
  assertEquals(kernel.exports.memory_used() - before, 0, name);
}

/** Rows in the WAL, in L0 and below. */
async function fill(store: ObjectStore): Promise<void> {
  const db = await Db.open("db", { store });
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 300; i++) {
      await db.put(`k${i}`, new Uint8Array(500).fill(round), LATER);
    }
    if (round < 2) await db.flush({ target: "memtable" });
  }
  await db.close({ flush: "wal" });
}

test("a database that is closed holds no memory, though scans, snapshots and transactions are held", async () => {
  const inner = new MemoryStore();
  await fill(inner);
  const held: unknown[] = [];
  for (const store of [inner, new FaultStore(inner)]) {
    await assertBaseline(store.constructor.name, async () => {
      const db = await Db.open("db", { store });
      await db.put("k5", "new", LATER);
      const snapshot = db.snapshot();
      const transaction = await db.begin({ isolation: "serializable" });
      transaction.put("k6", "mine");
      const scans = [db.scan(), snapshot.scan(), transaction.scan()];
      for (const scan of scans) await scan.next();
      await db.getMany(["k1", "k2", "absent"]);
      const started = db.scan({ reverse: true });
      const pending = started.next().then(() => {}, () => {});
      held.push(snapshot, transaction, scans, started, db.scan());
      await db.close({ flush: "wal" });
      await pending;
    });
  }
  held.length = 0;
});

test("a reader that is closed holds no memory", async () => {
  const inner = new MemoryStore();
  await fill(inner);
  const held: unknown[] = [];
  for (const store of [inner, new FaultStore(inner)]) {
    await assertBaseline(store.constructor.name, async () => {
      const reader = await DbReader.open("db", { store });
      const scan = reader.scan({ gte: "k2" });
      await scan.next();
      await reader.get("k77");
      held.push(scan);
      await reader.close();
    });
  }
  held.length = 0;
});

test("a read that is under way when the database closes gives its memory back", async () => {
  const inner = new MemoryStore();
  await fill(inner);
  await assertBaseline("get and scan", async () => {
    const store = new FaultStore(inner);
    const db = await Db.open("db", { store });
    const hold = store.hold(isSstGet);
    const get = db.get("k3000").then(() => {}, () => {});
    const scan = db.scan().next().then(() => {}, () => {});
    await hold.arrived(1);
    await db.close({ flush: "wal" });
    hold.end();
    await Promise.all([get, scan]);
  });
});

test("a database that fails holds no memory", async () => {
  const inner = new MemoryStore();
  await fill(inner);
  for (const matches of [isWalPut, isSstPut]) {
    await assertBaseline(matches.name, async () => {
      const store = new FaultStore(inner);
      const db = await Db.open("db", { store });
      const scan = db.scan();
      await scan.next();
      store.fail(matches, {
        kind: "fail-before",
        error: new DbError("invalid", "no such bucket"),
      });
      await db.put("k1", "new", LATER);
      await assertRejects(() => db.flush({ target: "memtable" }));
      await assertRejects(() => scan.next());
      await db.close();
    });
  }
});

test("an opening that fails holds no memory", async () => {
  const inner = new MemoryStore();
  await fill(inner);
  const isWalGet = ({ operation, name }: { operation: string; name: string }) =>
    operation === "get" && name.includes("/wal/");
  const error = new DbError("invalid", "no such bucket");
  for (const open of [Db.open, DbReader.open]) {
    await assertBaseline(open.name, async () => {
      const store = new FaultStore(inner);
      store.fail(isWalGet, { kind: "fail-before", error });
      await assertRejects(() => open("db", { store }));
    });
  }
  await assertBaseline("flush under replay", async () => {
    const store = new FaultStore(inner);
    store.fail(isSstPut, { kind: "fail-before", error });
    await assertRejects(() =>
      Db.open("db", {
        store,
        settings: { l0_sst_size_bytes: 20_000, max_unflushed_bytes: 20_001 },
      })
    );
  });
});

test("a shared budget is back at zero once its databases are closed", async () => {
  const store = new MemoryStore();
  await fill(store);
  const budget = new MemoryBudget();
  const databases = [
    await Db.open("db", { store, budget }),
    await Db.open("other", { store, budget }),
  ];
  for (const db of databases) {
    await db.put("a", "1", LATER);
    await db.get("k17");
    await db.scan({ cacheBlocks: true }).next();
  }
  for (const db of databases) await db.close();
  assertEquals([budget.memtableUsed, budget.cacheUsed], [0, 0]);
});

test("reads that are under way when the database closes end, though the store is down", async () => {
  const runtime = new ManualRuntime();
  const inner = new MemoryStore({ runtime });
  await fill(inner);
  for (const open of [Db.open, DbReader.open]) {
    const store = new FaultStore(inner, { runtime });
    const opening: Promise<Db | DbReader> = open("db", { store, runtime });
    const db = await runtime.run(opening);
    store.plan = (call) => isSstGet(call) ? { kind: "fail-before" } : undefined;
    const reads = [
      () => db.get("k77x"),
      () => db.getMany(["k1x", "k2x"]),
      () => db.scan({ gte: "k1" }).next(),
      () => db.explain("k3x"),
    ].map((read) => assertRejects(read));
    await runtime.advance(5000);

    await runtime.run(db.close());

    for (const error of await Promise.all(reads)) {
      assertEquals((error as DbError).kind, "closed");
    }
    const { length } = store.calls;
    await runtime.advance(3_600_000);
    assertEquals([runtime.timers, store.calls.length], [0, length]);
  }
});

test("a compaction that is under way when the database closes ends, though the store is down", async () => {
  const runtime = new ManualRuntime();
  const inner = new MemoryStore({ runtime });
  await fill(inner);
  const store = new FaultStore(inner, { runtime });
  const db = await runtime.run(Db.open("db", { store, runtime }));
  await runtime.run(db.flush({ target: "memtable" }));
  store.plan = (call) => isSstGet(call) ? { kind: "fail-before" } : undefined;
  const compacting = assertRejects(() => db.compact());
  await runtime.advance(5000);
  assertEquals(db.status().compactor?.jobs.length, 1);

  await runtime.run(db.close());

  assertEquals((await compacting as DbError).kind, "closed");
  const { length } = store.calls;
  await runtime.advance(3_600_000);
  assertEquals([runtime.timers, store.calls.length], [0, length]);
});

test("a flush that a close overtakes either has flushed or ends as closed", async () => {
  for (let turns = 0; turns < 60; turns++) {
    await assertBaseline(`${turns} turns`, async () => {
      const store = new FaultStore(new MemoryStore());
      const db = await Db.open("db", { store, settings: QUIET });
      const hold = store.hold(isWalPut);
      await db.put("a", "1", LATER);
      const flushing = db.flush({ target: "memtable" }).then(
        () => 1,
        ({ kind }: DbError) => kind,
      );
      await hold.arrived(1);
      const closing = db.close({ flush: "none" });
      for (let i = 0; i < turns; i++) await Promise.resolve();
      // The log has the row just as the close comes to its end.
      hold.end();
      await closing;
      const { length } = db.status().tree.l0;
      assertEquals(await flushing, length === 1 ? 1 : "closed");
    });
  }
});

test("Db.status() of a closed database says what it was at the end", async () => {
  const db = await Db.open("db", { store: new MemoryStore(), settings: QUIET });
  for (let i = 0; i < 10; i++) {
    await db.put(`k${i}`, new Uint8Array(1000), LATER);
  }
  const { pressure, tree } = db.status();
  await db.close({ flush: "none" });
  await using other = await Db.open("db", { store: new MemoryStore() });
  // Memory that was given back is in other hands.
  await other.put("a", new Uint8Array(100_000), LATER);

  const { unflushedBytes } = db.status().pressure;
  assertEquals(unflushedBytes < 2 * pressure.unflushedBytes, true);
  assertEquals(db.status().tree, tree);
});

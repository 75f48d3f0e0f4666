/**
 * SEMANTICS §0: what the five founding texts promise, as far as a writer and
 * its snapshots can keep it. The rest (compactor, collector, transactions,
 * shards) comes with those parts.
 *
 * @module
 */
import {
  isManifestPut,
  isSstGet,
  isSstPut,
  isWalPut,
} from "../support/calls.ts";
import { decodeManifest, type Manifest } from "../../lib/format/manifest.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { Db, type DbError, MemoryStore, WriteBatch } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { copyStore } from "../support/journal_store.ts";
import { concatOperator } from "../support/db_ops.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

/** Whether a promise is still waiting once everything else had a turn. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  const turn = new Promise((resolve) => setTimeout(resolve, 20, pending));
  return await Promise.race([promise.catch(() => {}), turn]) === pending;
}

test("S0.1: put, delete and write wait for durability, unless told otherwise", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: { flush_interval: "1ms" },
  });
  const held = store.hold(isWalPut);
  const waits = [
    db.put("a", "1"),
    db.delete("b"),
    db.write(new WriteBatch().put("c", "1")),
  ];
  const handles = [
    await db.put("d", "1", LATER),
    await db.delete("e", LATER),
    await db.write(new WriteBatch().put("f", "1"), LATER),
  ];
  for (const wait of waits) assert(await isPending(wait));
  assert(await isPending(handles[0]!.durable()));
  held.end();
  await Promise.all([...waits, ...handles.map((handle) => handle.durable())]);
  await handles[0]!.durable();
});

test("S0.2, S0.4: with the WAL off, durable waiters wake after the manifest, not after the SST", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: { wal_enabled: false, flush_interval: "1ms" },
  });
  const held = store.hold(isManifestPut);
  const put = db.put("a", "1");
  await held.arrived(1);
  assertEquals(
    store.count("put", "/compacted/"),
    1,
  );
  assert(await isPending(put));
  assertEquals(text(await db.get("a")), "1");
  held.end();
  await put;
});

test("S0.3: the WAL flushes on its timer, when it is full, and on request, and only then", async () => {
  const store = new FaultStore(new MemoryStore());
  const walPuts = () => store.count("put", "/wal/");
  await using db = await Db.open("db", {
    store,
    settings: { flush_interval: null, l0_sst_size_bytes: 20_000 },
  });
  const fence = walPuts();
  const handle = await db.put("a", "1", LATER);
  assert(await isPending(handle.durable()));
  assertEquals(walPuts(), fence);
  await db.flush();
  assertEquals(walPuts(), fence + 1);
  await db.flush();
  assertEquals(walPuts(), fence + 1, "an empty buffer is not flushed");
  const big = await db.put("b", new Uint8Array(30_000), LATER);
  await big.durable();
  assertEquals(walPuts(), fence + 2);
});

test("S0.5: the first write gets sequence number 1", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  assertEquals((await db.put("a", "1", LATER)).seq, 1n);
});

test("S0.6: all rows of a batch share one number, and a chosen one moves the rest", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const batch = new WriteBatch().put("a", "1").put("b", "2").delete("c");
  const handle = await db.write(batch, { seqnum: 40, awaitDurable: false });
  assertEquals(handle.seq, 40n);
  assertEquals((await db.getEntry("a"))!.seq, 40n);
  assertEquals((await db.getEntry("b"))!.seq, 40n);
  assertEquals((await db.put("d", "1", LATER)).seq, 41n);
});

test("S0.7: of two callers with numbers, the late smaller one fails", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const [first, second] = await Promise.allSettled([
    db.put("a", "1", { seqnum: 9, awaitDurable: false }),
    db.put("a", "2", { seqnum: 8, awaitDurable: false }),
  ]);
  assertEquals([first.status, second.status], ["fulfilled", "rejected"]);
  assertEquals(text(await db.get("a")), "1");
});

test("S0.8: after a restart numbers go on from L0 and from the WAL", async () => {
  for (const flush of ["memtable", "wal"] as const) {
    const store = new MemoryStore();
    const db = await Db.open("db", { store });
    await db.put("a", "1", { seqnum: 500 });
    await db.close({ flush });
    await using again = await Db.open("db", { store });
    assertEquals(again.status().lastSeq, 500n, flush);
    assertEquals((await again.put("b", "1", LATER)).seq, 501n, flush);
  }
});

test("S1.1, S1.11: flush_ms and max_unflushed_memtable are understood", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: {
      flush_ms: 1,
      max_unflushed_memtable: 1,
      l0_sst_size_bytes: 1000,
    },
  });
  const held = store.hold(isSstPut);
  await db.put("a", new Uint8Array(2000), LATER);
  const stalled = db.put("b", "1", LATER);
  assert(await isPending(stalled));
  assertEquals(db.status().pressure.stalledWrites, 1);
  held.end();
  assertEquals((await stalled).seq, 2n);
});

test("S1.6: writers wait at max_unflushed_bytes, and go on when L0 has the rows", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: { l0_sst_size_bytes: 1000, max_unflushed_bytes: 4000 },
  });
  const held = store.hold(isSstPut);
  const value = new Uint8Array(900);
  const writes = Array.from(
    { length: 12 },
    (_, i) => db.put(`k${i}`, value, LATER),
  );
  assert(db.status().pressure.stalledWrites > 0);
  assert(await isPending(writes.at(-1)!));
  held.end();
  const seqs = (await Promise.all(writes)).map(({ seq }) => seq);
  assertEquals(seqs, seqs.map((_, i) => BigInt(i + 1)));
  await db.flush({ target: "memtable" });
  assertEquals(await db.count(), 12);
});

test("S1.8: every manifest has the next number, and every open raises the epoch", async () => {
  const store = new MemoryStore();
  const epochs: number[] = [];
  for (let open = 0; open < 3; open++) {
    const db = await Db.open("db", { store });
    await db.put("a", "1", LATER);
    await db.close();
    epochs.push((await manifestsOf(store)).at(-1)!.writerEpoch);
  }
  const ids = (await manifestsOf(store)).map(({ id }) => id);
  assertEquals(ids, ids.map((_, i) => i + 1));
  assertEquals(epochs, [1, 2, 3]);
});

/** The manifests of a database, oldest first. */
async function manifestsOf(store: MemoryStore): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for await (const { name } of store.list("db/manifest/")) {
    const id = Number.parseInt(name.split("/").at(-1)!, 10);
    manifests.push(decodeManifest(id, (await store.get(name))!.bytes));
  }
  return manifests;
}

test("S1.8: one writer at a time: the older of two is fenced", async () => {
  const store = new MemoryStore();
  const old = await Db.open("db", { store });
  await old.put("a", "1");
  await using young = await Db.open("db", { store });
  const error = await assertRejects(() => old.put("b", "2")) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  await old.close();
  await young.put("c", "3");
  assertEquals(await young.get("b"), undefined);
  assertEquals(text(await young.get("a")), "1");
});

/** A database whose rows `a` and `z` are in three SSTs, and nothing in memory. */
async function openCold(): Promise<{ db: Db; store: FaultStore }> {
  const inner = new MemoryStore();
  const settings = { compactor_options: null };
  const writer = await Db.open("db", { store: inner, settings });
  for (const value of ["1", "2", "3"]) {
    await writer.put("a", value, LATER);
    await writer.put("z", value, LATER);
    await writer.flush({ target: "memtable" });
  }
  await writer.close();
  const store = new FaultStore(inner);
  return { db: await Db.open("db", { store, settings }), store };
}

test("S2.1: a scan opens its sources at the same time", async () => {
  const { db, store } = await openCold();
  await using _db = db;
  const held = store.hold(isSstGet);
  const first = db.scan().next();
  await held.arrived(3);
  held.end();
  assertEquals(text((await first)!.value), "3");
});

test("S2.3: blocks are loaded once, however many ask, and then kept", async () => {
  const { db, store } = await openCold();
  await using _db = db;
  const values = await Promise.all(
    Array.from({ length: 100 }, () => db.get("a")),
  );
  assertEquals(new Set(values.map(text)), new Set(["3"]));
  const loads = store.count("get", "/compacted/");
  assert(loads <= 6, `${loads} requests for three tables`);
  assertEquals(text(await db.get("z")), "3");
  assertEquals(store.count("get", "/compacted/"), loads);
});

test("S2.2: of many versions over many blocks the newest is found", async () => {
  const store = new MemoryStore();
  const options = { store, blockBytes: 1024 };
  await using db = await Db.open("db", options);
  using snapshots = new DisposableStack();
  for (let i = 0; i < 400; i++) {
    await db.put("many", `version ${i} ${"x".repeat(20)}`, LATER);
    if (i % 2 === 0) snapshots.use(db.snapshot());
  }
  await db.put("nany", "other", LATER);
  await db.flush({ target: "memtable" });
  assertStringIncludes(text(await db.get("many"))!, "version 399");
  assertEquals(await db.count({ prefix: "man" }), 1);
  assertEquals(text(await db.get("nany")), "other");
});

test("S2.4: deleted and expired entries are not found", async () => {
  const runtime = new ManualClock();
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    runtime,
    mergeOperator: concatOperator,
  });
  await db.put("old", "beneath", LATER);
  await db.put("old", "expires", { ttlMs: 10, awaitDurable: false });
  await db.put("gone", "1", LATER);
  await db.delete("gone", LATER);
  await db.put("m", "base", LATER);
  await db.merge("m", "+dies", { ttlMs: 10, awaitDurable: false });
  await db.merge("m", "+lives", LATER);
  assertEquals(text(await db.get("m")), "base+dies+lives");
  runtime.ms += 10;
  assertEquals(
    await db.get("old"),
    undefined,
    "an expired value hides older ones",
  );
  assertEquals(await db.get("gone"), undefined);
  assertEquals(text(await db.get("m")), "base+lives");
});

test("S2.5: a snapshot shows the state when it was taken", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  await db.put("a", "1", LATER);
  using snapshot = db.snapshot();
  await db.put("a", "2", LATER);
  await db.put("b", "2", LATER);
  await db.flush({ target: "memtable" });
  assertEquals(snapshot.seq, 1n);
  assertEquals(text(await snapshot.get("a")), "1");
  assertEquals(await snapshot.get("b"), undefined);
  assertEquals((await snapshot.getMany(["a", "b"])).map(text), [
    "1",
    undefined,
  ]);
});

test("S2.21: what is not durable is lost as a suffix, batches whole", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", { store });
  await db.put("a", "1");
  const held = store.hold(isWalPut);
  await db.write(new WriteBatch().put("b", "2").put("c", "3"), LATER);
  const crashed = await copyStore(store);
  held.end();
  await using after = await Db.open("db", { store: crashed });
  assertEquals(text(await after.get("a")), "1");
  assertEquals((await after.getMany(["b", "c"])).map(text), [
    undefined,
    undefined,
  ]);
});

test("S3.1: a missing key is undefined, an empty value is not", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  await db.put("empty", "", LATER);
  assertEquals(await db.get("missing"), undefined);
  assertEquals((await db.get("empty"))!.length, 0);
  await db.flush({ target: "memtable" });
  assertEquals(await db.get("missing"), undefined);
  assertEquals((await db.get("empty"))!.length, 0);
});

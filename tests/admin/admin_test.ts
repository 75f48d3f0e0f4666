/** What `Admin` sees and does, beside an open writer and without one. */
import { Admin } from "../../lib/admin/admin.ts";
import { Db, type DbError, MemoryStore } from "../../mod.ts";
import { encodeCompactions } from "../../lib/format/compactions.ts";
import { compactionsName } from "../../lib/format/paths.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { loadFixture } from "../support/fixtures.ts";
import { test } from "../support/test.ts";

const ABSENT = "c0ffee00-0000-4000-8000-000000000001";
/** Nothing runs by itself: what a test counts is what it did. */
const QUIET = {
  flush_interval: null,
  compactor_options: null,
  garbage_collector_options: null,
};

async function setUp() {
  const runtime = new ManualRuntime();
  const store = new MemoryStore({ runtime });
  const db = await Db.open("db", { store, runtime, settings: QUIET });
  return { runtime, store, db, admin: Admin.open("db", { store, runtime }) };
}

async function kindOf(body: () => Promise<unknown>): Promise<string> {
  return (await assertRejects(body) as DbError).kind;
}

async function storeOf(engine: string, name: string): Promise<MemoryStore> {
  const store = new MemoryStore();
  const { files } = await loadFixture(engine, name);
  for (const [name, bytes] of files) await store.put(name, bytes);
  return store;
}

test("Admin reads and lists manifests", async () => {
  const { db, admin } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  const latest = (await admin.readManifest())!;
  assertEquals(latest.lastL0Seq, 1n);
  assertEquals((await admin.readManifest(1))!.writerEpoch, 0);
  assertEquals(await admin.readManifest(99), undefined);
  const ids = async (range?: { from?: number; to?: number }) =>
    (await admin.listManifests(range)).map(({ id }) => id);
  const all = Array.from({ length: latest.id }, (_, i) => i + 1);
  assertEquals(await ids(), all);
  assertEquals(await ids({ from: 2, to: 3 }), [2]);
  assertEquals(await ids({ from: 3, to: 2 }), []);
  assertEquals(await ids({ from: latest.id }), [latest.id]);
  const [first] = await admin.listManifests();
  assert(first!.size > 0 && first!.lastModified > 0);
  await db.close();
});

test("Admin of a path without a database says so", async () => {
  const store = new MemoryStore();
  const admin = Admin.open("nothing/here", { store });
  assertEquals(await admin.readManifest(), undefined);
  assertEquals(await admin.listManifests(), []);
  assertEquals(await admin.readCompactions(), undefined);
  for (
    const call of [
      () => admin.listCheckpoints(),
      () => admin.createCheckpoint(),
      () => admin.deleteCheckpoint(ABSENT),
      () => admin.runGc(),
      () => admin.submitFullCompaction(),
      () => admin.timeOfSeq(1),
    ]
  ) assertEquals(await kindOf(call), "data");
  assertEquals(await Array.fromAsync(store.list("")), []);
});

test("Admin refuses arguments that cannot be", async () => {
  const { db, admin, store } = await setUp();
  for (
    const body of [
      () => Admin.open("db", {} as { store: MemoryStore }),
      () => Admin.open("a/../b", { store }),
    ]
  ) assertEquals((assertThrows(body) as DbError).kind, "invalid");
  for (
    const call of [
      () => admin.readManifest(-1),
      () => admin.readManifest(1.5),
      () => admin.readCompactions(NaN),
      () => admin.readCompaction("not a ulid"),
      () => admin.createCheckpoint({ lifetimeMs: -1 }),
      () => admin.createCheckpoint({ source: "x" }),
      () => admin.refreshCheckpoint("x"),
      () => admin.deleteCheckpoint("x"),
      () => admin.timeOfSeq(-1),
      () => admin.timeOfSeq(1, "sideways" as "up"),
      () => admin.seqAtTime(Infinity),
      () => admin.runGc({ settings: { wal: {} } as Record<string, unknown> }),
    ]
  ) assertEquals(await kindOf(call), "invalid");
  await db.close();
});

test("Admin makes, lists, refreshes and deletes checkpoints beside the writer", async () => {
  const { db, admin, runtime } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  const first = await admin.createCheckpoint({ name: "n", lifetimeMs: 5000 });
  const second = await admin.createCheckpoint({ source: first.id });
  const third = await admin.createCheckpoint();
  assertEquals(second.manifestId, first.manifestId);
  assert(third.manifestId > first.manifestId);
  const ids = async (name?: string) =>
    (await admin.listCheckpoints(name)).map(({ id }) => id);
  assertEquals(await ids(), [first.id, second.id, third.id]);
  assertEquals(await ids("n"), [first.id]);
  assertEquals(await ids(""), [second.id, third.id]);
  assertEquals(await ids("other"), []);

  // The writer keeps them when it changes the manifest.
  await db.put("b", "2", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  assertEquals((await ids()).length, 3);

  const expiry = async () => (await admin.listCheckpoints("n"))[0]!.expireTimeS;
  const before = await expiry();
  await runtime.advance(3000);
  await admin.refreshCheckpoint(first.id.toUpperCase(), { lifetimeMs: 5000 });
  assertEquals(await expiry(), before! + 3);
  await admin.refreshCheckpoint(first.id);
  assertEquals(await expiry(), undefined);
  assertEquals(await kindOf(() => admin.refreshCheckpoint(ABSENT)), "data");
  assertEquals(
    await kindOf(() => admin.createCheckpoint({ source: ABSENT })),
    "data",
  );

  await admin.deleteCheckpoint(second.id);
  await admin.deleteCheckpoint(ABSENT);
  assertEquals(await ids(), [first.id, third.id]);
  await db.close();
});

test("Admin keeps what a checkpoint refers to when it collects", async () => {
  const { db, admin, runtime, store } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  const { id, manifestId } = await admin.createCheckpoint();
  await db.put("b", "2", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  await db.close();
  await runtime.advance(1e6);
  const plan = await admin.runGc({ dryRun: true });
  assert(plan.deleted.manifest > 0);
  assert(plan.dryRun);
  const reasonOf = (name: string) =>
    plan.verdicts.find((verdict) => verdict.name.includes(name))?.reason;
  assertEquals(
    reasonOf(`${manifestId}.manifest`),
    `checkpoint ${id} keeps it`,
  );
  assertEquals(reasonOf("compacted/"), "the latest manifest refers to it");
  assertEquals(reasonOf("wal/"), "fence: wal_fence_options.dry_run is on");

  const done = await admin.runGc();
  assertEquals(done.failures, []);
  assertEquals(done.deleted, plan.deleted);
  assert(await admin.readManifest(manifestId) !== undefined);
  const left = await admin.listManifests();
  assertEquals(left.length, 2);
  // What is left is all that a writer needs.
  await using again = await Db.open("db", { store, runtime, settings: QUIET });
  assertEquals(await again.count(), 2);
});

test("Admin.startGc() collects until it is stopped", async () => {
  const { db, admin, runtime } = await setUp();
  for (let i = 0; i < 3; i++) {
    await db.put("a", String(i), { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  const running = admin.startGc({
    settings: { manifest_options: { interval: "10s", min_age: "30s" } },
  });
  await runtime.advance(60_000);
  assertEquals((await admin.listManifests()).length, 1);
  await running.stop();
  await db.put("a", "last", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  await runtime.advance(3_600_000);
  assertEquals((await admin.listManifests()).length, 2);
  await running[Symbol.asyncDispose]();
  const error = assertThrows(() =>
    admin.startGc({ settings: { wal_options: { min_age: "old" } } })
  );
  assertEquals((error as DbError).kind, "invalid");
  await db.close();
  assertEquals(runtime.timers, 0);
});

test("Admin tells times and sequence numbers", async () => {
  const { db, admin, runtime } = await setUp();
  const startMs = runtime.now();
  for (let minute = 0; minute < 5; minute++) {
    await db.put("k", String(minute), { awaitDurable: false });
    await runtime.advance(60_000);
  }
  await db.flush({ target: "memtable" });
  await db.close();
  const time = await admin.timeOfSeq(3n);
  assertEquals(time, startMs + 2 * 60_000);
  assertEquals(await admin.timeOfSeq(3), time);
  assertEquals(await admin.seqAtTime(time!), 3n);
  assertEquals(await admin.seqAtTime(time! + 30_000), 3n);
  assertEquals(await admin.seqAtTime(time! + 30_000, "up"), 4n);
  assertEquals(await admin.seqAtTime(startMs - 1000), undefined);
  assertEquals(await admin.timeOfSeq(999), startMs + 4 * 60_000);
  assertEquals(await admin.timeOfSeq(999, "up"), undefined);
});

test("Admin.submitCompaction() needs a compactions file", async () => {
  const { db, admin } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  const error = await assertRejects(() => admin.submitFullCompaction());
  assertEquals((error as DbError).kind, "data");
  assert((error as DbError).message.includes("no compactions file"));
  await db.close();
});

/** A database with L0 SSTs, and a compactor's empty state. */
async function withCompactions(version: 1 | 2) {
  const world = await setUp();
  const { db, store } = world;
  for (const key of ["a", "b", "c"]) {
    await db.put(key, "1", { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  await db.close();
  const state = { id: 1, version, compactorEpoch: 0, compactions: [] };
  await store.put(
    compactionsName("db", 1),
    encodeCompactions(state, { checksum: true }),
  );
  const { tree } = (await world.admin.readManifest())!;
  return { ...world, l0: tree.l0.map(({ viewId }) => viewId) };
}

test("Admin.submitCompaction() appends a submitted compaction", async () => {
  for (const version of [1, 2] as const) {
    const { admin, l0 } = await withCompactions(version);
    const older = l0.slice(1);
    const submitted = await admin.submitCompaction({ l0ViewIds: older });
    assertEquals(submitted.status, "submitted");
    assertEquals(submitted.spec, {
      kind: "tiered",
      segment: new Uint8Array(0),
      l0ViewIds: older,
      runIds: [],
      destination: 0,
    });
    const stored = (await admin.readCompaction(submitted.id))!;
    assertEquals(stored.status, "submitted");
    assertEquals(stored.spec.l0ViewIds, older);
    assertEquals((await admin.readCompactions())!.version, version);
    assertEquals((await admin.listCompactions()).map(({ id }) => id), [1, 2]);
    assertEquals(await admin.readCompaction(submitted.id, 1), undefined);
    const { compactions, manifest } = await admin.readCompactorState();
    assertEquals(compactions!.compactions.length, 1);
    assertEquals(manifest.tree.l0.length, 3);
  }
});

test("Admin.submitCompaction() says what is wrong with a request", async () => {
  const { admin, l0 } = await withCompactions(2);
  const wrong = [
    {},
    { runIds: [7] },
    { l0ViewIds: ["01ARZ3NDEKTSV4RRFFQ69G5FAV"] },
    { l0ViewIds: [l0[0]!] },
    { l0ViewIds: l0.toReversed() },
    { segment: "abc", runIds: [1] },
    { kind: "drain" as const, l0ViewIds: l0 },
    { kind: "drain" as const, l0ViewIds: l0, destination: 1 },
    { kind: "other" as "drain" },
  ];
  for (const request of wrong) {
    const error = await assertRejects(() => admin.submitCompaction(request));
    assertEquals((error as DbError).kind, "invalid", JSON.stringify(request));
  }
  assertEquals((await admin.listCompactions()).length, 1);
  const error = await assertRejects(() =>
    admin.submitFullCompaction({ segment: "abc" })
  );
  assertEquals((error as DbError).kind, "invalid");
});

test("Admin.submitFullCompaction() takes all, once", async () => {
  const { admin, l0 } = await withCompactions(1);
  const [submitted, ...more] = await admin.submitFullCompaction();
  assertEquals(more, []);
  assertEquals(submitted!.spec.l0ViewIds, l0);
});

test("Admin.submitCompaction() of many at once loses none", async () => {
  const { admin, l0 } = await withCompactions(2);
  const submitted = await Promise.all(
    Array.from({ length: 5 }, () => admin.submitCompaction({ l0ViewIds: l0 })),
  );
  const stored = (await admin.readCompactions())!.compactions;
  assertEquals(
    stored.map(({ id }) => id).sort(),
    submitted.map(({ id }) => id).sort(),
  );
});

test("Admin looks at what SlateDB 0.15 wrote", async () => {
  const admin = Admin.open("db", {
    store: await storeOf("slatedb-0.15", "checkpoints"),
  });
  const checkpoints = await admin.listCheckpoints();
  assert(checkpoints.length > 0);
  for (const { manifestId } of checkpoints) {
    assert(await admin.readManifest(manifestId) !== undefined);
  }
  const named = checkpoints.find(({ name }) => name !== undefined);
  assertEquals(
    (await admin.listCheckpoints(named!.name)).map(({ id }) => id),
    [named!.id],
  );
  const compacted = Admin.open("db", {
    store: await storeOf("slatedb-0.15", "runs"),
  });
  const { compactions, manifest } = await compacted.readCompactorState();
  assertEquals(compactions!.version, 2);
  assertEquals(compactions!.compactorEpoch, manifest.compactorEpoch);
});

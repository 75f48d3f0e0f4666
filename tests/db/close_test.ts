/**
 * Closing and cancelling: what happens to everything that is under way.
 *
 * @module
 */
import { isSstGet, isSstPut, isWalPut } from "../support/calls.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import { Db, type DbError, MemoryStore } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function rejection(call: () => unknown): Promise<DbError> {
  return await assertRejects(async () => await call()) as DbError;
}

test("Db.close() makes everything durable, and L0 by default", async () => {
  for (const flush of ["memtable", "wal"] as const) {
    const store = new MemoryStore();
    const db = await Db.open("db", { store });
    await db.put("a", "1", LATER);
    await db.close({ flush });
    await using again = await Db.open("db", { store });
    assertEquals(text(await again.get("a")), "1");
    assertEquals(again.status().tree.l0.length, flush === "memtable" ? 1 : 0);
  }
});

test("Db.close({ flush: 'none' }) leaves what is not durable", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", { store, settings: { flush_interval: null } });
  await db.put("a", "1", LATER);
  await db.flush();
  await db.put("b", "2", LATER);
  await db.close({ flush: "none" });
  await using again = await Db.open("db", { store });
  assertEquals(text(await again.get("a")), "1");
  assertEquals(await again.get("b"), undefined);
});

test("DESIGN 7.21: Db.close() may be called twice, and twice at once", async () => {
  const db = await Db.open("db", { store: new MemoryStore() });
  await db.put("a", "1", LATER);
  await Promise.all([db.close(), db.close()]);
  await db.close();
  assertEquals(db.status().state, "closed");
});

test("every call on a closed database is refused as closed, cleanly", async () => {
  const db = await Db.open("db", { store: new MemoryStore() });
  const snapshot = db.snapshot();
  const scan = db.scan();
  await db.close();
  const calls: (() => unknown)[] = [
    () => db.put("a", "1"),
    () => db.delete("a"),
    () => db.get("a"),
    () => db.getEntry("a"),
    () => db.getMany(["a"]),
    () => db.scan().next(),
    () => db.count(),
    () => db.flush(),
    () => db.snapshot(),
    () => db.explain("a"),
    () => snapshot.get("a"),
    () => snapshot.scan().next(),
    () => scan.next(),
  ];
  for (const call of calls) {
    const error = await rejection(call);
    assertEquals([error.kind, error.reason], ["closed", "clean"], String(call));
  }
  snapshot.close();
  assertEquals(db.status().closeReason, "clean");
});

test("await using closes the database, and using a snapshot", async () => {
  let kept: Db;
  let held;
  {
    await using db = await Db.open("db", { store: new MemoryStore() });
    kept = db;
    using snapshot = db.snapshot();
    held = snapshot;
  }
  assertEquals(kept.status().state, "closed");
  assertEquals((await rejection(() => held.get("a"))).kind, "closed");
});

test("closing wakes whoever waits for durability, with the reason", async () => {
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", { store, settings: { flush_interval: null } });
  const handle = await db.put("a", "1", LATER);
  const waits = [handle.durable(), db.put("b", "2")];
  const errors = Promise.all(waits.map((wait) => rejection(() => wait)));
  await db.close({ flush: "none" });
  for (const error of await errors) assertEquals(error.kind, "closed");
  assertEquals((await rejection(() => handle.durable())).kind, "closed");
});

test("closing rejects writes that wait for room", async () => {
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", {
    store,
    settings: { l0_sst_size_bytes: 1000, max_unflushed_bytes: 1001 },
  });
  const held = store.hold(isSstPut);
  await db.put("a", new Uint8Array(3000), LATER);
  const stalled = rejection(() => db.put("b", "1", LATER));
  const closing = db.close();
  assertEquals((await stalled).kind, "closed");
  held.end();
  await closing;
});

test("a fenced database says so to every call, reads included", async () => {
  const store = new MemoryStore();
  const old = await Db.open("db", { store });
  const handle = await old.put("a", "1", LATER);
  await using _young = await Db.open("db", { store });
  assertEquals((await rejection(() => old.flush())).reason, "fenced");
  for (
    const call of [
      () => old.get("a"),
      () => old.put("b", "1"),
      () => handle.durable(),
    ]
  ) {
    const error = await rejection(call);
    assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  }
  await old.close();
  assertEquals(old.status().closeReason, "fenced");
});

test("an aborted wait for durability does not undo the write", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", { store });
  const held = store.hold(isWalPut);
  const abort = new AbortController();
  const put = db.put("a", "1", { signal: abort.signal });
  await held.arrived(1);
  abort.abort(new Error("impatient"));
  assertEquals((await rejection(() => put)).message, "impatient");
  assertEquals(text(await db.get("a")), "1");
  held.end();
  await db.flush();
  assertEquals(db.status().durableSeq, 1n);
});

test("a signal that has fired stops every call before it does anything", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", { store });
  const signal = AbortSignal.abort(new Error("too late"));
  const calls: (() => unknown)[] = [
    () => Db.open("other", { store: new MemoryStore(), signal }),
    () => db.put("a", "1", { signal }),
    () => db.delete("a", { signal }),
    () => db.get("a", { signal }),
    () => db.getMany(["a"], { signal }),
    () => db.scan({ signal }).next(),
    () => db.flush({ signal }),
  ];
  for (const call of calls) {
    assertEquals((await rejection(call)).message, "too late", String(call));
  }
  assertEquals(db.status().lastSeq, 0n);
});

test("a signal ends a read that waits for the store", async () => {
  const inner = new MemoryStore();
  const db = await Db.open("db", { store: inner });
  await db.put("a", "1", LATER);
  await db.close();
  const store = new FaultStore(inner);
  await using cold = await Db.open("db", { store });
  const held = store.hold(isSstGet);
  const abort = new AbortController();
  const get = cold.get("a", { signal: abort.signal });
  const scan = cold.scan({ signal: abort.signal }).next();
  await held.arrived(1);
  abort.abort(new Error("enough"));
  assertEquals((await rejection(() => get)).message, "enough");
  assertEquals((await rejection(() => scan)).message, "enough");
  held.end();
  assertEquals(text(await cold.get("a")), "1");
});

test("a signal ends an opening that waits for the store", async () => {
  const store = new FaultStore(new MemoryStore());
  const held = store.hold(({ operation }) => operation === "put");
  const abort = new AbortController();
  const open = Db.open("db", { store, signal: abort.signal });
  await held.arrived(1);
  abort.abort(new Error("enough"));
  assertEquals((await rejection(() => open)).message, "enough");
  held.end();
});

test("a closed database asks its store for nothing more, though the store is down", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", {
    store,
    runtime,
    settings: { l0_sst_size_bytes: 1000, flush_interval: "1ms" },
  });
  // Held up with a manifest under way, an SST and a WAL file behind it.
  store.plan = ({ operation, name }) =>
    operation === "put" && name.includes("/manifest/")
      ? { kind: "fail-before" }
      : undefined;
  await db.put("a", new Uint8Array(2000), LATER);
  await runtime.advance(3000);
  store.plan = () => ({ kind: "fail-before" });
  await db.put("b", new Uint8Array(2000), LATER);
  await runtime.advance(3000);

  await runtime.run(db.close({ flush: "none" }));

  const { length } = store.calls;
  await runtime.advance(3_600_000);
  assertEquals([runtime.timers, store.calls.length], [0, length]);
});

test("no timer keeps the process alive, open or closed", async () => {
  for (const end of ["closed", "forgotten"]) {
    await using dir = await TempDir.create();
    const { code, stdout, stderr } = await runScript(
      "tests/support/exits.ts",
      [dir.path, end],
    );
    assertEquals([code, stdout, stderr], [0, "done\n", ""], end);
  }
});

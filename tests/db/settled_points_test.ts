/**
 * DESIGN §7, row by row: what is settled where SlateDB's documents leave a
 * question open. Rows 1, 2 and 12 are in `sleeping_writer_test.ts`, 3 in
 * `wal_off_test.ts`, 5 in
 * `disk_test.ts`, 20 in `../interop/uniffi_test.ts`, 21 and 22 in
 * `bad_input_test.ts` and `close_test.ts`; those about the compactor, the
 * collector, checkpoints and shards are with those parts.
 *
 * @module
 */
import { isSstGet, isWalPut } from "../support/calls.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import {
  Db,
  type DbError,
  MemoryStore,
  type ObjectStore,
  WriteBatch,
} from "../../mod.ts";
import { hasMagic } from "../support/checksum.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { concatOperator, scanRows } from "../support/db_ops.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { hex } from "../support/op.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : new TextDecoder().decode(bytes);

async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

async function rejection(call: () => Promise<unknown>): Promise<DbError> {
  return await assertRejects(call) as DbError;
}

test("DESIGN 7.4: manifests end in a checksum, unless it is switched off", async () => {
  for (const manifestChecksum of [true, false]) {
    const store = new MemoryStore();
    const db = await Db.open("db", { store, manifestChecksum });
    await db.close();
    for (const name of await namesOf(store, "db/manifest/")) {
      const object = await store.get(name);
      assertEquals(hasMagic(object!.bytes), manifestChecksum, name);
    }
  }
});

test("DESIGN 7.7: a memtable flush waits while L0 is full, and honours its signal", async () => {
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    settings: {
      compactor_options: null,
      l0_max_ssts: 2,
      manifest_poll_interval: "10ms",
    },
  });
  for (const key of ["a", "b"]) {
    await db.put(key, "1", LATER);
    await db.flush({ target: "memtable" });
  }
  await db.put("c", "1", LATER);
  const abort = new AbortController();
  const flush = db.flush({ target: "memtable", signal: abort.signal });
  const first = await Promise.race([
    flush.then(() => "flushed", () => "failed"),
    new Promise((resolve) => setTimeout(resolve, 50, "waiting")),
  ]);
  assertEquals(first, "waiting");
  abort.abort(new Error("enough"));
  assertEquals((await rejection(() => flush)).message, "enough");
  assertEquals(db.status().tree.l0.length, 2);
});

test("DESIGN 7.7: close() does not hang where L0 is full; the rest is replayed", async () => {
  const store = new MemoryStore();
  const settings = { compactor_options: null, l0_max_ssts: 1 };
  const db = await Db.open("db", { store, settings });
  await db.put("a", "1", LATER);
  await db.flush({ target: "memtable" });
  await db.put("b", "2", LATER);
  await db.close();
  await using again = await Db.open("db", { store, settings });
  assertEquals(text(await again.get("b")), "2");
  await again.close({ flush: "none" });
});

test("DESIGN 7.7: with the WAL off, close() says how much a full L0 left unflushed", async () => {
  const db = await Db.open("db", {
    store: new MemoryStore(),
    settings: { compactor_options: null, l0_max_ssts: 1, wal_enabled: false },
  });
  await db.put("a", "1", LATER);
  await db.flush();
  await db.put("b", "2", LATER);
  const error = await rejection(() => db.close());
  assertEquals(error.kind, "unavailable");
  assertMatch(error.message, /\d+ bytes/);
});

test("DESIGN 7.9: a snapshot judges expiry by its own clock, through a flush", async () => {
  const runtime = new ManualClock();
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    runtime,
    mergeOperator: concatOperator,
  });
  await db.put("a", "1", { ttlMs: 100, awaitDurable: false });
  await db.merge("m", "x", { ttlMs: 100, awaitDurable: false });
  using snapshot = db.snapshot();
  runtime.ms += 1000;
  await db.put("later", "1", LATER);
  await db.flush({ target: "memtable" });
  assertEquals(await db.get("a"), undefined);
  assertEquals(await db.get("m"), undefined);
  assertEquals(text(await snapshot.get("a")), "1");
  assertEquals(text(await snapshot.get("m")), "x");
  const rows = await scanRows(snapshot as unknown as Db);
  assertEquals(rows.map(({ k }) => k), [hex("a"), hex("m")]);
});

test("DESIGN 7.9: expiredReads 'return' shows expired rows to every kind of read", async () => {
  const runtime = new ManualClock();
  for (const expiredReads of ["hide", "return"] as const) {
    await using db = await Db.open("db", {
      store: new MemoryStore(),
      runtime,
      expiredReads,
    });
    await db.put("a", "1", { ttlMs: 1, awaitDurable: false });
    runtime.ms += 10;
    const seen = expiredReads === "return";
    assertEquals(await db.get("a") !== undefined, seen);
    assertEquals(await db.getEntry("a") !== undefined, seen);
    assertEquals((await db.getMany(["a"]))[0] !== undefined, seen);
    assertEquals((await scanRows(db)).length, seen ? 1 : 0);
    assertEquals(await db.count(), seen ? 1 : 0);
  }
});

test("DESIGN 7.10: a clock that goes back never fails a write, and shows in status()", async () => {
  const runtime = new ManualClock();
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (message: string) => void warnings.push(message),
    error() {},
  };
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    runtime,
    logger,
  });
  const first = await db.put("a", "1", LATER);
  runtime.ms -= 60_000;
  const second = await db.put("b", "1", LATER);
  assertEquals(second.createTs, first.createTs);
  assertEquals(db.status().clockSkewMs, 60_000);
  assertEquals(warnings.length, 1);
  runtime.ms += 120_000;
  const third = await db.put("c", "1", LATER);
  assertEquals(third.createTs, BigInt(runtime.ms));
});

test("DESIGN 7.11: stalled writes resume in the order of calls, and an aborted one takes no seqnum", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: {
      l0_sst_size_bytes: 1000,
      max_unflushed_bytes: 1001,
      flush_interval: null,
    },
  });
  const held = store.hold(isWalPut);
  await db.put("full", new Uint8Array(2000), LATER);
  const abort = new AbortController();
  const order: string[] = [];
  const stalled = ["a", "b", "c"].map(async (key) => {
    const handle = await db.put(key, "1", {
      awaitDurable: false,
      ...(key === "b" ? { signal: abort.signal } : {}),
    });
    order.push(key);
    return handle.seq;
  });
  assertEquals(db.status().pressure.stalledWrites, 3);
  assertEquals(db.status().lastSeq, 1n);
  abort.abort(new Error("changed my mind"));
  assertEquals((await rejection(() => stalled[1]!)).message, "changed my mind");
  held.end();
  assertEquals([await stalled[0], await stalled[2]], [2n, 3n]);
  assertEquals(order, ["a", "c"]);
  assertEquals(await db.get("b"), undefined);
});

test("DESIGN 7.13: flushing a large memtable lets others have their turn", async () => {
  const runtime = new ManualClock();
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    runtime,
    settings: { flush_interval: null },
  });
  const batch = new WriteBatch();
  for (let i = 0; i < 40_000; i++) batch.put(`key${i}`, "x".repeat(200));
  await db.write(batch, LATER);
  await db.flush({ target: "memtable" });
  assert(runtime.yields > 0, "nothing else had a turn");
});

test("DESIGN 7.14: seqnum is exact, and its message is SlateDB's", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const seqs = [];
  for (const seqnum of [5, 10n, 0, 0n, undefined]) {
    const handle = await db.put("k", "v", {
      awaitDurable: false,
      ...(seqnum === undefined ? {} : { seqnum }),
    });
    seqs.push(handle.seq);
  }
  assertEquals(seqs, [5n, 10n, 11n, 12n, 13n]);
  for (const seqnum of [7, 13n]) {
    const error = await rejection(() => db.put("k", "late", { seqnum }));
    assertEquals(error.kind, "invalid");
    assertEquals(
      error.message,
      `invalid sequence number, must be greater than the current max. provided=\`${seqnum}\`, current=\`13\``,
    );
  }
  for (const seqnum of [-1, -1n, 1.5, NaN, 2n ** 64n - 1n, 2n ** 70n]) {
    const error = await rejection(() => db.put("k", "wrong", { seqnum }));
    assertEquals(error.kind, "invalid", String(seqnum));
  }
  assertEquals(text(await db.get("k")), "v");
  const last = await db.put("k", "last", { seqnum: 2n ** 64n - 2n });
  assertEquals(last.seq, 2n ** 64n - 2n);
  assertEquals(
    (await rejection(() => db.put("k", "none left"))).kind,
    "invalid",
  );
  assertEquals(text(await db.get("k")), "last");
});

test("DESIGN 7.14: a refused seqnum leaves nothing behind, and gaps survive a restart", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", { store });
  await db.put("a", "1", { seqnum: 1000 });
  await rejection(() => db.put("b", "1", { seqnum: 1000 }));
  const batch = new WriteBatch().put("c", "1").put("d", "1");
  assertEquals(
    (await db.write(batch, { seqnum: 2n ** 53n + 1n })).seq,
    2n ** 53n + 1n,
  );
  await db.close();
  await using again = await Db.open("db", { store });
  assertEquals(again.status().lastSeq, 2n ** 53n + 1n);
  assertEquals(
    (await scanRows(again)).map(({ seq }) => seq),
    [1000n, 2n ** 53n + 1n, 2n ** 53n + 1n],
  );
  assertEquals((await again.put("e", "1")).seq, 2n ** 53n + 2n);
});

test("DESIGN 7.15: merge and write wait for durability, writable() when it closes", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    mergeOperator: concatOperator,
  });
  const held = store.hold(isWalPut);
  const writer = db.writable({ batchRows: 2 }).getWriter();
  for (const key of ["w1", "w2", "w3"]) await writer.write({ key, value: "1" });
  let durable = 0;
  const waits = [
    db.merge("m", "1"),
    db.write(new WriteBatch().put("b", "1")),
    db.delete("d"),
    writer.close(),
  ].map((wait) => wait.then(() => durable++));
  await held.arrived(1);
  assertEquals(durable, 0);
  assertEquals(text(await db.get("w3")), "1");
  held.end();
  await Promise.all(waits);
  assertEquals(durable, 4);
  assertEquals(db.status().durableSeq, db.status().lastSeq);
});

test("DESIGN 7.16: reads see what is written, or on request only what is durable", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", { store });
  await db.put("a", "old");
  const held = store.hold(isWalPut);
  await db.put("a", "new", LATER);
  assertEquals(text(await db.get("a")), "new");
  assertEquals(text(await db.get("a", { readLevel: "uncommitted" })), "new");
  assertEquals(text(await db.get("a", { durabilityFilter: "remote" })), "old");
  assertEquals(text(await db.get("a", { readLevel: "committed" })), "old");
  assertEquals(
    (await scanRows(db, {}, { readLevel: "committed" })).map(({ v }) => v),
    [hex("old")],
  );
  const error = await rejection(() =>
    db.get("a", { readLevel: "committed", durabilityFilter: "memory" })
  );
  assertEquals(error.kind, "invalid");
  held.end();
});

test("DESIGN 7.17: a cold get asks its candidates at the same time", async () => {
  const inner = new MemoryStore();
  const settings = { compactor_options: null };
  const db = await Db.open("db", { store: inner, settings });
  for (const value of ["1", "2", "3"]) {
    await db.put("a", value, LATER);
    await db.put("z", value, LATER);
    await db.flush({ target: "memtable" });
  }
  await db.close();
  const store = new FaultStore(inner);
  await using cold = await Db.open("db", { store, settings });
  const held = store.hold(isSstGet);
  const value = cold.get("a");
  await held.arrived(3);
  held.end();
  assertEquals(text(await value), "3");
});

test("DESIGN 7.19: a flush keeps what a snapshot sees, operands and their base included", async () => {
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    mergeOperator: concatOperator,
  });
  await db.put("m", "base", LATER);
  await db.merge("m", "+1", LATER);
  await db.put("v", "old", LATER);
  using snapshot = db.snapshot();
  await db.merge("m", "+2", LATER);
  await db.put("v", "new", LATER);
  await db.delete("v", LATER);
  await db.flush({ target: "memtable" });
  assertEquals(text(await snapshot.get("m")), "base+1");
  assertEquals(text(await snapshot.get("v")), "old");
  assertEquals(text(await db.get("m")), "base+1+2");
  assertEquals(await db.get("v"), undefined);
});

test("DESIGN 7.23: what SlateDB 0.12 would lose silently is refused", async () => {
  const segmentExtractor = { name: "fixed2", prefixLength: () => 2 };
  const options = { store: new MemoryStore(), segmentExtractor };
  const error = await rejection(() => Db.open("db", options));
  assertEquals(error.kind, "invalid");
  assertStringIncludes(error.message, "segmentExtractor");
});

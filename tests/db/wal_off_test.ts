/**
 * DESIGN §7, row 3: a database without a WAL.
 *
 * @module
 */
import { isSstPut } from "../support/calls.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { Db, type DbError, MemoryStore, type ObjectStore } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };

async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

async function rejection(call: () => Promise<unknown>): Promise<DbError> {
  return await assertRejects(call) as DbError;
}

test("DESIGN 7.3: with the WAL off there is a fence file all the same", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", {
    store,
    settings: { wal_enabled: false },
  });
  assertEquals(db.status().state, "open");
  assertEquals((await namesOf(store, "db/wal/")).length, 1);
});

test("DESIGN 7.3: with the WAL off a durable waiter makes the memtable flush", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", {
    store,
    settings: { wal_enabled: false, flush_interval: "1ms" },
  });
  await db.put("a", "1");
  assertEquals((await namesOf(store, "db/compacted/")).length, 1);
  assertEquals(db.status().durableSeq, 1n);
});

test("DESIGN 7.3: a memtable flush with the WAL off makes rows durable", async () => {
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    settings: { wal_enabled: false, flush_interval: null },
  });
  const held = store.hold(isSstPut);
  const handle = await db.put("a", "1", LATER);
  const flush = db.flush();
  await held.arrived(1);
  assertEquals(db.status().durableSeq, 0n);
  held.end();
  await flush;
  await handle.durable();
  assertEquals(db.status().durableSeq, 1n);
  assertEquals(
    (await rejection(() => db.flush({ target: "wal" }))).kind,
    "invalid",
  );
});

/**
 * Callers use one options object for many writes: what they change after a call
 * must not reach a write that is not committed yet.
 *
 * @module
 */
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import { Db, MemoryStore } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { isSstPut } from "../support/calls.ts";
import { test } from "../support/test.ts";

interface Ttl {
  ttlMs?: number;
  expiresAtMs?: number;
}

async function lifetime(db: Db, key: string): Promise<bigint | undefined> {
  const entry = await db.getEntry(key);
  return entry?.expireTs === undefined
    ? undefined
    : entry.expireTs - entry.createTs;
}

test("Transaction.put() keeps the expiry of its call", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  using transaction = await db.begin();
  const ttl: Ttl = { ttlMs: 5000 };
  transaction.put("a", "1", ttl);
  ttl.ttlMs = 7000;
  transaction.put("b", "2", ttl);
  ttl.expiresAtMs = 1;

  await transaction.commit();

  assertEquals(await lifetime(db, "a"), 5000n);
  assertEquals(await lifetime(db, "b"), 7000n);
});

test("Db.put() that waits for room keeps the expiry of its call", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore(), { runtime });
  await using db = await Db.open("db", {
    store,
    runtime,
    settings: { l0_sst_size_bytes: 1000, max_unflushed_bytes: 1001 },
  });
  const held = store.hold(isSstPut);
  await db.put("a", new Uint8Array(3000), { awaitDurable: false });
  const ttl: Ttl = { ttlMs: 5000 };
  const stalled = db.put("b", "2", ttl);
  assertEquals(db.status().pressure.stalledWrites, 1);
  ttl.expiresAtMs = 1;
  held.end();

  await runtime.run(stalled);

  assertEquals(await lifetime(db, "b"), 5000n);
  await runtime.run(db.close());
});

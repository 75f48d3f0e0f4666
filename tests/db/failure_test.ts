/**
 * A database that fails in the background: what everybody is told, then and
 * later, and what that says about writes under way.
 *
 * @module
 */
import { FaultStore } from "../../lib/testing/mod.ts";
import { Db, DbError, MemoryStore } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { isSstPut, isWalPut } from "../support/calls.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };

async function rejection(call: () => unknown): Promise<DbError> {
  return await assertRejects(async () => await call()) as DbError;
}

const told = ({ kind, reason, message, retryable }: DbError) => ({
  kind,
  reason,
  message,
  retryable,
});

test("a database whose log fails tells everybody the same, and waiters that their rows may have survived", async () => {
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", {
    store,
    settings: { flush_interval: null, object_store_max_retries: 0 },
  });
  const handle = await db.put("a", "1", LATER);
  const waiting = rejection(() => db.put("b", "2"));
  const flushing = rejection(() => db.flush({ target: "memtable" }));
  store.fail(isWalPut, { kind: "fail-after" });

  const first = await rejection(() => db.flush());

  const expected = {
    kind: "closed",
    reason: "failed",
    message: first.message,
    retryable: false,
  } as const;
  const waiters = [
    first,
    await waiting,
    await flushing,
    await rejection(() => handle.durable()),
  ];
  for (const error of waiters) assertEquals(told(error), expected);
  assertEquals((await waiting).outcome, "unknown");
  assertEquals((await rejection(() => handle.durable())).outcome, "unknown");
  for (const call of [() => db.put("c", "3"), () => db.get("a")]) {
    const error = await rejection(call);
    assertEquals([told(error), error.outcome], [expected, "none"]);
  }
  assertEquals((first.cause as DbError).kind, "unavailable");
  await db.close();
});

test("a database whose flusher fails tells whoever waits for a flush what it tells everybody", async () => {
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", { store });
  store.fail(isSstPut, {
    kind: "fail-before",
    error: new DbError("invalid", "no such bucket"),
  });
  await db.put("a", "1", LATER);

  const flushing = await rejection(() => db.flush({ target: "memtable" }));

  assertEquals(told(flushing), told(await rejection(() => db.get("a"))));
  assertEquals([flushing.kind, flushing.reason], ["closed", "failed"]);
  await db.close();
});

test("a wait for durability that a close breaks off says that the row may have survived", async () => {
  const inner = new MemoryStore();
  const store = new FaultStore(inner);
  const db = await Db.open("db", {
    store,
    settings: { flush_interval: "1ms" },
  });
  const held = store.hold(isWalPut, "reply");
  const put = rejection(() => db.put("a", "1"));
  await held.arrived(1);

  await db.close({ flush: "none" });

  const { kind, reason, outcome } = await put;
  assertEquals([kind, reason, outcome], ["closed", "clean", "unknown"]);
  await using again = await Db.open("db", { store: inner });
  assertEquals(await again.count(), 1);
});

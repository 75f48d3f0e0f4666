/**
 * Closing while L0 is full.
 *
 * @module
 */
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { Db, type DbError, MemoryStore } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const SMALL = { wal_enabled: false, l0_sst_size_bytes: 4096, l0_max_ssts: 8 };

test("with the WAL off, close() waits for the compaction that makes room", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", { store, settings: SMALL });
  for (let i = 0; i < 50; i++) {
    await db.put(`k${i}`, new Uint8Array(5000), LATER);
  }

  await db.close();

  await using again = await Db.open("db", { store });
  assertEquals(await again.count(), 50);
});

test("with the WAL off, close() does not wait for a compactor that does nothing", async () => {
  const runtime = new ManualRuntime();
  const db = await Db.open("db", {
    store: new MemoryStore({ runtime }),
    runtime,
    settings: { ...SMALL, l0_max_ssts: 1 },
    compactionScheduler: { propose: () => [] },
  });
  await db.put("a", "1", LATER);
  await runtime.run(db.flush());
  await db.put("b", "2", LATER);
  const startMs = runtime.now();

  const closing = assertRejects(() => db.close());

  const error = await runtime.run(closing) as DbError;
  assertEquals(error.kind, "unavailable");
  assertEquals(runtime.now() - startMs, 10_000);
  assertEquals(runtime.timers, 0);
});

test("the process stays alive while close() or flush() waits", async () => {
  for (const wait of ["close", "flush"]) {
    const { code, stdout } = await runScript("tests/support/waits.ts", [wait]);
    assertEquals([code, stdout], [0, "waiting\ndone\n"], wait);
  }
});

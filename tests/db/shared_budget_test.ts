/**
 * Databases that share a memory budget.
 *
 * @module
 */
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { Db, MemoryBudget, MemoryStore } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };

test("a writer that waits for a shared budget has whoever holds the most flush", async () => {
  const runtime = new ManualRuntime();
  const store = new MemoryStore({ runtime });
  const budget = new MemoryBudget({ memtableBytes: 1 << 20 });
  const [large, small, waiting] = await Promise.all(
    ["large", "small", "waiting"].map((path) =>
      Db.open(path, { store, budget, runtime })
    ),
  );
  await small!.put("a", new Uint8Array(1000), LATER);
  for (let i = 0; i < 10; i++) {
    await large!.put(`k${i}`, new Uint8Array(100_000), LATER);
  }
  assert(budget.memtableUsed >= budget.memtableBytes);
  const startMs = runtime.now();

  await runtime.run(waiting!.put("a", "1", LATER));

  assert(runtime.now() - startMs < 1000);
  assertEquals(large!.status().tree.l0.length, 1);
  assertEquals(small!.status().tree.l0.length, 0);
  for (const db of [large, small, waiting]) await runtime.run(db!.close());
  assertEquals(budget.memtableUsed, 0);
});

/**
 * Caches too small for what one read needs at once.
 *
 * @module
 */
import { FaultStore } from "../../lib/testing/mod.ts";
import { Db, MemoryBudget, MemoryStore } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

for (const cacheBytes of [0, 700, 20_000]) {
  test(`reads end though the indexes of two SSTs do not fit a cache of ${cacheBytes} bytes`, async () => {
    // Without the store's synchronous door every load takes its time, and one
    // may push out what another has just brought in.
    const store = new FaultStore(new MemoryStore());
    await using db = await Db.open("db", {
      store,
      budget: new MemoryBudget({ cacheBytes }),
      blockBytes: 1024,
      settings: { min_filter_keys: 0, flush_interval: null },
    });
    const later = { awaitDurable: false };
    for (let layer = 0; layer < 6; layer++) {
      for (let i = 0; i < 100; i++) {
        await db.put(`key${i}`, `${layer} ${"x".repeat(60)}`, later);
      }
      await db.flush({ target: "memtable" });
    }
    const all = Promise.all([
      db.count(),
      db.count({ reverse: true }),
      db.getMany(["key1", "nope", "key99"]),
      db.get("key50"),
    ]);
    const [up, down, many, one] = await all;
    assertEquals([up, down], [100, 100]);
    assertEquals(many.map((value) => value?.[0]), [0x35, undefined, 0x35]);
    assertEquals(one![0], 0x35);
  });
}

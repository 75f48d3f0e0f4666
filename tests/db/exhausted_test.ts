/**
 * Linear memory that is spent: writes are refused whole or accepted whole, and
 * everything goes on once there is memory again.
 *
 * @module
 */
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import {
  Db,
  type DbError,
  type DbSettings,
  MemoryBudget,
  MemoryStore,
} from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const kernel = await sharedKernel();

/** Takes all memory there is; disposing of it gives it back. */
function exhaust(): Disposable {
  const { exports } = kernel;
  exports.memory_limit(exports.memory.buffer.byteLength);
  const held: number[] = [];
  for (let bytes = 1 << 20; bytes >= 8; bytes >>= 1) {
    for (let at = kernel.alloc(bytes); at !== 0; at = kernel.alloc(bytes)) {
      held.push(at);
    }
  }
  return {
    [Symbol.dispose]() {
      for (const at of held) kernel.free(at);
      exports.memory_limit(0);
    },
  };
}

async function open(settings: DbSettings, budget = new MemoryBudget()) {
  const runtime = new ManualRuntime();
  const db = await Db.open("db", {
    store: new MemoryStore({ runtime }),
    runtime,
    budget,
    settings: { flush_interval: null, compactor_options: null, ...settings },
  });
  await db.put("a", "1", LATER);
  await db.get("a");
  return { db, runtime };
}

test("a write that is in stays in, though there is no memory to freeze its memtable", async () => {
  const { db, runtime } = await open({
    wal_enabled: false,
    l0_sst_size_bytes: 2000,
    max_unflushed_bytes: 100_000,
  });
  let handle;
  {
    using _nothing = exhaust();
    handle = await db.put("b", new Uint8Array(3000), LATER);
    assertEquals(db.status().committedSeq, 2n);
  }
  assertEquals(handle.seq, 2n);
  assertEquals(db.status().pressure.unflushedBytes < 3500, true);

  await db.put("c", "3", LATER);
  assertEquals(db.status().pressure.frozenMemtables, 1);
  await runtime.run(db.flush());

  assertEquals(db.status().pressure.unflushedBytes, 0);
  assertEquals(await db.count(), 3);
  await runtime.run(db.close());
});

test("writers that wait for room go on after memory was exhausted", async () => {
  const budget = new MemoryBudget({ memtableBytes: 1000 });
  const { db, runtime } = await open({ wal_enabled: false }, budget);
  let stalled;
  {
    using _nothing = exhaust();
    stalled = db.put("b", "2", LATER);
    assertEquals(db.status().pressure.stalledWrites, 1);
  }

  await runtime.run(stalled);

  assertEquals(await db.count(), 2);
  await runtime.run(db.close());
});

test("a write for which there is no memory is refused, and a batch leaves nothing behind", async () => {
  const { db, runtime } = await open({});
  {
    using _nothing = exhaust();
    const big = new Uint8Array(2_000_000);
    const batch = [
      db.put("b", big, LATER),
      db.transact((transaction) => {
        transaction.put("c", "3");
        transaction.put("d", big);
      }),
    ];
    for (const write of batch) {
      const error = await assertRejects(() => write) as DbError;
      assertEquals([error.kind, error.outcome], ["unavailable", "none"]);
    }
  }
  await db.put("e", "5", LATER);

  assertEquals(await db.count(), 2);
  await runtime.run(db.close());
});

test("a log that finds no memory waits for some", async () => {
  const { db, runtime } = await open({ flush_interval: "100ms" });
  const put = db.put("b", "2");
  {
    using _nothing = exhaust();
    await runtime.advance(100);
    assertEquals(db.status().state, "open");
  }

  await runtime.run(put);

  assertEquals(db.status().durableSeq, 2n);
  await runtime.run(db.close());
});

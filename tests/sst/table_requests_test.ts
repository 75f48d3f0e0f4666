import { test } from "../support/test.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { TableSource } from "../../lib/sst/table_source.ts";
import { createWorld, plainRows, readRows, storeTable } from "./world.ts";

/** A world whose every read is counted and takes a promise. */
function createCounted() {
  const store = new FaultStore(new MemoryStore());
  return { store, world: createWorld({ store }) };
}

test("SstTable loads index, filter and info with one request", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));

  await table.load();

  assert(table.ready);
  assert(table.wholeKeyFilter !== undefined);
  assertEquals(store.count("get"), 1);
  assertEquals(table.load(), undefined);
  table.release();
});

test("SstTable serves a hundred loads with one request", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));

  await Promise.all(Array.from({ length: 100 }, () => table.load()));
  assertEquals(store.count("get"), 1);

  const fetches = await Promise.all(
    Array.from({ length: 100 }, () => table.blocks.fetch(3, 4, true)),
  );
  assertEquals(store.count("get"), 2);
  for (const [block] of fetches) block!.unpin();
  table.release();
  assertEquals(world.budget.cacheUsed, 0);
});

test("SstTable joins loads under way and reads only what is missing", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));
  await table.load();

  const blocks = await Promise.all([
    table.blocks.fetch(2, 4, false),
    table.blocks.fetch(6, 7, true),
    table.blocks.fetch(0, 9, true),
  ]);

  assertEquals(blocks[2].map(({ index }) => index), [
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  ]);
  // Two, and the three gaps around them.
  assertEquals(store.count("get"), 1 + 5);
  assert(blocks[0][0] === blocks[2][2]);
  assert(table.blocks.cached[2] !== undefined, "one of both wants it cached");
  for (const block of blocks.flat()) block.unpin();
  table.release();
  assertEquals(world.budget.cacheUsed, 0);
});

test("SstTable gives a failed load to everybody who waits, and pins nothing", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));
  await table.load();
  const used = world.budget.cacheUsed;
  store.fail(({ operation }) => operation === "get", {
    kind: "fail-before",
    error: new Error("no network"),
  });

  const results = await Promise.allSettled([
    table.blocks.fetch(3, 4, true),
    table.blocks.fetch(2, 6, true),
  ]);

  assertEquals(results.map(({ status }) => status), ["rejected", "rejected"]);
  table.release();
  assert(used > 0);
  assertEquals(world.budget.cacheUsed, 0);
});

test("SstTable released while it loads frees what arrives", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));
  const hold = store.hold(({ operation }) => operation === "get");

  const loading = table.load();
  table.release();
  hold.end();
  await loading;

  assertEquals(world.budget.cacheUsed, 0);
  assert(!table.ready);
});

test("TableSource makes few requests for a long scan, and one for a short range", async () => {
  const { store, world } = createCounted();
  const rows = plainRows(20_000);
  const table = await storeTable(world, rows);
  await table.load();

  store.calls.length = 0;
  assertEquals(await readRows([table], { readAheadBytes: 256 * 1024 }), rows);
  const bytes = table.blocks.bytes(0, table.blocks.count);
  assert(
    store.count("get") < 6 + bytes / (256 * 1024),
    `${store.count("get")} requests`,
  );

  store.calls.length = 0;
  const range = {
    lower: { key: rows[5000]!.key, inclusive: true },
    upper: { key: rows[5099]!.key, inclusive: true },
  };
  assertEquals((await readRows([table], { range })).length, 100);
  assertEquals(store.count("get"), 1);
  table.release();
});

test("TableSource has no more requests under way than it may", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(20_000));
  await table.load();
  const hold = store.hold(({ operation }) => operation === "get");
  store.calls.length = 0;

  let done = false;
  const reading = readRows([table], {
    readAheadBytes: 65_536,
    maxFetchTasks: 3,
  })
    .finally(() => done = true);
  let most = 0;
  while (!done) {
    await Promise.race([reading, hold.arrived()]);
    // Whatever else wants to start has started by then.
    await systemRuntime.yield();
    most = Math.max(most, hold.waiting.length);
    hold.release(1);
  }

  assertEquals((await reading).length, 20_000);
  assertEquals(most, 3);
  table.release();
});

test("TableSource that is closed gives back blocks on their way", async () => {
  const { store, world } = createCounted();
  const table = await storeTable(world, plainRows(3000));
  await table.load();
  const source = new TableSource([table], {
    descending: false,
    cacheBlocks: false,
    readAheadBytes: 4096,
    maxFetchTasks: 4,
  });
  const hold = store.hold(({ operation }) => operation === "get");

  source.seek({});
  const next = source.next();
  await hold.arrived();
  source.close();
  hold.end();

  assertEquals(await next, undefined);
  table.release();
  assertEquals(world.budget.cacheUsed, 0);
});

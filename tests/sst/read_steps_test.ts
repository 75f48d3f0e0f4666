/**
 * Many blocks read: how many are decoded at once. Work is counted, not timed.
 *
 * @module
 */
import { DbError } from "../../lib/base/errors.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import type { Compression } from "../../lib/codec/compression.ts";
import { sstName } from "../../lib/format/paths.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { TableSource } from "../../lib/sst/table_source.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { createWorld, encode, plainRows, readRows } from "./world.ts";

const MAX_BLOCKS = 32;

/** A world by whose clock every turn is over as soon as it is looked at. */
function createHurried(store = new FaultStore(new MemoryStore())) {
  let nowMs = 0;
  const counts = { yields: 0 };
  const runtime = {
    ...systemRuntime,
    monotonicMs: () => nowMs += 100,
    yield: () => {
      counts.yields++;
      return systemRuntime.yield();
    },
  };
  return { counts, world: createWorld({ store, runtime }) };
}

/** Stores an SST with many blocks; answers a table that is ready. */
async function storeLong(
  { store, ssts, kernel }: ReturnType<typeof createWorld>,
  damage: (body: Uint8Array) => void = () => {},
) {
  const encoded = await encode(createWorld(), plainRows(4000), {
    blockBytes: 1024,
  });
  const id = ssts.nextId();
  damage(encoded.body);
  await store.put(sstName("db", id), encoded.body);
  const { info, formatVersion } = encoded;
  const table = ssts.table({ id, info, formatVersion, viewId: id });
  table.acquire();
  await table.load();
  assert(table.blocks.count > 4 * MAX_BLOCKS);
  return { table, used: kernel.exports.memory_used() };
}

test("fetch() of many blocks that are waited for decodes few at once", async () => {
  const { world, counts } = createHurried();
  const { table } = await storeLong(world);
  const { count } = table.blocks;
  const before = counts.yields;
  const blocks = await table.blocks.fetch(0, count, false);
  assertEquals(blocks.map(({ index }) => index), [...Array(count).keys()]);
  assert(counts.yields - before >= count / MAX_BLOCKS);
  for (const block of blocks) block.unpin();
  assertEquals((await readRows([table])).length, 4000);
  table.release();
  assertEquals(world.budget.cacheUsed, 0);
});

test("fetch() of many blocks gives back all of them where one is damaged", async () => {
  const { world } = createHurried();
  const { table, used } = await storeLong(world, (body) => {
    body[100_000]! ^= 1;
  });
  const reason = await assertRejects(async () => {
    await table.blocks.fetch(0, table.blocks.count, false);
  });
  assert(reason instanceof DbError && reason.kind === "data", `${reason}`);
  assertEquals(world.kernel.exports.memory_used(), used);
  table.release();
  assertEquals(world.budget.cacheUsed, 0);
});

for (
  const [compression, most] of [
    ["none", 512 * 1024],
    ["zstd", 64 * 1024],
  ] as [Compression, number][]
) {
  test(`TableSource reads little at once with ${compression} where the store does not wait`, async () => {
    const world = createWorld();
    const encoded = await encode(world, plainRows(20_000, 100), {
      compression,
    });
    const id = world.ssts.nextId();
    await world.ssts.put(id, encoded);
    const { info, formatVersion } = encoded;
    const table = world.ssts.table({ id, info, formatVersion, viewId: id });
    table.acquire();
    await table.load();
    const { fetch } = table.blocks;
    let largest = 0;
    table.blocks.fetch = (from, to, cache) => {
      largest = Math.max(largest, table.blocks.bytes(from, to));
      return fetch.call(table.blocks, from, to, cache);
    };
    const source = new TableSource([table], {
      descending: false,
      cacheBlocks: false,
      readAheadBytes: 8 * 1024 * 1024,
      maxFetchTasks: 4,
    });
    source.seek({});
    let blocks = 0;
    while (source.next() !== undefined) blocks++;
    assertEquals(blocks, table.blocks.count);
    assert(largest > most / 2 && largest <= most + 65_536, `${largest}`);
    source.close();
    table.release();
  });
}

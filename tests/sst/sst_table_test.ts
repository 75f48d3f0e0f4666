import fc from "fast-check";
import { test } from "../support/test.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { compareBytes, toBytes } from "../../lib/base/bytes.ts";
import { type KeyRange, rangeContains } from "../../lib/base/key_range.ts";
import type { Row } from "../../lib/base/row.ts";
import { COMPRESSIONS } from "../../lib/codec/compression.ts";
import type { BlockTransformer } from "../../lib/sst/block_transformer.ts";
import {
  createWorld,
  encode,
  plainRows,
  readRows,
  sorted,
  storeTable,
} from "./world.ts";

const plusOne = (bytes: Uint8Array) => bytes.map((byte) => byte + 1);
const minusOne = (bytes: Uint8Array) => bytes.map((byte) => byte - 1);

const TRANSFORMERS: Record<string, BlockTransformer | undefined> = {
  "no transformer": undefined,
  "a transformer": { encode: plusOne, decode: minusOne },
  "an asynchronous transformer": {
    encode: (bytes) => Promise.resolve(plusOne(bytes)),
    decode: (bytes) => Promise.resolve(minusOne(bytes)),
  },
};

for (const compression of COMPRESSIONS) {
  for (const [name, transformer] of Object.entries(TRANSFORMERS)) {
    test(`SstTable reads back what SstEncoder wrote with ${compression} and ${name}`, async () => {
      const world = createWorld({ transformer });
      const rows = plainRows(500);
      const table = await storeTable(world, rows, { compression });

      assertEquals(await readRows([table]), rows);
      assertEquals(
        await readRows([table], { descending: true }),
        rows.toReversed(),
      );
      assertEquals(table.merges, 0);

      table.release();
      assertEquals(world.budget.cacheUsed, 0);
    });
  }
}

for (const blockBytes of [1024, 2048, 8192, 65_536]) {
  test(`SstTable reads back blocks of ${blockBytes} bytes`, async () => {
    const world = createWorld();
    const rows = plainRows(1500, 60);
    const table = await storeTable(world, rows, { blockBytes });

    assertEquals(await readRows([table], { readAheadBytes: 1 }), rows);

    table.release();
  });
}

test("SstTable reads back long keys, long values and many versions of one key", async () => {
  const world = createWorld();
  const versions = Array.from({ length: 300 }, (_, i): Row => ({
    key: toBytes("many"),
    value: new Uint8Array(50).fill(i),
    seq: BigInt(300 - i),
    kind: i % 3 === 0 ? "merge" : "put",
    createTs: 5n,
    ...(i % 2 === 0 ? { expireTs: BigInt(i + 1) } : {}),
  }));
  const rows = sorted([
    ...versions,
    ...[1, 255, 300, 65_535].map((length): Row => ({
      key: new Uint8Array(length).fill(0x62),
      value: new Uint8Array(length * 3),
      seq: 1n,
      kind: "put",
      createTs: 0n,
    })),
    { key: toBytes("z"), value: toBytes(""), seq: 9n, kind: "delete" },
  ]);
  const table = await storeTable(world, rows, { blockBytes: 1024 });

  assertEquals(await readRows([table]), rows);
  assertEquals(
    (await readRows([table], { descending: true })).map(({ key }) => key),
    rows.map(({ key }) => key).toReversed(),
  );
  assertEquals(table.merges, 100);

  table.release();
});

const arbitraryKey = fc.uint8Array({ minLength: 1, maxLength: 6, max: 3 });

const arbitraryRow: fc.Arbitrary<Row> = fc.record({
  key: arbitraryKey,
  value: fc.uint8Array({ maxLength: 300 }),
  seq: fc.bigInt({ min: 1n, max: 40n }),
  kind: fc.constantFrom("put", "merge"),
  createTs: fc.bigInt({ min: 0n, max: 9n }),
});

const arbitraryRange: fc.Arbitrary<KeyRange> = fc.record({
  lower: fc.record({ key: arbitraryKey, inclusive: fc.boolean() }),
  upper: fc.record({ key: arbitraryKey, inclusive: fc.boolean() }),
}, { requiredKeys: [] }).filter(({ lower, upper }) =>
  lower === undefined || upper === undefined ||
  compareBytes(lower.key, upper.key) < 0
);

test("property: every range of a run of tables reads as the sorted rows do, in both directions", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbitraryRow, { minLength: 1, maxLength: 120 }),
      fc.array(fc.nat(120), { maxLength: 4 }),
      arbitraryRange,
      fc.option(arbitraryRange, { nil: undefined }),
      async (unsorted, cuts, range, visible) => {
        const world = createWorld();
        const rows = sorted(unsorted);
        const edges = [...new Set([0, ...cuts, rows.length])].filter((edge) =>
          edge <= rows.length
        ).sort((a, b) => a - b);
        const tables = await Promise.all(
          edges.slice(1).map((end, i) =>
            storeTable(
              world,
              rows.slice(edges[i], end),
              { blockBytes: 1024 },
              visible,
            )
          ),
        );
        const expected = rows.filter(({ key }) =>
          rangeContains(range, key) &&
          (visible === undefined || rangeContains(visible, key))
        );

        const forward = await readRows(tables, { range, readAheadBytes: 2000 });
        const backward = await readRows(tables, { range, descending: true });

        assertEquals(forward, expected);
        assertEquals(sorted(backward), expected);
        assertEquals(
          backward.map(({ key }) => key),
          expected.map(({ key }) => key).toReversed(),
        );
        for (const table of tables) table.release();
        assertEquals(world.budget.cacheUsed, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test("SstTable frees everything with its last reference", async () => {
  const world = createWorld();
  const before = world.kernel.exports.memory_used();
  const table = await storeTable(world, plainRows(2000));
  table.acquire();
  await readRows([table], { cacheBlocks: true });
  assert(world.cache.blocks > 50);

  table.release();
  assert(world.budget.cacheUsed > 0);
  table.release();

  assertEquals(world.budget.cacheUsed, 0);
  assertEquals(world.cache.blocks, 0);
  assertEquals(world.ssts.tables, 0);
  assertEquals(world.kernel.exports.memory_used(), before);
});

test("SstStore answers the same table for the same SST and visible range", async () => {
  const world = createWorld();
  const table = await storeTable(world, plainRows(3));
  const { handle } = table;
  const visibleRange = {
    lower: { key: toBytes("key-00000001"), inclusive: true },
  };

  const again = world.ssts.table({ ...handle });
  const clipped = world.ssts.table({ ...handle, visibleRange });

  assert(again === table);
  assert(clipped !== table);
  clipped.acquire();
  assertEquals((await readRows([clipped])).length, 2);
  clipped.release();
  table.release();
  assert(world.ssts.table(handle) !== table);
});

test("SstStore finds SSTs of other databases where the manifest says", async () => {
  const world = createWorld();
  const { info, body } = await encode(world, plainRows(3));
  const id = world.ssts.nextId();
  await world.store.put(`elsewhere/compacted/${id}.sst`, body);

  const table = world.ssts.table({ id, info, formatVersion: 2, viewId: id }, [{
    path: "elsewhere",
    sourceCheckpointId: "00000000-0000-4000-8000-000000000000",
    sstIds: [id],
  }]);
  table.acquire();

  assertEquals(await readRows([table]), plainRows(3));
  table.release();
});

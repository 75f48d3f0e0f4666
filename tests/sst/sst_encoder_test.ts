import { test } from "../support/test.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { fromHex, toBytes, toHex } from "../../lib/base/bytes.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import {
  SstEncoder,
  type SstEncoderOptions,
} from "../../lib/sst/sst_encoder.ts";
import { insertRow } from "../read/view.ts";
import type { Row } from "../../lib/base/row.ts";
import { FENCE_FILE } from "../../lib/format/wal_file.ts";
import { createWorld, encode, plainRows } from "./world.ts";

/** FORMAT 3.9: what SlateDB 0.12.1 wrote for three rows. */
const EXAMPLE = [
  "0005016170706c6531000000000000000104000001a1f980d550",
  "0205037269636f7474776f000000000000000104000001a1f980d550",
  "00060062616e616e61000000000000000105000001a1f980d550",
  "000000010495ceac",
  "0c00000000000600080004000600000004000000010000000c000000",
  "080008000000040008000000040000000000000070913 79d".replace(" ", ""),
].join("");

function threeRows(): Row[] {
  const createTs = 0x1a1f980d550n;
  return [
    {
      key: toBytes("apple"),
      value: toBytes("1"),
      seq: 1n,
      kind: "put",
      createTs,
    },
    {
      key: toBytes("apricot"),
      value: toBytes("two"),
      seq: 1n,
      kind: "put",
      createTs,
    },
    {
      key: toBytes("banana"),
      value: toBytes(""),
      seq: 1n,
      kind: "delete",
      createTs,
    },
  ];
}

test("SstEncoder writes the same bytes as SlateDB", async () => {
  const { body, info } = await encode(createWorld(), threeRows(), {
    minFilterKeys: 1000,
  });

  assertEquals(toHex(body.subarray(0, 0x8c)), EXAMPLE);
  assertEquals(body.length, 350);
  assertEquals(toHex(body.subarray(0x150)), "7b6a1a0d00000000000000e80002");
  assertEquals(info, {
    firstEntry: toBytes("apple"),
    lastEntry: toBytes("banana"),
    indexOffset: 0x58,
    indexBytes: 0x34,
    filterOffset: 0x58,
    filterBytes: 0,
    statsOffset: 0x8c,
    statsBytes: 0x5c,
    compression: "none",
    sstType: "compacted",
    filterFormat: "legacy",
  });
});

test("SstEncoder without rows writes SlateDB's fence", async () => {
  const { body, rows, minSeq, maxSeq } = await encode(createWorld(), []);

  assertEquals(toHex(body), toHex(FENCE_FILE));
  assertEquals([rows, minSeq, maxSeq], [0, 0n, 0n]);
});

test("SstEncoder writes SlateDB's filter", async () => {
  const { body, info } = await encode(createWorld(), threeRows());

  const filter = body.subarray(
    info.filterOffset,
    info.filterOffset + info.filterBytes - 4,
  );
  assertEquals(toHex(filter), "00063978a620");
});

test("SstEncoder writes no filter below the least number of rows", async () => {
  const without = await encode(createWorld(), threeRows(), {
    minFilterKeys: 4,
  });
  const none = await encode(createWorld(), threeRows(), {
    filterBitsPerKey: 0,
  });

  assertEquals([without.info.filterBytes, none.info.filterBytes], [0, 0]);
  assertEquals(without.info.filterOffset, without.info.indexOffset);
});

test("SstEncoder keys the index of a WAL file by seq", async () => {
  const rows = threeRows().reverse().map((row, i): Row => ({
    ...row,
    seq: BigInt(i + 7),
  }));
  const { info, minSeq, maxSeq } = await encode(createWorld(), rows, {
    sstType: "wal",
  });

  assertEquals([minSeq, maxSeq], [7n, 9n]);
  assertEquals(info.firstEntry, fromHex("0000000000000007"));
  assertEquals(info.lastEntry, undefined);
  assertEquals([info.filterBytes, info.statsOffset, info.statsBytes], [
    0,
    0,
    0,
  ]);
  assertEquals(info.filterOffset, info.indexOffset);
  assertEquals(info.sstType, "wal");
});

test("SstEncoder lets others run every few milliseconds", async () => {
  let clock = 0;
  let yields = 0;
  const runtime = {
    ...systemRuntime,
    // The clock is looked at after every 32 KiB.
    monotonicMs: () => clock += 3,
    yield() {
      yields++;
      return Promise.resolve();
    },
  };
  const rows = plainRows(5000);

  const { info } = await encode(createWorld(), rows, { runtime });

  const blocks = Math.floor(info.filterOffset / 4100);
  assert(
    yields > blocks / 16 && yields < blocks / 4,
    `${yields} for ${blocks}`,
  );
});

test("SstEncoder encodes a memtable's rows in commit order", async () => {
  const world = createWorld();
  const memtable = new Memtable(world.kernel, world.budget);
  const rows = plainRows(300).toReversed().map((row, i) => ({
    ...row,
    seq: BigInt(i + 1),
  }));
  for (const row of rows) insertRow(memtable, row);
  const options: SstEncoderOptions = {
    sstType: "wal",
    blockBytes: 1024,
    compression: "none",
    filterBitsPerKey: 10,
    minFilterKeys: 0,
    runtime: systemRuntime,
  };

  using chained = new SstEncoder(world.kernel, options);
  await chained.addChain(memtable.firstRecord, memtable.lastRecord);
  const byChain = await chained.finish();
  const byRows = await encode(world, rows, options);

  assertEquals(toHex(byChain.body), toHex(byRows.body));
  assertEquals([byChain.rows, byChain.maxSeq], [300, 300n]);
  memtable.release();
});

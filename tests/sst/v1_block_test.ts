import { fromHex, toBytes } from "../../lib/base/bytes.ts";
import { encodeIndex } from "../../lib/format/sst_index.ts";
import type { SstInfo } from "../../lib/format/sst_info.ts";
import { appendChecksum, encodeSstTail } from "../../lib/format/sst_layout.ts";
import { sstName } from "../../lib/format/paths.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { SstBody } from "../../lib/sst/sst_body.ts";
import { createWorld, readRows } from "./world.ts";

/** FORMAT 3.9: three rows as SlateDB stored them in version 1, without checksum. */
const V1_BLOCK = fromHex(
  [
    "000000056170706c650000000000000001040000018bcfe568000000000131",
    "000200057269636f740000000000000001040000018bcfe568000000000374776f",
    "0000000662616e616e610000000000000001050000018bcfe56800",
    "0000001f00400003",
  ].join(""),
)!;

test("SstTable reads data blocks of version 1", async () => {
  const world = createWorld();
  const body = new SstBody(0);
  const filterOffset = body.addSection(V1_BLOCK);
  const indexBytes = body.addSection(
    encodeIndex({ offsets: [0], firstKeys: [new Uint8Array(0)] }),
  );
  const info: SstInfo = {
    firstEntry: toBytes("apple"),
    lastEntry: toBytes("banana"),
    filterOffset,
    filterBytes: 0,
    indexOffset: filterOffset,
    indexBytes,
    statsOffset: 0,
    statsBytes: 0,
    compression: "none",
    sstType: "compacted",
    filterFormat: "legacy",
  };
  body.add(encodeSstTail(info, body.length));
  const id = world.ssts.nextId();
  await world.store.put(sstName("db", id), body.finish());
  const table = world.ssts.table({ id, info, formatVersion: 1, viewId: id });
  table.acquire();

  const createTs = 1_700_000_000_000n;
  assertEquals(await readRows([table]), [
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
  ]);
  assertEquals(table.merges, undefined);

  table.release();
  assertEquals(world.budget.cacheUsed, 0);
  assertEquals(appendChecksum(V1_BLOCK).subarray(-4), fromHex("5eeb5c9e"));
});

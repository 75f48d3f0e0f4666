import { Builder } from "flatbuffers";
import { concatBytes, fromHex, toBytes, toHex } from "../../lib/base/bytes.ts";
import {
  decodeBloom,
  decodeFilters,
  encodeBloom,
  encodeCompositeFilters,
  encodeLegacyFilter,
} from "../../lib/format/filter_block.ts";
import {
  finishBuffer,
  writeTable,
} from "../../lib/format/flatbuffer_writer.ts";
import { encodeIndex } from "../../lib/format/sst_index.ts";
import {
  dataEnd,
  decodeSstInfo,
  encodeSstInfo,
  type SstInfo,
  validateSstInfo,
} from "../../lib/format/sst_info.ts";
import {
  appendChecksum,
  checkChecksum,
  decodeSstFooter,
  decodeSstTail,
  encodeSstTail,
} from "../../lib/format/sst_layout.ts";
import { decodeStats, encodeStats } from "../../lib/format/sst_stats.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";
import { decodeBlockV1, readSstFile } from "./sst_file.ts";

/** What SlateDB 0.12 writes for apple=1, apricot=two and the delete of banana. */
const BLOCK = hex(
  "00 05 01 6170706c65 31 0000000000000001 04 000001a1f980d550",
  "02 05 03 7269636f74 74776f 0000000000000001 04 000001a1f980d550",
  "00 06 00 62616e616e61 0000000000000001 05 000001a1f980d550",
  "0000 0001",
);
const INDEX = hex(
  "0c000000 0000 0600 0800 0400 06000000 04000000 01000000 0c000000",
  "0800 0800 0000 0400 08000000 04000000 00000000",
);
const STATS = {
  puts: 2,
  deletes: 1,
  merges: 0,
  rawKeyBytes: 18,
  rawValueBytes: 4,
  blocks: [{ puts: 2, deletes: 1, merges: 0 }],
};
const INFO: SstInfo = {
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
};

function hex(...parts: readonly string[]): Uint8Array {
  return fromHex(parts.join("").replaceAll(" ", ""))!;
}

function exampleSst(): Uint8Array {
  return concatBytes([
    appendChecksum(BLOCK),
    appendChecksum(encodeIndex({
      offsets: [0],
      firstKeys: [new Uint8Array(0)],
    })),
    appendChecksum(encodeStats(STATS)),
    encodeSstTail(INFO, 0xe8),
  ]);
}

test("an SST of three rows is written as SlateDB writes it", () => {
  const sst = exampleSst();
  const at = (offset: number, length: number) =>
    toHex(sst.subarray(offset, offset + length));
  assertEquals(sst.length, 350);
  assertEquals(at(0x54, 4), "0495ceac");
  assertEquals(at(0x58, 0x30), toHex(INDEX));
  assertEquals(at(0x88, 4), "7091379d");
  assertEquals(at(0xe4, 4), "375d8e85");
  assertEquals(at(0xe8, 4), "1c000000");
  assertEquals(at(0x150, 14), "7b6a1a0d00000000000000e80002");
});

test("an SST of three rows is read back", () => {
  const sst = readSstFile(exampleSst());
  assertEquals(sst.info, INFO);
  assertEquals(sst.stats, STATS);
  assertEquals(sst.index.firstKeys, [new Uint8Array(0)]);
  assertEquals(
    sst.blocks.flat().map(({ key, kind, createTs }) => [
      new TextDecoder().decode(key),
      kind,
      createTs,
    ]),
    [
      ["apple", "put", 0x1a1f980d550n],
      ["apricot", "put", 0x1a1f980d550n],
      ["banana", "delete", 0x1a1f980d550n],
    ],
  );
});

test("the older layout of a block shares prefixes with its first key", () => {
  const section = hex(
    "00000005 6170706c65 0000000000000001 04 0000018bcfe56800 00000001 31",
    "00020005 7269636f74 0000000000000001 04 0000018bcfe56800 00000003 74776f",
    "00000006 62616e616e61 0000000000000001 05 0000018bcfe56800",
    "0000 001f 0040 0003 5eeb5c9e",
  );
  const rows = decodeBlockV1(checkChecksum(section, "block"));
  assertEquals(
    rows.map(({ key, value, createTs }) => [
      new TextDecoder().decode(key),
      new TextDecoder().decode(value),
      createTs,
    ]),
    [
      ["apple", "1", 1_700_000_000_000n],
      ["apricot", "two", 1_700_000_000_000n],
      ["banana", "", 1_700_000_000_000n],
    ],
  );
});

test("checkChecksum() names what is damaged", () => {
  const section = appendChecksum(BLOCK);
  section[3]! ^= 1;
  assertStringIncludes(
    assertDamage(() => checkChecksum(section, "filter of SST 7")),
    "filter of SST 7",
  );
  assertDamage(() => checkChecksum(new Uint8Array(3), "x"));
  assertEquals(checkChecksum(new Uint8Array(4), "x").length, 0);
});

test("decodeSstFooter() refuses other versions and lengths", () => {
  const footer = hex("00000000000000e8 0002");
  assertEquals(decodeSstFooter(footer), { metaOffset: 0xe8, version: 2 });
  footer[9] = 1;
  assertEquals(decodeSstFooter(footer).version, 1);
  footer[9] = 3;
  assertStringIncludes(
    assertDamage(() => decodeSstFooter(footer)),
    "versions 1 and 2",
  );
  assertDamage(() => decodeSstFooter(footer.subarray(1)));
  assertDamage(() => decodeSstFooter(hex("ffffffffffffffff 0002")));
});

test("decodeSstTail() checks the info", () => {
  const tail = encodeSstTail(INFO, 0xe8);
  assertEquals(decodeSstTail(tail), INFO);
  tail[30]! ^= 4;
  assertStringIncludes(assertDamage(() => decodeSstTail(tail)), "SST info");
  assertDamage(() => decodeSstTail(new Uint8Array(9)));
});

test("decodeSstInfo() is the inverse of encodeSstInfo()", () => {
  const infos: SstInfo[] = [
    INFO,
    { ...INFO, compression: "zstd", filterFormat: "composite" },
    { ...INFO, compression: "snappy", sstType: "wal", filterBytes: 1e15 },
  ];
  for (const info of infos) {
    assertEquals(decodeSstInfo(encodeSstInfo(info)), info);
  }
  const { firstEntry: _first, lastEntry: _last, ...empty } = INFO;
  assertEquals(decodeSstInfo(encodeSstInfo(empty)), empty);
});

test("decodeSstInfo() refuses numbers that stand for nothing", () => {
  for (const [slot, what] of [[5, "compression"], [6, "SST type"]] as const) {
    const builder = new Builder(64);
    const root = writeTable(builder, [[slot, "u8", 9]]);
    const message = assertDamage(() =>
      decodeSstInfo(finishBuffer(builder, root))
    );
    assertStringIncludes(message, `unknown ${what} 9`);
  }
  assertDamage(() => decodeSstInfo(hex("00")));
});

test("validateSstInfo() wants every section inside the object, in order", () => {
  validateSstInfo(INFO, 350);
  const bad: Partial<SstInfo>[] = [
    { indexOffset: 300, indexBytes: 100 },
    { indexBytes: 3 },
    { indexBytes: 0 },
    { statsOffset: 0x60 },
    { statsBytes: 2 },
    { statsBytes: 1000 },
    { filterBytes: 5, filterOffset: 0x58 },
    { filterBytes: 3, filterOffset: 0x40 },
    { indexOffset: Number.MAX_SAFE_INTEGER },
  ];
  for (const change of bad) {
    assertDamage(() => validateSstInfo({ ...INFO, ...change }, 350));
  }
});

test("dataEnd() is the index without a filter, else the filter", () => {
  assertEquals(dataEnd({ ...INFO, filterOffset: 0 }), 0x58);
  assertEquals(dataEnd({ ...INFO, filterOffset: 0x40, filterBytes: 9 }), 0x40);
});

test("encodeLegacyFilter() is the bits behind the number of probes", () => {
  const bytes = encodeLegacyFilter(6, hex("3978a620"));
  assertEquals(toHex(bytes), "00063978a620");
  const [filter] = decodeFilters(bytes, "legacy");
  assertEquals(decodeBloom(filter!), {
    name: "_bf",
    probes: 6,
    bits: hex("3978a620"),
  });
  const [empty] = decodeFilters(hex("0006"), "legacy");
  assertEquals(decodeBloom(empty!).bits.length, 0);
});

test("encodeCompositeFilters() keeps several filters by name", () => {
  const filters = [
    { name: "_bf", probes: 6, bits: hex("3978a620") },
    { name: "_bf:p=fixed8:wh=0", probes: 4, bits: new Uint8Array(100) },
  ];
  const bytes = encodeCompositeFilters(filters.map(encodeBloom));
  assertEquals(decodeFilters(bytes, "composite").map(decodeBloom), filters);
  assertEquals(
    toHex(bytes.subarray(0, 23)),
    "0002" + "0003" + "5f6266" + "0000000000000006" + "00063978a620" + "0011",
  );
});

test("decodeFilters() keeps the filters of policies that it does not know", () => {
  const filters = [
    { name: "ribbon", data: hex("01") },
    encodeBloom({ name: "_bf", probes: 6, bits: hex("00ff") }),
    { name: "nothing at all", data: hex("") },
  ];
  const bytes = encodeCompositeFilters(filters);
  assertEquals(decodeFilters(bytes, "composite"), filters);
  assertDamage(() =>
    decodeFilters(concatBytes([bytes, hex("00")]), "composite")
  );
  assertDamage(() => decodeBloom({ name: "_bf", data: hex("00") }));
});

test("decodeStats() is the inverse of encodeStats()", () => {
  const empty = {
    puts: 0,
    deletes: 0,
    merges: 0,
    rawKeyBytes: 0,
    rawValueBytes: 0,
    blocks: [],
  };
  assertEquals(toHex(encodeStats(empty)), "080000000400040004000000");
  assertEquals(decodeStats(encodeStats(empty)), empty);
  const full = { ...STATS, rawKeyBytes: 2 ** 53 - 1, merges: 7 };
  assertEquals(decodeStats(encodeStats(full)), full);
});

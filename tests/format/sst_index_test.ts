import fc from "fast-check";
import { toBytes, toHex } from "../../lib/base/bytes.ts";
import {
  decodeIndex,
  decodePackedIndex,
  encodeIndex,
  packIndex,
} from "../../lib/format/sst_index.ts";
import { encodeSeqKey } from "../../lib/format/wal_file.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";

function indexOf(offsets: number[], firstKeys: string[]) {
  return { offsets, firstKeys: firstKeys.map(toBytes) };
}

test("decodeIndex() is the inverse of encodeIndex()", () => {
  const entry = fc.tuple(
    fc.integer({ min: 1, max: 2 ** 32 }),
    fc.uint8Array({ maxLength: 80 }),
  );
  fc.assert(fc.property(fc.array(entry, { maxLength: 40 }), (entries) => {
    let offset = -1;
    const offsets = entries.map(([bytes]) => offset += bytes);
    const firstKeys = entries.map(([_, key]) => key);
    const decoded = decodeIndex(encodeIndex({ offsets, firstKeys }), 2 ** 40);
    assertEquals(Array.from(decoded.offsets), offsets);
    assertEquals(decoded.firstKeys.map(toHex), firstKeys.map(toHex));
  }));
});

test("decodePackedIndex() is decodeIndex() and packIndex(), aligned or not", () => {
  const index = indexOf([0, 4, 90], ["", "b", "longer".repeat(30)]);
  const bytes = encodeIndex(index);
  for (let shift = 0; shift < 4; shift++) {
    const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
    shifted.set(bytes);
    const { offsets, packed } = decodePackedIndex(shifted, 100);
    assertEquals([...offsets], [0, 4, 90, 100]);
    assertEquals(packed, packIndex(index));
  }
});

test("packIndex() lays separators out for the kernel", () => {
  const packed = packIndex(indexOf([0, 10], ["", "bc"]));
  assertEquals(
    toHex(packed),
    "02000000" + "10000000" + "10000000" + "12000000" + "6263",
  );
  assertEquals(toHex(packIndex(indexOf([], []))), "0000000008000000");
});

test("decodeIndex() takes equal separators: versions of a key, rows of a batch", () => {
  const seq = encodeSeqKey(7n);
  const index = { offsets: [0, 10, 20], firstKeys: [seq, seq, seq] };
  assertEquals(decodeIndex(encodeIndex(index), 30).firstKeys, index.firstKeys);
});

test("decodeIndex() refuses blocks that are empty or outside the data", () => {
  const keys = ["", "b", "c"];
  assertDamage(() => decodeIndex(encodeIndex(indexOf([0, 5, 5], keys)), 10));
  assertDamage(() => decodeIndex(encodeIndex(indexOf([0, 5, 4], keys)), 10));
  assertDamage(() => decodeIndex(encodeIndex(indexOf([0, 5, 10], keys)), 10));
  assertDamage(() => decodeIndex(encodeIndex(indexOf([0], [""])), 0));
  assertDamage(() => decodeIndex(new Uint8Array(0), 10));
  assertEquals(decodeIndex(encodeIndex(indexOf([], [])), 0).firstKeys, []);
});

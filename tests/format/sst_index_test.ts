import fc from "fast-check";
import { toBytes, toHex } from "../../lib/base/bytes.ts";
import { decodeIndex, encodeIndex } from "../../lib/format/sst_index.ts";
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

import fc from "fast-check";
import { MemoryBudget } from "../../lib/base/budget.ts";
import { fromHex, toBytes, toHex } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { Row } from "../../lib/base/row.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import {
  segmentLength,
  segmentRange,
  segmentsOf,
} from "../../lib/lsm/segments.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import {
  delimiterPrefix,
  fixedPrefix,
} from "../../lib/sst/prefix_extractor.ts";
import { insertRow } from "../read/view.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const kernel = await Kernel.create();

function fill(rows: readonly Row[]): Memtable {
  const memtable = new Memtable(kernel, new MemoryBudget());
  for (const row of rows) insertRow(memtable, row);
  return memtable;
}

function rowOf(key: Uint8Array, kind: Row["kind"], seq: number): Row {
  return { key, value: new Uint8Array(0), kind, seq: BigInt(seq) };
}

test("segmentLength() refuses keys without a prefix, and empty prefixes", () => {
  assertEquals(segmentLength(fixedPrefix(2), toBytes("abc")), 2);
  for (
    const extractor of [
      fixedPrefix(4),
      { name: "nothing", prefixLength: () => 0 },
    ]
  ) {
    const error = assertThrows(() =>
      segmentLength(extractor, toBytes("abc"))
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("segmentRange() is all keys of a segment, without end behind 0xff", () => {
  assertEquals(segmentRange(undefined), {});
  assertEquals(segmentRange(toBytes("a")), {
    lower: { key: toBytes("a"), inclusive: true },
    upper: { key: toBytes("b"), inclusive: false },
  });
  const last = Uint8Array.of(0xff, 0xff);
  assertEquals(segmentRange(last), { lower: { key: last, inclusive: true } });
});

test("property: segmentsOf() finds the prefix of every row, each once", () => {
  const key = fc.array(fc.constantFrom("00", "2f", "61", "ff"), {
    minLength: 2,
    maxLength: 5,
  }).map((parts) => fromHex(parts.join(""))!);
  const kind = fc.constantFrom("put", "delete", "merge" as const);
  kernel.scratchKey("room for bounds");
  fc.assert(fc.property(
    fc.array(fc.tuple(key, kind), { maxLength: 40 }),
    fc.integer({ min: 1, max: 2 }),
    (writes, bytes) => {
      const used = kernel.exports.memory_used();
      const memtable = fill(
        writes.map(([key, kind], i) => rowOf(key, kind, i + 1)),
      );
      const found = segmentsOf(kernel, memtable, fixedPrefix(bytes));
      const expected = new Set(
        writes.map(([key]) => toHex(key.subarray(0, bytes))),
      );
      assertEquals(found.map(toHex), [...expected].sort());
      memtable.release();
      assertEquals(kernel.exports.memory_used(), used);
    },
  ));
});

test("segmentsOf() passes over many versions of one key", () => {
  const versions = Array.from(
    { length: 5000 },
    (_, i) => rowOf(toBytes("a/hot"), i % 3 === 0 ? "merge" : "put", i + 1),
  );
  const memtable = fill([...versions, rowOf(toBytes("b/"), "delete", 9999)]);

  const found = segmentsOf(kernel, memtable, delimiterPrefix("/"));

  assertEquals(found, [toBytes("a/"), toBytes("b/")]);
  memtable.release();
});

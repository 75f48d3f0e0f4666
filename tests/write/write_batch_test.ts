import type { DbError } from "../../lib/base/errors.ts";
import type { Row } from "../../lib/base/row.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import { foldBatch } from "../../lib/write/batch_fold.ts";
import { WriteBatch } from "../../lib/write/write_batch.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const CONCAT: MergeOperator = {
  merge: (_key, existing, operand) =>
    new Uint8Array([...existing ?? [], ...operand]),
};

const MARKS = { put: "=", merge: "~", delete: "!" } as const;
const show = (row: Row) =>
  `${text(row.key)}${MARKS[row.kind]}${text(row.value)}${
    row.expireTs === undefined ? "" : `@${row.expireTs}`
  }`;

const fold = (batch: WriteBatch) =>
  foldBatch(batch.consume(), CONCAT, 1000n, undefined).map(show);

test("WriteBatch copies what it is given", () => {
  const [key, value] = [new Uint8Array([1]), new Uint8Array([2])];
  const batch = new WriteBatch().put(key, value);

  key[0] = value[0] = 9;
  const { records, offsets, keyBytes } = batch.consume();

  const start = offsets[0]! + 40;
  assertEquals(
    [...records.subarray(start, start + keyBytes[0]! + 1)],
    [1, 2],
  );
});

test("WriteBatch grows with what is added", () => {
  const batch = new WriteBatch();
  for (let i = 0; i < 300; i++) batch.put(`key${i}`, "x".repeat(100));

  const { records, offsets, keyBytes, valueBytes } = batch.consume();

  const at = offsets[299]! + 40;
  const end = at + keyBytes[299]! + valueBytes[299]!;
  assertEquals(text(records.subarray(at, end)), `key299${"x".repeat(100)}`);
});

test("WriteBatch is written once", () => {
  const batch = new WriteBatch().put("a", "1");
  batch.consume();

  for (const use of [() => batch.consume(), () => batch.put("b", "2")]) {
    const error = assertThrows(use) as DbError;
    assertEquals(
      [error.kind, error.message],
      ["invalid", "write batch has already been consumed"],
    );
  }
});

test("WriteBatch refuses to be written empty", () => {
  const error = assertThrows(() => new WriteBatch().consume()) as DbError;
  assertEquals(
    [error.kind, error.message],
    ["invalid", "empty write batch not allowed"],
  );
});

for (
  const [name, add] of [
    ["an empty key", (b: WriteBatch) => b.put("", "v")],
    ["a key of 65536 bytes", (b: WriteBatch) => b.delete("x".repeat(65_536))],
    [
      "two expiries",
      (b: WriteBatch) => b.put("k", "v", { ttlMs: 1, expiresAtMs: 2 }),
    ],
    [
      "a number as value",
      (b: WriteBatch) => b.put("k", 5 as unknown as string),
    ],
  ] as const
) {
  test(`WriteBatch refuses ${name} and stays usable`, () => {
    const batch = new WriteBatch().put("a", "1");

    const error = assertThrows(() => add(batch)) as DbError;

    assertEquals([error.kind, batch.size], ["invalid", 1]);
  });
}

test("foldBatch() folds merges onto the last put or delete before them", () => {
  const batch = new WriteBatch()
    .merge("a", "lost").put("a", "1").merge("a", "2").merge("a", "3")
    .put("b", "x").delete("b").merge("b", "y")
    .merge("c", "m").merge("c", "n")
    .put("d", "z").delete("d");

  assertEquals(fold(batch), ["a=123", "b=y", "c~mn", "d!"]);
});

test("foldBatch() keeps the earliest expiry of what it folded", () => {
  const batch = new WriteBatch()
    .put("a", "1", { ttlMs: 50 }).merge("a", "2", { ttlMs: 9 })
    .merge("b", "x", { expiresAtMs: 7 }).merge("b", "y", { expiresAtMs: 7 });

  assertEquals(fold(batch), ["a=12@1009", "b~xy@7"]);
});

test("foldBatch() refuses merges of one key that expire at different times", () => {
  const batch = new WriteBatch()
    .merge("a", "1", { ttlMs: 1 }).merge("a", "2", { ttlMs: 2 });

  assertEquals((assertThrows(() => fold(batch)) as DbError).kind, "invalid");
});

test("foldBatch() reports a merge operator that throws", () => {
  const broken: MergeOperator = {
    merge() {
      throw new Error("bad operand");
    },
  };
  const batch = new WriteBatch().merge("a", "1").merge("a", "2").consume();

  const error = assertThrows(() =>
    foldBatch(batch, broken, 0n, undefined)
  ) as DbError;

  assertEquals(error.kind, "invalid");
  assertEquals((error.cause as Error).message, "bad operand");
});

test("WriteBatch keeps what each write said about expiry", () => {
  const ttl: { ttlMs?: number; expiresAtMs?: number } = { ttlMs: 5 };
  const batch = new WriteBatch().put("a", "1", ttl);
  ttl.ttlMs = 7;
  batch.merge("b", "2", ttl);
  ttl.expiresAtMs = 1;

  assertEquals(fold(batch), ["a=1@1005", "b~2@1007"]);
});

test("WriteBatch is the same after a write that was refused", () => {
  const batch = new WriteBatch().put("a", "1");
  const refused = [
    () => batch.merge("", "x"),
    () => batch.put("b", "2", { ttlMs: -1 }),
    () => batch.put("b", new Uint8Array(2 ** 31 - 1)),
  ];

  for (const write of refused) {
    assertEquals((assertThrows(write) as DbError).kind, "invalid");
  }
  const { hasMerges, offsets, ttls } = batch.put("c", "3").consume();

  assertEquals([hasMerges, offsets.length, ttls.size], [false, 2, 0]);
});

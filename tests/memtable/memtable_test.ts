import fc from "fast-check";
import { MemoryBudget } from "../../lib/base/budget.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { Row } from "../../lib/base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { readRow } from "../../lib/codec/row_record.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const kernel = await Kernel.create();
const text = (value: string) => new TextEncoder().encode(value);

/** Rows along the commit order. */
function commitOrder(memtable: Memtable): Row[] {
  const rows: Row[] = [];
  for (let record = memtable.firstRecord; record !== 0;) {
    rows.push(readRow(kernel, record));
    record = kernel.u32[(record + 36) >> 2]!;
  }
  return rows;
}

test("Memtable keeps rows in commit order and counts them", () => {
  const memtable = new Memtable(kernel, new MemoryBudget());

  memtable.insert(text("b"), text("1"), RowFlag.CREATE, 7n, 100n, 0n);
  memtable.insert(
    text("a"),
    text(""),
    RowFlag.CREATE | RowFlag.TOMBSTONE,
    8n,
    90n,
    0n,
  );

  assertEquals(commitOrder(memtable), [
    { key: text("b"), value: text("1"), seq: 7n, kind: "put", createTs: 100n },
    { key: text("a"), value: text(""), seq: 8n, kind: "delete", createTs: 90n },
  ]);
  assertEquals(
    [memtable.rows, memtable.firstSeq, memtable.lastSeq, memtable.maxCreateTs],
    [2, 7n, 8n, 100n],
  );
  memtable.release();
});

test("Memtable.release() returns the memory and the charge", () => {
  const used = kernel.exports.memory_used();
  const budget = new MemoryBudget();
  const memtable = new Memtable(kernel, budget);
  for (let i = 0; i < 5000; i++) {
    memtable.insert(text(`key${i}`), text("value"), 4, BigInt(i + 1), 0n, 0n);
  }
  memtable.charge();
  assert(budget.memtableUsed > 5000 * 40);

  memtable.acquire();
  memtable.release();
  assert(budget.memtableUsed > 0);
  memtable.release();

  assertEquals([budget.memtableUsed, kernel.exports.memory_used()], [0, used]);
});

test("Memtable.insertRecord() copies a row whole, and says which one it replaced", () => {
  const source = new Memtable(kernel, new MemoryBudget());
  const target = new Memtable(kernel, new MemoryBudget());
  const flags = RowFlag.CREATE | RowFlag.EXPIRE | RowFlag.MERGE;
  const record = source.insert(text("k"), text("v"), flags, 3n, -1n, 1n << 60n);

  assertEquals(target.insertRecord(record), 0);
  const copied = target.firstRecord;

  assertEquals(readRow(kernel, copied), readRow(kernel, record));
  assertEquals(target.insertRecord(record), copied);
  source.release();
  target.release();
});

test("property: Memtable.unlink() leaves each key's last row of a batch in commit order", () => {
  const key = fc.integer({ min: 0, max: 5 }).map((n) => `k${n}`);
  fc.assert(fc.property(fc.array(key), fc.array(key), (before, batch) => {
    const memtable = new Memtable(kernel, new MemoryBudget());
    before.forEach((name, i) =>
      memtable.insert(text(name), text(`${i}`), 4, BigInt(i + 1), 0n, 0n)
    );
    const previous = memtable.lastRecord;
    const seq = BigInt(before.length + 1);
    const replaced = new Set<number>();
    batch.forEach((name, i) => {
      memtable.reserve(40 + 8 + 8);
      const record = kernel.exports.memtable_reserve(memtable.pointer, 48);
      kernel.u8.set(text(name), record + 40);
      kernel.u8.set(text(`${i % 10}`), record + 42);
      const loser = kernel.exports.memtable_insert(
        memtable.pointer,
        2,
        1,
        4,
        seq,
        0n,
        0n,
      );
      if (loser !== 0) replaced.add(loser);
    });

    memtable.unlink(previous, replaced);

    const last = batch.filter((name, i) => batch.lastIndexOf(name) === i);
    const rows = commitOrder(memtable);
    assertEquals(rows.length, before.length + last.length);
    assertEquals(
      rows.slice(before.length).map((row) => new TextDecoder().decode(row.key)),
      last,
    );
    assertEquals(
      rows.length,
      new Set(rows.map((row) => `${row.key}@${row.seq}`)).size,
    );
    memtable.release();
  }));
});

test("Memtable.insert() refuses a row that no memory can hold", () => {
  const memtable = new Memtable(kernel, new MemoryBudget());
  // With the header and the key one byte more than 32 bits can say.
  const value = new Uint8Array(2 ** 32 - ROW_HEADER_BYTES - 1);

  const error = assertThrows(() =>
    memtable.insert(text("a"), value, RowFlag.CREATE, 1n, 0n, 0n)
  ) as DbError;

  assertEquals([error.kind, memtable.rows], ["unavailable", 0]);
  memtable.release();
});

import fc from "fast-check";
import {
  MEMTABLE_STATE,
  ROW_HEADER_BYTES,
  RowFlag,
} from "../../lib/codec/abi.ts";
import { compareBytes } from "../../lib/base/bytes.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS, utf8 } from "./kernels.ts";
import {
  insert,
  put,
  readRow,
  someKey,
  someRow,
  sortRows,
  type TestRow,
} from "./memtables.ts";

const MAX_SEQ = (1n << 64n) - 1n;

function get(kernel: Kernel, memtable: number, key: Uint8Array, seq: bigint) {
  const bytes = kernel.scratchKey(key);
  return kernel.exports.memtable_get(
    memtable,
    kernel.scratchPointer,
    bytes,
    seq,
  );
}

function state(
  kernel: Kernel,
  memtable: number,
  name: keyof typeof MEMTABLE_STATE,
) {
  return kernel.view.getUint32(memtable + MEMTABLE_STATE[name], true);
}

for (const [name, create] of KERNELS) {
  const kernel = create();
  const { exports } = kernel;
  // So that no test's first key adds to the memory in use.
  kernel.scratch(70_000);

  test(`memtable_get() of the ${name} agrees with a sorted array`, () => {
    const input = fc.record({
      rows: fc.array(someRow, { maxLength: 400, size: "max" }),
      probes: fc.array(fc.tuple(someKey, fc.bigInt({ min: 0n, max: 14n }))),
    });
    const used = exports.memory_used();
    fc.assert(fc.property(input, ({ rows, probes }) => {
      const memtable = exports.memtable_create();
      for (const row of rows) insert(kernel, memtable, row);
      const model = sortRows(rows);
      const newest = (key: Uint8Array, seq: bigint) =>
        model.find((row) => compareBytes(row.key, key) === 0 && row.seq <= seq);
      const all = rows.flatMap(({ key, seq }) => [
        [key, seq] as const,
        [key, MAX_SEQ] as const,
      ]);
      for (const [key, seq] of [...all, ...probes]) {
        const record = get(kernel, memtable, key, seq);
        assertEquals(readRow(kernel, record), newest(key, seq));
      }
      exports.memtable_free(memtable);
      assertEquals(exports.memory_used(), used);
    }));
  });

  test(`memtable_insert() of the ${name} keeps counts and commit order`, () => {
    const times = (flags: number) =>
      8 * Number((flags & RowFlag.CREATE) !== 0) +
      8 * Number((flags & RowFlag.EXPIRE) !== 0);
    fc.assert(fc.property(fc.array(someRow), (rows) => {
      const memtable = exports.memtable_create();
      const live = new Map<string, { row: TestRow; record: number }>();
      for (const row of rows) {
        const place = `${row.key.toHex()}/${row.seq}`;
        const { record, replaced } = insert(kernel, memtable, row);
        assertEquals(replaced, live.get(place)?.record ?? 0);
        live.set(place, { row, record });
      }
      const chain: TestRow[] = [];
      let last = 0;
      let record = state(kernel, memtable, "FIRST_RECORD");
      for (; record !== 0; record = kernel.u32[(record + 36) >> 2]!) {
        chain.push(readRow(kernel, last = record)!);
      }
      assertEquals(chain, rows);
      assertEquals(state(kernel, memtable, "LAST_RECORD"), last);
      const kept = [...live.values()].map(({ row }) => row);
      const having = (flag: number) =>
        kept.filter(({ flags }) => (flags & flag) !== 0).length;
      assertEquals(state(kernel, memtable, "ROWS"), kept.length);
      assertEquals(state(kernel, memtable, "MERGES"), having(RowFlag.MERGE));
      assertEquals(state(kernel, memtable, "EXPIRING"), having(RowFlag.EXPIRE));
      assertEquals(
        state(kernel, memtable, "ENCODED_BYTES"),
        kept.reduce(
          (sum, { key, value, flags }) =>
            sum + 12 + key.length + value.length + times(flags),
          0,
        ),
      );
      checkExtremes(kernel, memtable, rows);
      exports.memtable_free(memtable);
    }));
  });

  test(`memtable_get() of the ${name} tells apart ten thousand versions`, () => {
    const memtable = exports.memtable_create();
    const versions = 10_000;
    for (let i = 0; i < versions; i++) {
      insert(kernel, memtable, put("counter", 2 * ((i * 7919) % versions) + 2));
    }
    for (let seq = 0; seq < 2 * versions; seq += 37) {
      const record = get(kernel, memtable, utf8("counter"), BigInt(seq));
      const expected = BigInt(seq - seq % 2);
      if (seq < 2) assertEquals(record, 0);
      else assertEquals(kernel.readU64(record), expected);
    }
    exports.memtable_free(memtable);
  });

  test(`memtable_get() of the ${name} copes as common prefixes shrink`, () => {
    const memtable = exports.memtable_create();
    const rows: TestRow[] = [];
    for (let shared = 40; shared >= 0; shared -= 4) {
      for (let i = 0; i < 150; i++) {
        const stem = "p".repeat(shared) + String.fromCharCode(97 + i % 26);
        rows.push(put(`${stem}/${i * 7919 % 1000}`, rows.length + 1));
      }
    }
    rows.push(put("p".repeat(300), 9_000), put("p", 9_001), put("\0", 9_002));
    for (const row of rows) {
      insert(kernel, memtable, row);
      assertEquals(get(kernel, memtable, utf8("absent"), MAX_SEQ), 0);
    }
    for (const row of sortRows(rows)) {
      const record = get(kernel, memtable, row.key, row.seq);
      assertEquals(readRow(kernel, record), row);
    }
    exports.memtable_free(memtable);
  });

  test(`memtable_reserve() of the ${name} leaves rows of any size in place`, () => {
    const used = exports.memory_used();
    const memtable = exports.memtable_create();
    const sizes = [1, 70_000, 100, 3_000_000, 0, 17_000, 200_000, 9];
    const rows = sizes.map((size, i) => ({
      ...put(i === 5 ? "k".repeat(65_535) : `key ${i}`, i + 1),
      value: new Uint8Array(size).fill(i + 1),
    }));
    const records = rows.map((row) => insert(kernel, memtable, row).record);
    for (const [i, row] of rows.entries()) {
      assertEquals(readRow(kernel, records[i]!), row);
      assertEquals(get(kernel, memtable, row.key, MAX_SEQ), records[i]);
    }
    assert(state(kernel, memtable, "ARENA_BYTES") > 3_300_000);
    exports.memtable_free(memtable);
    assertEquals(exports.memory_used(), used);
  });

  test(`memtable_reserve() of the ${name} forgets what was not inserted`, () => {
    const used = exports.memory_used();
    const memtable = exports.memtable_create();
    for (let i = 0; i < 200; i++) {
      exports.memtable_reserve(memtable, 100_000);
      exports.memtable_reserve(memtable, 500_000);
      insert(kernel, memtable, put(`key ${i}`, i + 1));
    }
    exports.memtable_reserve(memtable, 400_000);
    assertEquals(state(kernel, memtable, "ROWS"), 200);
    exports.memtable_free(memtable);
    assertEquals(exports.memory_used(), used);
  });

  test(`memtable_reserve() of the ${name} fails without harm`, () => {
    const kernel = create();
    const memtable = kernel.exports.memtable_create();
    kernel.exports.memory_limit(3 << 20);
    let rows = 0;
    const next = () => ({
      ...put(`key ${`${rows}`.padStart(6, "0")}`, ++rows),
      value: new Uint8Array(50),
    });
    while (kernel.exports.memtable_reserve(memtable, 100) !== 0) {
      insert(kernel, memtable, next());
    }
    assert(rows > 1_000);
    assertEquals(kernel.exports.memtable_reserve(memtable, 1 << 24), 0);
    assertEquals(kernel.exports.memtable_reserve(memtable, 0xffff_ffff), 0);
    assertEquals(state(kernel, memtable, "ROWS"), rows);
    assertThrows(() =>
      kernel.exports.memtable_insert(memtable, 1, 0, 0, 1n, 0n, 0n)
    );
    kernel.exports.memory_limit(0);
    for (let i = 0; i < 1_000; i++) insert(kernel, memtable, next());
    assertEquals(state(kernel, memtable, "ROWS"), rows);
    for (let i = 0; i < rows; i++) {
      const key = utf8(`key ${`${i}`.padStart(6, "0")}`);
      assert(get(kernel, memtable, key, MAX_SEQ) !== 0);
    }
    kernel.exports.memtable_free(memtable);
  });

  test(`memtable_insert() of the ${name} wants a reservation that fits`, () => {
    const memtable = exports.memtable_create();
    exports.memtable_reserve(memtable, ROW_HEADER_BYTES + 8);
    assertThrows(() => exports.memtable_insert(memtable, 5, 4, 0, 1n, 0n, 0n));
    assertEquals(state(kernel, memtable, "ROWS"), 0);
    assertEquals(get(kernel, memtable, utf8("a"), MAX_SEQ), 0);
    exports.memtable_free(memtable);
    exports.memtable_free(0);
  });
}

test("memtable_reserve() of the kernel places a batch in one piece", () => {
  const kernel = KERNELS[0]![1]();
  const { exports } = kernel;
  for (const rows of [3, 100, 5_000]) {
    const memtable = exports.memtable_create();
    for (let batch = 0; batch < 5; batch++) {
      const bytes = ROW_HEADER_BYTES + 16;
      const base = exports.memtable_reserve(memtable, rows * bytes);
      assertEquals(exports.memtable_reserve(memtable, rows * bytes), base);
      for (let i = 0; i < rows; i++) {
        const key = utf8(`${batch}/${i}`.padEnd(16));
        kernel.u8.set(key, base + i * bytes + ROW_HEADER_BYTES);
      }
      for (let i = 0; i < rows; i++) {
        const record = exports.memtable_reserve(memtable, bytes);
        assertEquals(record, base + i * bytes);
        exports.memtable_insert(memtable, 16, 0, 0, BigInt(batch), 0n, 0n);
      }
    }
    const key = utf8("4/2".padEnd(16));
    assert(get(kernel, memtable, key, MAX_SEQ) !== 0);
    exports.memtable_free(memtable);
  }
});

function checkExtremes(
  kernel: Kernel,
  memtable: number,
  rows: readonly TestRow[],
): void {
  const seqs = rows.map(({ seq }) => seq);
  const least = seqs.reduce((a, b) => a < b ? a : b, seqs[0] ?? 0n);
  const most = seqs.reduce((a, b) => a > b ? a : b, 0n);
  assertEquals(kernel.readU64(memtable + MEMTABLE_STATE.FIRST_SEQ), least);
  assertEquals(kernel.readU64(memtable + MEMTABLE_STATE.LAST_SEQ), most);
  const latest = rows.filter(({ flags }) => (flags & RowFlag.CREATE) !== 0)
    .reduce((a, { createTs }) => createTs > a ? createTs : a, -(1n << 63n));
  assertEquals(kernel.readI64(memtable + MEMTABLE_STATE.MAX_CREATE_TS), latest);
}

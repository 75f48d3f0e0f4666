import fc from "fast-check";
import { compareBytes, toText } from "../../lib/base/bytes.ts";
import type { Row } from "../../lib/base/row.ts";
import { AbiError, BUILDER_STATE, RowFlag } from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryRow,
  arbitraryRows,
  copyRecords,
  decodeBlock,
  encodeBlock,
  EXAMPLE,
  fillMemtable,
  row,
  show,
} from "./blocks.ts";
import { KERNELS } from "./kernels.ts";

/** What a builder says about a block when it closes it. */
interface BuiltBlock {
  readonly bytes: Uint8Array;
  readonly separator: Uint8Array;
  readonly puts: number;
  readonly deletes: number;
  readonly merges: number;
  readonly firstSeq: bigint;
}

/** A builder, and its state as values. */
class Builder {
  readonly kernel: Kernel;
  readonly handle: number;

  constructor(kernel: Kernel, blockBytes: number, hashed = 0) {
    this.kernel = kernel;
    this.handle = kernel.exports.builder_create(blockBytes, hashed);
  }

  number(at: number): number {
    return this.kernel.view.getUint32(this.handle + at, true);
  }

  big(at: number): bigint {
    return this.kernel.readU64(this.handle + at);
  }

  slice(pointerAt: number, bytesAt: number): Uint8Array {
    return this.kernel.slice(this.number(pointerAt), this.number(bytesAt));
  }

  finishBlock(): BuiltBlock {
    const bytes = this.kernel.exports.builder_finish_block(this.handle);
    assertEquals(bytes, this.number(BUILDER_STATE.BLOCK_BYTES));
    assertEquals(this.number(BUILDER_STATE.BLOCK_ROWS), 0);
    return {
      bytes: this.slice(BUILDER_STATE.BLOCK, BUILDER_STATE.BLOCK_BYTES),
      separator: this.slice(
        BUILDER_STATE.SEPARATOR,
        BUILDER_STATE.SEPARATOR_BYTES,
      ),
      puts: this.number(BUILDER_STATE.BLOCK_PUTS),
      deletes: this.number(BUILDER_STATE.BLOCK_DELETES),
      merges: this.number(BUILDER_STATE.BLOCK_MERGES),
      firstSeq: this.big(BUILDER_STATE.BLOCK_FIRST_SEQ),
    };
  }

  /** Adds rows as packed records, in pieces of at most `most` rows. */
  add(rows: readonly Row[], most = Infinity): BuiltBlock[] {
    const blocks: BuiltBlock[] = [];
    for (let from = 0; from < rows.length; from += most) {
      const piece = rows.slice(from, from + most);
      const { pointer, bytes } = copyRecords(this.kernel, piece);
      for (let taken = 0; taken < bytes;) {
        taken += this.kernel.exports.builder_add(
          this.handle,
          pointer + taken,
          bytes - taken,
        );
        if (taken < bytes) blocks.push(this.finishBlock());
      }
      this.kernel.u8.fill(0xdd, pointer, pointer + bytes);
      this.kernel.free(pointer);
    }
    return blocks;
  }

  /** Adds the first rows of a memtable in commit order. */
  addChain(memtable: number, rows: number): BuiltBlock[] {
    const blocks: BuiltBlock[] = [];
    const first = this.kernel.view.getUint32(memtable + 36, true);
    let last = rows === 0 ? 0 : first;
    for (let n = 1; n < rows; n++) {
      last = this.kernel.view.getUint32(last + 36, true);
    }
    let record = rows === 0 ? 0 : first;
    while (record !== 0) {
      record = this.kernel.exports.builder_add_chain(this.handle, record, last);
      if (record !== 0) blocks.push(this.finishBlock());
    }
    return blocks;
  }

  free(): void {
    this.kernel.exports.builder_free(this.handle);
  }
}

/** The format's rule for where blocks end, by encoding each candidate. */
function cut(rows: readonly Row[], blockBytes: number): Row[][] {
  const blocks: Row[][] = [];
  for (const row of rows) {
    const last = blocks.at(-1);
    const fits = last !== undefined &&
      encodeBlock([...last, row]).length <= blockBytes;
    if (fits) last.push(row);
    else blocks.push([row]);
  }
  return blocks;
}

/** The format's rule for separators, by trying each prefix. */
function separator(blocks: readonly Row[][], n: number): Uint8Array {
  if (n === 0) return new Uint8Array(0);
  const last = blocks[n - 1]!.at(-1)!.key;
  const { key } = blocks[n]![0]!;
  for (let length = 1; length < key.length; length++) {
    const prefix = key.subarray(0, length);
    const same = compareBytes(prefix, last.subarray(0, length)) === 0;
    if (!same) return prefix;
  }
  return key;
}

function expected(rows: readonly Row[], blockBytes: number): BuiltBlock[] {
  const blocks = cut(rows, blockBytes);
  return blocks.map((rows, n) => ({
    bytes: encodeBlock(rows),
    separator: separator(blocks, n),
    puts: rows.filter(({ kind }) => kind === "put").length,
    deletes: rows.filter(({ kind }) => kind === "delete").length,
    merges: rows.filter(({ kind }) => kind === "merge").length,
    firstSeq: rows[0]!.seq,
  }));
}

for (const [name, create] of KERNELS) {
  test(`builder_add() of the ${name} writes the format's example`, () => {
    const kernel = create();
    const builder = new Builder(kernel, 4096);
    const rows = decodeBlock(kernel, EXAMPLE);
    assertEquals(builder.add(rows), []);
    const block = builder.finishBlock();
    assertEquals(block.bytes, EXAMPLE);
    assertEquals(block.separator, new Uint8Array(0));
    assertEquals([block.puts, block.deletes, block.merges], [2, 1, 0]);
    assertEquals(builder.big(BUILDER_STATE.RAW_KEY_BYTES), 18n);
    assertEquals(builder.big(BUILDER_STATE.RAW_VALUE_BYTES), 4n);
    const key = (pointer: number, bytes: number) =>
      toText(builder.slice(pointer, bytes));
    assertEquals(
      key(BUILDER_STATE.FIRST_KEY, BUILDER_STATE.FIRST_KEY_BYTES),
      "apple",
    );
    assertEquals(
      key(BUILDER_STATE.LAST_KEY, BUILDER_STATE.LAST_KEY_BYTES),
      "banana",
    );
    builder.free();
  });

  test(`builder_finish_block() of the ${name} gives nothing where there are no rows`, () => {
    const kernel = create();
    const builder = new Builder(kernel, 4096, 1);
    assertEquals(kernel.exports.builder_finish_block(builder.handle), 0);
    builder.free();
    assertEquals(kernel.exports.memory_used(), 0);
  });

  test(`builder_add() of the ${name} accepts the first row of a block whatever its size`, () => {
    const kernel = create();
    const builder = new Builder(kernel, 1024);
    const large = row("put", "b", 1, "v".repeat(100_000));
    const rows = [row("put", "a", 1), large, row("put", "c", 1)];
    const blocks = [...builder.add(rows), builder.finishBlock()];
    assertEquals(blocks.map(({ bytes }) => decodeBlock(kernel, bytes).length), [
      ...[1, 1, 1],
    ]);
    assertEquals(show(decodeBlock(kernel, blocks[1]!.bytes)), show([large]));
    builder.free();
  });

  test(`builder_add() of the ${name} gives separators by the format's rule`, () => {
    const kernel = create();
    const keys = ["abcd", "abce", "abcexyz", "abcexyz", "b", "ba", "baa"];
    const builder = new Builder(kernel, 1);
    const rows = keys.map((key, n) => row("put", key, 99 - n));
    const blocks = [...builder.add(rows), builder.finishBlock()];
    assertEquals(blocks.map(({ separator }) => toText(separator)), [
      ...["", "abce", "abcex", "abcexyz", "b", "ba", "baa"],
    ]);
    builder.free();
  });

  test(`builder_add() of the ${name} leaves out the value of a tombstone`, () => {
    const kernel = create();
    const builder = new Builder(kernel, 4096);
    const { pointer, bytes } = copyRecords(kernel, [row("put", "k", 1, "v")]);
    kernel.view.setUint32(pointer + 32, RowFlag.TOMBSTONE, true);
    assertEquals(
      kernel.exports.builder_add(builder.handle, pointer, bytes),
      bytes,
    );
    assertEquals(
      builder.finishBlock().bytes,
      encodeBlock([row("delete", "k", 1)]),
    );
    assertEquals(builder.big(BUILDER_STATE.RAW_VALUE_BYTES), 0n);
    builder.free();
  });

  test(`builder_add() of the ${name} says when memory is exhausted`, () => {
    const kernel = create();
    const builder = new Builder(kernel, 4096, 1);
    const { pointer, bytes } = copyRecords(kernel, [
      row("put", "k", 1, "v".repeat(50_000)),
    ]);
    kernel.exports.memory_limit(kernel.u8.length);
    while (kernel.alloc(30_000) !== 0);
    while (kernel.alloc(64) !== 0);
    const { builder_add, builder_add_chain } = kernel.exports;
    if (name === "twin") {
      // Its block lies outside of the memory: only closing it fails.
      builder_add(builder.handle, pointer, bytes);
      const { builder_finish_block } = kernel.exports;
      const closed = builder_finish_block(builder.handle);
      assertEquals(closed, AbiError.OUT_OF_MEMORY);
      return;
    }
    const { OUT_OF_MEMORY } = AbiError;
    assertEquals(builder_add(builder.handle, pointer, bytes), OUT_OF_MEMORY);
    assertEquals(
      builder_add_chain(builder.handle, pointer, pointer),
      OUT_OF_MEMORY,
    );
  });
}

test("builder_hashes() has the hash of each row's key, in order", () => {
  for (const [name, create] of KERNELS) {
    const kernel = create();
    kernel.scratchKey("room for a key");
    const used = kernel.exports.memory_used();
    const builder = new Builder(kernel, 200, 1);
    assertEquals(kernel.exports.builder_hashes(builder.handle), 0, name);
    const rows = ["a", "b", "b", "longer"].map((key, i) =>
      row("put", key, 9 - i)
    );
    builder.add(rows);
    const at = kernel.exports.builder_hashes(builder.handle);
    const hashes = rows.map((_, i) => kernel.readU64(at + 8 * i));
    const expected = rows.map(({ key }) => {
      const length = kernel.scratchKey(key);
      const hash = kernel.exports.siphash13(kernel.scratchPointer, length);
      return BigInt.asUintN(64, hash);
    });
    assertEquals(hashes, expected, name);
    builder.free();

    const without = new Builder(kernel, 200);
    without.add(rows);
    assertEquals(kernel.exports.builder_hashes(without.handle), 0, name);
    without.free();
    assertEquals(kernel.exports.memory_used(), used, name);
  }
});

test("property: blocks, separators and statistics are those of the format", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    arbitraryRows(80),
    fc.integer({ min: 1, max: 600 }),
    fc.integer({ min: 1, max: 30 }),
    fc.constantFrom(0, 1),
    (rows, blockBytes, most, hashed) => {
      const hashes = kernels.map((kernel) => {
        const used = kernel.exports.memory_used();
        const builder = new Builder(kernel, blockBytes, hashed);
        const blocks = builder.add(rows, most);
        if (rows.length > 0) blocks.push(builder.finishBlock());
        assertEquals(blocks, expected(rows, blockBytes));
        const { number, big } = {
          number: (at: number) => builder.number(at),
          big: (at: number) => builder.big(at),
        };
        assertEquals(number(BUILDER_STATE.ROWS), rows.length);
        const seqs = rows.map(({ seq }) => seq).sort((a, b) => a < b ? -1 : 1);
        assertEquals(big(BUILDER_STATE.MIN_SEQ), seqs[0] ?? 0n);
        assertEquals(big(BUILDER_STATE.MAX_SEQ), seqs.at(-1) ?? 0n);
        const sum = (of: (row: Row) => Uint8Array) =>
          BigInt(rows.reduce((sum, row) => sum + of(row).length, 0));
        assertEquals(big(BUILDER_STATE.RAW_KEY_BYTES), sum(({ key }) => key));
        assertEquals(
          big(BUILDER_STATE.RAW_VALUE_BYTES),
          sum((row) => row.value),
        );
        if (rows.length > 0) {
          const { FIRST_KEY, FIRST_KEY_BYTES, LAST_KEY, LAST_KEY_BYTES } =
            BUILDER_STATE;
          const first = builder.slice(FIRST_KEY, FIRST_KEY_BYTES);
          const last = builder.slice(LAST_KEY, LAST_KEY_BYTES);
          assertEquals([first, last], [rows[0]!.key, rows.at(-1)!.key]);
        }
        const at = kernel.exports.builder_hashes(builder.handle);
        assertEquals(at !== 0, hashed === 1 && rows.length > 0);
        const hashes = at === 0 ? [] : kernel.slice(at, 8 * rows.length);
        builder.free();
        assertEquals(kernel.exports.memory_used(), used);
        return hashes;
      });
      assertEquals(hashes[0], hashes[1]);
    },
  ));
});

test("property: builder_add_chain() takes rows in commit order up to the last", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    fc.array(arbitraryRow, { maxLength: 60 }),
    fc.nat(60),
    fc.integer({ min: 1, max: 600 }),
    (all, count, blockBytes) => {
      const rows = all.slice(0, count);
      for (const kernel of kernels) {
        const used = kernel.exports.memory_used();
        const memtable = fillMemtable(kernel, all);
        const builder = new Builder(kernel, blockBytes);
        const blocks = builder.addChain(memtable, rows.length);
        if (rows.length > 0) blocks.push(builder.finishBlock());
        assertEquals(
          blocks.map(({ bytes }) => bytes),
          cut(rows, blockBytes).map((rows) => encodeBlock(rows)),
        );
        assertEquals(
          blocks.map(({ firstSeq }) => firstSeq),
          cut(rows, blockBytes).map(([first]) => first!.seq),
        );
        builder.free();
        kernel.exports.memtable_free(memtable);
        assertEquals(kernel.exports.memory_used(), used);
      }
    },
  ));
});

import {
  AbiError,
  MERGE_STATE,
  MergeMode,
  MergeOption,
  MergeStatus,
} from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { copyRecords, encodeBlock, row } from "./blocks.ts";
import { Merging } from "./merging.ts";

const { VISIBLE } = MergeMode;
const { DESCENDING } = MergeOption;

test("merge_run() gives the memory of an uncommonly large batch back", () => {
  const kernel = Kernel.createSync();
  const rows = [row("put", "a", 1, "v".repeat(1 << 20)), row("put", "b", 1)];
  const sources = [{ blocks: rows.map((row) => [row]) }];
  const merging = new Merging(kernel, {
    mode: VISIBLE,
    sources,
    outputBytes: 4096,
  });
  merging.next();
  assert(kernel.exports.memory_used() > 1 << 20);
  merging.next();
  assert(kernel.exports.memory_used() < 1 << 15);
  merging.free();
});

test("a descending merge needs little memory for long keys that share almost all", () => {
  const kernel = Kernel.createSync();
  const rows = Array.from(
    { length: 2000 },
    (_, n) => row("put", "k".repeat(60_000) + String(n).padStart(4, "0"), 1),
  );
  const block = encodeBlock(rows, { restartsAt: () => false });
  assert(block.length < 100_000);
  const { exports } = kernel;
  const pointer = kernel.copyIn(block);
  assertEquals(exports.block_check(pointer, block.length), rows.length);
  const merge = exports.merge_create(1, VISIBLE, DESCENDING, 1);
  exports.merge_block(merge, 0, pointer, block.length);
  for (const { key } of rows.toReversed().slice(0, 100)) {
    assertEquals(exports.merge_run(merge, 1), MergeStatus.BATCH);
    const output = kernel.u32[(merge + MERGE_STATE.OUTPUT) / 4]!;
    assertEquals(kernel.slice(output + 40, key.length), key);
  }
  assert(exports.memory_used() < 1 << 20);
  exports.merge_free(merge);
});

test("merge_run() says when memory is exhausted, again and again", () => {
  const kernel = Kernel.createSync();
  const { exports } = kernel;
  const rows = [row("put", "a", 1, "v".repeat(50_000))];
  const block = encodeBlock(rows);
  const pointer = kernel.copyIn(block);
  const used = exports.memory_used();
  const merge = exports.merge_create(1, VISIBLE, 0, 1024);
  exports.merge_block(merge, 0, pointer, block.length);
  exports.memory_limit(kernel.u8.length);
  const held: number[] = [];
  for (let bytes = 1 << 20; bytes >= 64;) {
    const pointer = kernel.alloc(bytes);
    if (pointer === 0) bytes >>= 1;
    else held.push(pointer);
  }
  assertEquals(exports.merge_run(merge, 9), AbiError.OUT_OF_MEMORY);
  for (const pointer of held) kernel.free(pointer);
  assertEquals(exports.merge_run(merge, 9), AbiError.OUT_OF_MEMORY);
  exports.merge_free(merge);
  assertEquals(exports.memory_used(), used);
});

test("merge_bound() without memory makes every run fail", () => {
  const kernel = Kernel.createSync();
  const { exports } = kernel;
  const merge = exports.merge_create(0, VISIBLE, 0, 1024);
  exports.memory_limit(1);
  const { pointer } = copyRecords(kernel, [row("put", "a", 1)]);
  exports.merge_bound(merge, 0, pointer, 1 << 20, 1);
  assertEquals(exports.merge_run(merge, 9), AbiError.OUT_OF_MEMORY);
});

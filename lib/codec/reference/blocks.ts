/**
 * Block functions of the kernel's TypeScript twin: decode everything, then look.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import { AbiError, type KernelExports } from "../abi.ts";
import { writeRow } from "../row_record.ts";
import {
  BlockEncoder,
  type BlockRow,
  decodeBlock,
  decodeBlockV1,
} from "./block_format.ts";
import { decodeIndexBlock, pack, packedBytes } from "./index_block.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type BlockExports = Pick<
  KernelExports,
  | "block_check"
  | "block_from_v1"
  | "block_directory"
  | "block_get"
  | "index_seek"
  | "index_unpack"
>;

/**
 * Makes the block exports over a memory.
 *
 * @param memory Where pointers point to.
 * @returns The functions.
 */
export function createReferenceBlocks(memory: ReferenceMemory): BlockExports {
  const slice = (pointer: number, bytes: number) =>
    memory.u8.subarray(pointer, pointer + bytes);
  return {
    block_check: (block, bytes) =>
      decodeBlock(slice(block, bytes))?.length ?? AbiError.MALFORMED,
    block_from_v1: (block, bytes, target) =>
      fromV1(memory, slice(block, bytes), target),
    // Who looks at every row anyway has no use for one.
    block_directory: () => 0,
    block_get: (block, bytes, _directory, key, keyBytes, seqMax, found) => {
      const rows = decodeBlock(slice(block, bytes)) ?? [];
      const place = search(rows, slice(key, keyBytes), seqMax);
      if (typeof place === "number") return place;
      // Only the header: the value stays in the block.
      const record = { ...place.row, key: slice(0, 0), value: slice(0, 0) };
      writeRow(memory, found, record);
      memory.view.setUint32(found + 24, keyBytes, true);
      memory.view.setUint32(found + 28, place.row.value.length, true);
      memory.view.setUint32(found + 36, block + place.valueOffset, true);
      return 1;
    },
    index_unpack: (flatbuffer, bytes, dataEnd, index, offsets) => {
      const entries = decodeIndexBlock(slice(flatbuffer, bytes), dataEnd);
      if (entries === undefined) return AbiError.MALFORMED;
      return index === 0
        ? packedBytes(entries)
        : pack(memory, entries, dataEnd, index, offsets);
    },
    index_seek: (index, key, keyBytes) => {
      const u32 = (at: number) => memory.view.getUint32(index + 4 * at, true);
      for (let block = u32(0) - 1; block > 0; block--) {
        const start = u32(block + 1);
        const separator = slice(index + start, u32(block + 2) - start);
        if (compareBytes(separator, slice(key, keyBytes)) < 0) return block;
      }
      return 0;
    },
  };
}

/** The newest row of the key at or below `seqMax`; 0 if it is nowhere, 2 if it may come later. */
function search(
  rows: readonly BlockRow[],
  key: Uint8Array,
  seqMax: bigint,
): BlockRow | 0 | 2 {
  const limit = BigInt.asUintN(64, seqMax);
  for (const place of rows) {
    const order = compareBytes(place.row.key, key);
    if (order > 0) return 0;
    if (order === 0 && place.row.seq <= limit) return place;
  }
  return 2;
}

function fromV1(
  memory: ReferenceMemory,
  block: Uint8Array,
  target: number,
): number {
  const rows = decodeBlockV1(block);
  if (rows === undefined) return AbiError.MALFORMED;
  const encoder = new BlockEncoder();
  for (const row of rows) encoder.add(row);
  const bytes = encoder.finish();
  const pointer = memory.alloc(bytes.length);
  if (pointer === 0) return AbiError.OUT_OF_MEMORY;
  memory.u8.set(bytes, pointer);
  memory.view.setUint32(target, pointer, true);
  memory.view.setUint32(target + 4, bytes.length, true);
  return rows.length;
}

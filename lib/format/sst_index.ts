/**
 * The index block of an SST: where each data block starts, and a separator for
 * its keys.
 *
 * A separator is not a key: that of block 0 is empty, and that of a later block
 * is some byte string greater than the last key before it and not greater than
 * its own first key, unless both are the same key; it is then that key. So the
 * versions of one key may straddle blocks, and a lookup starts at the last block
 * whose separator is strictly less than the key. In a WAL file the separator is
 * the seq of the block's first row, 8 bytes big-endian.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { FlatTable } from "./flatbuffer_reader.ts";
import { finishBuffer, writeRefs, writeTable } from "./flatbuffer_writer.ts";

/** Bytes that an entry takes besides its separator; a guess for the first size. */
const ENTRY_BYTES = 40;

/** An index block. */
export interface SstIndex {
  /** Where each block starts, ascending; the last one ends at the data's end. */
  readonly offsets: ArrayLike<number>;
  /** A separator for each block. */
  readonly firstKeys: readonly Uint8Array[];
}

/**
 * Encodes an index block.
 *
 * @param index The index.
 * @returns A FlatBuffer, before compression and checksum.
 */
export function encodeIndex(index: SstIndex): Uint8Array {
  const { offsets, firstKeys } = index;
  const builder = new Builder(1024 + ENTRY_BYTES * firstKeys.length);
  const entries: number[] = [];
  for (let i = 0; i < firstKeys.length; i++) {
    const firstKey = builder.createByteVector(firstKeys[i]!);
    builder.startObject(2);
    builder.addFieldInt64(0, BigInt(offsets[i]!), 0n);
    builder.addFieldOffset(1, firstKey, 0);
    entries.push(builder.endObject());
  }
  const blocks = writeRefs(builder, entries);
  return finishBuffer(builder, writeTable(builder, [[0, "ref", blocks]]));
}

/**
 * The inverse of {@linkcode encodeIndex}.
 *
 * @param bytes A FlatBuffer, after decompression; the result refers to it.
 * @param dataEnd Where the data blocks end.
 * @returns The index.
 * @throws {DbError} Kind `"data"` if it is damaged, or if a block would be empty
 * or lie outside the data.
 */
export function decodeIndex(bytes: Uint8Array, dataEnd: number): SstIndex {
  const root = FlatTable.root(bytes, "SST index");
  const entries = root.required(root.tables(0), "the list of blocks");
  const offsets = new Float64Array(entries.length);
  const firstKeys: Uint8Array[] = [];
  let previous = -1;
  for (const entry of entries) {
    const offset = entry.size(0);
    if (offset <= previous || offset >= dataEnd) {
      throw entry.damage(`a block at ${offset} of ${dataEnd} bytes of data`);
    }
    previous = offset;
    offsets[firstKeys.length] = offset;
    firstKeys.push(entry.required(entry.bytes(1), "a separator"));
  }
  return { offsets, firstKeys };
}

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
import {
  finishBuffer,
  inOneStep,
  writeRefsInSteps,
  writeTable,
} from "./flatbuffer_writer.ts";

/** Enough for the index of a short SST; it grows. */
const FIRST_BYTES = 1024;

/** An index block. */
export interface SstIndex {
  /** Where each block starts, ascending; the last one ends at the data's end. */
  readonly offsets: ArrayLike<number>;
  /** A separator for each block. */
  readonly firstKeys: readonly Uint8Array[];
}

/**
 * An index block under construction. Nearly all of the work is done as blocks
 * come, so that the end of a long SST is no long step.
 */
export class IndexWriter {
  readonly #builder = new Builder(FIRST_BYTES);
  readonly #entries: number[] = [];

  /**
   * Adds the next block.
   *
   * @param offset Where it starts.
   * @param firstKey Its separator; copied.
   */
  add(offset: number, firstKey: Uint8Array): void {
    const builder = this.#builder;
    const key = builder.createByteVector(firstKey);
    builder.startObject(2);
    builder.addFieldInt64(0, BigInt(offset), 0n);
    builder.addFieldOffset(1, key, 0);
    this.#entries.push(builder.endObject());
  }

  /**
   * Ends the index, in short steps; nothing can be added afterwards.
   *
   * @returns A FlatBuffer, before compression and checksum.
   */
  *finish(): Generator<void, Uint8Array> {
    const builder = this.#builder;
    const blocks = yield* writeRefsInSteps(builder, this.#entries);
    return finishBuffer(builder, writeTable(builder, [[0, "ref", blocks]]));
  }
}

/**
 * Encodes an index block.
 *
 * @param index The index.
 * @returns A FlatBuffer, before compression and checksum.
 */
export function encodeIndex(index: SstIndex): Uint8Array {
  const { offsets, firstKeys } = index;
  const writer = new IndexWriter();
  for (let i = 0; i < firstKeys.length; i++) {
    writer.add(offsets[i]!, firstKeys[i]!);
  }
  return inOneStep(writer.finish());
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

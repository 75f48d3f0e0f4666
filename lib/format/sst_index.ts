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
/** How often a byte may be part of a separator, on average. */
const MAX_SHARING = 4;
/** Shorter separators are copied byte by byte: a view costs more. */
const MAX_LOOP_BYTES = 64;
const TWO_32 = 0x1_0000_0000;

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
  const { offsets, starts, lengths } = locateEntries(bytes, dataEnd);
  const firstKeys: Uint8Array[] = [];
  for (let i = 0; i < starts.length; i++) {
    const start = starts[i]!;
    firstKeys.push(bytes.subarray(start, start + lengths[i]!));
  }
  return { offsets: offsets.subarray(0, starts.length), firstKeys };
}

/** An index block as a reader keeps it. */
export interface PackedIndex {
  /** Where each block starts, then where the last one ends. */
  readonly offsets: Float64Array<ArrayBuffer>;
  /** The separators as {@linkcode packIndex} lays them out. */
  readonly packed: Uint8Array<ArrayBuffer>;
}

/**
 * {@linkcode decodeIndex} and {@linkcode packIndex} in one, without an object
 * per block.
 *
 * @param bytes A FlatBuffer, after decompression.
 * @param dataEnd Where the data blocks end.
 * @returns The index; nothing in it refers to `bytes`.
 * @throws {DbError} Kind `"data"` if it is damaged, or if a block would be empty
 * or lie outside the data.
 */
export function decodePackedIndex(
  bytes: Uint8Array,
  dataEnd: number,
): PackedIndex {
  const { offsets, starts, lengths } = locateEntries(bytes, dataEnd);
  const packed = layOut(lengths);
  let at = packed.length - sum(lengths);
  for (let i = 0; i < starts.length; i++) {
    const length = lengths[i]!;
    const start = starts[i]!;
    if (length > MAX_LOOP_BYTES) {
      packed.set(bytes.subarray(start, start + length), at);
    } else {
      for (let j = 0; j < length; j++) packed[at + j] = bytes[start + j]!;
    }
    at += length;
  }
  return { offsets, packed };
}

/**
 * Lays out the separators for the kernel's `index_seek`:
 * `count u32 | offsets u32[count + 1] | separators`, little-endian, offsets from
 * the start.
 *
 * @param index The index.
 * @returns Bytes to copy into the kernel's memory.
 */
export function packIndex(index: SstIndex): Uint8Array<ArrayBuffer> {
  const lengths = Uint32Array.from(index.firstKeys, (key) => key.length);
  const packed = layOut(lengths);
  let at = packed.length - sum(lengths);
  for (const key of index.firstKeys) {
    packed.set(key, at);
    at += key.length;
  }
  return packed;
}

/** Count and offsets, and room for the separators. */
function layOut(lengths: Uint32Array): Uint8Array<ArrayBuffer> {
  let offset = 4 * (lengths.length + 2);
  const packed = new Uint8Array(offset + sum(lengths));
  const view = new DataView(packed.buffer);
  view.setUint32(0, lengths.length, true);
  for (let i = 0; i < lengths.length; i++) {
    view.setUint32(4 + 4 * i, offset, true);
    offset += lengths[i]!;
  }
  view.setUint32(4 + 4 * lengths.length, offset, true);
  return packed;
}

function sum(lengths: Uint32Array): number {
  let total = 0;
  for (const length of lengths) total += length;
  return total;
}

/** Where everything stands in an index block. */
interface Entries {
  /** Where each data block starts, then where the last one ends. */
  readonly offsets: Float64Array<ArrayBuffer>;
  /** Positions of the separators in the buffer. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
}

/**
 * Finds the entries by position rather than as tables, reading whole words: a
 * large SST has tens of thousands of them, and every cold read starts here, in
 * code that no compiler has seen yet.
 */
function locateEntries(bytes: Uint8Array, dataEnd: number): Entries {
  const root = FlatTable.root(bytes, "SST index");
  const { start, count } = root.required(root.vector(0, 4), "the block list");
  const words = toWords(bytes);
  const end = bytes.length;
  const offsets = new Float64Array(count + 1);
  const starts = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  let shape: EntryShape = { vtable: -1, bytes: 0, offset: 0, key: 0 };
  let previous = -1;
  let budget = MAX_SHARING * end;
  for (let i = 0; i < count; i++) {
    const reference = start + 4 * i;
    const entry = reference + words[reference >>> 2]!;
    if (entry + 4 > end) throw root.damage("an entry out of bounds");
    const vtable = entry - (words[entry >>> 2]! | 0);
    if (vtable !== shape.vtable) shape = readShape(root, bytes, vtable);
    if (entry + shape.bytes > end) throw root.damage("an entry out of bounds");
    const field = (entry + shape.offset) >>> 2;
    const offset = shape.offset === 0
      ? 0
      : words[field]! + TWO_32 * words[field + 1]!;
    if (offset <= previous || offset >= dataEnd) {
      throw root.damage(`a block at ${offset} of ${dataEnd} bytes of data`);
    }
    previous = offset;
    const keyField = entry + shape.key;
    const key = keyField + words[keyField >>> 2]!;
    if (key + 4 > end) throw root.damage("a separator out of bounds");
    const length = words[key >>> 2]!;
    budget -= length;
    if (key + 4 + length > end || budget < 0) {
      throw root.damage("a separator out of bounds");
    }
    if (((start | entry | shape.offset | shape.key | key) & 3) !== 0) {
      throw root.damage("a reference to an odd place");
    }
    offsets[i] = offset;
    starts[i] = key + 4;
    lengths[i] = length;
  }
  offsets[count] = dataEnd;
  return { offsets, starts, lengths };
}

/** The whole words of a buffer, which are all of it but padding. */
function toWords(bytes: Uint8Array): Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Uint32Array(
    aligned.buffer,
    aligned.byteOffset,
    aligned.length >>> 2,
  );
}

/** Where entries with one vtable have their fields. */
interface EntryShape {
  readonly vtable: number;
  /** Length of the entry. */
  readonly bytes: number;
  /** Where the block's offset is; 0 where it is left out. */
  readonly offset: number;
  /** Where the reference to the separator is. */
  readonly key: number;
}

function readShape(
  root: FlatTable,
  buffer: Uint8Array,
  vtable: number,
): EntryShape {
  const end = buffer.length;
  const u16 = (at: number) => buffer[at]! | buffer[at + 1]! << 8;
  if (vtable < 0 || vtable + 4 > end) throw root.damage("a vtable");
  const length = u16(vtable);
  const bytes = u16(vtable + 2);
  if (length < 8 || vtable + length > end) throw root.damage("a vtable");
  const offset = u16(vtable + 4);
  const key = u16(vtable + 6);
  if (offset !== 0 && (offset < 4 || offset + 8 > bytes)) {
    throw root.damage("a field outside its table");
  }
  if (key < 4 || key + 4 > bytes) throw root.damage("a separator is missing");
  return { vtable, bytes, offset, key };
}

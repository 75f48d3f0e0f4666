/**
 * An SST's index block, for the kernel's TypeScript twin.
 *
 * @module
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { sharedLength } from "./block_format.ts";
import type { ReferenceMemory } from "./memory.ts";

/** One data block, by its index entry. */
export interface IndexEntry {
  /** Where the block starts. */
  readonly offset: number;
  /** What all its keys are at or above. */
  readonly separator: Uint8Array;
}

/** Separators may share bytes, but not without end. */
const MAX_SHARING = 4;

class Damaged extends Error {}

/**
 * Reads the FlatBuffer.
 *
 * @param bytes The index block, decompressed.
 * @param dataEnd Where the data blocks end.
 * @returns The entries, or `undefined` where they are not what they must be.
 */
export function decodeIndexBlock(
  bytes: Uint8Array,
  dataEnd: number,
): IndexEntry[] | undefined {
  try {
    return readEntries(new Buffer(bytes), dataEnd);
  } catch (error) {
    if (error instanceof Damaged) return undefined;
    throw error;
  }
}

function readEntries(buffer: Buffer, dataEnd: number): IndexEntry[] {
  const list = buffer.field(buffer.u32(0), 0, 4);
  if (list === 0) throw new Damaged();
  const start = list + buffer.u32(list);
  const count = buffer.u32(start);
  buffer.slice(start + 4, 4 * count);
  const entries: IndexEntry[] = [];
  let previous = -1;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const reference = start + 4 + 4 * i;
    const entry = reference + buffer.u32(reference);
    const offsetAt = buffer.field(entry, 0, 8);
    const separatorAt = buffer.field(entry, 1, 4);
    if (separatorAt === 0) throw new Damaged();
    const offset = offsetAt === 0 ? 0 : buffer.u64(offsetAt);
    if (offset <= previous || offset >= dataEnd) throw new Damaged();
    previous = offset;
    const key = separatorAt + buffer.u32(separatorAt);
    const separator = buffer.slice(key + 4, buffer.u32(key));
    total += separator.length;
    if (total > MAX_SHARING * buffer.length) throw new Damaged();
    entries.push({ offset, separator });
  }
  return entries;
}

/** Reads inside bounds, or throws. */
class Buffer {
  readonly length: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.length = bytes.length;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u32(at: number): number {
    this.slice(at, 4);
    return this.#view.getUint32(at, true);
  }

  u64(at: number): number {
    this.slice(at, 8);
    return Number(this.#view.getBigUint64(at, true));
  }

  slice(at: number, bytes: number): Uint8Array {
    if (at < 0 || at + bytes > this.length) throw new Damaged();
    return this.#bytes.subarray(at, at + bytes);
  }

  /** Where a table has a field; 0: left out. */
  field(table: number, field: number, bytes: number): number {
    const vtable = table - (this.u32(table) | 0);
    this.slice(vtable, 4);
    const vtableBytes = this.#view.getUint16(vtable, true);
    const tableBytes = this.#view.getUint16(vtable + 2, true);
    this.slice(vtable, vtableBytes);
    this.slice(table, tableBytes);
    const slot = 4 + 2 * field;
    if (slot + 2 > vtableBytes) return 0;
    const offset = this.#view.getUint16(vtable + slot, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + bytes > tableBytes) throw new Damaged();
    return table + offset;
  }
}

/**
 * Bytes of the kernel's layout.
 *
 * @param entries The entries.
 * @returns How many.
 */
export function packedBytes(entries: readonly IndexEntry[]): number {
  return entries.reduce(
    (sum, { separator }) => sum + separator.length,
    4 * (entries.length + 2) + 4 * (entries.length + 1),
  );
}

/**
 * Writes the kernel's layout.
 *
 * @param memory Where to.
 * @param entries The entries.
 * @param dataEnd Where the data blocks end.
 * @param index Address of the index.
 * @param offsets Address of the blocks' starts.
 * @returns How many entries there are.
 */
export function pack(
  memory: ReferenceMemory,
  entries: readonly IndexEntry[],
  dataEnd: number,
  index: number,
  offsets: number,
): number {
  const { view, u8 } = memory;
  const count = entries.length;
  let at = 4 * (count + 2);
  view.setUint32(index, count, true);
  entries.forEach(({ offset, separator }, i) => {
    view.setFloat64(offsets + 8 * i, offset, true);
    view.setUint32(index + 4 + 4 * i, at, true);
    u8.set(separator, index + at);
    at += separator.length;
  });
  view.setUint32(index + 4 + 4 * count, at, true);
  view.setFloat64(offsets + 8 * count, dataEnd, true);
  const [, first = EMPTY_BYTES, ...others] = entries.map((entry) =>
    entry.separator
  );
  const skip = others.reduce(
    (skip, other) => Math.min(skip, sharedLength(first, other)),
    first.length,
  );
  view.setUint32(index + at, skip, true);
  entries.forEach(({ separator }, i) => {
    const window = new Uint8Array(4);
    if (i > 0) window.set(separator.subarray(skip, skip + 4));
    const word = new DataView(window.buffer).getUint32(0);
    view.setUint32(index + at + 4 + 4 * i, word, true);
  });
  return count;
}

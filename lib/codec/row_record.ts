/**
 * Row records in the kernel's memory (see `abi.ts`) to and from {@linkcode Row}s.
 *
 * For slow paths and tests: every row read is a copy in arrays of its own. Paths
 * that touch many rows read the fields in place.
 *
 * @module
 */
import type { Row, RowKind } from "../base/row.ts";
import { ROW_HEADER_BYTES, RowFlag } from "./abi.ts";

/** Linear memory: a `Kernel`, or whatever else has current views of one. */
export interface LinearMemory {
  /** All of the memory as bytes. */
  readonly u8: Uint8Array<ArrayBuffer>;
  /** All of the memory for integers. */
  readonly view: DataView<ArrayBuffer>;
}

/**
 * The flags of a row in the file format.
 *
 * @param row The row.
 * @returns Bits of {@linkcode RowFlag}.
 */
export function rowFlags(row: Row): number {
  return (row.kind === "delete" ? RowFlag.TOMBSTONE : 0) |
    (row.kind === "merge" ? RowFlag.MERGE : 0) |
    (row.expireTs === undefined ? 0 : RowFlag.EXPIRE) |
    (row.createTs === undefined ? 0 : RowFlag.CREATE);
}

/**
 * What a row with these flags says about its key.
 *
 * @param flags Bits of {@linkcode RowFlag}.
 * @returns The kind.
 */
export function rowKind(flags: number): RowKind {
  if ((flags & RowFlag.TOMBSTONE) !== 0) return "delete";
  return (flags & RowFlag.MERGE) !== 0 ? "merge" : "put";
}

/**
 * Bytes of a row's record, padding included.
 *
 * @param row The row.
 * @returns A multiple of 8.
 */
export function rowRecordBytes(row: Row): number {
  const bytes = ROW_HEADER_BYTES + row.key.length + row.value.length;
  return Math.ceil(bytes / 8) * 8;
}

/**
 * Reads the record at `pointer`, copying key and value.
 *
 * @param memory Where the record is.
 * @param pointer Its address.
 * @returns The row.
 */
export function readRow(memory: LinearMemory, pointer: number): Row {
  const { u8, view } = memory;
  const keyLen = view.getUint32(pointer + 24, true);
  const valueLen = view.getUint32(pointer + 28, true);
  const flags = view.getUint32(pointer + 32, true);
  const key = pointer + ROW_HEADER_BYTES;
  const value = key + keyLen;
  return {
    key: u8.slice(key, value),
    value: u8.slice(value, value + valueLen),
    seq: view.getBigUint64(pointer, true),
    kind: rowKind(flags),
    ...(flags & RowFlag.CREATE) !== 0 &&
      { createTs: view.getBigInt64(pointer + 8, true) },
    ...(flags & RowFlag.EXPIRE) !== 0 &&
      { expireTs: view.getBigInt64(pointer + 16, true) },
  };
}

/**
 * Writes a row as the record at `pointer`; its link leads to the byte after it,
 * as in a merge's output.
 *
 * @param memory Where to write.
 * @param pointer The record's address, a multiple of 8.
 * @param row The row.
 * @returns {@linkcode rowRecordBytes}.
 */
export function writeRow(
  memory: LinearMemory,
  pointer: number,
  row: Row,
): number {
  const { u8, view } = memory;
  const bytes = rowRecordBytes(row);
  view.setBigUint64(pointer, row.seq, true);
  view.setBigInt64(pointer + 8, row.createTs ?? 0n, true);
  view.setBigInt64(pointer + 16, row.expireTs ?? 0n, true);
  view.setUint32(pointer + 24, row.key.length, true);
  view.setUint32(pointer + 28, row.value.length, true);
  view.setUint32(pointer + 32, rowFlags(row), true);
  view.setUint32(pointer + 36, bytes, true);
  u8.set(row.key, pointer + ROW_HEADER_BYTES);
  u8.set(row.value, pointer + ROW_HEADER_BYTES + row.key.length);
  return bytes;
}

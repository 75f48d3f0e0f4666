/**
 * The rows and restarts of a V2 block that `block_check` has accepted.
 *
 *   row: shared varint | suffix length varint | value length varint
 *        | suffix | value | seq u64 | flags u8 | [expire i64] | [create i64]
 *   block: rows | restart offsets u16[] | their count u16
 *
 * All integers are big-endian. Nothing here checks a bound.
 */
import { readVarint, varintEnd } from "./varint";

/** Rows from one restart to the next, as the builder writes them. */
export const RESTART_INTERVAL: u32 = 16;
/** Bytes of a row after its value, without timestamps. */
export const ROW_TAIL: u32 = 9;

/** What {@link readRowHead} found. */
export let rowShared: u32 = 0;
export let rowSuffix: u32 = 0;
export let rowValue: u32 = 0;

/** Reads the three lengths of a row; returns where its suffix begins. */
// @ts-ignore: decorator
@inline
export function readRowHead(row: usize): usize {
  const word = load<u32>(row);
  if (word & 0x808080) return readLongHead(row);
  rowShared = word & 0x7f;
  rowSuffix = (word >>> 8) & 0x7f;
  rowValue = (word >>> 16) & 0x7f;
  return row + 3;
}

function readLongHead(row: usize): usize {
  rowShared = readVarint(row, usize.MAX_VALUE);
  rowSuffix = readVarint(varintEnd, usize.MAX_VALUE);
  rowValue = readVarint(varintEnd, usize.MAX_VALUE);
  return varintEnd;
}

/** Bytes of the two optional timestamps under these flags. */
// @ts-ignore: decorator
@inline
export function timestampBytes(flags: u32): u32 {
  return ((flags & 2) << 2) + ((flags & 4) << 1);
}

/** The row behind the one with this tail, which follows the value. */
// @ts-ignore: decorator
@inline
export function rowBehind(tail: usize): usize {
  return tail + ROW_TAIL + timestampBytes(load<u8>(tail, 8));
}

/** A big-endian u16. */
// @ts-ignore: decorator
@inline
export function loadU16(at: usize): u32 {
  return bswap(load<u16>(at));
}

/** A big-endian u64. */
// @ts-ignore: decorator
@inline
export function loadU64(at: usize): u64 {
  return bswap(load<u64>(at));
}

/** How many restarts the block has. */
// @ts-ignore: decorator
@inline
export function restartCount(block: usize, bytes: u32): u32 {
  return loadU16(block + bytes - 2);
}

/** Where the rows end and the restart offsets begin. */
// @ts-ignore: decorator
@inline
export function rowsEnd(block: usize, bytes: u32): usize {
  return block + bytes - 2 - (restartCount(block, bytes) << 1);
}

/** The row of a restart. */
// @ts-ignore: decorator
@inline
export function restartRow(block: usize, restarts: usize, index: u32): usize {
  return block + loadU16(restarts + (index << 1));
}

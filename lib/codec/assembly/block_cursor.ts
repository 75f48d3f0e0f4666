/**
 * A cursor over the rows of checked V2 blocks, going forward, block after block.
 *
 *   +0  the row it stands on (see row_view.ts)
 *   +48 u32 block    +52 u32 end of its rows, where the restarts begin
 *   +56 u32 restarts +60 u32 next row
 *   +64 buffer for a key that lies in pieces; others are left where they are
 *   +72 what block_cursor_back.ts needs
 *
 * Moves return 1 on a row, 0 past the block's end, or OUT_OF_MEMORY. Past the
 * end nothing refers to the block any more.
 */
import {
  readRowHead,
  restartCount,
  restartRow,
  rowsEnd,
  rowShared,
  rowSuffix,
  rowValue,
} from "./block_row";
import { bufferData, bufferReserve, bufferRoom, copyWords } from "./buffer";
import { OUT_OF_MEMORY } from "./results";
import { compareKeys } from "./row";
import {
  equalKeys,
  VIEW_BYTES,
  VIEW_KEY,
  VIEW_KEY_LEN,
  VIEW_SAME,
  viewBlockRow,
} from "./row_view";

export const CURSOR_BLOCK: usize = VIEW_BYTES;
export const CURSOR_END: usize = VIEW_BYTES + 4;
export const CURSOR_RESTARTS: usize = VIEW_BYTES + 8;
const CURSOR_NEXT: usize = VIEW_BYTES + 12;
export const CURSOR_KEY: usize = VIEW_BYTES + 16;

/** Enters a block, before its first row. */
export function cursorEnter(cursor: usize, block: usize, bytes: u32): void {
  store<u32>(cursor, <u32>block, CURSOR_BLOCK);
  store<u32>(cursor, <u32>rowsEnd(block, bytes), CURSOR_END);
  store<u32>(cursor, restartCount(block, bytes), CURSOR_RESTARTS);
  store<u32>(cursor, <u32>block, CURSOR_NEXT);
}

/** Moves to the next row. */
export function cursorNext(cursor: usize): i32 {
  const row = load<u32>(cursor, CURSOR_NEXT);
  if (row == load<u32>(cursor, CURSOR_END)) return leave(cursor);
  const suffix = readRowHead(row);
  const value = suffix + rowSuffix;
  const valueLen = rowValue;
  if (!takeKey(cursor, suffix, rowShared, rowSuffix)) return OUT_OF_MEMORY;
  store<u32>(cursor, <u32>viewBlockRow(cursor, value, valueLen), CURSOR_NEXT);
  return 1;
}

/** Moves to the first row with a key >= (or >, unless `inclusive`) the given one. */
export function cursorSeek(
  cursor: usize,
  key: usize,
  keyLen: u32,
  inclusive: bool,
): i32 {
  const restart = restartsUpTo(cursor, key, keyLen, !inclusive);
  const block: usize = load<u32>(cursor, CURSOR_BLOCK);
  const end: usize = load<u32>(cursor, CURSOR_END);
  const row = restart ? restartRow(block, end, restart - 1) : block;
  store<u32>(cursor, <u32>row, CURSOR_NEXT);
  let moved = cursorNext(cursor);
  while (moved == 1) {
    const order = orderTo(cursor, key, keyLen);
    if (order > 0 || (order == 0 && inclusive)) break;
    moved = cursorNext(cursor);
  }
  return moved;
}

/** Order of the current row's key to the given one. */
// @ts-ignore: decorator
@inline
export function orderTo(cursor: usize, key: usize, keyLen: u32): i32 {
  const own: usize = load<u32>(cursor, VIEW_KEY);
  return compareKeys(own, load<u32>(cursor, VIEW_KEY_LEN), key, keyLen, 0);
}

/** How many restarts have a key < (or, with `orEqual`, <=) the given one. */
export function restartsUpTo(
  cursor: usize,
  key: usize,
  keyLen: u32,
  orEqual: bool,
): u32 {
  const block: usize = load<u32>(cursor, CURSOR_BLOCK);
  const end: usize = load<u32>(cursor, CURSOR_END);
  let low: u32 = 0;
  let high = load<u32>(cursor, CURSOR_RESTARTS);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const own = readRowHead(restartRow(block, end, middle));
    const order = compareKeys(own, rowSuffix, key, keyLen, 0);
    if (order < 0 || (order == 0 && orEqual)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Makes the key of the current one and the next row's suffix. */
// @ts-ignore: decorator
@inline
function takeKey(
  cursor: usize,
  suffix: usize,
  shared: u32,
  suffixLen: u32,
): bool {
  const key: usize = load<u32>(cursor, VIEW_KEY);
  const keyLen = load<u32>(cursor, VIEW_KEY_LEN);
  const same = equalKeys(suffix, suffixLen, key + shared, keyLen - shared);
  store<u32>(cursor, same, VIEW_SAME);
  if (same) return true;
  const length = shared + suffixLen;
  store<u32>(cursor, length, VIEW_KEY_LEN);
  if (!shared) {
    store<u32>(cursor, <u32>suffix, VIEW_KEY);
    return true;
  }
  const buffer = cursor + CURSOR_KEY;
  if (key != bufferData(buffer) || length > bufferRoom(buffer)) {
    if (!gatherKey(cursor, shared, length)) return false;
  }
  copyWords(bufferData(buffer) + shared, suffix, suffixLen);
  return true;
}

/** Brings the first bytes of the current key into the buffer, with room for more. */
function gatherKey(cursor: usize, kept: u32, bytes: u32): bool {
  const buffer = cursor + CURSOR_KEY;
  const key: usize = load<u32>(cursor, VIEW_KEY);
  const own = key == bufferData(buffer);
  if (!bufferReserve(buffer, bytes, own ? kept : 0)) return false;
  if (!own) copyWords(bufferData(buffer), key, kept);
  store<u32>(cursor, <u32>bufferData(buffer), VIEW_KEY);
  return true;
}

/** Frees the block: what is left of it, the last key, moves to the buffer. */
function leave(cursor: usize): i32 {
  const keyLen = load<u32>(cursor, VIEW_KEY_LEN);
  return !keyLen || gatherKey(cursor, keyLen, keyLen) ? 0 : OUT_OF_MEMORY;
}

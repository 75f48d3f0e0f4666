/**
 * The same cursor, going backward.
 *
 * A key is known only from its restart on, so one restart interval is gone
 * through forward, and then its rows are taken from behind. What each row cut
 * off from the key before it is kept on a stack: taking a row back puts it on
 * again. So an interval needs no more memory than the block has bytes, however
 * long its keys are.
 *
 *   +72 u32 interval  +76 u32 the current row's place in it
 *   +80 buffer of places: u32 row, u32 shared, u32 height of the stack before it
 *   +88 buffer of the stack  +96 u32 its height
 */
import {
  readRowHead,
  restartRow,
  rowBehind,
  rowShared,
  rowSuffix,
  rowValue,
} from "./block_row";
import {
  CURSOR_BLOCK,
  CURSOR_END,
  CURSOR_KEY,
  CURSOR_RESTARTS,
  orderTo,
  restartsUpTo,
} from "./block_cursor";
import { bufferData, bufferFree, bufferReserve, copyWords } from "./buffer";
import { OUT_OF_MEMORY } from "./results";
import { VIEW_KEY, VIEW_KEY_LEN, viewBlockRow } from "./row_view";

const INTERVAL: usize = CURSOR_KEY + 8;
const PLACE: usize = CURSOR_KEY + 12;
const PLACES: usize = CURSOR_KEY + 16;
const STACK: usize = CURSOR_KEY + 24;
const HEIGHT: usize = CURSOR_KEY + 32;
const PLACE_BYTES: u32 = 12;

/** Bytes of a cursor. */
export const CURSOR_BYTES: usize = CURSOR_KEY + 40;

/** Gives back what the cursor allocated. */
export function cursorFree(cursor: usize): void {
  bufferFree(cursor + CURSOR_KEY);
  bufferFree(cursor + PLACES);
  bufferFree(cursor + STACK);
}

/** Moves to the last row of the block just entered. */
export function cursorLast(cursor: usize): i32 {
  return enterInterval(cursor, load<u32>(cursor, CURSOR_RESTARTS) - 1);
}

/** Moves to the row before. */
export function cursorPrevious(cursor: usize): i32 {
  const place = load<u32>(cursor, PLACE);
  if (!place) {
    const interval = load<u32>(cursor, INTERVAL);
    return interval ? enterInterval(cursor, interval - 1) : 0;
  }
  const entry = bufferData(cursor + PLACES) + place * PLACE_BYTES;
  const shared = load<u32>(entry, 4);
  const height = load<u32>(entry, 8);
  const cut = load<u32>(cursor, HEIGHT) - height;
  copyWords(
    bufferData(cursor + CURSOR_KEY) + shared,
    bufferData(cursor + STACK) + height,
    cut,
  );
  store<u32>(cursor, shared + cut, VIEW_KEY_LEN);
  store<u32>(cursor, height, HEIGHT);
  takeRow(cursor, place - 1);
  return 1;
}

/** Moves to the last row with a key <= (or <, unless `inclusive`) the given one. */
export function cursorSeekBack(
  cursor: usize,
  key: usize,
  keyLen: u32,
  inclusive: bool,
): i32 {
  const restart = restartsUpTo(cursor, key, keyLen, inclusive);
  if (!restart) return 0;
  let moved = enterInterval(cursor, restart - 1);
  while (moved == 1) {
    const order = orderTo(cursor, key, keyLen);
    if (order < 0 || (order == 0 && inclusive)) break;
    moved = cursorPrevious(cursor);
  }
  return moved;
}

/** Goes through an interval, and stays on its last row. */
function enterInterval(cursor: usize, interval: u32): i32 {
  const block: usize = load<u32>(cursor, CURSOR_BLOCK);
  const end: usize = load<u32>(cursor, CURSOR_END);
  const key = cursor + CURSOR_KEY;
  const stack = cursor + STACK;
  const last = interval + 1 == load<u32>(cursor, CURSOR_RESTARTS);
  const stop = last ? end : restartRow(block, end, interval + 1);
  let row = restartRow(block, end, interval);
  let keyLen: u32 = 0;
  let height: u32 = 0;
  let places: u32 = 0;
  while (row < stop) {
    const suffix = readRowHead(row);
    const shared = rowShared;
    const length = shared + rowSuffix;
    const cut = keyLen - shared;
    if (!addPlace(cursor, places, row, shared, height)) return OUT_OF_MEMORY;
    if (!bufferReserve(stack, height + cut, height)) return OUT_OF_MEMORY;
    copyWords(bufferData(stack) + height, bufferData(key) + shared, cut);
    if (!bufferReserve(key, length, shared)) return OUT_OF_MEMORY;
    copyWords(bufferData(key) + shared, suffix, rowSuffix);
    keyLen = length;
    height += cut;
    places++;
    row = rowBehind(suffix + rowSuffix + rowValue);
  }
  store<u32>(cursor, <u32>bufferData(key), VIEW_KEY);
  store<u32>(cursor, keyLen, VIEW_KEY_LEN);
  store<u32>(cursor, interval, INTERVAL);
  store<u32>(cursor, height, HEIGHT);
  takeRow(cursor, places - 1);
  return 1;
}

function addPlace(
  cursor: usize,
  place: u32,
  row: usize,
  shared: u32,
  height: u32,
): bool {
  const places = cursor + PLACES;
  const bytes = place * PLACE_BYTES;
  if (!bufferReserve(places, bytes + PLACE_BYTES, bytes)) return false;
  const entry = bufferData(places) + bytes;
  store<u32>(entry, <u32>row);
  store<u32>(entry, shared, 4);
  store<u32>(entry, height, 8);
  return true;
}

/** Stands on a row whose key is in the buffer. */
function takeRow(cursor: usize, place: u32): void {
  store<u32>(cursor, place, PLACE);
  const row = load<u32>(bufferData(cursor + PLACES) + place * PLACE_BYTES);
  const suffix = readRowHead(row);
  viewBlockRow(cursor, suffix + rowSuffix, rowValue);
}

/**
 * One source of a merge: a memtable, or a stream of blocks.
 *
 *   +0   block cursor; its view is the row the source stands on
 *   +104 rank      wants a block < stands on a row < has ended
 *   +108 task      what is to be done with what the host gave
 *   +112 memtable  0 for a stream of blocks
 *   +116 placed    whether it has found its first row inside the bounds
 *   +120 memtable cursor
 *
 * What the host gives is only noted; the next run acts on it, once the bounds
 * are known and where an error can be returned.
 */
import { cursorEnter, cursorNext, cursorSeek } from "./block_cursor";
import {
  CURSOR_BYTES,
  cursorLast,
  cursorPrevious,
  cursorSeekBack,
} from "./block_cursor_back";
import { bufferData } from "./buffer";
import {
  CURSOR_BYTES as MEMTABLE_CURSOR_BYTES,
  mtCursorInit,
  mtCursorNext,
  mtCursorPrev,
  mtCursorSeek,
  mtCursorSeekBack,
  mtCursorSeekFirst,
  mtCursorSeekLast,
} from "./memtable_cursor";
import {
  BOUND_KIND,
  BOUND_LEN,
  CHANGED,
  COUNT,
  DESCENDING,
  firstBound,
  INCLUSIVE,
  SOURCES,
  UNBOUNDED,
} from "./merge_state";
import {
  equalKeys,
  VIEW_KEY,
  VIEW_KEY_LEN,
  VIEW_SAME,
  viewRecord,
} from "./row_view";

export const RANK: usize = CURSOR_BYTES;
export const TASK: usize = CURSOR_BYTES + 4;
const MEMTABLE: usize = CURSOR_BYTES + 8;
const PLACED: usize = CURSOR_BYTES + 12;
const MEMTABLE_CURSOR: usize = CURSOR_BYTES + 16;

/** Bytes of a source. */
export const SOURCE_BYTES: u32 = <u32>MEMTABLE_CURSOR + MEMTABLE_CURSOR_BYTES;

/** Ranks. */
const WANTS: u32 = 0;
export const READY: u32 = 1;
export const ENDED: u32 = 2;

/** Tasks. */
const NOTHING: u32 = 0;
const ENTER_BLOCK: u32 = 1;
const ENTER_MEMTABLE: u32 = 2;
const END: u32 = 3;

/** Source number `index`, which the host gives something; 0 if there is none. */
export function sourceGiven(merge: usize, index: u32): usize {
  if (index >= load<u32>(merge, COUNT)) return 0;
  store<u32>(merge, 1, CHANGED);
  return load<u32>(merge, SOURCES) + index * SOURCE_BYTES;
}

/** Makes the source a memtable. */
export function sourceMemtable(source: usize, memtable: usize): void {
  store<u32>(source, <u32>memtable, MEMTABLE);
  mtCursorInit(source + MEMTABLE_CURSOR, memtable);
  sourceForget(source);
}

/** Gives a stream of blocks its next one. */
export function sourceBlock(source: usize, block: usize, bytes: u32): void {
  // A key left over from a block that was not read to its end would dangle.
  if (load<u32>(source, RANK) == READY) store<u32>(source, 0, VIEW_KEY_LEN);
  store<u32>(source, 0, MEMTABLE);
  store<u32>(source, ENTER_BLOCK, TASK);
  cursorEnter(source, block, bytes);
}

/** Ends a stream of blocks. */
export function sourceEnd(source: usize): void {
  store<u32>(source, 0, MEMTABLE);
  store<u32>(source, END, TASK);
}

/** Forgets position and block. */
export function sourceForget(source: usize): void {
  store<u32>(source, WANTS, RANK);
  store<u32>(source, 0, PLACED);
  store<u32>(source, 0, VIEW_KEY_LEN);
  const memtable = load<u32>(source, MEMTABLE);
  store<u32>(source, memtable ? ENTER_MEMTABLE : NOTHING, TASK);
}

/** Does what is to be done; false when memory is exhausted. */
export function sourceSettle(merge: usize, source: usize): bool {
  const task = load<u32>(source, TASK);
  store<u32>(source, NOTHING, TASK);
  if (task == END) {
    store<u32>(source, ENDED, RANK);
    return true;
  }
  if (task == ENTER_MEMTABLE) {
    standOn(source, enterMemtable(merge, source));
    return true;
  }
  const moved = load<u32>(source, PLACED)
    ? load<u32>(merge, DESCENDING) ? cursorLast(source) : cursorNext(source)
    : enterBlock(merge, source);
  store<u32>(source, moved == 1 ? READY : WANTS, RANK);
  if (moved == 1) store<u32>(source, 1, PLACED);
  return moved >= 0;
}

/** Moves to the next row in the merge's order; false when memory is exhausted. */
export function sourceAdvance(source: usize, descending: u32): bool {
  if (load<u32>(source, MEMTABLE)) {
    const cursor = source + MEMTABLE_CURSOR;
    standOn(source, descending ? mtCursorPrev(cursor) : mtCursorNext(cursor));
    return true;
  }
  const moved = descending ? cursorPrevious(source) : cursorNext(source);
  if (moved == 1) return true;
  store<u32>(source, WANTS, RANK);
  return moved == 0;
}

/** The first record of the memtable inside the bounds, or 0. */
function enterMemtable(merge: usize, source: usize): usize {
  const cursor = source + MEMTABLE_CURSOR;
  const descending = load<u32>(merge, DESCENDING);
  const bound = firstBound(merge);
  const kind = load<u32>(bound, BOUND_KIND);
  if (kind == UNBOUNDED) {
    return descending ? mtCursorSeekLast(cursor) : mtCursorSeekFirst(cursor);
  }
  const key = bufferData(bound);
  const keyLen = load<u32>(bound, BOUND_LEN);
  return descending
    ? mtCursorSeekBack(cursor, key, keyLen, kind == INCLUSIVE)
    : mtCursorSeek(cursor, key, keyLen, kind == INCLUSIVE);
}

/** Moves to the first row of the block inside the bounds. */
function enterBlock(merge: usize, source: usize): i32 {
  const descending = load<u32>(merge, DESCENDING);
  const bound = firstBound(merge);
  const kind = load<u32>(bound, BOUND_KIND);
  if (kind == UNBOUNDED) {
    return descending ? cursorLast(source) : cursorNext(source);
  }
  const key = bufferData(bound);
  const keyLen = load<u32>(bound, BOUND_LEN);
  return descending
    ? cursorSeekBack(source, key, keyLen, kind == INCLUSIVE)
    : cursorSeek(source, key, keyLen, kind == INCLUSIVE);
}

/** Stands on a record of the memtable, or has ended. */
function standOn(source: usize, record: usize): void {
  store<u32>(source, record ? READY : ENDED, RANK);
  if (!record) return;
  const key = load<u32>(source, VIEW_KEY);
  const keyLen = load<u32>(source, VIEW_KEY_LEN);
  viewRecord(source, record);
  const same = equalKeys(
    load<u32>(source, VIEW_KEY),
    load<u32>(source, VIEW_KEY_LEN),
    key,
    keyLen,
  );
  store<u32>(source, same, VIEW_SAME);
}

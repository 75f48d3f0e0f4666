/**
 * Which rows of one key come out.
 *
 * A group is the rows of one key. Ascending, they arrive newest first and are
 * put out as they come; once the group is decided the rest is passed over.
 * Descending, they arrive oldest first: they are collected in the output, where
 * a record's link leads to the one before it, and go through the same decisions
 * from behind when the key ends.
 */
import { bufferAssign, bufferData } from "./buffer";
import { outputRow } from "./merge_output";
import {
  BOUND_KIND,
  BOUND_LEN,
  BYTES,
  COUNT,
  DESCENDING,
  DROP_TOMBSTONES,
  EXPIRED_MERGES,
  EXPIRED_PUTS,
  GROUP,
  GROUP_AT_BOUND,
  GROUP_COPY,
  GROUP_KEY,
  GROUP_KEY_LEN,
  GROUP_LAST,
  GROUP_ROWS,
  GROUP_SEQ,
  GROUP_START,
  HIDE_EXPIRED,
  INCLUSIVE,
  lastBound,
  MODE,
  NOW,
  OUTPUT,
  RAW,
  RETAIN_SEQ,
  ROWS,
  TRAIL_BYTES,
  TRAIL_ROWS,
  UNBOUNDED,
  VISIBLE,
} from "./merge_state";
import { OUT_OF_MEMORY } from "./results";
import {
  compareKeys,
  FLAG_CREATE,
  FLAG_EXPIRE,
  FLAG_MERGE,
  FLAG_TOMBSTONE,
  ROW_FLAGS,
  ROW_LINK,
  ROW_SEQ,
} from "./row";
import {
  VIEW_EXPIRE_TS,
  VIEW_FLAGS,
  VIEW_KEY,
  VIEW_KEY_LEN,
  VIEW_SEQ,
  VIEW_VALUE_LEN,
  viewRecord,
} from "./row_view";

/** States of a group: none, no row looked at yet, some looked at, the rest hidden. */
export const NONE: u32 = 0;
const FRESH: u32 = 1;
const SEEN: u32 = 2;
export const DECIDED: u32 = 3;

/** What is to become of a row: bits. */
const KEEP: u32 = 1;
const BURY: u32 = 2;
const STOP: u32 = 4;

/** A view for records that were collected. */
const COLLECTED = memory.data(48, 8);

/**
 * Opens the group of the row a source stands on: 1, or 0 where that row is past
 * the end of the merge, or OUT_OF_MEMORY.
 */
export function groupOpen(merge: usize, view: usize): i32 {
  const key: usize = load<u32>(view, VIEW_KEY);
  const keyLen = load<u32>(view, VIEW_KEY_LEN);
  const bound = lastBound(merge);
  const kind = load<u32>(bound, BOUND_KIND);
  const descending = load<u32>(merge, DESCENDING);
  store<u32>(merge, 0, GROUP_AT_BOUND);
  if (kind != UNBOUNDED) {
    const boundLen = load<u32>(bound, BOUND_LEN);
    const order = compareKeys(key, keyLen, bufferData(bound), boundLen, 0);
    if (order == 0 ? kind != INCLUSIVE : (order < 0) == (descending != 0)) {
      return 0;
    }
    store<u32>(merge, order == 0, GROUP_AT_BOUND);
  }
  // Going forward over one source, each row says itself whether its key is new.
  if (descending || load<u32>(merge, COUNT) > 1) {
    if (!bufferAssign(merge + GROUP_KEY, key, keyLen)) return OUT_OF_MEMORY;
    store<u32>(merge, keyLen, GROUP_KEY_LEN);
  }
  store<u32>(merge, FRESH, GROUP);
  if (descending) {
    store<u32>(merge, load<u32>(merge, ROWS), GROUP_ROWS);
    store<u32>(merge, load<u32>(merge, BYTES), GROUP_START);
  }
  return 1;
}

/** Adds a row to an ascending group; false when memory is exhausted. */
export function groupAdd(merge: usize, view: usize): bool {
  const seq = load<u64>(view, VIEW_SEQ);
  if (load<u32>(merge, MODE) != RAW) {
    // Of two rows with the same key and seq, the newer source's came first.
    const seen = load<u32>(merge, GROUP) == SEEN;
    if (seen && load<u64>(merge, GROUP_SEQ) == seq) return true;
    store<u32>(merge, SEEN, GROUP);
    store<u64>(merge, seq, GROUP_SEQ);
  }
  const verdict = judge(merge, view);
  if (verdict & KEEP && !keep(merge, view, verdict)) return false;
  if (verdict & STOP) {
    dropTrail(merge);
    store<u32>(merge, DECIDED, GROUP);
  }
  return true;
}

/** Adds a row to a descending group; false when memory is exhausted. */
export function groupCollect(merge: usize, view: usize): bool {
  const before = load<u32>(merge, GROUP) == SEEN ? makeWay(merge, view) : 0;
  const at = load<u32>(merge, BYTES);
  const flags = load<u32>(view, VIEW_FLAGS);
  const valueLen = load<u32>(view, VIEW_VALUE_LEN);
  const expireTs = load<i64>(view, VIEW_EXPIRE_TS);
  if (!outputRow(merge, view, flags, valueLen, expireTs)) return false;
  store<u32>(load<u32>(merge, OUTPUT) + at, before, ROW_LINK);
  store<u32>(merge, at, GROUP_LAST);
  store<u32>(merge, SEEN, GROUP);
  return true;
}

/** Removes collected records that the next row surely hides; returns where the last is. */
function makeWay(merge: usize, view: usize): u32 {
  const last = load<u32>(merge, GROUP_LAST);
  const mode = load<u32>(merge, MODE);
  if (mode == RAW) return last;
  const output: usize = load<u32>(merge, OUTPUT);
  const record = output + last;
  if (load<u64>(record, ROW_SEQ) == load<u64>(view, VIEW_SEQ)) {
    // Of two rows with the same key and seq, the newer source's comes last.
    store<u32>(merge, last, BYTES);
    return load<u32>(record, ROW_LINK);
  }
  const start = load<u32>(merge, GROUP_START);
  const rests = load<u32>(record, ROW_FLAGS) & FLAG_MERGE;
  if (mode != VISIBLE || rests || last == start) return last;
  const bytes = load<u32>(merge, BYTES) - last;
  memory.copy(output + start, record, bytes);
  store<u32>(merge, start + bytes, BYTES);
  return start;
}

/** Closes the group; false when memory is exhausted. */
export function groupClose(merge: usize): bool {
  if (load<u32>(merge, DESCENDING) && load<u32>(merge, GROUP) == SEEN) {
    if (!turnAround(merge)) return false;
  }
  dropTrail(merge);
  store<u32>(merge, NONE, GROUP);
  return true;
}

/** Puts out what was collected, from behind. */
function turnAround(merge: usize): bool {
  const start = load<u32>(merge, GROUP_START);
  let at = load<u32>(merge, GROUP_LAST);
  let records: usize = load<u32>(merge, OUTPUT) + start;
  const bytes = load<u32>(merge, BYTES) - start;
  store<u32>(merge, load<u32>(merge, GROUP_ROWS), ROWS);
  store<u32>(merge, start, BYTES);
  const alone = at == start && !load<u32>(merge, DROP_TOMBSTONES);
  if (at != start) {
    const copy = merge + GROUP_COPY;
    if (!bufferAssign(copy, records, bytes)) return false;
    records = bufferData(copy);
  }
  while (true) {
    const record = records + (at - start);
    viewRecord(COLLECTED, record);
    const before = load<u32>(record, ROW_LINK);
    const verdict = judge(merge, COLLECTED);
    if (alone && verdict == (KEEP | STOP)) {
      // As it is, and where it is.
      store<u32>(record, bytes, ROW_LINK);
      store<u32>(merge, start + bytes, BYTES);
      store<u32>(merge, load<u32>(merge, ROWS) + 1, ROWS);
      return true;
    }
    if (verdict & KEEP && !keep(merge, COLLECTED, verdict)) return false;
    if (verdict & STOP || at == start) return true;
    at = before;
  }
}

/** What is to become of the row a view stands on. */
// @ts-ignore: decorator
@inline
function judge(merge: usize, view: usize): u32 {
  const mode = load<u32>(merge, MODE);
  if (mode == RAW) return KEEP;
  const flags = load<u32>(view, VIEW_FLAGS);
  const rests = flags & FLAG_MERGE;
  const expired = flags & FLAG_EXPIRE &&
    load<i64>(view, VIEW_EXPIRE_TS) <= load<i64>(merge, NOW);
  if (mode == VISIBLE) {
    if (expired && load<u32>(merge, HIDE_EXPIRED)) return rests ? 0 : STOP;
    if (flags & FLAG_TOMBSTONE) return STOP;
    return rests ? KEEP : KEEP | STOP;
  }
  if (expired) {
    const count = merge + (rests ? EXPIRED_MERGES : EXPIRED_PUTS);
    store<u32>(count, load<u32>(count) + 1);
  }
  if (rests) return expired ? 0 : KEEP;
  const needed = load<u64>(view, VIEW_SEQ) > load<u64>(merge, RETAIN_SEQ);
  return KEEP | (expired ? BURY : 0) | (needed ? 0 : STOP);
}

/** Puts a row out; false when memory is exhausted. */
// @ts-ignore: decorator
@inline
function keep(merge: usize, view: usize, verdict: u32): bool {
  const at = load<u32>(merge, BYTES);
  let flags = load<u32>(view, VIEW_FLAGS);
  if (verdict & BURY) {
    flags = FLAG_TOMBSTONE | (flags & FLAG_CREATE);
    if (!outputRow(merge, view, flags, 0, 0)) return false;
  } else {
    const valueLen = load<u32>(view, VIEW_VALUE_LEN);
    const expireTs = load<i64>(view, VIEW_EXPIRE_TS);
    if (!outputRow(merge, view, flags, valueLen, expireTs)) return false;
  }
  if (load<u32>(merge, DROP_TOMBSTONES)) trail(merge, flags, at);
  return true;
}

/** Counts tombstones at the old end of what the group keeps. */
function trail(merge: usize, flags: u32, at: u32): void {
  let rows: u32 = 0;
  if (flags & FLAG_TOMBSTONE) {
    rows = load<u32>(merge, TRAIL_ROWS) + 1;
    if (rows == 1) store<u32>(merge, at, TRAIL_BYTES);
  }
  store<u32>(merge, rows, TRAIL_ROWS);
}

/** Takes those tombstones back. */
// @ts-ignore: decorator
@inline
function dropTrail(merge: usize): void {
  const rows = load<u32>(merge, TRAIL_ROWS);
  if (!rows) return;
  store<u32>(merge, load<u32>(merge, ROWS) - rows, ROWS);
  store<u32>(merge, load<u32>(merge, TRAIL_BYTES), BYTES);
  store<u32>(merge, 0, TRAIL_ROWS);
}

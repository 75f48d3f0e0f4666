/**
 * The merge: sorted sources to one stream of row records.
 *
 * See ../abi.ts for the contract. The parts: merge_state.ts (the header),
 * merge_source.ts (where the rows come from), merge_tree.ts (which comes next),
 * merge_group.ts (which come out), merge_output.ts (where they go).
 *
 * A key may have any number of versions, in any number of blocks and sources.
 * Nothing is asked for that is not needed: once a key is decided a batch can end
 * without a look at what follows. Sources that are out of order give rows that
 * are out of order, nothing worse.
 */
import { cursorFree } from "./block_cursor_back";
import { bufferAssign, bufferFree } from "./buffer";
import { alloc, free } from "./memory";
import {
  DECIDED,
  groupAdd,
  groupClose,
  groupCollect,
  groupOpen,
  NONE,
} from "./merge_group";
import { outputClear, outputFull } from "./merge_output";
import {
  ENDED,
  RANK,
  READY,
  SOURCE_BYTES,
  sourceAdvance,
  sourceBlock,
  sourceEnd,
  sourceForget,
  sourceGiven,
  sourceMemtable,
  sourceSettle,
  TASK,
} from "./merge_source";
import {
  BATCH_BYTES,
  BOUND_KIND,
  BOUND_LEN,
  BUILT,
  CHANGED,
  CONSUMED,
  COUNT,
  DELIVERED,
  DESCENDING,
  DROP_TOMBSTONES,
  EXCLUSIVE,
  FAILED,
  FINISHED,
  FIRST_ROOM,
  GROUP,
  GROUP_AT_BOUND,
  GROUP_COPY,
  GROUP_KEY,
  GROUP_KEY_LEN,
  HEADER_BYTES,
  HIDE_EXPIRED,
  INCLUSIVE,
  LOWER,
  MODE,
  NOW,
  OUTPUT_BUFFER,
  RETAIN,
  RETAIN_SEQ,
  SEQ_MAX,
  SOURCES,
  TRAIL_ROWS,
  TREE,
  UNBOUNDED,
  UPPER,
  WANTED,
} from "./merge_state";
import { treeBuild, treeReplay, treeWinner } from "./merge_tree";
import { OUT_OF_MEMORY } from "./results";
import {
  equalKeys,
  VIEW_KEY,
  VIEW_KEY_LEN,
  VIEW_SAME,
  VIEW_SEQ,
} from "./row_view";

const DONE: i32 = 0;
const BATCH: i32 = 1;
const WANT_BLOCK: i32 = 2;

const OPTION_DESCENDING: u32 = 1;
const OPTION_HIDE_EXPIRED: u32 = 2;
const OPTION_DROP_TOMBSTONES: u32 = 4;

const MAX_SOURCES: u32 = 1 << 20;
/** A first output is not larger than this, whatever the host's bound. */
const MAX_FIRST_ROOM: u32 = 1 << 20;
const MIN_FIRST_ROOM: u32 = 512;

/** See `merge_create` in ../abi.ts. */
export function merge_create(
  sources: u32,
  mode: u32,
  options: u32,
  outputBytes: u32,
): usize {
  if (mode > RETAIN || sources > MAX_SOURCES) return 0;
  const bytes = HEADER_BYTES + sources * SOURCE_BYTES + (sources << 2);
  const merge = alloc(bytes);
  if (!merge) return 0;
  memory.fill(merge, 0, bytes);
  const first = <u32>merge + HEADER_BYTES;
  store<u32>(merge, sources, COUNT);
  store<u32>(merge, first, SOURCES);
  store<u32>(merge, first + sources * SOURCE_BYTES, TREE);
  store<u32>(merge, mode, MODE);
  store<u32>(merge, options & OPTION_DESCENDING, DESCENDING);
  store<u32>(merge, options & OPTION_HIDE_EXPIRED, HIDE_EXPIRED);
  if (mode == RETAIN) {
    store<u32>(merge, options & OPTION_DROP_TOMBSTONES, DROP_TOMBSTONES);
  }
  store<u64>(merge, u64.MAX_VALUE, SEQ_MAX);
  store<i64>(merge, i64.MIN_VALUE, NOW);
  store<u32>(merge, 1, CHANGED);
  // The row that fills a batch goes past its bound.
  const room = min(outputBytes, MAX_FIRST_ROOM);
  store<u32>(merge, max(outputBytes, 1), BATCH_BYTES);
  store<u32>(merge, room + (room >>> 2) + MIN_FIRST_ROOM, FIRST_ROOM);
  return merge;
}

/** See `merge_free` in ../abi.ts. */
export function merge_free(merge: usize): void {
  if (!merge) return;
  for (let s: u32 = 0; s < load<u32>(merge, COUNT); s++) {
    cursorFree(load<u32>(merge, SOURCES) + s * SOURCE_BYTES);
  }
  bufferFree(merge + OUTPUT_BUFFER);
  bufferFree(merge + LOWER);
  bufferFree(merge + UPPER);
  bufferFree(merge + GROUP_KEY);
  bufferFree(merge + GROUP_COPY);
  free(merge);
}

/** See `merge_limits` in ../abi.ts. */
export function merge_limits(
  merge: usize,
  seqMax: u64,
  now: i64,
  retainSeq: u64,
): void {
  store<u64>(merge, seqMax, SEQ_MAX);
  store<i64>(merge, now, NOW);
  store<u64>(merge, retainSeq, RETAIN_SEQ);
}

/** See `merge_bound` in ../abi.ts. */
export function merge_bound(
  merge: usize,
  which: u32,
  key: usize,
  keyBytes: u32,
  inclusive: u32,
): void {
  const bound = merge + (which & 1 ? UPPER : LOWER);
  store<u32>(bound, UNBOUNDED, BOUND_KIND);
  if (which & 2) return;
  if (!bufferAssign(bound, key, keyBytes)) {
    store<i32>(merge, OUT_OF_MEMORY, FAILED);
    return;
  }
  store<u32>(bound, keyBytes, BOUND_LEN);
  store<u32>(bound, inclusive ? INCLUSIVE : EXCLUSIVE, BOUND_KIND);
}

/** See `merge_memtable` in ../abi.ts. */
export function merge_memtable(
  merge: usize,
  index: u32,
  memtable: usize,
): void {
  const source = sourceGiven(merge, index);
  if (source) sourceMemtable(source, memtable);
}

/** See `merge_block` in ../abi.ts. */
export function merge_block(
  merge: usize,
  index: u32,
  block: usize,
  bytes: u32,
): void {
  const source = sourceGiven(merge, index);
  if (source) sourceBlock(source, block, bytes);
}

/** See `merge_end` in ../abi.ts. */
export function merge_end(merge: usize, index: u32): void {
  const source = sourceGiven(merge, index);
  if (source) sourceEnd(source);
}

/** See `merge_restart` in ../abi.ts. */
export function merge_restart(merge: usize): void {
  for (let s: u32 = 0; s < load<u32>(merge, COUNT); s++) {
    sourceForget(load<u32>(merge, SOURCES) + s * SOURCE_BYTES);
  }
  outputClear(merge);
  store<u32>(merge, NONE, GROUP);
  store<u32>(merge, 0, TRAIL_ROWS);
  store<u32>(merge, 0, DELIVERED);
  store<u32>(merge, 0, FINISHED);
  store<u32>(merge, 0, BUILT);
  store<u32>(merge, 1, CHANGED);
}

/** See `merge_run` in ../abi.ts. */
export function merge_run(merge: usize, maxRows: u32): i32 {
  const failed = load<i32>(merge, FAILED);
  if (failed) return failed;
  if (load<u32>(merge, DELIVERED)) {
    outputClear(merge);
    store<u32>(merge, 0, DELIVERED);
  }
  let status = DONE;
  if (!load<u32>(merge, FINISHED) && load<u32>(merge, COUNT)) {
    const most = max(maxRows, 1);
    status = !settle(merge)
      ? OUT_OF_MEMORY
      : load<u32>(merge, DESCENDING)
      ? runBackward(merge, most)
      : runForward(merge, most);
  }
  if (status < 0) store<i32>(merge, status, FAILED);
  else if (status != WANT_BLOCK) store<u32>(merge, 1, DELIVERED);
  if (status == DONE) store<u32>(merge, 1, FINISHED);
  return status;
}

/** Acts on what the host gave since the last run; false when memory is exhausted. */
function settle(merge: usize): bool {
  if (!load<u32>(merge, CHANGED)) return true;
  store<u32>(merge, 0, CHANGED);
  const count = load<u32>(merge, COUNT);
  let settled: u32 = 0;
  let last: u32 = 0;
  for (let s: u32 = 0; s < count; s++) {
    const source = load<u32>(merge, SOURCES) + s * SOURCE_BYTES;
    if (!load<u32>(source, TASK)) continue;
    if (!sourceSettle(merge, source)) return false;
    settled++;
    last = s;
  }
  if (count == 1) return true;
  const winner = treeWinner(merge);
  const replay = load<u32>(merge, BUILT) && settled == 1 && last == winner;
  if (replay) treeReplay(merge, winner);
  else treeBuild(merge);
  return true;
}

/** Runs with rows arriving newest version first. */
function runForward(merge: usize, maxRows: u32): i32 {
  const sources: usize = load<u32>(merge, SOURCES);
  const single = load<u32>(merge, COUNT) == 1;
  const seqMax = load<u64>(merge, SEQ_MAX);
  let group = load<u32>(merge, GROUP);
  while (true) {
    const winner = single ? 0 : treeWinner(merge);
    const source = sources + winner * SOURCE_BYTES;
    if (load<u32>(source, RANK) != READY) return pause(merge, winner);
    if (group != NONE && !inGroup(merge, source, single)) {
      groupClose(merge);
      if (outputFull(merge, maxRows)) return BATCH;
      group = NONE;
    }
    if (group == NONE) {
      const opened = groupOpen(merge, source);
      if (opened != 1) return opened;
      group = load<u32>(merge, GROUP);
    }
    const decided = group == DECIDED;
    if (!decided && load<u64>(source, VIEW_SEQ) <= seqMax) {
      if (!groupAdd(merge, source)) return OUT_OF_MEMORY;
      group = load<u32>(merge, GROUP);
    }
    if (!sourceConsume(merge, winner, source, single)) return OUT_OF_MEMORY;
    if (group == DECIDED && !decided) {
      if (load<u32>(merge, GROUP_AT_BOUND)) return DONE;
      if (outputFull(merge, maxRows)) return BATCH;
    }
  }
}

/** Runs with rows arriving oldest version first. */
function runBackward(merge: usize, maxRows: u32): i32 {
  const sources: usize = load<u32>(merge, SOURCES);
  const single = load<u32>(merge, COUNT) == 1;
  const seqMax = load<u64>(merge, SEQ_MAX);
  while (true) {
    const winner = single ? 0 : treeWinner(merge);
    const source = sources + winner * SOURCE_BYTES;
    if (load<u32>(source, RANK) != READY) return pause(merge, winner);
    if (load<u32>(merge, GROUP) != NONE && !inGroup(merge, source, false)) {
      if (!groupClose(merge)) return OUT_OF_MEMORY;
      if (outputFull(merge, maxRows)) return BATCH;
    }
    if (load<u32>(merge, GROUP) == NONE) {
      const opened = groupOpen(merge, source);
      if (opened != 1) return opened;
    }
    if (load<u64>(source, VIEW_SEQ) <= seqMax) {
      if (!groupCollect(merge, source)) return OUT_OF_MEMORY;
    }
    if (!sourceConsume(merge, winner, source, single)) return OUT_OF_MEMORY;
  }
}

/** Asks for the block that comes next, or ends the merge. */
function pause(merge: usize, winner: u32): i32 {
  const source = load<u32>(merge, SOURCES) + winner * SOURCE_BYTES;
  if (load<u32>(source, RANK) != ENDED) {
    store<u32>(merge, winner, WANTED);
    return WANT_BLOCK;
  }
  return groupClose(merge) ? DONE : OUT_OF_MEMORY;
}

/** Whether the row a source stands on belongs to the open group. */
// @ts-ignore: decorator
@inline
function inGroup(merge: usize, source: usize, single: bool): bool {
  if (single) return load<u32>(source, VIEW_SAME) != 0;
  return equalKeys(
    load<u32>(source, VIEW_KEY),
    load<u32>(source, VIEW_KEY_LEN),
    load<u32>(merge, GROUP_KEY),
    load<u32>(merge, GROUP_KEY_LEN),
  );
}

/** Takes the row off its source; false when memory is exhausted. */
// @ts-ignore: decorator
@inline
function sourceConsume(
  merge: usize,
  winner: u32,
  source: usize,
  single: bool,
): bool {
  store<u32>(merge, load<u32>(merge, CONSUMED) + 1, CONSUMED);
  if (!sourceAdvance(source, load<u32>(merge, DESCENDING))) return false;
  if (!single) treeReplay(merge, winner);
  return true;
}

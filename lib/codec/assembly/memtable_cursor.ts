/**
 * Cursors over a memtable, for the merge; not exported to the host.
 *
 * A cursor is 32 bytes at an address the caller gives:
 *
 *   +0  memtable
 *   +4  leaf       where the current record was last seen
 *   +8  index      in that leaf
 *   +12 record     the current record; 0 before the first seek and past an end
 *   +16 version    of the memtable when leaf and index were right
 *
 * Rows may be inserted between two moves: when the memtable's version differs,
 * a move first looks the current record's (key, seq) up again. A record that was
 * replaced stays readable until the memtable is freed, so the lookup finds its
 * replacement. Past an end a cursor stays at 0 until the next seek.
 */
import { nodeCount, nodeNext, nodePrevious, nodeRecord } from "./memtable_node";
import {
  treeBound,
  treeFirstLeaf,
  treeIsEmpty,
  treeLastLeaf,
  treeLocate,
  treeVersion,
} from "./memtable_tree";
import { ROW_HEADER, ROW_KEY_LEN, ROW_SEQ } from "./row";

/** Bytes of a cursor. */
export const CURSOR_BYTES: u32 = 32;

const LEAF: usize = 4;
const INDEX: usize = 8;
const RECORD: usize = 12;
const VERSION: usize = 16;

/** Binds the cursor to a memtable, without a position. */
export function mtCursorInit(cur: usize, mt: usize): void {
  memory.fill(cur, 0, CURSOR_BYTES);
  store<u32>(cur, <u32>mt);
}

/** Moves to the first record: the newest version of the smallest key. */
export function mtCursorSeekFirst(cur: usize): usize {
  const mt: usize = load<u32>(cur);
  if (treeIsEmpty(mt)) return settle(cur, 0, 0);
  return forward(cur, treeFirstLeaf(mt), 0);
}

/** Moves to the last record: the oldest version of the largest key. */
export function mtCursorSeekLast(cur: usize): usize {
  const mt: usize = load<u32>(cur);
  if (treeIsEmpty(mt)) return settle(cur, 0, 0);
  const leaf = treeLastLeaf(mt);
  return backward(cur, leaf, nodeCount(leaf));
}

/** Moves to the first record with a key >= (or >, unless `inclusive`) the given one. */
export function mtCursorSeek(
  cur: usize,
  keyPtr: usize,
  keyLen: u32,
  inclusive: bool,
): usize {
  const mt: usize = load<u32>(cur);
  if (treeIsEmpty(mt)) return settle(cur, 0, 0);
  const place = treeBound(mt, keyPtr, keyLen, !inclusive);
  return forward(cur, <usize>(place >>> 32), <u32>place >>> 1);
}

/** Moves to the last record with a key <= (or <, unless `inclusive`) the given one. */
export function mtCursorSeekBack(
  cur: usize,
  keyPtr: usize,
  keyLen: u32,
  inclusive: bool,
): usize {
  const mt: usize = load<u32>(cur);
  if (treeIsEmpty(mt)) return settle(cur, 0, 0);
  const place = treeBound(mt, keyPtr, keyLen, inclusive);
  return backward(cur, <usize>(place >>> 32), <u32>place >>> 1);
}

/** Moves one record on; 0 past the last. */
export function mtCursorNext(cur: usize): usize {
  if (!load<u32>(cur, RECORD)) return 0;
  refresh(cur);
  return forward(cur, load<u32>(cur, LEAF), load<u32>(cur, INDEX) + 1);
}

/** Moves one record back; 0 past the first. */
export function mtCursorPrev(cur: usize): usize {
  if (!load<u32>(cur, RECORD)) return 0;
  refresh(cur);
  return backward(cur, load<u32>(cur, LEAF), load<u32>(cur, INDEX));
}

/** Looks the current record up again if entries have moved. */
// @ts-ignore: decorator
@inline
function refresh(cur: usize): void {
  const mt: usize = load<u32>(cur);
  if (load<u32>(cur, VERSION) == treeVersion(mt)) return;
  const record: usize = load<u32>(cur, RECORD);
  const place = treeLocate(
    mt,
    record + ROW_HEADER,
    load<u32>(record, ROW_KEY_LEN),
    load<u64>(record, ROW_SEQ),
  );
  store<u32>(cur, <u32>(place >>> 32), LEAF);
  store<u32>(cur, <u32>place >>> 1, INDEX);
}

/** Stops at the entry at `at`, which may be one past the leaf's end. */
// @ts-ignore: decorator
@inline
function forward(cur: usize, leaf: usize, at: u32): usize {
  if (at < nodeCount(leaf)) return settle(cur, leaf, at);
  return settle(cur, nodeNext(leaf), 0);
}

/** Stops at the entry before `at`. */
// @ts-ignore: decorator
@inline
function backward(cur: usize, leaf: usize, at: u32): usize {
  if (at) return settle(cur, leaf, at - 1);
  const previous = nodePrevious(leaf);
  return settle(cur, previous, previous ? nodeCount(previous) - 1 : 0);
}

/** Makes an entry the current one; none if `leaf` is 0. */
function settle(cur: usize, leaf: usize, at: u32): usize {
  const record = leaf ? nodeRecord(leaf, at) : 0;
  store<u32>(cur, <u32>leaf, LEAF);
  store<u32>(cur, at, INDEX);
  store<u32>(cur, <u32>record, RECORD);
  store<u32>(cur, treeVersion(load<u32>(cur)), VERSION);
  return record;
}

/**
 * The B+-tree of a memtable: descent, insertion, splits.
 *
 * Its part of the memtable's header:
 *
 *   +36 first record   in commit order; its key stands for the common prefix
 *   +52 root  +56 height (0: the root is a leaf)  +60 first leaf  +64 last leaf
 *   +68 common         bytes that all keys share; no node without both fences
 *                      skips more
 *   +72 version        changes when entries move, for cursors
 *   +112 arena of nodes
 *
 * A place is a leaf in the upper half of a u64, in the lower half a position in
 * it, times two, plus one where the entry there is exactly what was looked for.
 */
import { arenaFits, arenaOpen, arenaTake } from "./arena";
import {
  compareRecord,
  FAN_OUT,
  INNER_BYTES,
  innerSplit,
  LEAF_BYTES,
  leafSplit,
  nodeChild,
  nodeCount,
  nodeFirstChild,
  nodeInit,
  nodeInsert,
  nodeInsertChild,
  nodePrefix,
  nodeRaiseSkip,
  nodeRecord,
  nodeReplace,
  nodeSearch,
  nodeSetSkip,
  nodeSkip,
  prefixOf,
} from "./memtable_node";
import { ROW_HEADER, ROW_KEY_LEN, ROW_SEQ, sharedBytes } from "./row";

export const FIRST_RECORD: usize = 36;
const ROOT: usize = 52;
const HEIGHT: usize = 56;
const FIRST_LEAF: usize = 60;
const LAST_LEAF: usize = 64;
const COMMON: usize = 68;
const VERSION: usize = 72;
export const NODE_ARENA: usize = 112;

/** The last descent: per level, the leaves being 0, u32 node and u32 child taken. */
const PATH = memory.data(16 * 8, 8);

// @ts-ignore: decorator
@inline
export function treeIsEmpty(mt: usize): bool {
  return !load<u32>(mt, ROOT);
}

// @ts-ignore: decorator
@inline
export function treeVersion(mt: usize): u32 {
  return load<u32>(mt, VERSION);
}

// @ts-ignore: decorator
@inline
export function treeFirstLeaf(mt: usize): usize {
  return load<u32>(mt, FIRST_LEAF);
}

// @ts-ignore: decorator
@inline
export function treeLastLeaf(mt: usize): usize {
  return load<u32>(mt, LAST_LEAF);
}

/** Makes sure that an insert finds room for every node it may have to make. */
// @ts-ignore: decorator
@inline
export function treeReserve(mt: usize): bool {
  const bytes = (load<u32>(mt, HEIGHT) + 2) * INNER_BYTES;
  const arena = mt + NODE_ARENA;
  return arenaFits(arena, bytes) || arenaOpen(arena, bytes);
}

/**
 * 0 if the key begins with the common prefix, and so may be looked for with
 * {@link treeLocate}; negative or positive if it sorts before or after every key.
 */
export function treeSide(mt: usize, key: usize, bytes: u32): i32 {
  const common = load<u32>(mt, COMMON);
  if (!common) return 0;
  const anchor = <usize>load<u32>(mt, FIRST_RECORD) + ROW_HEADER;
  const shared = sharedBytes(anchor, key, min(common, bytes));
  if (shared == common) return 0;
  if (shared == bytes) return -1;
  return load<u8>(key + shared) < load<u8>(anchor + shared) ? -1 : 1;
}

/** The place of the first record at or after (key, seq); maybe past a leaf's end. */
export function treeLocate(mt: usize, key: usize, bytes: u32, seq: u64): u64 {
  let node: usize = load<u32>(mt, ROOT);
  for (let level = load<u32>(mt, HEIGHT); level; level--) {
    const slot = nodeSearch(node, key, bytes, seq);
    node = nodeChild(node, (slot + 1) >>> 1);
  }
  return (<u64>node << 32) | nodeSearch(node, key, bytes, seq);
}

/** The place of the first record whose key is >= the given one, or > with `after`. */
export function treeBound(
  mt: usize,
  key: usize,
  bytes: u32,
  after: bool,
): u64 {
  const side = treeSide(mt, key, bytes);
  if (side < 0) return <u64>treeFirstLeaf(mt) << 32;
  if (side > 0) {
    const leaf = treeLastLeaf(mt);
    return (<u64>leaf << 32) | (nodeCount(leaf) << 1);
  }
  if (!after) return treeLocate(mt, key, bytes, u64.MAX_VALUE);
  const place = treeLocate(mt, key, bytes, 0);
  return place + (place & 1);
}

/** Inserts a record whose header is filled in; returns the one it replaced, or 0. */
export function treeInsert(mt: usize, record: usize): usize {
  const key = record + ROW_HEADER;
  const bytes = load<u32>(record, ROW_KEY_LEN);
  const seq = load<u64>(record, ROW_SEQ);
  if (treeIsEmpty(mt)) {
    plant(mt, record, bytes);
    return 0;
  }
  lowerCommon(mt, key, bytes);
  const last = treeLastLeaf(mt);
  const end = nodeCount(last);
  if (end < FAN_OUT && isPast(last, end - 1, key, bytes, seq)) {
    nodeInsert(last, end, record);
    return 0;
  }
  let node: usize = load<u32>(mt, ROOT);
  for (let level = load<u32>(mt, HEIGHT); level; level--) {
    const slot = nodeSearch(node, key, bytes, seq);
    const child = (slot + 1) >>> 1;
    store<u32>(PATH + (level << 3), <u32>node);
    store<u32>(PATH + (level << 3), child, 4);
    node = nodeChild(node, child);
  }
  const slot = nodeSearch(node, key, bytes, seq);
  const at = slot >>> 1;
  if (slot & 1) {
    const replaced = nodeRecord(node, at);
    nodeReplace(node, at, record);
    return replaced;
  }
  store<u32>(mt, treeVersion(mt) + 1, VERSION);
  if (nodeCount(node) < FAN_OUT) nodeInsert(node, at, record);
  else splitLeaf(mt, node, at, record);
  return 0;
}

/** Makes the root: a leaf with one record. */
function plant(mt: usize, record: usize, bytes: u32): void {
  const leaf = arenaTake(mt + NODE_ARENA, LEAF_BYTES);
  nodeInit(leaf, bytes);
  nodeInsert(leaf, 0, record);
  store<u32>(mt, <u32>leaf, ROOT);
  store<u32>(mt, <u32>leaf, FIRST_LEAF);
  store<u32>(mt, <u32>leaf, LAST_LEAF);
  store<u32>(mt, bytes, COMMON);
}

/** Whether (key, seq) sorts after the entry at `at` of the last leaf. */
// @ts-ignore: decorator
@inline
function isPast(
  leaf: usize,
  at: u32,
  key: usize,
  bytes: u32,
  seq: u64,
): bool {
  const skip = nodeSkip(leaf);
  const prefix = prefixOf(key, bytes, skip);
  const own = nodePrefix(leaf, at);
  if (prefix != own) return prefix > own;
  return compareRecord(nodeRecord(leaf, at), key, bytes, seq, skip + 8) < 0;
}

/** Shortens the common prefix to what `key` shares, if it does not share all. */
function lowerCommon(mt: usize, key: usize, bytes: u32): void {
  const common = load<u32>(mt, COMMON);
  if (!common) return;
  const anchor = <usize>load<u32>(mt, FIRST_RECORD) + ROW_HEADER;
  const shared = sharedBytes(anchor, key, min(common, bytes));
  if (shared == common) return;
  store<u32>(mt, shared, COMMON);
  const root: usize = load<u32>(mt, ROOT);
  const height = load<u32>(mt, HEIGHT);
  lowerEdge(root, height, shared, false);
  lowerEdge(root, height, shared, true);
}

/** Lowers the skips along the tree's left or right edge. */
function lowerEdge(root: usize, height: u32, skip: u32, right: bool): void {
  let node = root;
  for (let level = height;; level--) {
    if (nodeSkip(node) > skip) nodeSetSkip(node, skip);
    if (!level) return;
    node = nodeChild(node, right ? nodeCount(node) : 0);
  }
}

/** The nearest separator to the left or right of the path's node below `level`; 0 at an edge. */
function fence(mt: usize, level: u32, upper: bool): usize {
  const height = load<u32>(mt, HEIGHT);
  for (let at = level; at <= height; at++) {
    const node: usize = load<u32>(PATH + (at << 3));
    const child = load<u32>(PATH + (at << 3), 4);
    if (upper && child < nodeCount(node)) return nodeRecord(node, child);
    if (!upper && child > 0) return nodeRecord(node, child - 1);
  }
  return 0;
}

/** Inserts into a full leaf at the end of the path. */
function splitLeaf(mt: usize, leaf: usize, at: u32, record: usize): void {
  const lower = fence(mt, 1, false);
  const upper = fence(mt, 1, true);
  const right = arenaTake(mt + NODE_ARENA, LEAF_BYTES);
  const isLast = leaf == treeLastLeaf(mt);
  // Rising keys fill their leaves: the last one is left as it is.
  const middle = isLast && at == FAN_OUT ? FAN_OUT : FAN_OUT / 2;
  leafSplit(leaf, middle, right);
  if (isLast) store<u32>(mt, <u32>right, LAST_LEAF);
  if (at <= middle && middle < FAN_OUT) nodeInsert(leaf, at, record);
  else nodeInsert(right, at - middle, record);
  const separator = nodeRecord(right, 0);
  nodeRaiseSkip(leaf, lower, separator);
  nodeRaiseSkip(right, separator, upper);
  insertChild(mt, separator, right);
}

/** Adds a new leaf to its parent, splitting upwards as far as nodes are full. */
function insertChild(mt: usize, firstSeparator: usize, firstChild: usize): void {
  let separator = firstSeparator;
  let right = firstChild;
  const height = load<u32>(mt, HEIGHT);
  for (let level: u32 = 1; level <= height; level++) {
    const node: usize = load<u32>(PATH + (level << 3));
    const child = load<u32>(PATH + (level << 3), 4);
    if (nodeCount(node) < FAN_OUT) {
      nodeInsertChild(node, child, separator, right);
      return;
    }
    const lower = fence(mt, level + 1, false);
    const upper = fence(mt, level + 1, true);
    const twin = arenaTake(mt + NODE_ARENA, INNER_BYTES);
    const middle = !upper && child == FAN_OUT ? FAN_OUT - 1 : FAN_OUT / 2;
    const raised = innerSplit(node, middle, twin);
    if (child <= middle) nodeInsertChild(node, child, separator, right);
    else nodeInsertChild(twin, child - middle - 1, separator, right);
    nodeRaiseSkip(node, lower, raised);
    nodeRaiseSkip(twin, raised, upper);
    separator = raised;
    right = twin;
  }
  const root = arenaTake(mt + NODE_ARENA, INNER_BYTES);
  nodeInit(root, load<u32>(mt, COMMON));
  nodeFirstChild(root, load<u32>(mt, ROOT));
  nodeInsertChild(root, 0, separator, right);
  store<u32>(mt, <u32>root, ROOT);
  store<u32>(mt, height + 1, HEIGHT);
}

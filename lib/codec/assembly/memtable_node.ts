/**
 * Nodes of a memtable's B+-tree: search, insertion, prefixes.
 *
 *   +0   u32 count      entries of a leaf, separators of an inner node
 *   +4   u32 skip       leading bytes that every key below is known to share
 *   +8   u32 previous   leaves only: the neighbours in key order
 *   +12  u32 next
 *   +16  u64 prefixes[48]   per entry the 8 bytes of its key after `skip`,
 *                           big-endian, zero-padded
 *   +400 u32 records[48]    per entry its row record
 *   +592 u32 children[49]   inner nodes only
 *
 * An entry is ordered by key, then by falling seq. A separator is the first
 * record its right child had when the separator was made.
 *
 * Most searches end at the prefixes, without touching a record. So that long
 * common prefixes do not spoil this, a node skips the bytes that its two fences
 * (the nearest separators to its left and right, anywhere above) share: whatever
 * is looked for in the node lies between them and shares those bytes too, so
 * they need no check. Nodes at either edge of the tree lack a fence; they skip
 * what all keys of the memtable share.
 */
import {
  compareKeys,
  ROW_HEADER,
  ROW_KEY_LEN,
  ROW_SEQ,
  sharedBytes,
} from "./row";

/** Entries, or separators, of a full node. */
export const FAN_OUT: u32 = 48;

const SKIP: usize = 4;
const PREVIOUS: usize = 8;
const NEXT: usize = 12;
const PREFIXES: usize = 16;
const RECORDS: usize = PREFIXES + 8 * <usize>FAN_OUT;
const CHILDREN: usize = RECORDS + 4 * <usize>FAN_OUT;

/** Bytes of a leaf, and of an inner node. */
export const LEAF_BYTES: u32 = <u32>CHILDREN;
export const INNER_BYTES: u32 = (<u32>CHILDREN + 4 * (FAN_OUT + 1) + 7) & ~7;

/** A skip is raised only by this much: it costs a visit to every record. */
const WORTHWHILE: u32 = 4;

// @ts-ignore: decorator
@inline
export function nodeCount(node: usize): u32 {
  return load<u32>(node);
}

// @ts-ignore: decorator
@inline
export function nodeSkip(node: usize): u32 {
  return load<u32>(node, SKIP);
}

// @ts-ignore: decorator
@inline
export function nodePrevious(node: usize): usize {
  return load<u32>(node, PREVIOUS);
}

// @ts-ignore: decorator
@inline
export function nodeNext(node: usize): usize {
  return load<u32>(node, NEXT);
}

// @ts-ignore: decorator
@inline
export function nodeRecord(node: usize, at: u32): usize {
  return load<u32>(node + (at << 2), RECORDS);
}

// @ts-ignore: decorator
@inline
export function nodePrefix(node: usize, at: u32): u64 {
  return load<u64>(node + (at << 3), PREFIXES);
}

// @ts-ignore: decorator
@inline
export function nodeChild(node: usize, at: u32): usize {
  return load<u32>(node + (at << 2), CHILDREN);
}

/** The 8 key bytes after `skip` as a number that sorts like them. */
// @ts-ignore: decorator
@inline
export function prefixOf(key: usize, bytes: u32, skip: u32): u64 {
  if (bytes <= skip) return 0;
  const word = bswap(load<u64>(key + skip));
  const rest = bytes - skip;
  return rest >= 8 ? word : word & (<u64>-1 << ((8 - rest) << 3));
}

/** Compares a record with a (key, seq); their first `from` bytes are the same. */
export function compareRecord(
  record: usize,
  key: usize,
  bytes: u32,
  seq: u64,
  from: u32,
): i32 {
  const length = load<u32>(record, ROW_KEY_LEN);
  const order = compareKeys(
    record + ROW_HEADER,
    length,
    key,
    bytes,
    min(from, min(length, bytes)),
  );
  if (order) return order;
  const own = load<u64>(record, ROW_SEQ);
  return own == seq ? 0 : own > seq ? -1 : 1;
}

/**
 * The first entry at or after (key, seq), times two, plus one if it is exactly
 * that. The key must lie between the node's fences.
 */
export function nodeSearch(node: usize, key: usize, bytes: u32, seq: u64): u32 {
  const skip = nodeSkip(node);
  const prefix = prefixOf(key, bytes, skip);
  let low: u32 = 0;
  let high = nodeCount(node);
  while (low < high) {
    const at = (low + high) >>> 1;
    const own = nodePrefix(node, at);
    if (own < prefix) {
      low = at + 1;
    } else if (own > prefix) {
      high = at;
    } else {
      const order = compareRecord(
        nodeRecord(node, at),
        key,
        bytes,
        seq,
        skip + 8,
      );
      if (order == 0) return (at << 1) | 1;
      if (order < 0) low = at + 1;
      else high = at;
    }
  }
  return low << 1;
}

/** Makes an empty node. */
export function nodeInit(node: usize, skip: u32): void {
  store<u32>(node, 0);
  store<u32>(node, skip, SKIP);
  store<u32>(node, 0, PREVIOUS);
  store<u32>(node, 0, NEXT);
}

/** Puts a record at `at` of a node that is not full; in a leaf that is all. */
export function nodeInsert(node: usize, at: u32, record: usize): void {
  const count = nodeCount(node);
  const prefixes = node + PREFIXES + (at << 3);
  const records = node + RECORDS + (at << 2);
  if (at < count) {
    memory.copy(prefixes + 8, prefixes, (count - at) << 3);
    memory.copy(records + 4, records, (count - at) << 2);
  }
  const prefix = prefixOf(
    record + ROW_HEADER,
    load<u32>(record, ROW_KEY_LEN),
    nodeSkip(node),
  );
  store<u64>(prefixes, prefix);
  store<u32>(records, <u32>record);
  store<u32>(node, count + 1);
}

/** Makes `record` the entry at `at`, in place of one with the same key and seq. */
// @ts-ignore: decorator
@inline
export function nodeReplace(node: usize, at: u32, record: usize): void {
  store<u32>(node + (at << 2), <u32>record, RECORDS);
}

/** Puts a separator at `at` of an inner node that is not full, and its right child. */
export function nodeInsertChild(
  node: usize,
  at: u32,
  separator: usize,
  child: usize,
): void {
  const children = node + CHILDREN + ((at + 1) << 2);
  memory.copy(children + 4, children, (nodeCount(node) - at) << 2);
  store<u32>(children, <u32>child);
  nodeInsert(node, at, separator);
}

/** Makes the only child of an inner node without separators. */
// @ts-ignore: decorator
@inline
export function nodeFirstChild(node: usize, child: usize): void {
  store<u32>(node, <u32>child, CHILDREN);
}

/** Moves entries from `at` on to an empty node. */
function nodeMove(node: usize, at: u32, to: usize): void {
  const moved = nodeCount(node) - at;
  memory.copy(to + PREFIXES, node + PREFIXES + (at << 3), moved << 3);
  memory.copy(to + RECORDS, node + RECORDS + (at << 2), moved << 2);
  store<u32>(to, moved);
  store<u32>(node, at);
}

/** Moves a leaf's entries from `at` on to a new right neighbour. */
export function leafSplit(leaf: usize, at: u32, right: usize): void {
  nodeInit(right, nodeSkip(leaf));
  nodeMove(leaf, at, right);
  const next = nodeNext(leaf);
  store<u32>(right, <u32>leaf, PREVIOUS);
  store<u32>(right, <u32>next, NEXT);
  store<u32>(leaf, <u32>right, NEXT);
  if (next) store<u32>(next, <u32>right, PREVIOUS);
}

/** Moves what follows the separator at `at` to a new node; returns that separator. */
export function innerSplit(node: usize, at: u32, right: usize): usize {
  const separator = nodeRecord(node, at);
  nodeInit(right, nodeSkip(node));
  memory.copy(
    right + CHILDREN,
    node + CHILDREN + ((at + 1) << 2),
    (nodeCount(node) - at) << 2,
  );
  nodeMove(node, at + 1, right);
  store<u32>(node, at);
  return separator;
}

/** Sets the skip and recomputes every prefix. */
export function nodeSetSkip(node: usize, skip: u32): void {
  store<u32>(node, skip, SKIP);
  const count = nodeCount(node);
  for (let at: u32 = 0; at < count; at++) {
    const record = nodeRecord(node, at);
    const prefix = prefixOf(
      record + ROW_HEADER,
      load<u32>(record, ROW_KEY_LEN),
      skip,
    );
    store<u64>(node + (at << 3), prefix, PREFIXES);
  }
}

/** Raises the skip to what the fences share, if that is worth it. */
export function nodeRaiseSkip(node: usize, lower: usize, upper: usize): void {
  if (!lower || !upper) return;
  const shared = sharedBytes(
    lower + ROW_HEADER,
    upper + ROW_HEADER,
    min(load<u32>(lower, ROW_KEY_LEN), load<u32>(upper, ROW_KEY_LEN)),
  );
  if (shared >= nodeSkip(node) + WORTHWHILE) nodeSetSkip(node, shared);
}

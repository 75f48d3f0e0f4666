/**
 * Whether L0 has room: how many SSTs, and how many over any one key.
 *
 * Every SST of L0 is one more source for each read, so writers rather wait for
 * the compactor than let it grow.
 *
 * @module
 */
import {
  compareBytes,
  EMPTY_BYTES,
  equalBytes,
  showKey,
} from "../base/bytes.ts";
import type { Manifest, SstHandle, Tree } from "../format/manifest.ts";

/** How large L0 may grow. */
export interface L0Limits {
  /** SSTs in the L0 of one tree. */
  readonly l0MaxSsts: number;
  /** SSTs of one L0 that may hold the same key. */
  readonly l0MaxSstsPerKey: number;
}

/** Which limit is reached. */
export type L0Full = "num_ssts" | "num_ssts_per_key";

/** The trees that a memtable touches: prefixes of segments, or `undefined` alone. */
export type TouchedTrees = readonly (Uint8Array | undefined)[];

/** A tree whose L0 has no room. */
export interface FullTree {
  /** The limit that is reached. */
  readonly limit: L0Full;
  /** SSTs in its L0. */
  readonly ssts: number;
  /** What to call it, such as `L0 of segment "a"`. */
  readonly name: string;
}

/**
 * The first tree that has no room for the SST that a memtable makes for it.
 *
 * @param manifest The trees.
 * @param touched The trees that the memtable touches.
 * @param dispatched The same of memtables that are on their way.
 * @param limits The limits, of each tree.
 * @returns The tree, or `undefined` where every one has room.
 */
export function findFullTree(
  manifest: Manifest,
  touched: TouchedTrees,
  dispatched: readonly TouchedTrees[],
  limits: L0Limits,
): FullTree | undefined {
  for (const prefix of touched) {
    const tree = treeOf(manifest, prefix);
    const reserved = dispatched.filter((other) => includes(other, prefix));
    const limit = l0Full(tree, reserved.length, limits);
    if (limit === undefined) continue;
    const name = prefix === undefined
      ? "L0"
      : `L0 of segment ${showKey(prefix)}`;
    return { limit, ssts: tree.l0.length, name };
  }
  return undefined;
}

const EMPTY_TREE: Tree = { l0: [], runs: [] };

function treeOf(manifest: Manifest, prefix: Uint8Array | undefined): Tree {
  if (prefix === undefined) return manifest.tree;
  const segment = manifest.segments.find((segment) =>
    equalBytes(segment.prefix, prefix)
  );
  return segment ?? EMPTY_TREE;
}

function includes(
  trees: TouchedTrees,
  prefix: Uint8Array | undefined,
): boolean {
  if (prefix === undefined) return trees.includes(undefined);
  return trees.some((other) =>
    other !== undefined && equalBytes(other, prefix)
  );
}

/**
 * Whether one more SST may be added.
 *
 * @param tree The tree it belongs to.
 * @param reserved SSTs on their way into it.
 * @param limits The limits.
 * @returns The limit that is reached, or `undefined` where there is room.
 */
export function l0Full(
  tree: Tree,
  reserved: number,
  limits: L0Limits,
): L0Full | undefined {
  if (tree.l0.length + reserved >= limits.l0MaxSsts) return "num_ssts";
  // Where the reserved ones will lie is not known: they count for every key.
  if (maxOverlap(tree.l0) + reserved >= limits.l0MaxSstsPerKey) {
    return "num_ssts_per_key";
  }
  return undefined;
}

/**
 * The most SSTs that may hold one and the same key.
 *
 * @param handles Any SSTs.
 * @returns How many.
 */
export function maxOverlap(handles: readonly SstHandle[]): number {
  const spans = handles.map(spanOf);
  let most = 0;
  for (const { first } of spans) {
    // The most crowded key is the first one of some SST.
    let over = 0;
    for (const span of spans) if (holds(span, first)) over++;
    if (over > most) most = over;
  }
  return most;
}

/** The keys an SST may hold as far as its reader can see. */
interface Span {
  readonly first: Uint8Array;
  /** `undefined`: no end. */
  readonly last: Uint8Array | undefined;
  readonly lastInclusive: boolean;
}

function spanOf({ info, visibleRange }: SstHandle): Span {
  let first = info.firstEntry ?? EMPTY_BYTES;
  let last = info.lastEntry;
  let lastInclusive = true;
  const { lower, upper } = visibleRange ?? {};
  if (lower !== undefined && compareBytes(lower.key, first) > 0) {
    first = lower.key;
  }
  if (upper !== undefined) {
    const order = last === undefined ? -1 : compareBytes(upper.key, last);
    if (order < 0 || (order === 0 && !upper.inclusive)) {
      last = upper.key;
      lastInclusive = upper.inclusive;
    }
  }
  return { first, last, lastInclusive };
}

function holds({ first, last, lastInclusive }: Span, key: Uint8Array): boolean {
  if (compareBytes(key, first) < 0) return false;
  if (last === undefined) return true;
  const order = compareBytes(key, last);
  return order < 0 || (order === 0 && lastInclusive);
}

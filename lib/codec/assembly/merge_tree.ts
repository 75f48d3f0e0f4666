/**
 * Which source comes next: a tournament tree of losers.
 *
 * Source s is leaf `count + s` of a binary tree with the inner nodes 1 to
 * `count - 1`. Each inner node keeps the loser of its match, node 0 the winner
 * of all. After the winner has moved on, one match per level finds the next.
 */
import { BUILT, COUNT, DESCENDING, SOURCES, TREE } from "./merge_state";
import { RANK, READY, SOURCE_BYTES } from "./merge_source";
import { compareKeys } from "./row";
import { VIEW_KEY, VIEW_KEY_LEN, VIEW_SEQ } from "./row_view";

const NOBODY: u32 = u32.MAX_VALUE;

/** The source that comes next. */
// @ts-ignore: decorator
@inline
export function treeWinner(merge: usize): u32 {
  return load<u32>(load<u32>(merge, TREE));
}

/** Plays all matches. */
export function treeBuild(merge: usize): void {
  const tree: usize = load<u32>(merge, TREE);
  const count = load<u32>(merge, COUNT);
  for (let node: u32 = 0; node < count; node++) {
    store<u32>(tree + (node << 2), NOBODY);
  }
  // The first to reach a node waits there for its opponent.
  for (let source: u32 = 0; source < count; source++) {
    let player = source;
    for (let node = (source + count) >>> 1; node; node >>>= 1) {
      const other = load<u32>(tree + (node << 2));
      if (other == NOBODY) {
        store<u32>(tree + (node << 2), player);
        player = NOBODY;
        break;
      }
      if (comesBefore(merge, other, player)) {
        store<u32>(tree + (node << 2), player);
        player = other;
      }
    }
    if (player != NOBODY) store<u32>(tree, player);
  }
  store<u32>(merge, 1, BUILT);
}

/** Plays the matches of the winner again, after it has moved. */
export function treeReplay(merge: usize, winner: u32): void {
  const tree: usize = load<u32>(merge, TREE);
  let player = winner;
  let node = (winner + load<u32>(merge, COUNT)) >>> 1;
  for (; node; node >>>= 1) {
    const other = load<u32>(tree + (node << 2));
    if (comesBefore(merge, other, player)) {
      store<u32>(tree + (node << 2), player);
      player = other;
    }
  }
  store<u32>(tree, player);
}

/** Whether source `a` comes before source `b`. */
function comesBefore(merge: usize, a: u32, b: u32): bool {
  const sources: usize = load<u32>(merge, SOURCES);
  const x = sources + a * SOURCE_BYTES;
  const y = sources + b * SOURCE_BYTES;
  const rank = load<u32>(x, RANK);
  if (rank != load<u32>(y, RANK)) return rank < load<u32>(y, RANK);
  if (rank != READY) return a < b;
  let order = compareKeys(
    load<u32>(x, VIEW_KEY),
    load<u32>(x, VIEW_KEY_LEN),
    load<u32>(y, VIEW_KEY),
    load<u32>(y, VIEW_KEY_LEN),
    0,
  );
  if (order == 0) {
    const xSeq = load<u64>(x, VIEW_SEQ);
    const ySeq = load<u64>(y, VIEW_SEQ);
    order = xSeq != ySeq ? (xSeq > ySeq ? -1 : 1) : a < b ? -1 : 1;
  }
  return (order < 0) != (load<u32>(merge, DESCENDING) != 0);
}

/**
 * Which tables may hold a key or a range, newest first.
 *
 * @module
 */
import { compareBytes, startsWith } from "../base/bytes.ts";
import { intersect, isAbove, type KeyRange } from "../base/key_range.ts";
import type { LsmView, TableTree } from "../lsm/lsm_view.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { firstTable, firstTableOfKey, lastTable } from "../sst/table_order.ts";
import { covers } from "./table_lookup.ts";

/**
 * The trees that may hold a key: that of its segment, and the one outside all
 * segments.
 *
 * @param view The view.
 * @param key The key.
 * @returns At most two trees; a key's rows are in one of them only.
 */
export function treesOfKey(view: LsmView, key: Uint8Array): TableTree[] {
  const { segments } = view;
  const trees: TableTree[] = [];
  // No prefix begins with another: only the last one that is not greater can fit.
  const segment = segments[segmentsUpTo(segments, key) - 1];
  if (segment !== undefined && startsWith(key, segment.prefix)) {
    trees.push(segment);
  }
  if (view.l0.length + view.runs.length > 0) trees.push(view);
  return trees;
}

/**
 * The tables of a tree that cover a key, newest first.
 *
 * @param tree The tree.
 * @param key The key.
 * @returns The tables; several of one run where the key's versions straddle them.
 */
export function tablesOfKey(tree: TableTree, key: Uint8Array): SstTable[] {
  const tables = tree.l0.filter((table) => covers(table, key));
  for (const run of tree.runs) {
    const first = firstTableOfKey(run.tables, key);
    for (let i = first; i < run.tables.length; i++) {
      const table = run.tables[i]!;
      if (table.empty) continue;
      if (!covers(table, key)) break;
      tables.push(table);
    }
  }
  return tables;
}

/**
 * The tables that may hold keys of a range: one list for each SST of L0 and for
 * each run, newest first within a tree, each ascending by key.
 *
 * Segments lie one behind the other, so their lists are joined: the newest ones of
 * all segments, then the second newest, and so on. A scan has as many sources as
 * its largest segment, and opens the tables of a segment when it gets there.
 *
 * @param view The view.
 * @param range The range.
 * @returns Lists that are not empty.
 */
export function tablesOfRange(
  view: LsmView,
  range: KeyRange,
): (readonly SstTable[])[] {
  const lists: (readonly SstTable[])[] = [];
  const joined: SstTable[][] = [];
  const { segments } = view;
  const { lower } = range;
  // The one before the range's first key may have it in it, too.
  let at = lower === undefined
    ? 0
    : Math.max(0, segmentsUpTo(segments, lower.key) - 1);
  for (; at < segments.length; at++) {
    const segment = segments[at]!;
    if (isAbove(range, segment.prefix)) break;
    const own: (readonly SstTable[])[] = [];
    addTree(segment, range, own);
    own.forEach((tables, rank) => (joined[rank] ??= []).push(...tables));
  }
  lists.push(...joined);
  addTree(view, range, lists);
  return lists;
}

/** How many segments have a prefix that is not greater than a key. */
function segmentsUpTo(
  segments: LsmView["segments"],
  key: Uint8Array,
): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(segments[middle]!.prefix, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function addTree(
  tree: TableTree,
  range: KeyRange,
  lists: (readonly SstTable[])[],
): void {
  for (const table of tree.l0) {
    if (table.empty || intersect(table.range, range) === undefined) continue;
    lists.push([table]);
  }
  for (const { tables } of tree.runs) {
    const first = firstTable(tables, range);
    const last = lastTable(tables, range);
    if (first > last) continue;
    if (first === 0 && last === tables.length - 1) lists.push(tables);
    else lists.push(tables.slice(first, last + 1));
  }
}

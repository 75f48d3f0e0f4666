/**
 * Which tables may hold a key or a range, newest first.
 *
 * @module
 */
import { startsWith } from "../base/bytes.ts";
import { intersect, type KeyRange } from "../base/key_range.ts";
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
 * @returns One or two trees; a key's rows are in one of them only.
 */
export function treesOfKey(view: LsmView, key: Uint8Array): TableTree[] {
  const segment = view.segments.find(({ prefix }) => startsWith(key, prefix));
  return segment === undefined ? [view] : [segment, view];
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
 * @param view The view.
 * @param range The range.
 * @returns Lists that are not empty.
 */
export function tablesOfRange(
  view: LsmView,
  range: KeyRange,
): (readonly SstTable[])[] {
  const lists: (readonly SstTable[])[] = [];
  for (const segment of view.segments) addTree(segment, range, lists);
  addTree(view, range, lists);
  return lists;
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

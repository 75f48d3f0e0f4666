/**
 * Which tables of a sorted run a key or a range concerns.
 *
 * Tables ascend by key and do not overlap, except that the versions of one key
 * may end one table and begin the next. A table without keys, which SlateDB does
 * not write, may stand anywhere.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { isAbove, type KeyRange } from "../base/key_range.ts";
import type { SstTable } from "./sst_table.ts";

/**
 * The first table that does not end below a key.
 *
 * @param tables The tables of a run.
 * @param key The key.
 * @returns Its place; the number of tables where all end below.
 */
export function firstTableOfKey(
  tables: readonly SstTable[],
  key: Uint8Array,
): number {
  // Gets come here: no closure, and no search where there is one table.
  let low = 0;
  let high = tables.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let probe = middle;
    while (probe < high && tables[probe]!.empty) probe++;
    if (probe === high || !isAbove(tables[probe]!.range, key)) high = middle;
    else low = probe + 1;
  }
  return low;
}

/**
 * The first table that does not end below a range.
 *
 * @param tables The tables of a run.
 * @param range The range.
 * @returns Its place; the number of tables where all end below.
 */
export function firstTable(
  tables: readonly SstTable[],
  range: KeyRange,
): number {
  if (range.lower === undefined) return 0;
  return firstWhere(tables, (table) => !endsBelow(table.range, range));
}

/**
 * The last table that does not begin above a range.
 *
 * @param tables The tables of a run.
 * @param range The range.
 * @returns Its place; -1 where all begin above.
 */
export function lastTable(
  tables: readonly SstTable[],
  range: KeyRange,
): number {
  if (range.upper === undefined) return tables.length - 1;
  return firstWhere(tables, (table) => endsBelow(range, table.range)) - 1;
}

/** The first table for which `holds`, which must be true for all that follow. */
function firstWhere(
  tables: readonly SstTable[],
  holds: (table: SstTable) => boolean,
): number {
  let low = 0;
  let high = tables.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    let probe = middle;
    while (probe < high && tables[probe]!.empty) probe++;
    if (probe === high || holds(tables[probe]!)) high = middle;
    else low = probe + 1;
  }
  return low;
}

/** Whether every key of `a` lies below every key of `b`. */
function endsBelow(a: KeyRange, b: KeyRange): boolean {
  if (a.upper === undefined || b.lower === undefined) return false;
  const order = compareBytes(a.upper.key, b.lower.key);
  if (order !== 0) return order < 0;
  return !(a.upper.inclusive && b.lower.inclusive);
}

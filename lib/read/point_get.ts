/**
 * One key: the newest source that knows it decides.
 *
 * Sources are asked newest first: the active memtable, the frozen ones, L0, the
 * sorted runs. A put or a tombstone ends the search; a merge operand turns it
 * into a merge over all sources.
 *
 * While everything is in memory, or in a store that answers at once, there is no
 * `await`, no promise and no allocation but for the value. The first table that
 * must be waited for ends that path; what follows loads the indexes and filters
 * of several candidates at once and consults them newest first.
 *
 * @module
 */
import { isBelow } from "../base/key_range.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import type { FrozenMemtable, LsmView, TableTree } from "../lsm/lsm_view.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { firstTableOfKey } from "../sst/table_order.ts";
import { foldKey } from "./fold_key.ts";
import { Found } from "./found.ts";
import type { ReadContext } from "./read_context.ts";
import { tablesOfKey, treesOfKey } from "./source_plan.ts";
import {
  ABSENT,
  covers,
  lookUp,
  lookUpAsync,
  type PointRead,
  WAIT,
} from "./table_lookup.ts";

export type { Found } from "./found.ts";
export type { PointRead } from "./table_lookup.ts";

/** What a found row turned out to be. */
type Taken = Found | typeof HIDDEN | typeof OPERAND;
const HIDDEN = "hidden";
const OPERAND = "operand";

/**
 * Looks a key up.
 *
 * @param context What reads work with.
 * @param view The sources; held only while this runs without a promise.
 * @param key The key; may change once this returns.
 * @param read What is visible.
 * @returns The value, or `undefined`; at once where nothing has to be waited for.
 * @throws {DbError} Kind `"data"` if an SST is missing or damaged, `"invalid"` if merge operands cannot be folded.
 */
export function pointValue(
  context: ReadContext,
  view: LsmView,
  key: Uint8Array,
  read: PointRead,
): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  const record = find(context, view, key, read);
  if (record === ABSENT) return context.letGo();
  if (record === WAIT) {
    return findLater(context, view, key, read).then((found) => found?.value);
  }
  const { kernel } = context;
  const header = record >> 2;
  const { u32 } = kernel;
  const flags = u32[header + 8]!;
  if ((flags & (RowFlag.TOMBSTONE | RowFlag.MERGE | RowFlag.EXPIRE)) !== 0) {
    const found = settle(context, view, key, read, record);
    return found instanceof Promise
      ? found.then((found) => found?.value)
      : found?.value;
  }
  const value = record === context.found
    ? u32[header + 9]!
    : record + ROW_HEADER_BYTES + u32[header + 6]!;
  const copy = context.slab.copy(kernel.u8, value, u32[header + 7]!);
  context.letGo();
  return copy;
}

/**
 * Looks a key up, with what is known about its row.
 *
 * @param context What reads work with.
 * @param view The sources; held only while this runs without a promise.
 * @param key The key; may change once this returns.
 * @param read What is visible.
 * @returns The row, or `undefined`; at once where nothing has to be waited for.
 * @throws {DbError} As {@linkcode pointValue}.
 */
export function pointGet(
  context: ReadContext,
  view: LsmView,
  key: Uint8Array,
  read: PointRead,
): Found | undefined | Promise<Found | undefined> {
  const record = find(context, view, key, read);
  if (record === ABSENT) return context.letGo();
  if (record === WAIT) return findLater(context, view, key, read);
  return settle(context, view, key, read, record);
}

/** Makes a result of a record, which may be an operand that has to be folded. */
function settle(
  context: ReadContext,
  view: LsmView,
  key: Uint8Array,
  read: PointRead,
  record: number,
): Found | undefined | Promise<Found | undefined> {
  const taken = take(context, read, record);
  context.letGo();
  if (taken === HIDDEN) return undefined;
  if (taken === OPERAND) return foldKey(context, view, key, read);
  return taken;
}

/** Copies a found row out, unless it is none to be seen. */
function take(context: ReadContext, read: PointRead, record: number): Taken {
  const { kernel } = context;
  const header = record >> 2;
  const { u32 } = kernel;
  const flags = u32[header + 8]!;
  if ((flags & RowFlag.TOMBSTONE) !== 0) return HIDDEN;
  if ((flags & RowFlag.MERGE) !== 0) return OPERAND;
  const expireTs = (flags & RowFlag.EXPIRE) === 0
    ? undefined
    : kernel.readI64(record + 16);
  if (context.hideExpired && expireTs !== undefined && expireTs <= read.nowMs) {
    return HIDDEN;
  }
  const value = record === context.found
    ? u32[header + 9]!
    : record + ROW_HEADER_BYTES + u32[header + 6]!;
  return new Found(
    context.slab.copy(kernel.u8, value, u32[header + 7]!),
    kernel.readU64(record),
    (flags & RowFlag.CREATE) === 0 ? 0n : kernel.readI64(record + 8),
    expireTs,
  );
}

/** The newest visible row's record; {@linkcode ABSENT} or {@linkcode WAIT}. */
function find(
  context: ReadContext,
  view: LsmView,
  key: Uint8Array,
  read: PointRead,
): number {
  const { probe, kernel } = context;
  probe.set(key);
  const { memtable_get } = kernel.exports;
  const { pointer, bytes } = probe;
  const { active, frozen } = view;
  const { seqMax } = read;
  let record = active.lastRecord === 0
    ? 0
    : memtable_get(active.pointer, pointer, bytes, seqMax);
  if (record !== 0) return record;
  for (let i = 0; i < frozen.length; i++) {
    const { memtable } = frozen[i] as FrozenMemtable;
    record = memtable_get(memtable.pointer, pointer, bytes, seqMax);
    if (record !== 0) return record;
  }
  try {
    if (view.segments.length === 0) return findInTree(context, view, key, read);
    for (const tree of treesOfKey(view, key)) {
      record = findInTree(context, tree, key, read);
      if (record !== ABSENT) return record;
    }
    return ABSENT;
  } catch (error) {
    context.letGo();
    throw error;
  }
}

function findInTree(
  context: ReadContext,
  tree: TableTree,
  key: Uint8Array,
  read: PointRead,
): number {
  const { l0, runs } = tree;
  for (let i = 0; i < l0.length; i++) {
    const table = l0[i]!;
    if (!covers(table, key)) continue;
    const record = lookUp(context, table, key, read);
    if (record !== ABSENT) return record;
  }
  for (let r = 0; r < runs.length; r++) {
    const { tables } = runs[r]!;
    for (let i = firstTableOfKey(tables, key); i < tables.length; i++) {
      const table = tables[i]!;
      if (table.empty) continue;
      // It does not end below the key; those behind it begin above, too.
      if (isBelow(table.range, key)) break;
      const record = lookUp(context, table, key, read);
      if (record !== ABSENT) return record;
    }
  }
  return ABSENT;
}

/** The same, waiting for what has to be read. */
async function findLater(
  context: ReadContext,
  view: LsmView,
  callersKey: Uint8Array,
  read: PointRead,
): Promise<Found | undefined> {
  // The caller may use its array again, and the memtables have been asked.
  const key = callersKey.slice();
  context.letGo();
  view.acquire();
  try {
    const tables = treesOfKey(view, key).flatMap((tree) =>
      tablesOfKey(tree, key)
    );
    for (let i = 0; i < tables.length; i++) {
      loadAhead(tables, i, context.maxFetchTasks);
      const taken = await lookUpAsync(
        context,
        tables[i]!,
        key,
        read,
        (record) => take(context, read, record),
      );
      if (taken === undefined) continue;
      if (taken === OPERAND) return await foldKey(context, view, key, read);
      return taken === HIDDEN ? undefined : taken;
    }
    return undefined;
  } finally {
    view.release();
  }
}

/** Starts the loads of some tables, for whoever comes to them. */
function loadAhead(
  tables: readonly SstTable[],
  from: number,
  maxFetchTasks: number,
): void {
  const end = Math.min(tables.length, from + maxFetchTasks);
  for (let i = from; i < end; i++) {
    // A failure is told to those who need this table; perhaps nobody does.
    if (!tables[i]!.ready) tables[i]!.load()?.catch(() => {});
  }
}

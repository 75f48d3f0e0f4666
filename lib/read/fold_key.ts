/**
 * One key whose newest row is a merge operand.
 *
 * @module
 */
import type { KeyRange } from "../base/key_range.ts";
import type { Row } from "../base/row.ts";
import { MergeMode } from "../codec/abi.ts";
import { readRow } from "../codec/row_record.ts";
import { foldForRead } from "../iter/fold.ts";
import type { LsmView } from "../lsm/lsm_view.ts";
import { MergeCursor, type RowSource } from "../sst/merge_cursor.ts";
import { TableSource } from "../sst/table_source.ts";
import { Found } from "./found.ts";
import type { ReadContext } from "./read_context.ts";
import { tablesOfRange } from "./source_plan.ts";
import { passesFilters, type PointRead } from "./table_lookup.ts";

/** No limit: the versions of one key come out together. */
const ALL_ROWS = 0x7fff_ffff;
const OUTPUT_BYTES = 4096;
const READ_AHEAD_BYTES = 64 * 1024;

/**
 * Merges all sources at one key and folds what is visible.
 *
 * @param context What reads work with.
 * @param view The sources; held as long as this runs.
 * @param callersKey The key; may change once this returns.
 * @param read What is visible.
 * @returns The folded value; `undefined` where nothing is left to see.
 * @throws {DbError} Kind `"invalid"` if there is no merge operator or it fails.
 */
export function foldKey(
  context: ReadContext,
  view: LsmView,
  callersKey: Uint8Array,
  read: PointRead,
): Found | undefined | Promise<Found | undefined> {
  const { kernel, hideExpired, maxFetchTasks } = context;
  const key = callersKey.slice();
  const bound = { key, inclusive: true };
  const range: KeyRange = { lower: bound, upper: bound };
  const cursor = new MergeCursor({
    kernel,
    sources: sourcesOf(context, view, range, read),
    mode: MergeMode.VISIBLE,
    hideExpired,
    seqMax: read.seqMax,
    nowMs: BigInt(Math.floor(read.nowMs)),
    range,
    outputBytes: OUTPUT_BYTES,
    maxFetchTasks,
  });
  view.acquire();
  let waits = false;
  try {
    const more = cursor.next(ALL_ROWS);
    if (!(more instanceof Promise)) return fold(context, cursor);
    waits = true;
    return more.then(() => fold(context, cursor)).finally(() => {
      cursor.close();
      view.release();
    });
  } finally {
    if (!waits) {
      cursor.close();
      view.release();
    }
  }
}

function sourcesOf(
  context: ReadContext,
  view: LsmView,
  range: KeyRange,
  read: PointRead,
): RowSource[] {
  const { key } = range.lower!;
  const sources: RowSource[] = [
    view.active,
    ...view.frozen.map(({ memtable }) => memtable),
  ];
  for (const tables of tablesOfRange(view, range)) {
    sources.push(
      new TableSource(tables, {
        descending: false,
        cacheBlocks: read.cacheBlocks,
        readAheadBytes: READ_AHEAD_BYTES,
        maxFetchTasks: context.maxFetchTasks,
        admits: (table) => {
          context.probe.set(key);
          return passesFilters(context, table, key, read);
        },
      }),
    );
  }
  return sources;
}

function fold(context: ReadContext, cursor: MergeCursor): Found | undefined {
  const { kernel } = context;
  const rows: Row[] = [];
  const end = cursor.output + cursor.bytes;
  for (let at = cursor.output; at < end; at += kernel.u32[(at + 36) >> 2]!) {
    rows.push(readRow(kernel, at));
  }
  const newest = rows[0];
  if (newest === undefined) return undefined;
  const { value, seq, createTs = 0n, expireTs } = newest.kind === "merge"
    ? foldForRead(rows, context.mergeOperator)
    : newest;
  return new Found(value, seq, createTs, expireTs);
}

/**
 * Views to read from.
 *
 * @module
 */
import { type RangeOptions, resolveRange } from "../../lib/base/key_range.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { rowFlags } from "../../lib/codec/row_record.ts";
import { Scan } from "../../lib/db/scan.ts";
import { initialManifest } from "../../lib/format/manifest.ts";
import { type FrozenMemtable, LsmView } from "../../lib/lsm/lsm_view.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import { RangeScan } from "../../lib/read/range_scan.ts";
import type { ReadContext } from "../../lib/read/read_context.ts";
import type { SstTable } from "../../lib/sst/sst_table.ts";
import { storeTable, type World } from "../sst/world.ts";

/** Where rows are: each list is in order, except those of memtables. */
export interface Layers {
  active: readonly Row[];
  frozen: readonly (readonly Row[])[];
  l0: readonly (readonly Row[])[];
  /** Each run is cut into tables. */
  runs: readonly (readonly (readonly Row[])[])[];
}

/** Makes a view; released once, it frees everything. */
export async function createView(
  world: World,
  layers: Partial<Layers>,
  blockBytes = 1024,
): Promise<LsmView> {
  const { active = [], frozen = [], l0 = [], runs = [] } = layers;
  const store = (rows: readonly Row[]) =>
    storeTable(world, rows, { blockBytes });
  const l0Tables = await Promise.all(l0.map(store));
  const runTables = await Promise.all(
    runs.map(async (tables, i) => ({
      id: runs.length - i,
      tables: await Promise.all(tables.map(store)),
    })),
  );
  return assemble({
    active: createMemtable(world, active),
    frozen: frozen.map((rows) => createMemtable(world, rows)),
    l0: l0Tables,
    runs: runTables,
  });
}

/** Fills a memtable. */
export function createMemtable(world: World, rows: readonly Row[]): Memtable {
  const memtable = new Memtable(world.kernel, world.budget);
  for (const row of rows) insertRow(memtable, row);
  return memtable;
}

/** Inserts one row. */
export function insertRow(memtable: Memtable, row: Row): void {
  const { key, value, seq, createTs = 0n, expireTs = 0n } = row;
  memtable.insert(key, value, rowFlags(row), seq, createTs, expireTs);
}

function assemble(parts: {
  active: Memtable;
  frozen: Memtable[];
  l0: SstTable[];
  runs: { id: number; tables: SstTable[] }[];
}): LsmView {
  const { active, l0, runs } = parts;
  const frozen = parts.frozen.map((
    memtable,
  ) => ({ memtable } as FrozenMemtable));
  const tables = { l0, runs, segments: [] };
  const view = new LsmView(active, frozen, initialManifest(), tables);
  // The view holds everything from now on.
  active.release();
  for (const { memtable } of frozen) memtable.release();
  for (const table of [...l0, ...runs.flatMap(({ tables }) => tables)]) {
    table.release();
  }
  return view;
}

/** How {@linkcode scanView} scans. */
export interface ScanViewOptions extends RangeOptions {
  reverse?: boolean;
  limit?: number;
  seqMax?: bigint;
  nowMs?: number;
  cacheBlocks?: boolean;
  readAheadBytes?: number;
  signal?: AbortSignal;
  guard?: () => void;
}

/** Scans a view as a database does. */
export function scanView(
  context: ReadContext,
  view: LsmView,
  options: ScanViewOptions = {},
): Scan {
  const { reverse: descending = false, limit = Infinity, prefix } = options;
  const range = resolveRange(options);
  const source = new RangeScan(context, view, {
    seqMax: options.seqMax ?? MAX_SEQ,
    nowMs: options.nowMs ?? 0,
    range,
    prefix: prefix instanceof Uint8Array ? prefix : undefined,
    descending,
    cacheBlocks: options.cacheBlocks ?? false,
    readAheadBytes: options.readAheadBytes,
  });
  return new Scan({
    source,
    range,
    descending,
    limit,
    signal: options.signal,
    guard: options.guard ?? (() => {}),
  });
}

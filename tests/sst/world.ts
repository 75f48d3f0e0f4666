/**
 * SSTs in a store, made of rows, and read back.
 *
 * @module
 */
import { MemoryBudget } from "../../lib/base/budget.ts";
import type { KeyRange } from "../../lib/base/key_range.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { compareRows, MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { type Runtime, systemRuntime } from "../../lib/base/runtime.ts";
import { BlockCache } from "../../lib/cache/block_cache.ts";
import { MergeMode } from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import {
  readRow,
  rowRecordBytes,
  writeRow,
} from "../../lib/codec/row_record.ts";
import type { SstHandle } from "../../lib/format/manifest.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import type { BlockTransformer } from "../../lib/sst/block_transformer.ts";
import type { FilterPolicy } from "../../lib/sst/filter_policy.ts";
import { MergeCursor, type RowSource } from "../../lib/sst/merge_cursor.ts";
import {
  type EncodedSst,
  SstEncoder,
  type SstEncoderOptions,
} from "../../lib/sst/sst_encoder.ts";
import { SstStore } from "../../lib/sst/sst_store.ts";
import type { SstTable } from "../../lib/sst/sst_table.ts";
import { TableSource } from "../../lib/sst/table_source.ts";

const kernel = await Kernel.create();

/** What differs between worlds. */
export interface WorldOptions {
  store?: ObjectStore;
  transformer?: BlockTransformer | undefined;
  filterPolicies?: readonly FilterPolicy[];
  cacheBytes?: number;
  runtime?: Runtime;
}

/** A store of SSTs and the memory they are read into. */
export interface World {
  kernel: Kernel;
  store: ObjectStore;
  cache: BlockCache;
  budget: MemoryBudget;
  ssts: SstStore;
  transformer: BlockTransformer | undefined;
}

/** Makes a world without SSTs. */
export function createWorld(options: WorldOptions = {}): World {
  const { store = new MemoryStore(), transformer, filterPolicies } = options;
  const budget = new MemoryBudget({
    cacheBytes: options.cacheBytes ?? 16 * 1024 * 1024,
  });
  const cache = new BlockCache(kernel, budget);
  const ssts = new SstStore({
    kernel,
    store,
    root: "db",
    cache,
    transformer,
    filterPolicies,
    runtime: options.runtime ?? systemRuntime,
    recorder: noRecorder,
    logger: silentLogger,
  });
  return { kernel, store, cache, budget, ssts, transformer };
}

/** Encodes rows, which are in order. */
export async function encode(
  world: World,
  rows: readonly Row[],
  options: Partial<SstEncoderOptions> = {},
): Promise<EncodedSst> {
  using encoder = new SstEncoder(kernel, {
    sstType: "compacted",
    blockBytes: 4096,
    compression: "none",
    transformer: world.transformer,
    filterBitsPerKey: 10,
    minFilterKeys: 0,
    runtime: systemRuntime,
    ...options,
  });
  for (let at = 0; at < rows.length; at += 100) {
    const part = rows.slice(at, at + 100);
    const bytes = part.reduce((sum, row) => sum + rowRecordBytes(row), 0);
    const pointer = kernel.alloc(bytes);
    let next = pointer;
    for (const row of part) next += writeRow(kernel, next, row);
    await encoder.add(pointer, bytes);
    kernel.free(pointer);
  }
  return await encoder.finish();
}

/** Encodes and stores rows, and answers how a manifest would refer to them. */
export async function storeRows(
  world: World,
  rows: readonly Row[],
  options: Partial<SstEncoderOptions> = {},
  visibleRange?: KeyRange,
): Promise<SstHandle> {
  const encoded = await encode(world, rows, options);
  const id = world.ssts.nextId();
  await world.ssts.put(id, encoded);
  return {
    id,
    info: encoded.info,
    formatVersion: encoded.formatVersion,
    viewId: id,
    ...(visibleRange === undefined ? {} : { visibleRange }),
  };
}

/** The same as a table, held. */
export async function storeTable(
  world: World,
  rows: readonly Row[],
  options: Partial<SstEncoderOptions> = {},
  visibleRange?: KeyRange,
): Promise<SstTable> {
  const handle = await storeRows(world, rows, options, visibleRange);
  const table = world.ssts.table(handle);
  table.acquire();
  return table;
}

/** How {@linkcode readRows} reads. */
export interface ReadRowsOptions {
  range?: KeyRange;
  descending?: boolean;
  cacheBlocks?: boolean;
  readAheadBytes?: number;
  maxFetchTasks?: number;
  maxRows?: number;
}

/** Reads every row of a run of tables, in order. */
export async function readRows(
  tables: readonly SstTable[],
  options: ReadRowsOptions = {},
): Promise<Row[]> {
  const { descending = false, maxFetchTasks = 4 } = options;
  const source = new TableSource(tables, {
    descending,
    cacheBlocks: options.cacheBlocks ?? false,
    readAheadBytes: options.readAheadBytes ?? 64 * 1024,
    maxFetchTasks,
  });
  return await drain([source], options);
}

/** Reads every row of some sources, merged. */
export async function drain(
  sources: readonly RowSource[],
  options: ReadRowsOptions = {},
): Promise<Row[]> {
  const { range = {}, descending = false, maxFetchTasks = 4 } = options;
  const cursor = new MergeCursor({
    kernel,
    sources,
    mode: MergeMode.RAW,
    descending,
    seqMax: MAX_SEQ,
    nowMs: 0n,
    range,
    outputBytes: 4096,
    maxFetchTasks,
  });
  const rows: Row[] = [];
  try {
    while (await cursor.next(options.maxRows ?? 50)) {
      const end = cursor.output + cursor.bytes;
      for (let at = cursor.output; at < end;) {
        const row = readRow(kernel, at);
        rows.push(row);
        at += rowRecordBytes(row);
      }
    }
  } finally {
    cursor.close();
  }
  return rows;
}

/** Rows as an SST has them: ordered, (key, seq) unique. */
export function sorted(rows: readonly Row[]): Row[] {
  const inOrder = rows.toSorted(compareRows);
  return inOrder.filter((row, i) =>
    i === 0 || compareRows(inOrder[i - 1]!, row) !== 0
  );
}

/** Puts with keys that share a prefix, ascending. */
export function plainRows(count: number, valueBytes = 100): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    key: new TextEncoder().encode(`key-${String(i).padStart(8, "0")}`),
    value: new Uint8Array(valueBytes).fill(i & 0xff),
    seq: BigInt(i + 1),
    kind: "put",
    createTs: BigInt(1000 + i),
  }));
}

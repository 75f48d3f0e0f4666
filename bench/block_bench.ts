/**
 * Blocks, builder and merge of the kernel: `deno run -A bench/block_bench.ts`,
 * `bun bench/block_bench.ts`. Keys of 16 bytes, values of 100, blocks of 4 KiB,
 * everything resident; each figure is best / median of several rounds.
 *
 * @module
 */
import { compareBytes } from "../lib/base/bytes.ts";
import type { Row } from "../lib/base/row.ts";
import {
  BUILDER_STATE,
  MERGE_STATE,
  MergeMode,
  MergeOption,
  MergeStatus,
  ROW_HEADER_BYTES,
} from "../lib/codec/abi.ts";
import { crc32 } from "../lib/codec/crc32.ts";
import { Kernel } from "../lib/codec/kernel.ts";
import { rowFlags, rowRecordBytes, writeRow } from "../lib/codec/row_record.ts";
import { encodeIndex } from "../lib/format/sst_index.ts";
import { KEY_BYTES, makeData, VALUE_BYTES } from "./data.ts";

const ROWS = 100_000;
const BLOCK_BYTES = 4096;
const BATCH_BYTES = 64 * 1024;
const SOURCES = 8;
const ROUNDS = 9;
/** Longest range of the short scans. */
const SHORT = 100;

/** Blocks of one source in linear memory. */
interface Table {
  readonly pointers: number[];
  readonly bytes: number[];
  /** In the form that `index_seek` takes. */
  index: number;
}

const kernel = await Kernel.create();
const { exports } = kernel;
const { keys, values } = makeData(ROWS);
const rows: Row[] = keys.map((key, n): Row => ({
  key,
  value: values[n]!,
  seq: BigInt(n + 1),
  kind: "put",
  createTs: 1_700_000_000_000n,
}));
rows.sort((a, b) => compareBytes(a.key, b.key));

function u32(pointer: number): number {
  return kernel.u32[pointer >>> 2]!;
}

function copyRecords(rows: readonly Row[]): { pointer: number; bytes: number } {
  const bytes = rows.reduce((sum, row) => sum + rowRecordBytes(row), 0);
  const pointer = kernel.alloc(bytes);
  let at = pointer;
  for (const row of rows) at += writeRow(kernel, at, row);
  return { pointer, bytes };
}

/** Keeps each block that a builder closes. */
function keepBlock(builder: number, table: Table, separators: Uint8Array[]) {
  const bytes = exports.builder_finish_block(builder);
  const block = u32(builder + BUILDER_STATE.BLOCK);
  const separator = u32(builder + BUILDER_STATE.SEPARATOR);
  const length = u32(builder + BUILDER_STATE.SEPARATOR_BYTES);
  separators.push(kernel.slice(separator, length));
  table.pointers.push(kernel.copyIn(kernel.slice(block, bytes)));
  table.bytes.push(bytes);
}

function buildTable(rows: readonly Row[]): Table {
  const { pointer, bytes } = copyRecords(rows);
  const builder = exports.builder_create(BLOCK_BYTES, 0);
  const table: Table = { pointers: [], bytes: [], index: 0 };
  const separators: Uint8Array[] = [];
  for (let taken = 0; taken < bytes;) {
    taken += exports.builder_add(builder, pointer + taken, bytes - taken);
    keepBlock(builder, table, separators);
  }
  exports.builder_free(builder);
  kernel.free(pointer);

  const offsets = table.bytes.map((_, n) => n);
  const stored = encodeIndex({ offsets, firstKeys: separators });
  const source = kernel.copyIn(stored);
  const end = offsets.length;
  const places = kernel.alloc(8 * (end + 1));
  const unpack = (index: number) =>
    exports.index_unpack(source, stored.length, end, index, places);
  table.index = kernel.alloc(unpack(0));
  unpack(table.index);
  return table;
}

/** Feeds a merge from tables until it is done; `onBatch` sees every batch. */
function drain(
  merge: number,
  tables: readonly Table[],
  descending: boolean,
  onBatch: () => void,
  first = 0,
): number {
  const next = tables.map(({ bytes }) => descending ? bytes.length - 1 : first);
  let rows = 0;
  while (true) {
    const status = exports.merge_run(merge, 1000);
    if (status < 0) throw new Error(`merge_run() returned ${status}`);
    if (status === MergeStatus.WANT_BLOCK) {
      const source = u32(merge + MERGE_STATE.WANTED);
      const { pointers, bytes } = tables[source]!;
      const at = next[source]!;
      next[source] = at + (descending ? -1 : 1);
      const block = pointers[at];
      if (block === undefined) exports.merge_end(merge, source);
      else exports.merge_block(merge, source, block, bytes[at]!);
      continue;
    }
    rows += u32(merge + MERGE_STATE.ROWS);
    onBatch();
    if (status === MergeStatus.DONE) return rows;
  }
}

function scan(tables: readonly Table[], options: number): number {
  const merge = exports.merge_create(
    tables.length,
    MergeMode.VISIBLE,
    options,
    BATCH_BYTES,
  );
  const descending = (options & MergeOption.DESCENDING) !== 0;
  const rows = drain(merge, tables, descending, () => {});
  exports.merge_free(merge);
  return rows;
}

/** Makes the filter of a new table, as the encoder of SSTs does. */
function addFilter(builder: number, rows: number): void {
  const bytes = Math.ceil(rows * 10 / 8);
  const bits = kernel.copyIn(new Uint8Array(bytes));
  const hashes = exports.builder_hashes(builder);
  exports.bloom_add(hashes, rows, bits, bytes, 6);
  kernel.free(bits);
}

/** Merges into blocks of a new table, which are counted and forgotten. */
function rewrite(
  merge: number,
  tables: readonly Table[],
  checksums: boolean,
): number {
  const builder = exports.builder_create(BLOCK_BYTES, 1);
  const { u8 } = kernel;
  const close = () => {
    const bytes = exports.builder_finish_block(builder);
    const block = u32(builder + BUILDER_STATE.BLOCK);
    if (checksums) crc32(u8.subarray(block, block + bytes));
  };
  const rows = drain(merge, tables, false, () => {
    const output = u32(merge + MERGE_STATE.OUTPUT);
    const bytes = u32(merge + MERGE_STATE.BYTES);
    for (let taken = 0; taken < bytes;) {
      taken += exports.builder_add(builder, output + taken, bytes - taken);
      if (taken < bytes) close();
    }
  });
  close();
  addFilter(builder, rows);
  exports.builder_free(builder);
  exports.merge_free(merge);
  return rows;
}

function retaining(sources: number): number {
  const merge = exports.merge_create(
    sources,
    MergeMode.RETAIN,
    MergeOption.DROP_TOMBSTONES,
    BATCH_BYTES,
  );
  exports.merge_limits(merge, 1n << 62n, 0n, 1n << 62n);
  return merge;
}

function fillMemtable(): number {
  const memtable = exports.memtable_create();
  for (const row of rows) {
    const record = exports.memtable_reserve(memtable, rowRecordBytes(row));
    kernel.u8.set(row.key, record + ROW_HEADER_BYTES);
    kernel.u8.set(row.value, record + ROW_HEADER_BYTES + KEY_BYTES);
    exports.memtable_insert(
      memtable,
      KEY_BYTES,
      VALUE_BYTES,
      rowFlags(row),
      row.seq,
      row.createTs!,
      0n,
    );
  }
  return memtable;
}

/** Prints nanoseconds per item, and megabytes a second where bytes are given. */
function measure(
  name: string,
  items: number,
  body: () => unknown,
  bytes = 0,
): void {
  const times: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    body();
    if (round > 0) times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const figures = [times[0]!, times[ROUNDS >> 1]!];
  const per = figures.map((ms) => (ms * 1e6 / items).toFixed(1));
  const rates = figures.map((ms) => (bytes / ms / 1e3).toFixed(0));
  const rate = bytes === 0 ? "" : `   ${rates.join(" / ")} MB/s`;
  console.log(`${name.padEnd(48)} ${per.join(" / ").padStart(16)} ns${rate}`);
}

const whole = buildTable(rows);
const wholeBytes = whole.bytes.reduce((sum, bytes) => sum + bytes, 0);
console.log(`${ROWS} rows, ${whole.bytes.length} blocks, ${wholeBytes} bytes`);

measure("block_check, per row", ROWS, () => {
  whole.pointers.forEach((block, n) =>
    exports.block_check(block, whole.bytes[n]!)
  );
}, wholeBytes);

const order = makeData(ROWS).keys;
const found = kernel.alloc(ROW_HEADER_BYTES);
const packed = kernel.alloc(ROWS * KEY_BYTES);
order.forEach((key, n) => kernel.u8.set(key, packed + n * KEY_BYTES));
const places = order.map((_, n) =>
  exports.index_seek(whole.index, packed + n * KEY_BYTES, KEY_BYTES)
);
measure("index_seek, random keys", ROWS, () => {
  for (let n = 0; n < ROWS; n++) {
    exports.index_seek(whole.index, packed + n * KEY_BYTES, KEY_BYTES);
  }
});
const directories = whole.pointers.map((block, n) =>
  exports.block_directory(block, whole.bytes[n]!)
);
const none = directories.map(() => 0);
for (
  const [how, by] of [["", none], ["with directory, ", directories]] as const
) {
  measure(`block_get, ${how}random keys`, ROWS, () => {
    for (let n = 0; n < ROWS; n++) {
      const at = places[n]!;
      exports.block_get(
        whole.pointers[at]!,
        whole.bytes[at]!,
        by[at]!,
        packed + n * KEY_BYTES,
        KEY_BYTES,
        1n << 62n,
        found,
      );
    }
  });
}
measure("block_directory, per row", ROWS, () => {
  whole.pointers.forEach((block, n) =>
    kernel.free(exports.block_directory(block, whole.bytes[n]!))
  );
});
measure("index_seek and block_get, key copied in", ROWS, () => {
  for (const key of order) {
    const length = kernel.scratchKey(key);
    const pointer = kernel.scratchPointer;
    const at = exports.index_seek(whole.index, pointer, length);
    const block = whole.pointers[at]!;
    const bytes = whole.bytes[at]!;
    const directory = directories[at]!;
    const seqMax = 1n << 62n;
    exports.block_get(block, bytes, directory, pointer, length, seqMax, found);
  }
});

measure("scan, per row", ROWS, () => scan([whole], 0));
measure("scan descending, per row", ROWS, () => scan([whole], 1));
const parts = Array.from(
  { length: SOURCES },
  (_, n) =>
    buildTable(rows.filter((_, at) => Math.imul(at, 2654435761) >>> 29 === n)),
);
measure(`scan of ${SOURCES} interleaved, per row`, ROWS, () => scan(parts, 0));
measure("the same descending, per row", ROWS, () => scan(parts, 1));

const memtable = fillMemtable();
measure("scan of a memtable, per row", ROWS, () => {
  const merge = exports.merge_create(1, MergeMode.VISIBLE, 0, BATCH_BYTES);
  exports.merge_memtable(merge, 0, memtable);
  drain(merge, [], false, () => {});
  exports.merge_free(merge);
});

measure(`scan of ${SHORT} rows, per scan`, 1000, () => {
  for (let n = 0; n < 1000; n++) {
    const merge = exports.merge_create(1, MergeMode.VISIBLE, 0, 16_384);
    const from = n * 97;
    const { key } = rows[from]!;
    const bound = kernel.scratchKey(key);
    exports.merge_bound(merge, 0, kernel.scratchPointer, bound, 1);
    const end = kernel.scratchKey(rows[from + SHORT]!.key);
    exports.merge_bound(merge, 1, kernel.scratchPointer, end, 0);
    kernel.scratchKey(key);
    const { scratchPointer } = kernel;
    const first = exports.index_seek(whole.index, scratchPointer, bound);
    if (drain(merge, [whole], false, () => {}, first) !== SHORT) {
      throw new Error("wrong scan");
    }
    exports.merge_free(merge);
  }
});

measure("memtable to blocks and filter, per row", ROWS, () => {
  const merge = retaining(1);
  exports.merge_memtable(merge, 0, memtable);
  rewrite(merge, [], false);
}, wholeBytes);
exports.memtable_free(memtable);

// One row in ten is there twice, so one in eleven is dropped.
const older = rows.filter((_, n) => n % 10 === 0)
  .map((row) => ({ ...row, seq: 0n }));
const overlapping = Array.from(
  { length: SOURCES },
  (_, n) =>
    buildTable(
      [...rows, ...older]
        .filter((_, at) => Math.imul(at, 2654435761) >>> 29 === n)
        .sort((a, b) => compareBytes(a.key, b.key) || (a.seq > b.seq ? -1 : 1)),
    ),
);
const merged = ROWS + older.length;
const mergedBytes = overlapping.flatMap(({ bytes }) => bytes)
  .reduce((sum, bytes) => sum + bytes, 0);
for (const [name, checksums] of [["", false], [", with CRC", true]] as const) {
  measure(
    `merge of ${SOURCES} to blocks and filter${name}, per row`,
    merged,
    () => {
      if (checksums) {
        for (const { pointers, bytes } of overlapping) {
          pointers.forEach((block, n) =>
            crc32(kernel.u8.subarray(block, block + bytes[n]!))
          );
        }
      }
      rewrite(retaining(SOURCES), overlapping, checksums);
    },
    mergedBytes,
  );
}

/**
 * What the tests of memtables share: rows, a model, and kernels whose cursors
 * can be moved from outside.
 *
 * The module exports no cursors, so one that does is compiled for the tests,
 * with the same options.
 *
 * @module
 */
import asc from "assemblyscript/asc";
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { compareBytes } from "../../lib/base/bytes.ts";
import {
  ABI_VERSION,
  type KernelExports,
  ROW_HEADER_BYTES,
  RowFlag,
} from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { ReferenceMemory } from "../../lib/codec/reference/memory.ts";
import { ReferenceMemtables } from "../../lib/codec/reference/memtable.ts";
import { utf8 } from "./kernels.ts";

/** A row as a test makes it. */
export interface TestRow {
  readonly key: Uint8Array;
  readonly seq: bigint;
  readonly value: Uint8Array;
  readonly flags: number;
  readonly createTs: bigint;
  readonly expireTs: bigint;
}

/** The order of a memtable: key, then falling seq. */
export function compareTestRows(a: TestRow, b: TestRow): number {
  const order = compareBytes(a.key, b.key);
  if (order !== 0 || a.seq === b.seq) return order;
  return a.seq < b.seq ? 1 : -1;
}

/**
 * A put without timestamps.
 *
 * @param key Its key.
 * @param seq Its seq; also its value.
 * @returns The row.
 */
export function put(key: Uint8Array | string, seq: number | bigint): TestRow {
  return {
    key: typeof key === "string" ? utf8(key) : key,
    seq: BigInt(seq),
    value: utf8(`value ${seq}`),
    flags: 0,
    createTs: 0n,
    expireTs: 0n,
  };
}

/** Prefixes that end before, at and after the eight bytes a node keeps of a key. */
const STEMS = [
  "",
  "a",
  "aaaaaaaa",
  "aaaaaaaaa",
  "aaaaaaaa\0",
  "\0\0\0\0\0\0\0\0\0\0",
  "user:0000000000000",
  "user:0000000000000000000",
];

/** Keys that share prefixes, differ in trailing zeros, and come again. */
export const someKey: fc.Arbitrary<Uint8Array> = fc.tuple(
  fc.constantFrom(...STEMS),
  fc.array(fc.constantFrom(0, 1, 0x61, 0xff), { maxLength: 4 }),
).map(([stem, tail]) => Uint8Array.from([...utf8(stem), ...tail]))
  .filter((key) => key.length > 0);

/** Rows over {@linkcode someKey}; some have the same key and seq. */
export const someRow: fc.Arbitrary<TestRow> = fc.record({
  key: someKey,
  seq: fc.oneof(
    { arbitrary: fc.integer({ min: 1, max: 12 }).map(BigInt), weight: 9 },
    { arbitrary: fc.constantFrom(0n, (1n << 64n) - 1n, 1n << 63n), weight: 1 },
  ),
  value: fc.uint8Array({ maxLength: 40 }),
  flags: fc.constantFrom(
    0,
    RowFlag.TOMBSTONE,
    RowFlag.CREATE,
    RowFlag.CREATE | RowFlag.EXPIRE,
    RowFlag.CREATE | RowFlag.MERGE,
  ),
  createTs: fc.bigInt({ min: -5n, max: 1n << 50n }),
  expireTs: fc.bigInt({ min: 0n, max: 1n << 50n }),
});

/**
 * Inserts a row.
 *
 * @param kernel Which kernel.
 * @param memtable Into which memtable.
 * @param row What to insert.
 * @returns Its record, and the one it replaced or 0.
 */
export function insert(
  kernel: Kernel,
  memtable: number,
  row: TestRow,
): { record: number; replaced: number } {
  const { key, value, flags, seq, createTs, expireTs } = row;
  const bytes = ROW_HEADER_BYTES + key.length + value.length;
  const record = kernel.exports.memtable_reserve(memtable, bytes);
  if (record === 0) throw new Error("No memory was reserved");
  kernel.u8.set(key, record + ROW_HEADER_BYTES);
  kernel.u8.set(value, record + ROW_HEADER_BYTES + key.length);
  const replaced = kernel.exports.memtable_insert(
    memtable,
    key.length,
    value.length,
    flags,
    seq,
    createTs,
    expireTs,
  );
  return { record, replaced };
}

/**
 * Reads a record.
 *
 * @param kernel Which kernel.
 * @param record Its address.
 * @returns The row; `undefined` for 0.
 */
export function readRow(kernel: Kernel, record: number): TestRow | undefined {
  if (record === 0) return undefined;
  const { view } = kernel;
  const keyBytes = view.getUint32(record + 24, true);
  const start = record + ROW_HEADER_BYTES;
  return {
    key: kernel.slice(start, keyBytes),
    seq: kernel.readU64(record),
    value: kernel.slice(start + keyBytes, view.getUint32(record + 28, true)),
    flags: view.getUint32(record + 32, true),
    createTs: kernel.readI64(record + 8),
    expireTs: kernel.readI64(record + 16),
  };
}

/** The newest row for each key and seq, in a memtable's order. */
export function sortRows(rows: Iterable<TestRow>): TestRow[] {
  const latest = new Map<string, TestRow>();
  for (const row of rows) latest.set(`${row.key.toHex()}/${row.seq}`, row);
  return [...latest.values()].sort(compareTestRows);
}

/** A cursor over a memtable; every move returns a record or 0. */
export interface TestCursor {
  seekFirst(): number;
  seekLast(): number;
  seek(key: Uint8Array, inclusive: boolean): number;
  seekBack(key: Uint8Array, inclusive: boolean): number;
  next(): number;
  prev(): number;
}

/** A kernel, and cursors over its memtables. */
export interface CursorKernel {
  readonly kernel: Kernel;
  cursor(memtable: number): TestCursor;
}

type CursorExports = KernelExports & {
  mtCursorInit(cursor: number, memtable: number): void;
  mtCursorSeekFirst(cursor: number): number;
  mtCursorSeekLast(cursor: number): number;
  mtCursorSeek(at: number, key: number, bytes: number, incl: number): number;
  mtCursorSeekBack(
    at: number,
    key: number,
    bytes: number,
    inclusive: number,
  ): number;
  mtCursorNext(cursor: number): number;
  mtCursorPrev(cursor: number): number;
};

const ASSEMBLY = new URL("../../lib/codec/assembly/", import.meta.url);
const ENTRY = `
export { alloc, free, memory_limit, memory_used, scratch } from "./memory";
export * from "./memtable";
export * from "./memtable_cursor";
export function abi_version(): u32 { return ${ABI_VERSION}; }
`;

/** Compiles memtables and cursors, without the rest of the kernel. */
export async function compileCursors(): Promise<WebAssembly.Module> {
  let wasm: Uint8Array<ArrayBuffer> | undefined;
  const { error, stderr } = await asc.main([
    "entry.ts",
    "--outFile=cursors.wasm",
    "--optimizeLevel=3",
    "--noAssert",
    "--runtime=stub",
    "--use=abort=",
  ], {
    readFile: (name) =>
      name === "entry.ts"
        ? ENTRY
        : readFile(new URL(name, ASSEMBLY), "utf8").catch(() => null),
    writeFile: (_name, contents) => {
      wasm = contents as Uint8Array<ArrayBuffer>;
    },
    listFiles: () => [],
  });
  if (wasm === undefined) throw error ?? new Error(stderr.toString());
  return new WebAssembly.Module(wasm);
}

/** A kernel of a module made by {@linkcode compileCursors}. */
export function createCursorKernel(module: WebAssembly.Module): CursorKernel {
  const instance = new WebAssembly.Instance(module);
  const exports = instance.exports as unknown as CursorExports;
  const kernel = new Kernel(exports);
  return {
    kernel,
    cursor: (memtable) => {
      const at = kernel.alloc(32);
      exports.mtCursorInit(at, memtable);
      const withKey = (name: "mtCursorSeek" | "mtCursorSeekBack") =>
      (
        key: Uint8Array,
        inclusive: boolean,
      ) => {
        const bytes = kernel.scratchKey(key);
        return exports[name](
          at,
          kernel.scratchPointer,
          bytes,
          Number(inclusive),
        );
      };
      return {
        seekFirst: () => exports.mtCursorSeekFirst(at),
        seekLast: () => exports.mtCursorSeekLast(at),
        seek: withKey("mtCursorSeek"),
        seekBack: withKey("mtCursorSeekBack"),
        next: () => exports.mtCursorNext(at),
        prev: () => exports.mtCursorPrev(at),
      };
    },
  };
}

/** The twin's memtables and cursors. */
export function createCursorTwin(): CursorKernel {
  const memory = new ReferenceMemory();
  const memtables = new ReferenceMemtables(memory);
  const exports = {
    abi_version: () => ABI_VERSION,
    ...memory.exports(),
    ...memtables.exports(),
  };
  const kernel = new Kernel(exports as unknown as KernelExports);
  return { kernel, cursor: (memtable) => memtables.cursor(memtable) };
}

/**
 * Rows and blocks for tests: arbitrary ones, and an encoder that may restart
 * wherever a test wants and share less than it could.
 *
 * @module
 */
import fc from "fast-check";
import { concatBytes, fromHex, toHex } from "../../lib/base/bytes.ts";
import { compareRows, type Row } from "../../lib/base/row.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import {
  readRow,
  rowFlags,
  rowRecordBytes,
  writeRow,
} from "../../lib/codec/row_record.ts";
import { utf8 } from "./kernels.ts";

/** The data block of the file format's example, without its checksum. */
export const EXAMPLE = fromHex(
  "0005016170706c6531000000000000000104000001a1f980d550" +
    "0205037269636f7474776f000000000000000104000001a1f980d550" +
    "00060062616e616e61000000000000000105000001a1f980d550" +
    "00000001",
)!;

/** A row in few words: `put("a", 3, "value")`. */
export function row(
  kind: Row["kind"],
  key: string,
  seq: number,
  value = "",
  times: { createTs?: bigint; expireTs?: bigint } = {},
): Row {
  return {
    key: utf8(key),
    value: utf8(value),
    seq: BigInt(seq),
    kind,
    ...times,
  };
}

/** Rows as text, to compare and to read in a failure. */
export function show(rows: readonly Row[]): string[] {
  return rows.map(({ key, value, seq, kind, createTs, expireTs }) =>
    `${toHex(key)} ${seq} ${kind} ${toHex(value)} ${createTs} ${expireTs}`
  );
}

/** Keys from few letters, so that prefixes and equal keys are common. */
export const arbitraryKey: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 8, arbitrary: fc.stringMatching(/^[ab]{1,3}$/).map(utf8) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 300 }), fc.nat(2)).map((
      [length, tail],
    ) => utf8("k".repeat(length) + tail)),
  },
);

const arbitraryTime = fc.option(fc.bigInt({ min: -2n, max: 9n }), {
  nil: undefined,
});

/** Rows of few keys and seqs, with every combination of flags. */
export const arbitraryRow: fc.Arbitrary<Row> = fc.record({
  key: arbitraryKey,
  value: fc.oneof(
    { weight: 5, arbitrary: fc.uint8Array({ maxLength: 12 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 120, maxLength: 400 }) },
  ),
  seq: fc.oneof(
    { weight: 9, arbitrary: fc.bigInt({ min: 1n, max: 7n }) },
    { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
  ),
  kind: fc.constantFrom<Row["kind"]>("put", "put", "merge", "delete"),
  createTs: arbitraryTime,
  expireTs: arbitraryTime,
}).map(({ createTs, expireTs, ...rest }) => ({
  ...rest,
  value: rest.kind === "delete" ? new Uint8Array(0) : rest.value,
  ...createTs !== undefined && { createTs },
  ...expireTs !== undefined && { expireTs },
}));

/** Rows as a source has them: in order, each (key, seq) once. */
export function arbitraryRows(
  maxLength: number,
  minLength = 0,
): fc.Arbitrary<Row[]> {
  return fc.uniqueArray(arbitraryRow, {
    minLength,
    maxLength,
    selector: ({ key, seq }) => `${toHex(key)} ${seq}`,
  }).map((rows) => rows.sort(compareRows));
}

/** How a block is to be encoded. */
export interface BlockShape {
  /** Whether row `n` starts a restart; row 0 always does. Every 16th by default. */
  restartsAt?: (n: number) => boolean;
  /** How many of the bytes that a row could share it does share; all by default. */
  sharing?: (n: number, possible: number) => number;
}

/** Encodes a V2 block. */
export function encodeBlock(
  rows: readonly Row[],
  { restartsAt = (n) => n % 16 === 0, sharing = (_, n) => n }: BlockShape = {},
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const restarts: number[] = [];
  let size = 0;
  let last: Uint8Array = new Uint8Array(0);
  for (const [n, row] of rows.entries()) {
    const starts = n === 0 || restartsAt(n);
    if (starts) restarts.push(size);
    let shared = 0;
    while (shared < last.length && last[shared] === row.key[shared]) shared++;
    shared = starts ? 0 : sharing(n, shared);
    const part = concatBytes([
      varint(shared),
      varint(row.key.length - shared),
      varint(row.value.length),
      row.key.subarray(shared),
      row.value,
      bigEndian(row.seq, 8),
      bigEndian(BigInt(rowFlags(row)), 1),
      row.expireTs === undefined ? varint() : bigEndian(row.expireTs, 8),
      row.createTs === undefined ? varint() : bigEndian(row.createTs, 8),
    ]);
    parts.push(part);
    size += part.length;
    last = row.key;
  }
  for (const offset of [...restarts, restarts.length]) {
    parts.push(bigEndian(BigInt(offset), 2));
  }
  return concatBytes(parts);
}

/** Encodes a V1 block. */
export function encodeBlockV1(
  rows: readonly Row[],
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const offsets: number[] = [];
  let size = 0;
  for (const row of rows) {
    offsets.push(size);
    const first = rows[0]!.key;
    let prefix = 0;
    while (
      row !== rows[0] && prefix < first.length &&
      first[prefix] === row.key[prefix]
    ) prefix++;
    const part = concatBytes([
      bigEndian(BigInt(prefix), 2),
      bigEndian(BigInt(row.key.length - prefix), 2),
      row.key.subarray(prefix),
      bigEndian(row.seq, 8),
      bigEndian(BigInt(rowFlags(row)), 1),
      row.expireTs === undefined ? varint() : bigEndian(row.expireTs, 8),
      row.createTs === undefined ? varint() : bigEndian(row.createTs, 8),
      ...row.kind === "delete"
        ? []
        : [bigEndian(BigInt(row.value.length), 4), row.value],
    ]);
    parts.push(part);
    size += part.length;
  }
  for (const offset of [...offsets, offsets.length]) {
    parts.push(bigEndian(BigInt(offset), 2));
  }
  return concatBytes(parts);
}

/** The value as LEB128; no bytes for no value. */
function varint(value?: number): Uint8Array {
  if (value === undefined) return new Uint8Array(0);
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push(value & 0x7f | 0x80);
  return Uint8Array.from([...bytes, value]);
}

/** The lowest `bytes` bytes of a number. */
export function bigEndian(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from(
    { length: bytes },
    (_, n) => Number(value >> BigInt(8 * (bytes - 1 - n)) & 0xffn),
  );
}

/** Writes rows as packed records; the caller frees them. */
export function copyRecords(
  kernel: Kernel,
  rows: readonly Row[],
): { pointer: number; bytes: number } {
  const bytes = rows.reduce((sum, row) => sum + rowRecordBytes(row), 0);
  const pointer = kernel.alloc(bytes);
  let at = pointer;
  for (const row of rows) at += writeRow(kernel, at, row);
  return { pointer, bytes };
}

/** Reads packed records. */
export function readRecords(
  kernel: Kernel,
  pointer: number,
  count: number,
): Row[] {
  const rows: Row[] = [];
  for (let at = pointer; rows.length < count;) {
    const row = readRow(kernel, at);
    const link = kernel.view.getUint32(at + 36, true);
    if (link !== rowRecordBytes(row)) throw new Error(`link is ${link}`);
    rows.push(row);
    at += link;
  }
  return rows;
}

/** Inserts rows into a memtable of the kernel; the caller frees it. */
export function fillMemtable(kernel: Kernel, rows: readonly Row[]): number {
  const memtable = kernel.exports.memtable_create();
  for (const row of rows) {
    const record = kernel.exports.memtable_reserve(
      memtable,
      rowRecordBytes(row),
    );
    writeRow(kernel, record, row);
    kernel.exports.memtable_insert(
      memtable,
      row.key.length,
      row.value.length,
      rowFlags(row),
      row.seq,
      row.createTs ?? 0n,
      row.expireTs ?? 0n,
    );
  }
  return memtable;
}

/** Decodes a block through a merge that lets everything through. */
export function decodeBlock(kernel: Kernel, block: Uint8Array): Row[] {
  const { exports } = kernel;
  const pointer = kernel.copyIn(block);
  const merge = exports.merge_create(1, 1, 0, 1 << 20);
  exports.merge_block(merge, 0, pointer, block.length);
  const rows: Row[] = [];
  for (let status = 2; status !== 0;) {
    status = exports.merge_run(merge, 1000);
    if (status < 0) throw new Error(`merge_run() returned ${status}`);
    if (status === 2) {
      exports.merge_end(merge, 0);
      continue;
    }
    const count = kernel.u32[merge / 4]!;
    rows.push(...readRecords(kernel, kernel.u32[merge / 4 + 2]!, count));
  }
  exports.merge_free(merge);
  kernel.free(pointer);
  return rows;
}

/**
 * The info block of an SST: where its sections are, and which keys it holds.
 *
 * Does not own how the block is framed in the file; `sst_layout.ts` does.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { DbError } from "../base/errors.ts";
import { type Compression, COMPRESSIONS } from "../codec/compression.ts";
import { FlatTable } from "./flatbuffer_reader.ts";
import { finishBuffer, writeBytes, writeTable } from "./flatbuffer_writer.ts";

/** Whether an SST belongs to the tree or is a WAL file. */
export type SstType = "compacted" | "wal";

/** How the filter block is laid out: one bare bloom filter, or several by name. */
export type FilterFormat = "legacy" | "composite";

const SST_TYPES: readonly SstType[] = ["compacted", "wal"];
const FILTER_FORMATS: readonly FilterFormat[] = ["legacy", "composite"];
/** A section's checksum. */
const MIN_SECTION_BYTES = 4;

/** What the end of an SST says about the rest; the manifest holds a copy. */
export interface SstInfo {
  /** First key; of a WAL file the seq of its first row. Absent without rows. */
  readonly firstEntry?: Uint8Array;
  /** Last key; absent in WAL files, without rows, and in older SSTs. */
  readonly lastEntry?: Uint8Array;
  /** Where the index block starts. */
  readonly indexOffset: number;
  /** Stored bytes of the index block, checksum included. */
  readonly indexBytes: number;
  /** Where the filter block starts; written as the end of the data blocks always. */
  readonly filterOffset: number;
  /** Stored bytes of the filter block; 0 without a filter. */
  readonly filterBytes: number;
  /** Where the stats block starts; 0 without one. */
  readonly statsOffset: number;
  /** Stored bytes of the stats block; 0 without one. */
  readonly statsBytes: number;
  /** How data, filter, index and stats blocks are compressed. */
  readonly compression: Compression;
  /** Whether the SST belongs to the tree or is a WAL file. */
  readonly sstType: SstType;
  /** How the filter block is laid out. */
  readonly filterFormat: FilterFormat;
}

/**
 * Encodes an info block.
 *
 * @param info What it says.
 * @returns A FlatBuffer, without checksum.
 */
export function encodeSstInfo(info: SstInfo): Uint8Array {
  const builder = new Builder(256);
  return finishBuffer(builder, writeSstInfo(builder, info));
}

/**
 * The inverse of {@linkcode encodeSstInfo}.
 *
 * @param bytes A FlatBuffer, without checksum.
 * @returns What it says; keys are copies.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeSstInfo(bytes: Uint8Array): SstInfo {
  return readSstInfo(FlatTable.root(bytes, "SST info"));
}

/**
 * Writes an info table into a larger buffer.
 *
 * @param builder Where to.
 * @param info What it says.
 * @returns The table.
 */
export function writeSstInfo(builder: Builder, info: SstInfo): number {
  const firstEntry = writeBytes(builder, info.firstEntry);
  const lastEntry = writeBytes(builder, info.lastEntry);
  return writeTable(builder, [
    [0, "ref", firstEntry],
    [1, "u64", info.indexOffset],
    [2, "u64", info.indexBytes],
    [3, "u64", info.filterOffset],
    [4, "u64", info.filterBytes],
    [5, "u8", COMPRESSIONS.indexOf(info.compression)],
    [6, "u8", SST_TYPES.indexOf(info.sstType)],
    [7, "ref", lastEntry],
    [8, "u64", info.statsOffset],
    [9, "u64", info.statsBytes],
    [10, "u8", FILTER_FORMATS.indexOf(info.filterFormat)],
  ]);
}

/**
 * Reads an info table out of a larger buffer.
 *
 * @param table The table.
 * @returns What it says; keys are copies.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function readSstInfo(table: FlatTable): SstInfo {
  const firstEntry = table.bytes(0)?.slice();
  const lastEntry = table.bytes(7)?.slice();
  return {
    ...(firstEntry === undefined ? {} : { firstEntry }),
    ...(lastEntry === undefined ? {} : { lastEntry }),
    indexOffset: table.size(1),
    indexBytes: table.size(2),
    filterOffset: table.size(3),
    filterBytes: table.size(4),
    statsOffset: table.size(8),
    statsBytes: table.size(9),
    compression: choose(table, COMPRESSIONS, table.u8(5), "compression"),
    sstType: choose(table, SST_TYPES, table.u8(6), "SST type"),
    filterFormat: choose(table, FILTER_FORMATS, table.u8(10), "filter format"),
  };
}

function choose<Choice>(
  table: FlatTable,
  choices: readonly Choice[],
  number: number,
  what: string,
): Choice {
  const choice = choices[number];
  if (choice === undefined) throw table.damage(`unknown ${what} ${number}`);
  return choice;
}

/**
 * Where the data blocks end.
 *
 * @param info The SST's info.
 * @returns An offset; 0 where there are no data blocks.
 */
export function dataEnd(info: SstInfo): number {
  // Without a filter some writers leave the filter's offset at 0, but what
  // follows the data then is the index.
  return info.filterBytes === 0 ? info.indexOffset : info.filterOffset;
}

/**
 * Checks that every section lies inside the object, in its order: data blocks,
 * filter, index, stats.
 *
 * @param info The SST's info.
 * @param objectBytes Size of the whole object.
 * @throws {DbError} Kind `"data"` if a section does not fit.
 */
export function validateSstInfo(info: SstInfo, objectBytes: number): void {
  const filterEnd = info.filterBytes === 0
    ? dataEnd(info)
    : sectionEnd("filter", info.filterOffset, info.filterBytes);
  const indexEnd = sectionEnd("index", info.indexOffset, info.indexBytes);
  let end = indexEnd;
  if (info.statsBytes !== 0) {
    end = sectionEnd("stats", info.statsOffset, info.statsBytes);
    if (info.statsOffset < indexEnd) throw overlap("stats");
  }
  if (info.indexOffset < filterEnd) throw overlap("index");
  if (end > objectBytes) {
    throw new DbError(
      "data",
      `The SST is cut short: its sections take ${end} bytes, it has ${objectBytes}`,
    );
  }
}

function sectionEnd(what: string, offset: number, bytes: number): number {
  const end = offset + bytes;
  if (bytes < MIN_SECTION_BYTES || !Number.isSafeInteger(end)) {
    throw new DbError(
      "data",
      `The SST info is damaged: no ${what} block can have ${bytes} bytes at ${offset}`,
    );
  }
  return end;
}

function overlap(what: string): DbError {
  return new DbError(
    "data",
    `The SST info is damaged: the ${what} block overlaps another`,
  );
}

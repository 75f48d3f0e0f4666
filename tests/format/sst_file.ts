/**
 * A whole SST taken apart with `lib/format` and a second, slow decoder of rows.
 *
 * @module
 */
import { concatBytes } from "../../lib/base/bytes.ts";
import type { Row, RowKind } from "../../lib/base/row.ts";
import { decompress } from "../../lib/codec/compression.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { ByteReader } from "../../lib/format/byte_reader.ts";
import {
  type BloomFilter,
  decodeBloom,
  decodeFilters,
} from "../../lib/format/filter_block.ts";
import { decodeIndex, type SstIndex } from "../../lib/format/sst_index.ts";
import {
  dataEnd,
  type SstInfo,
  validateSstInfo,
} from "../../lib/format/sst_info.ts";
import {
  checkChecksum,
  decodeSstFooter,
  decodeSstTail,
  FOOTER_BYTES,
} from "../../lib/format/sst_layout.ts";
import { decodeStats, type SstStats } from "../../lib/format/sst_stats.ts";

/** One kernel for all tests of a file. */
export const KERNEL: Kernel = Kernel.createSync();

/** An SST taken apart; raw sections are decompressed and without checksum. */
export interface SstFile {
  metaOffset: number;
  version: 1 | 2;
  tail: Uint8Array;
  info: SstInfo;
  index: SstIndex;
  rawIndex: Uint8Array;
  filters: BloomFilter[];
  rawFilter: Uint8Array | undefined;
  stats: SstStats | undefined;
  rawStats: Uint8Array | undefined;
  blocks: Row[][];
}

/** Takes an SST apart and checks every checksum. */
export function readSstFile(
  bytes: Uint8Array,
  untransform: (bytes: Uint8Array) => Uint8Array = (stored) => stored,
): SstFile {
  const footer = decodeSstFooter(bytes.subarray(bytes.length - FOOTER_BYTES));
  const tail = bytes.subarray(footer.metaOffset);
  const info = decodeSstTail(tail);
  validateSstInfo(info, bytes.length);
  const section = (offset: number, length: number, what: string) => {
    const stored = checkChecksum(bytes.subarray(offset, offset + length), what);
    return decompress(KERNEL, info.compression, untransform(stored));
  };
  const optional = (offset: number, length: number, what: string) =>
    length === 0 ? undefined : section(offset, length, what);
  const rawIndex = section(info.indexOffset, info.indexBytes, "index");
  const index = decodeIndex(rawIndex, dataEnd(info));
  const rawFilter = optional(info.filterOffset, info.filterBytes, "filter");
  const rawStats = optional(info.statsOffset, info.statsBytes, "stats");
  const decodeBlock = footer.version === 2 ? decodeBlockV2 : decodeBlockV1;
  return {
    ...footer,
    tail,
    info,
    index,
    rawIndex,
    filters: rawFilter === undefined
      ? []
      : decodeFilters(rawFilter, info.filterFormat).map(decodeBloom),
    rawFilter,
    stats: rawStats === undefined ? undefined : decodeStats(rawStats),
    rawStats,
    blocks: Array.from(index.offsets, (offset, i) => {
      const end = index.offsets[i + 1] ?? dataEnd(info);
      return decodeBlock(section(offset, end - offset, `block ${i}`));
    }),
  };
}

/** Rows of a block whose keys share a prefix with the key before. */
export function decodeBlockV2(block: Uint8Array): Row[] {
  const restarts = new DataView(block.buffer, block.byteOffset)
    .getUint16(block.length - 2);
  const end = block.length - 2 - 2 * restarts;
  const reader = new ByteReader(block.subarray(0, end), "block");
  const rows: Row[] = [];
  while (reader.remaining > 0) {
    const shared = varint(reader);
    const unshared = varint(reader);
    const valueBytes = varint(reader);
    const prefix = rows.at(-1)?.key.subarray(0, shared) ?? new Uint8Array(0);
    const key = concatBytes([prefix, reader.bytes(unshared)]);
    const value = reader.bytes(valueBytes);
    rows.push({ key, ...metadata(reader), value });
  }
  return rows;
}

/** Rows of a block whose keys share a prefix with its first key. */
export function decodeBlockV1(block: Uint8Array): Row[] {
  const count = new DataView(block.buffer, block.byteOffset)
    .getUint16(block.length - 2);
  const end = block.length - 2 - 2 * count;
  const reader = new ByteReader(block.subarray(0, end), "block");
  const rows: Row[] = [];
  while (reader.remaining > 0) {
    const shared = reader.u16();
    const unshared = reader.u16();
    const prefix = rows[0]?.key.subarray(0, shared) ?? new Uint8Array(0);
    const key = concatBytes([prefix, reader.bytes(unshared)]);
    const row = { key, ...metadata(reader), value: new Uint8Array(0) };
    if (row.kind !== "delete") row.value = reader.bytes(reader.u32()).slice();
    rows.push(row);
  }
  return rows;
}

function metadata(reader: ByteReader): {
  seq: bigint;
  kind: RowKind;
  createTs?: bigint;
  expireTs?: bigint;
} {
  const seq = u64(reader);
  const flags = reader.u8();
  const kind = (flags & 1) !== 0
    ? "delete"
    : (flags & 8) !== 0
    ? "merge"
    : "put";
  return {
    seq,
    kind,
    ...((flags & 2) !== 0 ? { expireTs: BigInt.asIntN(64, u64(reader)) } : {}),
    ...((flags & 4) !== 0 ? { createTs: BigInt.asIntN(64, u64(reader)) } : {}),
  };
}

function u64(reader: ByteReader): bigint {
  return BigInt(reader.u32()) << 32n | BigInt(reader.u32());
}

function varint(reader: ByteReader): number {
  let value = 0;
  for (let shift = 0;; shift += 7) {
    const byte = reader.u8();
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
}

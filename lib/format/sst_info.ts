/**
 * The info block of an SST: where its sections are, and which keys it holds.
 *
 * @module
 */
import type { Compression } from "../codec/compression.ts";

/** Whether an SST belongs to the tree or is a WAL file. */
export type SstType = "compacted" | "wal";

/** How the filter block is laid out: one bare bloom filter, or several by name. */
export type FilterFormat = "legacy" | "composite";

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
  /** Where the filter block starts: always the end of the data blocks. */
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

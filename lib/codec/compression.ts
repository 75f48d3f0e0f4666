/**
 * Compression of one section of an SST.
 *
 * @module
 */

/** How the sections of an SST are compressed; the order is the file format's. */
export type Compression = "none" | "snappy" | "zlib" | "lz4" | "zstd";

/** Every {@linkcode Compression}; the index is its number in the file format. */
export const COMPRESSIONS: readonly Compression[] = [
  "none",
  "snappy",
  "zlib",
  "lz4",
  "zstd",
];

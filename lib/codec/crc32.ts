/**
 * CRC-32 (IEEE) for code that has no kernel at hand: the runtime's own where
 * there is one, tables otherwise.
 *
 * @module
 */
import type * as Zlib from "node:zlib";

const POLYNOMIAL = 0xedb88320;
const SLICES = 8;

type NodeProcess = {
  getBuiltinModule?: (name: "node:zlib") => typeof Zlib | undefined;
};

/** A CRC-32 of bytes, going on from the CRC-32 of those before them. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

let chosen: Crc32 | undefined;

/**
 * The checksum that every section and state file carries.
 *
 * @param bytes What to check.
 * @param seed The checksum of the bytes before these, where there are any.
 * @returns An unsigned 32-bit integer.
 */
export function crc32(bytes: Uint8Array, seed = 0): number {
  chosen ??= builtIn() ?? crc32ByTables();
  return chosen(bytes, seed);
}

function builtIn(): Crc32 | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  const native = process?.getBuiltinModule?.("node:zlib")?.crc32;
  return native === undefined
    ? undefined
    : (bytes, seed = 0) => native(bytes, seed);
}

/**
 * A CRC-32 over tables, eight bytes a step.
 *
 * @returns The function.
 */
export function crc32ByTables(): Crc32 {
  // Row k advances a byte's contribution past k further zero bytes.
  const tables = new Uint32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? POLYNOMIAL ^ (crc >>> 1) : crc >>> 1;
    }
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256]!;
    tables[i] = tables[previous & 0xff]! ^ (previous >>> 8);
  }
  return (bytes, seed = 0) => {
    let crc = ~seed;
    let i = 0;
    for (const end = bytes.length - 7; i < end; i += 8) {
      crc ^= bytes[i]! | bytes[i + 1]! << 8 | bytes[i + 2]! << 16 |
        bytes[i + 3]! << 24;
      crc = tables[1792 + (crc & 0xff)]! ^
        tables[1536 + (crc >>> 8 & 0xff)]! ^
        tables[1280 + (crc >>> 16 & 0xff)]! ^
        tables[1024 + (crc >>> 24)]! ^
        tables[768 + bytes[i + 4]!]! ^
        tables[512 + bytes[i + 5]!]! ^
        tables[256 + bytes[i + 6]!]! ^
        tables[bytes[i + 7]!]!;
    }
    for (; i < bytes.length; i++) {
      crc = tables[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
    }
    return ~crc >>> 0;
  };
}

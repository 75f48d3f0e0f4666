/**
 * Compression of one section of an SST.
 *
 * | name     | stored                                              |
 * | -------- | --------------------------------------------------- |
 * | `none`   | the content                                         |
 * | `snappy` | a raw Snappy block                                  |
 * | `zlib`   | a zlib stream (RFC 1950), default level             |
 * | `lz4`    | u32 little-endian content length, one raw LZ4 block |
 * | `zstd`   | Zstandard frames, default level                     |
 *
 * Snappy and LZ4 run in the kernel, zlib and Zstandard in the runtime. What
 * comes out is bounded, so that a few stored bytes cannot exhaust the memory.
 *
 * @module
 */
import type * as Zlib from "node:zlib";
import { DbError } from "../base/errors.ts";
import type { Kernel } from "./kernel.ts";
import { compressZstd, decompressZstd } from "./zstd.ts";

/** How the sections of an SST are compressed. */
export type Compression = "none" | "snappy" | "zlib" | "lz4" | "zstd";

/** Every {@linkcode Compression}; the index is its number in the file format. */
export const COMPRESSIONS: readonly Compression[] = [
  "none",
  "snappy",
  "zlib",
  "lz4",
  "zstd",
];

/** The most that a section may hold unless the caller knows better. */
export const MAX_SECTION_BYTES: number = 64 * 1024 * 1024;

const LZ4_HEADER_BYTES = 4;

type NodeProcess = {
  getBuiltinModule?: (name: "node:zlib") => typeof Zlib | undefined;
};

/**
 * Compresses a section.
 *
 * @param kernel Where Snappy and LZ4 run.
 * @param compression How.
 * @param raw The content.
 * @returns What to store; the same array for `none`.
 * @throws {DbError} Kind `"invalid"` if this runtime cannot write it.
 */
export function compress(
  kernel: Kernel,
  compression: Compression,
  raw: Uint8Array,
): Uint8Array {
  switch (compression) {
    case "none":
      return raw;
    case "snappy":
      return compressSnappy(kernel, raw);
    case "lz4":
      return compressLz4(kernel, raw);
    case "zlib":
      return plain(needZlib().deflateSync(raw));
    case "zstd":
      return plain(compressZstd(findZlib(), raw));
  }
}

/**
 * The inverse of {@linkcode compress}.
 *
 * @param kernel Where Snappy and LZ4 run.
 * @param compression How the section was compressed.
 * @param stored What was stored.
 * @param limitBytes The most that may come out.
 * @returns The content; the same array for `none`.
 * @throws {DbError} Kind `"data"` if it is damaged or holds more, `"invalid"` if
 * this runtime cannot read it.
 */
export function decompress(
  kernel: Kernel,
  compression: Compression,
  stored: Uint8Array,
  limitBytes: number = MAX_SECTION_BYTES,
): Uint8Array {
  switch (compression) {
    case "none":
      return stored;
    case "snappy":
      return decompressSnappy(kernel, stored, limitBytes);
    case "lz4":
      return decompressLz4(kernel, stored, limitBytes);
    case "zlib": {
      const zlib = needZlib();
      return guarded(
        "zlib",
        () => zlib.inflateSync(stored, { maxOutputLength: limitBytes }),
      );
    }
    case "zstd":
      return guarded(
        "zstd",
        () => decompressZstd(findZlib(), stored, limitBytes),
      );
  }
}

function compressSnappy(kernel: Kernel, raw: Uint8Array): Uint8Array {
  const { length } = raw;
  return inKernel(kernel, {
    name: "snappy",
    input: raw,
    header: 0,
    capacity: () => 32 + length + Math.ceil(length / 6),
    run: kernel.exports.snappy_encode,
  });
}

function decompressSnappy(
  kernel: Kernel,
  stored: Uint8Array,
  limitBytes: number,
): Uint8Array {
  return inKernel(kernel, {
    name: "snappy",
    input: stored,
    header: 0,
    capacity: (source, bytes) => {
      const length = kernel.exports.snappy_length(source, bytes);
      return checkLength("snappy", length, limitBytes);
    },
    // The kernel accepts nothing but exactly that many bytes.
    run: kernel.exports.snappy_decode,
  });
}

function compressLz4(kernel: Kernel, raw: Uint8Array): Uint8Array {
  const { length } = raw;
  const stored = inKernel(kernel, {
    name: "lz4",
    input: raw,
    header: LZ4_HEADER_BYTES,
    capacity: () => 16 + length + Math.ceil(length / 255),
    run: kernel.exports.lz4_encode,
  });
  new DataView(stored.buffer).setUint32(0, length, true);
  return stored;
}

function decompressLz4(
  kernel: Kernel,
  stored: Uint8Array,
  limitBytes: number,
): Uint8Array {
  if (stored.length < LZ4_HEADER_BYTES) throw damaged("lz4");
  const view = new DataView(stored.buffer, stored.byteOffset);
  const length = checkLength("lz4", view.getUint32(0, true), limitBytes);
  const raw = inKernel(kernel, {
    name: "lz4",
    input: stored.subarray(LZ4_HEADER_BYTES),
    header: 0,
    capacity: () => length,
    run: kernel.exports.lz4_decode,
  });
  if (raw.length !== length) throw damaged("lz4");
  return raw;
}

/** One run of a block codec of the kernel. */
interface KernelRun {
  readonly name: Compression;
  readonly input: Uint8Array;
  /** Bytes to leave free in front of the output. */
  readonly header: number;
  /** Room for the output, given where the input is and its length. */
  capacity(source: number, bytes: number): number;
  run(
    source: number,
    bytes: number,
    target: number,
    capacity: number,
  ): number;
}

function inKernel(kernel: Kernel, codec: KernelRun): Uint8Array<ArrayBuffer> {
  const { name, input, header } = codec;
  // A block lies in the kernel's memory: where that grows, the array is empty.
  const { length } = input;
  const source = kernel.copyIn(input);
  let target = 0;
  try {
    const capacity = codec.capacity(source, length);
    target = kernel.alloc(header + capacity);
    if (target === 0) {
      throw new DbError("unavailable", `No memory for ${capacity} bytes`);
    }
    const written = codec.run(source, length, target + header, capacity);
    if (written < 0) throw damaged(name);
    return kernel.slice(target, header + written);
  } finally {
    kernel.exports.free(target);
    kernel.exports.free(source);
  }
}

function checkLength(
  name: Compression,
  length: number,
  limitBytes: number,
): number {
  if (length < 0) throw damaged(name);
  if (length <= limitBytes) return length;
  throw new DbError(
    "data",
    `A section compressed with ${name} claims ${length} bytes, at most ${limitBytes} are allowed`,
  );
}

function guarded(name: Compression, run: () => Uint8Array): Uint8Array {
  try {
    return plain(run());
  } catch (error) {
    throw damaged(name, error);
  }
}

function damaged(name: Compression, cause?: unknown): DbError {
  return new DbError(
    "data",
    `A section compressed with ${name} is damaged`,
    cause === undefined ? {} : { cause },
  );
}

/** A view without the methods of Node's `Buffer`. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function findZlib(): typeof Zlib | undefined {
  const { process } = globalThis as { process?: NodeProcess };
  return process?.getBuiltinModule?.("node:zlib");
}

function needZlib(): typeof Zlib {
  const zlib = findZlib();
  if (zlib !== undefined) return zlib;
  throw new DbError("invalid", "This runtime has no `zlib`");
}

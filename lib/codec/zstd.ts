/**
 * Zstandard: the runtime's own where it has one, `fzstd` for reading otherwise.
 *
 * Neither says so when a frame is cut short: both return what there is. So the
 * frames' outlines are checked first, which also bounds the memory that a
 * decoder reserves.
 *
 * ```text
 * frame  magic 28b52ffd | descriptor u8 | [window u8] | [dictionary id] | [content size] | blocks | [checksum]
 * block  u24 LE: last 1 bit, type 2 bits (0 raw, 1 one byte repeated, 2 compressed), size 21 bits | content
 * ```
 *
 * @module
 */
import { Decompress } from "fzstd";
import type * as Zlib from "node:zlib";
import { concatBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** The decoders of the runtimes accept no larger window. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const CHECKSUM_BYTES = 4;
const REPEATED = 1;
const RESERVED = 3;

/**
 * Compresses at the default level.
 *
 * @param zlib The runtime's module, if it has one.
 * @param raw What to compress.
 * @returns One frame.
 * @throws {DbError} Kind `"invalid"` if the runtime cannot write Zstandard.
 */
export function compressZstd(
  zlib: typeof Zlib | undefined,
  raw: Uint8Array,
): Uint8Array {
  if (zlib?.zstdCompressSync === undefined) {
    throw new DbError(
      "invalid",
      "This runtime cannot write `zstd`: choose another compression, or run on Deno, Bun or Node 22.15",
    );
  }
  return zlib.zstdCompressSync(raw);
}

/**
 * Decompresses whole frames.
 *
 * @param zlib The runtime's module, if it has one.
 * @param stored The frames.
 * @param limitBytes The most that may come out.
 * @returns Their content.
 * @throws {Error} If the frames are damaged, or if more would come out.
 */
export function decompressZstd(
  zlib: typeof Zlib | undefined,
  stored: Uint8Array,
  limitBytes: number,
): Uint8Array {
  const decompressFrame = zlib?.zstdDecompressSync === undefined
    ? byLibrary
    : zlib.zstdDecompressSync;
  const parts: Uint8Array[] = [];
  let left = limitBytes;
  for (let at = 0; at < stored.length;) {
    const end = frameEnd(stored, at);
    // One frame a call: some runtimes stop behind the first.
    if (littleEndian(stored, at, 4) === MAGIC) {
      const frame = stored.subarray(at, end);
      const part = decompressFrame(frame, { maxOutputLength: left });
      left -= part.length;
      parts.push(part);
    }
    at = end;
  }
  return parts.length === 1 ? parts[0]! : concatBytes(parts);
}

function byLibrary(
  frame: Uint8Array,
  { maxOutputLength }: { maxOutputLength: number },
): Uint8Array {
  const parts: Uint8Array[] = [];
  let left = maxOutputLength;
  const stream = new Decompress((part) => {
    left -= part.length;
    if (left < 0) throw new RangeError("a zstd frame holds too much");
    parts.push(part);
  });
  stream.push(frame, true);
  return concatBytes(parts);
}

/** Where the frame at `start` ends. */
function frameEnd(bytes: Uint8Array, start: number): number {
  const magic = littleEndian(bytes, start, 4);
  if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
    return within(bytes, start + 8 + littleEndian(bytes, start + 4, 4));
  }
  if (magic !== MAGIC) throw new RangeError("it is no zstd frame");
  const descriptor = littleEndian(bytes, start + 4, 1);
  let at = headerEnd(bytes, start + 5, descriptor);
  for (let last = false; !last;) {
    const header = littleEndian(bytes, at, 3);
    last = (header & 1) === 1;
    const type = header >>> 1 & 3;
    if (type === RESERVED) throw new RangeError("a zstd block is of no type");
    at = within(bytes, at + 3 + (type === REPEATED ? 1 : header >>> 3));
  }
  const checksum = descriptor >>> 2 & 1;
  return within(bytes, at + checksum * CHECKSUM_BYTES);
}

function headerEnd(
  bytes: Uint8Array,
  start: number,
  descriptor: number,
): number {
  const singleSegment = (descriptor >>> 5 & 1) === 1;
  let at = start;
  let window = 0;
  if (!singleSegment) {
    const byte = littleEndian(bytes, at++, 1);
    const base = 2 ** (10 + (byte >>> 3));
    window = base + base / 8 * (byte & 7);
  }
  at += DICTIONARY_ID_BYTES[descriptor & 3]!;
  const sizeBytes = CONTENT_SIZE_BYTES[descriptor >>> 6]! ||
    (singleSegment ? 1 : 0);
  if (singleSegment) window = littleEndian(bytes, at, sizeBytes);
  if (window > MAX_WINDOW_BYTES) {
    throw new RangeError(`a zstd frame wants a window of ${window} bytes`);
  }
  return within(bytes, at + sizeBytes);
}

function littleEndian(
  bytes: Uint8Array,
  offset: number,
  length: number,
): number {
  within(bytes, offset + length);
  let value = 0;
  for (let i = length - 1; i >= 0; i--) {
    value = 256 * value + bytes[offset + i]!;
  }
  return value;
}

function within(bytes: Uint8Array, end: number): number {
  if (end > bytes.length) throw new RangeError("a zstd frame is cut short");
  return end;
}

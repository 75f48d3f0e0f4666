/**
 * One section of an SST between its stored form and its content: data block,
 * filter, index or stats.
 *
 * ```text
 * stored = T(C(content)) | crc u32      C the SST's compression, T the user's transformer
 * ```
 *
 * @module
 */
import { DbError, messageOf } from "../base/errors.ts";
import {
  compress,
  type Compression,
  decompress,
} from "../codec/compression.ts";
import type { Kernel } from "../codec/kernel.ts";
import { compressInSteps, type Pause } from "../codec/long_compression.ts";
import { checkChecksum } from "../format/sst_layout.ts";
import type { BlockTransformer } from "./block_transformer.ts";

/** How the sections of one SST are stored. */
export interface SectionCoding {
  /** Has some of the codecs. */
  readonly kernel: Kernel;
  /** How they are compressed. */
  readonly compression: Compression;
  /** The user's step after that. */
  readonly transformer: BlockTransformer | undefined;
}

/** How much of stored sections takes about a millisecond to decode. */
export const BYTES_AT_ONCE: Readonly<Record<Compression, number>> = {
  none: 512 * 1024,
  snappy: 256 * 1024,
  lz4: 256 * 1024,
  zlib: 64 * 1024,
  zstd: 64 * 1024,
};

/**
 * Undoes what {@linkcode encodeSection} and the checksum did.
 *
 * @param coding How the section is stored.
 * @param stored The section with its checksum.
 * @param what What it is, for messages.
 * @returns The content; may refer to `stored`, or to memory valid until the next call.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeSection(
  coding: SectionCoding,
  stored: Uint8Array,
  what: string,
): Uint8Array | Promise<Uint8Array> {
  const checked = checkChecksum(stored, what);
  const { transformer } = coding;
  if (transformer === undefined) return inflate(coding, checked);
  let decoded: Uint8Array | Promise<Uint8Array>;
  try {
    // It may still be at work when the store's buffer has changed.
    decoded = transformer.decode(checked.slice());
  } catch (error) {
    throw transformFailure("decode", error);
  }
  if (decoded instanceof Uint8Array) return inflate(coding, decoded);
  return decoded.then(
    (bytes) => inflate(coding, bytes),
    (error) => {
      throw transformFailure("decode", error);
    },
  );
}

/**
 * Compresses and transforms a section; the checksum is the caller's.
 *
 * @param coding How to store it.
 * @param content The content; valid during the call at least.
 * @returns What to store; may refer to `content`, or to memory valid until the next call.
 */
export function encodeSection(
  coding: SectionCoding,
  content: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  const { kernel, compression } = coding;
  const small = compression === "none"
    ? content
    : compress(kernel, compression, content);
  return transform(coding, small);
}

/**
 * The same of a section that may be long, in short steps but for the user's.
 *
 * @param coding How to store it.
 * @param content The content; not in the kernel's memory.
 * @param pause Called between steps; what it returns is waited for, and ends the work if it rejects.
 * @returns What to store; may refer to `content`.
 */
export async function encodeLongSection(
  coding: SectionCoding,
  content: Uint8Array,
  pause: Pause,
): Promise<Uint8Array> {
  const { kernel, compression } = coding;
  const small = await compressInSteps(kernel, compression, content, pause);
  return await transform(coding, small);
}

function transform(
  { transformer }: SectionCoding,
  small: Uint8Array,
): Uint8Array | Promise<Uint8Array> {
  if (transformer === undefined) return small;
  let encoded: Uint8Array | Promise<Uint8Array>;
  try {
    // It may still be at work when the memory behind `small` has changed.
    encoded = transformer.encode(small.slice());
  } catch (error) {
    throw transformFailure("encode", error);
  }
  if (encoded instanceof Uint8Array) return encoded;
  return encoded.catch((error) => {
    throw transformFailure("encode", error);
  });
}

function inflate(coding: SectionCoding, bytes: Uint8Array): Uint8Array {
  const { kernel, compression } = coding;
  return compression === "none"
    ? bytes
    : decompress(kernel, compression, bytes);
}

function transformFailure(step: "encode" | "decode", error: unknown): DbError {
  return new DbError(
    "data",
    `The block transformer failed to ${step}: ${messageOf(error)}`,
    { cause: error },
  );
}

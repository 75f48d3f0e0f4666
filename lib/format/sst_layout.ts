/**
 * The frame of an SST: its tail, its versions, and the checksums of its sections.
 *
 * ```text
 * data blocks | [filter] | index | [stats] | info | crc u32 | meta_offset u64 | version u16
 *                                          ^ meta_offset
 * ```
 *
 * All big-endian. A section is stored as `T(C(raw)) | crc u32`: compressed, then
 * transformed, then checksummed; the info is only checksummed. What this file
 * writes is version 2. The version says how data blocks are laid out.
 *
 * @module
 */
import { concatBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { crc32 } from "../codec/crc32.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import { decodeSstInfo, encodeSstInfo, type SstInfo } from "./sst_info.ts";

/** Bytes of a section's checksum. */
export const CHECKSUM_BYTES = 4;

/** Bytes at the end of every SST that {@linkcode decodeSstFooter} takes. */
export const FOOTER_BYTES = 10;

/** Layout of data blocks: full first key per block, or prefix-compressed rows. */
export type FormatVersion = 1 | 2;

const WRITTEN_VERSION = 2;

/** The last bytes of an SST. */
export interface SstFooter {
  /** Where the info block starts. */
  readonly metaOffset: number;
  /** Layout of the data blocks. */
  readonly version: FormatVersion;
}

/**
 * Appends a checksum.
 *
 * @param section A section, compressed and transformed.
 * @returns A fresh array with both.
 */
export function appendChecksum(section: Uint8Array): Uint8Array<ArrayBuffer> {
  const stored = new Uint8Array(section.length + CHECKSUM_BYTES);
  stored.set(section);
  const crc = crc32(section);
  for (let i = 0; i < CHECKSUM_BYTES; i++) {
    stored[section.length + i] = crc >>> (24 - 8 * i);
  }
  return stored;
}

/**
 * Checks a stored section.
 *
 * @param section The section with its checksum.
 * @param what What it is, for the message.
 * @returns A view without the checksum.
 * @throws {DbError} Kind `"data"` if the checksum does not match.
 */
export function checkChecksum(section: Uint8Array, what: string): Uint8Array {
  const length = section.length - CHECKSUM_BYTES;
  if (length < 0) throw new DbError("data", `The ${what} is cut short`);
  const content = section.subarray(0, length);
  const stored = (section[length]! << 24 | section[length + 1]! << 16 |
    section[length + 2]! << 8 | section[length + 3]!) >>> 0;
  if (crc32(content) !== stored) {
    throw new DbError("data", `The ${what} is damaged: its checksum differs`);
  }
  return content;
}

/**
 * Encodes everything behind the sections.
 *
 * @param info The SST's info.
 * @param metaOffset Where the result will stand in the object.
 * @returns Info, checksum, offset and version.
 */
export function encodeSstTail(info: SstInfo, metaOffset: number): Uint8Array {
  const footer = new ByteWriter(FOOTER_BYTES);
  footer.u64(metaOffset);
  footer.u16(WRITTEN_VERSION);
  return concatBytes([appendChecksum(encodeSstInfo(info)), footer.finish()]);
}

/**
 * Decodes the end of an SST, which says where the rest of the tail is.
 *
 * @param bytes The last {@linkcode FOOTER_BYTES} of the object.
 * @returns What they say; the offset is not compared with the object's size.
 * @throws {DbError} Kind `"data"` if there are fewer bytes, or if the version is
 * not known.
 */
export function decodeSstFooter(bytes: Uint8Array): SstFooter {
  const reader = new ByteReader(bytes, "SST footer");
  const metaOffset = reader.u64();
  const version = reader.u16();
  reader.end();
  if (version !== 1 && version !== 2) {
    throw new DbError(
      "data",
      `Unsupported SST version ${version}: versions 1 and 2 are known`,
    );
  }
  return { metaOffset, version };
}

/**
 * Decodes everything behind the sections.
 *
 * @param bytes The object from `metaOffset` to its end.
 * @returns The SST's info; its sections are not compared with the object's size.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeSstTail(bytes: Uint8Array): SstInfo {
  if (bytes.length < FOOTER_BYTES) {
    throw new DbError("data", "The SST is cut short");
  }
  const info = bytes.subarray(0, bytes.length - FOOTER_BYTES);
  return decodeSstInfo(checkChecksum(info, "SST info"));
}

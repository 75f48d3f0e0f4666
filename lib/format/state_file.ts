/**
 * What manifests and compactions files share: a version in front, and a trailer
 * that makes damage detectable.
 *
 * ```text
 * version u16 BE | FlatBuffer | ["SHL1" | crc32 of all before u32 BE]
 * ```
 *
 * SlateDB writes no trailer; it reads files with one, since a FlatBuffer may be
 * followed by anything. Without a trailer nothing tells whether a file is whole:
 * every read of its content is bounds-checked.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { crc32 } from "../codec/crc32.ts";

/** Of epochs and WAL files: no real one is so large, and many can follow it. */
export const MAX_COUNTER: number = 2 ** 52;

const VERSION_BYTES = 2;
/** "SHL1". */
const MAGIC = [0x53, 0x48, 0x4c, 0x31] as const;
const TRAILER_BYTES = MAGIC.length + 4;

/** A state file taken apart. */
export interface StateFile {
  /** How the content is laid out. */
  readonly version: 1 | 2;
  /** A FlatBuffer; a view. */
  readonly content: Uint8Array;
}

/**
 * Puts a state file together.
 *
 * @param version How the content is laid out.
 * @param content A FlatBuffer.
 * @param checksum Whether to append the trailer.
 * @returns The file.
 */
export function encodeStateFile(
  version: 1 | 2,
  content: Uint8Array,
  checksum: boolean,
): Uint8Array<ArrayBuffer> {
  const length = VERSION_BYTES + content.length;
  const file = new Uint8Array(length + (checksum ? TRAILER_BYTES : 0));
  const view = new DataView(file.buffer);
  view.setUint16(0, version);
  file.set(content, VERSION_BYTES);
  if (checksum) {
    file.set(MAGIC, length);
    view.setUint32(length + MAGIC.length, crc32(file.subarray(0, length)));
  }
  return file;
}

/**
 * The inverse of {@linkcode encodeStateFile}.
 *
 * @param file The file.
 * @param what What it is, for messages.
 * @returns Version and content.
 * @throws {DbError} Kind `"data"` if the version is not known, or if there is a
 * trailer and its checksum differs.
 */
export function decodeStateFile(file: Uint8Array, what: string): StateFile {
  if (file.length < VERSION_BYTES) {
    throw new DbError("data", `The ${what} is cut short`);
  }
  const version = file[0]! << 8 | file[1]!;
  if (version !== 1 && version !== 2) {
    throw new DbError(
      "data",
      `Unsupported ${what} version ${version}: versions 1 and 2 are known`,
    );
  }
  const end = contentEnd(file, what);
  return { version, content: file.subarray(VERSION_BYTES, end) };
}

function contentEnd(file: Uint8Array, what: string): number {
  const end = file.length - TRAILER_BYTES;
  if (end < VERSION_BYTES) return file.length;
  if (MAGIC.some((byte, i) => file[end + i] !== byte)) return file.length;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const stored = view.getUint32(end + MAGIC.length);
  if (crc32(file.subarray(0, end)) !== stored) {
    throw new DbError("data", `The ${what} is damaged: its checksum differs`);
  }
  return end;
}

/**
 * The bytes of an SST under construction.
 *
 * @module
 */
import { crc32 } from "../codec/crc32.ts";
import { CHECKSUM_BYTES } from "../format/sst_layout.ts";

const MIN_BYTES = 4096;

/** One growing buffer of sections, each with its checksum. */
export class SstBody {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * Constructs a new {@linkcode SstBody}.
   *
   * @param expectedBytes How long it will be, roughly: saves copies.
   */
  constructor(expectedBytes: number) {
    this.#bytes = new Uint8Array(Math.max(MIN_BYTES, expectedBytes));
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Appends a section and its checksum.
   *
   * @param stored The section, compressed and transformed; copied.
   * @returns Bytes of both.
   */
  addSection(stored: Uint8Array): number {
    const start = this.#length;
    const end = start + stored.length;
    this.#reserve(end + CHECKSUM_BYTES);
    const bytes = this.#bytes;
    bytes.set(stored, start);
    const crc = crc32(bytes.subarray(start, end));
    bytes[end] = crc >>> 24;
    bytes[end + 1] = crc >>> 16;
    bytes[end + 2] = crc >>> 8;
    bytes[end + 3] = crc;
    this.#length = end + CHECKSUM_BYTES;
    return this.#length - start;
  }

  /**
   * Appends bytes that carry their own checksum.
   *
   * @param bytes The bytes; copied.
   */
  add(bytes: Uint8Array): void {
    this.#reserve(this.#length + bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /**
   * All bytes so far.
   *
   * @returns A view, not a copy.
   */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(bytes, 2 * this.#bytes.length));
    larger.set(this.finish());
    this.#bytes = larger;
  }
}

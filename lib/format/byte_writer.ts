/**
 * Growing big-endian writes.
 *
 * @module
 */

const TWO_32 = 0x1_0000_0000;
const FIRST_CAPACITY = 64;

/** Writes integers and byte strings one after another. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /**
   * Constructs a new {@linkcode ByteWriter}.
   *
   * @param capacity Bytes to make room for at once.
   */
  constructor(capacity: number = FIRST_CAPACITY) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Writes one byte.
   *
   * @param value Its low 8 bits count.
   */
  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /**
   * Writes a 16-bit integer.
   *
   * @param value Its low 16 bits count.
   */
  u16(value: number): void {
    const at = this.#reserve(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  /**
   * Writes a 32-bit integer.
   *
   * @param value Its low 32 bits count.
   */
  u32(value: number): void {
    const at = this.#reserve(4);
    this.#bytes[at] = value >>> 24;
    this.#bytes[at + 1] = value >>> 16;
    this.#bytes[at + 2] = value >>> 8;
    this.#bytes[at + 3] = value;
  }

  /**
   * Writes a 64-bit integer.
   *
   * @param value A safe integer, not negative.
   */
  u64(value: number): void {
    this.u32(Math.floor(value / TWO_32));
    this.u32(value % TWO_32);
  }

  /**
   * Writes a byte string.
   *
   * @param bytes The bytes; copied.
   */
  bytes(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /**
   * What was written.
   *
   * @returns A view; the next write may change or abandon it.
   */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  #reserve(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

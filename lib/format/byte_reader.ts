/**
 * Bounds-checked big-endian reads. Reading past the end is damage, and so is an
 * integer too large to be a size.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";

const TWO_32 = 0x1_0000_0000;
/** High half of the largest safe integer. */
const MAX_SAFE_HIGH = 0x1f_ffff;

/** Reads integers and byte strings from start to end. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #offset = 0;

  /**
   * Constructs a new {@linkcode ByteReader}.
   *
   * @param bytes What to read; not copied.
   * @param what What the bytes are, for messages.
   */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  /**
   * Reads one byte.
   *
   * @returns The byte.
   * @throws {DbError} Kind `"data"` if nothing is left.
   */
  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  /**
   * Reads a 16-bit integer.
   *
   * @returns The integer.
   * @throws {DbError} Kind `"data"` if fewer than 2 bytes are left.
   */
  u16(): number {
    const at = this.#take(2);
    return this.#bytes[at]! << 8 | this.#bytes[at + 1]!;
  }

  /**
   * Reads a 32-bit integer.
   *
   * @returns The integer.
   * @throws {DbError} Kind `"data"` if fewer than 4 bytes are left.
   */
  u32(): number {
    const at = this.#take(4);
    return (this.#bytes[at]! << 24 | this.#bytes[at + 1]! << 16 |
      this.#bytes[at + 2]! << 8 | this.#bytes[at + 3]!) >>> 0;
  }

  /**
   * Reads a 64-bit integer that is a size, an offset or a count.
   *
   * @returns The integer.
   * @throws {DbError} Kind `"data"` if fewer than 8 bytes are left, or if the
   * integer exceeds 2^53 - 1.
   */
  u64(): number {
    const high = this.u32();
    const low = this.u32();
    if (high > MAX_SAFE_HIGH) {
      throw new DbError("data", `The ${this.#what} holds an impossible size`);
    }
    return high * TWO_32 + low;
  }

  /**
   * Reads a byte string.
   *
   * @param length How many bytes.
   * @returns A view, not a copy.
   * @throws {DbError} Kind `"data"` if fewer bytes are left.
   */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /**
   * Checks that everything was read.
   *
   * @throws {DbError} Kind `"data"` if bytes are left.
   */
  end(): void {
    if (this.remaining === 0) return;
    throw new DbError(
      "data",
      `The ${this.#what} has ${this.remaining} bytes too many`,
    );
  }

  #take(length: number): number {
    const at = this.#offset;
    if (length > this.#bytes.length - at) {
      throw new DbError("data", `The ${this.#what} is cut short`);
    }
    this.#offset = at + length;
    return at;
  }
}

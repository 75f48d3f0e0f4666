/**
 * Streams of 64-bit integers by delta of delta, as in the Gorilla paper.
 *
 * ```text
 * count 32 bits | first value 64 bits | per further value, d = change of the
 * difference between neighbours:
 *   0             d = 0
 *   10   7 bits   |d| <= 63
 *   110  9 bits   |d| <= 255
 *   1110 12 bits  |d| <= 2047
 *   1111 32 bits  -2^31 <= d < 2^31
 * ```
 *
 * Most significant bit first; two's complement; a stream is padded to a byte.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { ByteWriter } from "./byte_writer.ts";

const COUNT_BITS = 32;
const FIRST_BITS = 64;
/** Bits of `d` by number of leading ones. */
const WIDTHS = [0, 7, 9, 12, 32] as const;
const LARGEST = [0n, 63n, 255n, 2047n] as const;

/**
 * Whether a delta of delta fits a stream.
 *
 * @param change The change of the difference between neighbours.
 * @returns Whether it does.
 */
export function fitsGorilla(change: bigint): boolean {
  return BigInt.asIntN(32, change) === change;
}

/**
 * Encodes a stream.
 *
 * @param values The integers; each change must be one that
 * {@linkcode fitsGorilla} accepts.
 * @returns The stream.
 */
export function encodeGorilla(values: readonly bigint[]): Uint8Array {
  const writer = new BitWriter();
  writer.push(BigInt(values.length), COUNT_BITS);
  let previous: bigint | undefined;
  let difference = 0n;
  for (const value of values) {
    if (previous === undefined) {
      writer.push(value, FIRST_BITS);
    } else {
      const next = BigInt.asIntN(64, value - previous);
      pushChange(writer, BigInt.asIntN(64, next - difference));
      difference = next;
    }
    previous = value;
  }
  return writer.finish();
}

function pushChange(writer: BitWriter, change: bigint): void {
  const magnitude = change < 0n ? -change : change;
  let ones = LARGEST.findIndex((largest) => magnitude <= largest);
  if (ones < 0) ones = 4;
  // The leading ones, and a zero unless there are as many as can be.
  writer.push((1n << BigInt(ones)) - 1n, ones);
  if (ones < 4) writer.push(0n, 1);
  writer.push(change, WIDTHS[ones]!);
}

/** Reads one stream after another. */
export class GorillaReader {
  readonly #bytes: Uint8Array;
  #bit: number;

  /**
   * Constructs a new {@linkcode GorillaReader}.
   *
   * @param bytes What holds the streams.
   * @param offset Where the first one starts.
   */
  constructor(bytes: Uint8Array, offset: number) {
    this.#bytes = bytes;
    this.#bit = 8 * offset;
  }

  /**
   * Reads the next stream.
   *
   * @returns Its integers, signed.
   * @throws {DbError} Kind `"data"` if the stream is cut short.
   */
  next(): bigint[] {
    const values: bigint[] = [];
    const count = this.#take(COUNT_BITS);
    if (count > 0) {
      const high = BigInt(this.#take(32));
      let value = BigInt.asIntN(64, high << 32n | BigInt(this.#take(32)));
      values.push(value);
      let difference = 0n;
      while (values.length < count) {
        difference = BigInt.asIntN(64, difference + BigInt(this.#change()));
        value = BigInt.asIntN(64, value + difference);
        values.push(value);
      }
    }
    this.#bit = 8 * Math.ceil(this.#bit / 8);
    return values;
  }

  #change(): number {
    let ones = 0;
    while (ones < 4 && this.#take(1) === 1) ones++;
    const width = WIDTHS[ones]!;
    const unused = 32 - width;
    return width === 0 ? 0 : this.#take(width) << unused >> unused;
  }

  #take(bits: number): number {
    if (this.#bit + bits > 8 * this.#bytes.length) {
      throw new DbError("data", "The sequence tracker is cut short");
    }
    let value = 0;
    for (let i = 0; i < bits; i++, this.#bit++) {
      const byte = this.#bytes[this.#bit >>> 3]!;
      value = value << 1 | byte >>> (7 - (this.#bit & 7)) & 1;
    }
    return value >>> 0;
  }
}

/** Writes integers of any width, most significant bit first. */
class BitWriter {
  readonly #bytes = new ByteWriter();
  #current = 0;
  #bits = 0;

  push(value: bigint, width: number): void {
    for (let i = width - 32; i > -32; i -= 32) {
      const part = i > 0 ? value >> BigInt(i) : value;
      this.#pushPart(Number(BigInt.asUintN(32, part)), Math.min(32, i + 32));
    }
  }

  finish(): Uint8Array {
    if (this.#bits > 0) this.#bytes.u8(this.#current << (8 - this.#bits));
    return this.#bytes.finish();
  }

  #pushPart(value: number, width: number): void {
    for (let i = width - 1; i >= 0; i--) {
      this.#current = this.#current << 1 | value >>> i & 1;
      if (++this.#bits < 8) continue;
      this.#bytes.u8(this.#current);
      this.#current = 0;
      this.#bits = 0;
    }
  }
}

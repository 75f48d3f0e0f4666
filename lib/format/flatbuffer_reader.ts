/**
 * Bounds-checked reads of the FlatBuffers wire format.
 *
 * ```text
 * buffer  offset of the root table u32, then tables, vtables and vectors
 * table   distance back to its vtable i32, then fields
 * vtable  its bytes u16, the table's bytes u16, then per field u16: where it is
 *         in the table, 0 where it is absent
 * vector  count u32, elements; a string is a vector with a NUL behind it
 * ```
 *
 * All little-endian. References point forwards, so there are no cycles, but two
 * may share a target: a small damaged buffer could describe an enormous tree.
 * Every buffer therefore has a budget of a few times its own length, which each
 * table and vector is charged to. Alignment is not required.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";

const TWO_32 = 0x1_0000_0000;
const MAX_SAFE_HIGH = 0x1f_ffff;
/** How often a byte may be reached, on average: writers may share strings. */
const SHARING = 4;
/** A reference and what it refers to take at least this many bytes. */
const MIN_TARGET_BYTES = 8;

/** One FlatBuffer, and what may still be read from it. */
class Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly what: string;
  #budget: number;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.what = what;
    this.#budget = SHARING * bytes.length + MIN_TARGET_BYTES;
  }

  /** Checks that `length` bytes at `offset` exist. */
  need(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.bytes.length) {
      throw this.damage("a reference out of bounds");
    }
  }

  /** Charges a target of `length` bytes. */
  spend(length: number): void {
    this.#budget -= MIN_TARGET_BYTES + length;
    if (this.#budget < 0) throw this.damage("more references than bytes");
  }

  /** Where the reference at `offset` points to. */
  follow(offset: number): number {
    this.need(offset, 4);
    return offset + this.view.getUint32(offset, true);
  }

  damage(problem: string): DbError {
    return new DbError("data", `The ${this.what} is damaged: ${problem}`);
  }
}

/** Where a vector is. */
export interface Vector {
  /** Position of the first element in the buffer. */
  readonly start: number;
  /** Number of elements. */
  readonly count: number;
}

/**
 * One table. Fields are named by slot: their position in the schema. An absent
 * field is `undefined`, or for numbers the schema's default, 0.
 */
export class FlatTable {
  readonly #source: Source;
  readonly #position: number;
  readonly #bytes: number;
  readonly #vtable: number;
  readonly #slots: number;

  private constructor(source: Source, position: number) {
    source.need(position, 4);
    const vtable = position - source.view.getInt32(position, true);
    source.need(vtable, 4);
    const vtableBytes = source.view.getUint16(vtable, true);
    this.#bytes = source.view.getUint16(vtable + 2, true);
    source.need(vtable, vtableBytes);
    source.need(position, this.#bytes);
    if (vtableBytes < 4 || this.#bytes < 4) throw source.damage("a vtable");
    source.spend(0);
    this.#source = source;
    this.#position = position;
    this.#vtable = vtable;
    this.#slots = (vtableBytes - 4) >>> 1;
  }

  /**
   * Opens a buffer.
   *
   * @param bytes A whole FlatBuffer, without prefix; not copied.
   * @param what What it is, for messages.
   * @returns Its root table.
   * @throws {DbError} Kind `"data"` if there is none.
   */
  static root(bytes: Uint8Array, what: string): FlatTable {
    const source = new Source(bytes, what);
    return new FlatTable(source, source.follow(0));
  }

  /**
   * Whether the file has a field.
   *
   * @param slot The field.
   * @returns Whether it is there.
   */
  has(slot: number): boolean {
    return this.#field(slot, 0) !== 0;
  }

  /**
   * Reads an 8-bit integer.
   *
   * @param slot The field.
   * @returns The integer.
   */
  u8(slot: number): number {
    const at = this.#field(slot, 1);
    return at === 0 ? 0 : this.#source.bytes[at]!;
  }

  /**
   * Reads a 16-bit integer.
   *
   * @param slot The field.
   * @returns The integer.
   */
  u16(slot: number): number {
    const at = this.#field(slot, 2);
    return at === 0 ? 0 : this.#source.view.getUint16(at, true);
  }

  /**
   * Reads a 32-bit integer.
   *
   * @param slot The field.
   * @returns The integer.
   */
  u32(slot: number): number {
    const at = this.#field(slot, 4);
    return at === 0 ? 0 : this.#source.view.getUint32(at, true);
  }

  /**
   * Reads a 64-bit integer that is a size, an offset, a number or an epoch.
   *
   * @param slot The field.
   * @returns The integer.
   * @throws {DbError} Kind `"data"` if it exceeds 2^53 - 1.
   */
  size(slot: number): number {
    const at = this.#field(slot, 8);
    if (at === 0) return 0;
    const high = this.#source.view.getUint32(at + 4, true);
    if (high > MAX_SAFE_HIGH) throw this.damage("an integer out of range");
    return high * TWO_32 + this.#source.view.getUint32(at, true);
  }

  /**
   * Reads a 64-bit integer that may have any value.
   *
   * @param slot The field.
   * @returns The integer, unsigned.
   */
  u64(slot: number): bigint {
    const at = this.#field(slot, 8);
    return at === 0 ? 0n : this.#source.view.getBigUint64(at, true);
  }

  /**
   * Reads a signed 64-bit integer.
   *
   * @param slot The field.
   * @returns The integer.
   */
  i64(slot: number): bigint {
    const at = this.#field(slot, 8);
    return at === 0 ? 0n : this.#source.view.getBigInt64(at, true);
  }

  /**
   * Finds a vector.
   *
   * @param slot The field.
   * @param elementBytes Bytes of one element.
   * @returns Where it is; all of it lies inside the buffer.
   */
  vector(slot: number, elementBytes: number): Vector | undefined {
    const at = this.#field(slot, 4);
    if (at === 0) return undefined;
    const target = this.#source.follow(at);
    this.#source.need(target, 4);
    const count = this.#source.view.getUint32(target, true);
    const start = target + 4;
    this.#source.need(start, count * elementBytes);
    this.#source.spend(count * elementBytes);
    return { start, count };
  }

  /**
   * Reads a vector of bytes.
   *
   * @param slot The field.
   * @returns A view, not a copy.
   */
  bytes(slot: number): Uint8Array | undefined {
    const vector = this.vector(slot, 1);
    if (vector === undefined) return undefined;
    const { start, count } = vector;
    return this.#source.bytes.subarray(start, start + count);
  }

  /**
   * Reads a string.
   *
   * @param slot The field.
   * @returns The text.
   */
  text(slot: number): string | undefined {
    const bytes = this.bytes(slot);
    if (bytes === undefined) return undefined;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
        .decode(bytes);
    } catch (error) {
      throw new DbError(
        "data",
        `The ${this.#source.what} is damaged: a text is not UTF-8`,
        { cause: error },
      );
    }
  }

  /**
   * Reads a vector of 32-bit integers.
   *
   * @param slot The field.
   * @returns The integers; empty where the field is absent.
   */
  u32s(slot: number): number[] {
    const vector = this.vector(slot, 4);
    const values: number[] = [];
    if (vector === undefined) return values;
    for (let i = 0; i < vector.count; i++) {
      values.push(this.#source.view.getUint32(vector.start + 4 * i, true));
    }
    return values;
  }

  /**
   * Reads a table, or the value of a union.
   *
   * @param slot The field.
   * @returns The table.
   */
  table(slot: number): FlatTable | undefined {
    const at = this.#field(slot, 4);
    if (at === 0) return undefined;
    return new FlatTable(this.#source, this.#source.follow(at));
  }

  /**
   * Reads a vector of tables.
   *
   * @param slot The field.
   * @returns The tables; `undefined` where the field is absent.
   */
  tables(slot: number): FlatTable[] | undefined {
    const vector = this.vector(slot, 4);
    if (vector === undefined) return undefined;
    const tables: FlatTable[] = [];
    for (let i = 0; i < vector.count; i++) {
      const target = this.#source.follow(vector.start + 4 * i);
      tables.push(new FlatTable(this.#source, target));
    }
    return tables;
  }

  /**
   * Unwraps a field that the schema demands.
   *
   * @param value What was read.
   * @param name The field's name, for the message.
   * @returns The same.
   * @throws {DbError} Kind `"data"` if the field is absent.
   */
  required<Value>(value: Value | undefined, name: string): Value {
    if (value === undefined) throw this.damage(`${name} is missing`);
    return value;
  }

  /**
   * Makes the error for content that cannot be.
   *
   * @param problem What is wrong.
   * @returns An error of kind `"data"`, to be thrown.
   */
  damage(problem: string): DbError {
    return this.#source.damage(problem);
  }

  /** Position of a field of `length` bytes in the buffer; 0 where absent. */
  #field(slot: number, length: number): number {
    if (slot >= this.#slots) return 0;
    const offset = this.#source.view.getUint16(
      this.#vtable + 4 + 2 * slot,
      true,
    );
    if (offset === 0) return 0;
    if (offset < 4 || offset + length > this.#bytes) {
      throw this.damage("a field outside its table");
    }
    return this.#position + offset;
  }
}

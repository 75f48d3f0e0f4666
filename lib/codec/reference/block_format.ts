/**
 * Blocks of the kernel's TypeScript twin: bytes to rows and back.
 *
 * Both layouts are rows, then u16 offsets into them, then how many offsets there
 * are. Version 2 has an offset per restart and shares with the key before;
 * version 1 has one per row and shares with the first key.
 *
 * @module
 */
import { compareBytes, concatBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import type { Row } from "../../base/row.ts";
import { RowFlag } from "../abi.ts";
import { rowFlags, rowKind } from "../row_record.ts";

const RESTART_INTERVAL = 16;
const MAX_KEY = 0xffff;
const MAX_OFFSET = 0xffff;
const KNOWN_FLAGS = 15;

/** A row of a V2 block, and where its value stands in the block. */
export interface BlockRow {
  /** The row. */
  readonly row: Row;
  /** Offset of the value's first byte. */
  readonly valueOffset: number;
}

/**
 * Decodes a V2 block.
 *
 * @param block Its bytes, without the checksum.
 * @returns Its rows, or `undefined` where it is malformed.
 */
export function decodeBlock(block: Uint8Array): BlockRow[] | undefined {
  return attempt(() => {
    const { reader, offsets } = splitBlock(block);
    const rows: BlockRow[] = [];
    let key: Uint8Array = EMPTY_BYTES;
    let restart = 0;
    demand(offsets[0] === 0);
    while (reader.left > 0) {
      const restarts = offsets[restart] === reader.at;
      if (restarts) restart++;
      const shared = reader.varint();
      const suffixLen = reader.varint();
      const valueLen = reader.varint();
      demand(shared <= (restarts ? 0 : key.length));
      key = concatBytes([key.subarray(0, shared), reader.bytes(suffixLen)]);
      const valueOffset = reader.at;
      const value = reader.bytes(valueLen);
      rows.push({ row: decodeRest(reader, key, value), valueOffset });
    }
    demand(restart === offsets.length);
    return rows;
  });
}

/**
 * Decodes a V1 block.
 *
 * @param block Its bytes, without the checksum.
 * @returns Its rows, or `undefined` where it is malformed.
 */
export function decodeBlockV1(block: Uint8Array): Row[] | undefined {
  return attempt(() => {
    const { reader, offsets } = splitBlock(block);
    const rows: Row[] = [];
    for (const offset of offsets) {
      demand(offset === reader.at);
      const prefixLen = reader.u16();
      const suffix = reader.bytes(reader.u16());
      const first = rows[0]?.key ?? EMPTY_BYTES;
      demand(prefixLen <= first.length);
      const key = concatBytes([first.subarray(0, prefixLen), suffix]);
      const row = decodeRest(reader, key, EMPTY_BYTES);
      if (row.kind === "delete") {
        const { expireTs: _, ...kept } = row;
        rows.push(kept);
      } else {
        rows.push({ ...row, value: reader.bytes(reader.u32()) });
      }
    }
    demand(reader.left === 0);
    return rows;
  });
}

/** What both versions have in the same order: seq, flags, timestamps. */
function decodeRest(reader: Reader, key: Uint8Array, value: Uint8Array): Row {
  const seq = reader.u64();
  const flags = reader.u8();
  const kind = rowKind(flags);
  demand(key.length >= 1 && key.length <= MAX_KEY);
  demand(flags <= KNOWN_FLAGS);
  if (kind === "delete") {
    demand((flags & RowFlag.MERGE) === 0 && value.length === 0);
  }
  const expires = (flags & RowFlag.EXPIRE) !== 0;
  const expireTs = expires ? BigInt.asIntN(64, reader.u64()) : 0n;
  const created = (flags & RowFlag.CREATE) !== 0;
  const createTs = created ? BigInt.asIntN(64, reader.u64()) : 0n;
  return {
    key,
    value,
    seq,
    kind,
    ...expires && { expireTs },
    ...created && { createTs },
  };
}

/** Rows that become a V2 block. */
export class BlockEncoder {
  /** How many rows there are. */
  rows = 0;
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #restarts: number[] = [];
  #lastKey: Uint8Array = EMPTY_BYTES;

  /**
   * How long the block would be with one more row.
   *
   * @param row The row.
   * @returns Bytes, offsets included.
   */
  bytesWith(row: Row): number {
    const restarts = this.#restarts.length + (this.#startsRestart() ? 1 : 0);
    return this.#bytes + this.#encode(row).length + 2 * restarts + 2;
  }

  /**
   * Adds a row.
   *
   * @param row The row.
   */
  add(row: Row): void {
    const bytes = this.#encode(row);
    if (this.#startsRestart()) this.#restarts.push(this.#bytes);
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    this.#lastKey = row.key;
    this.rows++;
  }

  /**
   * Ends the block.
   *
   * @returns Its bytes.
   */
  finish(): Uint8Array {
    const offsets = [...this.#restarts, this.#restarts.length];
    return concatBytes([...this.#parts, ...offsets.map((n) => unsigned(n, 2))]);
  }

  /** A row past what an offset can say, as an old block may have, goes without. */
  #startsRestart(): boolean {
    return this.rows % RESTART_INTERVAL === 0 && this.#bytes <= MAX_OFFSET;
  }

  #encode(row: Row): Uint8Array {
    const shared = this.#startsRestart()
      ? 0
      : sharedLength(this.#lastKey, row.key);
    const { expireTs, createTs } = row;
    return concatBytes([
      varint(shared),
      varint(row.key.length - shared),
      varint(row.value.length),
      row.key.subarray(shared),
      row.value,
      unsigned(row.seq, 8),
      unsigned(rowFlags(row), 1),
      expireTs === undefined ? EMPTY_BYTES : unsigned(expireTs, 8),
      createTs === undefined ? EMPTY_BYTES : unsigned(createTs, 8),
    ]);
  }
}

/**
 * The shortest prefix of a block's first key that differs from the key before.
 *
 * @param last The last key of the block before.
 * @param first The first key of the block.
 * @returns The separator.
 */
export function separatorBetween(
  last: Uint8Array,
  first: Uint8Array,
): Uint8Array {
  if (compareBytes(last, first) === 0) return first;
  return first.subarray(0, sharedLength(last, first) + 1);
}

/**
 * How many bytes both begin with.
 *
 * @param a One byte string.
 * @param b The other.
 * @returns How many.
 */
export function sharedLength(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push(rest & 0x7f | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function unsigned(value: number | bigint, bytes: number): Uint8Array {
  const encoded = new Uint8Array(bytes);
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = bytes - 1; i >= 0; i--, rest >>= 8n) {
    encoded[i] = Number(rest & 0xffn);
  }
  return encoded;
}

/** Thrown and caught here alone. */
class Malformed extends Error {}

function demand(condition: boolean): void {
  if (!condition) throw new Malformed();
}

function attempt<Result>(decode: () => Result): Result | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
}

function splitBlock(block: Uint8Array): { reader: Reader; offsets: number[] } {
  const trailer = new Reader(block);
  demand(block.length >= 2);
  trailer.at = block.length - 2;
  const count = trailer.u16();
  const end = block.length - 2 - 2 * count;
  demand(count > 0 && end >= 0);
  trailer.at = end;
  const offsets = Array.from({ length: count }, () => trailer.u16());
  return { reader: new Reader(block.subarray(0, end)), offsets };
}

/** Big-endian reads that stop at the end. */
class Reader {
  at = 0;
  readonly #source: Uint8Array;

  constructor(source: Uint8Array) {
    this.#source = source;
  }

  get left(): number {
    return this.#source.length - this.at;
  }

  bytes(length: number): Uint8Array {
    demand(length <= this.left);
    this.at += length;
    return this.#source.slice(this.at - length, this.at);
  }

  u8(): number {
    return Number(this.#unsigned(1));
  }

  u16(): number {
    return Number(this.#unsigned(2));
  }

  u32(): number {
    return Number(this.#unsigned(4));
  }

  u64(): bigint {
    return this.#unsigned(8);
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        demand(value <= 0xffff_ffff);
        return value;
      }
    }
    throw new Malformed();
  }

  #unsigned(length: number): bigint {
    return this.bytes(length).reduce((n, byte) => n << 8n | BigInt(byte), 0n);
  }
}

/**
 * Memtables of the kernel's TypeScript twin: a sorted array of record addresses.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import {
  type KernelExports,
  MEMTABLE_STATE,
  ROW_HEADER_BYTES,
  RowFlag,
} from "../abi.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type MemtableExports = Pick<
  KernelExports,
  | "memtable_create"
  | "memtable_free"
  | "memtable_reserve"
  | "memtable_insert"
  | "memtable_get"
>;

const HEADER_BYTES = 128;
const MAX_SEQ = 0xffff_ffff_ffff_ffffn;

/** Every memtable of one memory, by handle. */
export class ReferenceMemtables {
  readonly #memory: ReferenceMemory;
  readonly #tables = new Map<number, ReferenceMemtable>();

  /**
   * Constructs a new {@linkcode ReferenceMemtables}.
   *
   * @param memory Where records live.
   */
  constructor(memory: ReferenceMemory) {
    this.#memory = memory;
  }

  /**
   * A cursor, as the merge needs it.
   *
   * @param handle A memtable.
   * @returns A cursor without a position.
   */
  cursor(handle: number): ReferenceMemtableCursor {
    return new ReferenceMemtableCursor(this.#table(handle));
  }

  /**
   * The kernel exports.
   *
   * @returns Functions that need no `this`.
   */
  exports(): MemtableExports {
    const memory = this.#memory;
    return {
      memtable_create: () => {
        const handle = memory.alloc(HEADER_BYTES);
        if (handle === 0) return 0;
        this.#tables.set(handle, new ReferenceMemtable(memory, handle));
        return handle;
      },
      memtable_free: (handle) => {
        if (handle === 0) return;
        this.#table(handle).free();
        this.#tables.delete(handle);
      },
      memtable_reserve: (handle, bytes) =>
        this.#table(handle).reserve(bytes >>> 0),
      memtable_insert: (handle, keyBytes, valueBytes, flags, ...u64s) =>
        this.#table(handle).insert(keyBytes, valueBytes, flags, ...u64s),
      memtable_get: (handle, key, bytes, seqMax) => {
        const table = this.#table(handle);
        const target = memory.u8.subarray(key, key + bytes);
        const record = table.at(
          table.search(target, BigInt.asUintN(64, seqMax)),
        );
        if (record === 0) return 0;
        return compareBytes(table.key(record), target) === 0 ? record : 0;
      },
    };
  }

  #table(handle: number): ReferenceMemtable {
    const table = this.#tables.get(handle);
    if (table === undefined) {
      throw new RangeError(`Cannot use a memtable: there is none at ${handle}`);
    }
    return table;
  }
}

/** One memtable. */
class ReferenceMemtable {
  readonly #memory: ReferenceMemory;
  readonly #handle: number;
  readonly #sorted: number[] = [];
  readonly #owned: number[] = [];
  #reserved = 0;
  #reservedBytes = 0;

  constructor(memory: ReferenceMemory, handle: number) {
    this.#memory = memory;
    this.#handle = handle;
    memory.u8.fill(0, handle, handle + HEADER_BYTES);
    memory.view.setBigInt64(
      handle + MEMTABLE_STATE.MAX_CREATE_TS,
      -(1n << 63n),
      true,
    );
  }

  /** How many rows there are. */
  get rows(): number {
    return this.#sorted.length;
  }

  /** The record at a position, or 0. */
  at(position: number): number {
    return this.#sorted[position] ?? 0;
  }

  /** A record's key. */
  key(record: number): Uint8Array {
    const start = record + ROW_HEADER_BYTES;
    const bytes = this.#memory.view.getUint32(record + 24, true);
    return this.#memory.u8.subarray(start, start + bytes);
  }

  /** A record's seq. */
  seq(record: number): bigint {
    return this.#memory.view.getBigUint64(record, true);
  }

  /** The position of the first record at or after (key, seq). */
  search(key: Uint8Array, seq: bigint): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const record = this.#sorted[middle]!;
      const order = compareBytes(this.key(record), key);
      if (order < 0 || order === 0 && this.seq(record) > seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  reserve(bytes: number): number {
    this.#memory.free(this.#reserved);
    this.#reservedBytes = Math.max(bytes, ROW_HEADER_BYTES);
    // One word more: what reads keys word by word may read past them.
    this.#reserved = this.#memory.alloc(this.#reservedBytes + 8);
    return this.#reserved;
  }

  insert(
    keyBytes: number,
    valueBytes: number,
    flags: number,
    ...[seq, createTs, expireTs]: [seq: bigint, create: bigint, expire: bigint]
  ): number {
    const record = this.#reserved;
    const bytes = ROW_HEADER_BYTES + keyBytes + valueBytes;
    if (record === 0 || bytes > this.#reservedBytes) {
      throw new RangeError("Cannot insert a record: it was not reserved");
    }
    const { view } = this.#memory;
    view.setBigUint64(record, seq, true);
    view.setBigInt64(record + 8, createTs, true);
    view.setBigInt64(record + 16, expireTs, true);
    view.setUint32(record + 24, keyBytes, true);
    view.setUint32(record + 28, valueBytes, true);
    view.setUint32(record + 32, flags, true);
    view.setUint32(record + 36, 0, true);
    this.#reserved = 0;
    this.#owned.push(record);
    return this.#link(record, BigInt.asUintN(64, seq));
  }

  /** Gives all memory back. */
  free(): void {
    for (const record of this.#owned) this.#memory.free(record);
    this.#memory.free(this.#reserved);
    this.#memory.free(this.#handle);
  }

  #link(record: number, seq: bigint): number {
    const { view } = this.#memory;
    const state = (offset: number) => this.#handle + offset;
    const last = view.getUint32(state(MEMTABLE_STATE.LAST_RECORD), true);
    const first = last === 0 ? state(MEMTABLE_STATE.FIRST_RECORD) : last + 36;
    view.setUint32(first, record, true);
    view.setUint32(state(MEMTABLE_STATE.LAST_RECORD), record, true);
    const raise = (offset: number, to: bigint, now: bigint) => {
      if (to > now) view.setBigUint64(state(offset), to, true);
    };
    const { FIRST_SEQ, LAST_SEQ, MAX_CREATE_TS } = MEMTABLE_STATE;
    raise(LAST_SEQ, seq, view.getBigUint64(state(LAST_SEQ), true));
    if (last === 0 || seq < view.getBigUint64(state(FIRST_SEQ), true)) {
      view.setBigUint64(state(FIRST_SEQ), seq, true);
    }
    if ((view.getUint32(record + 32, true) & RowFlag.CREATE) !== 0) {
      const created = view.getBigInt64(record + 8, true);
      raise(
        MAX_CREATE_TS,
        created,
        view.getBigInt64(state(MAX_CREATE_TS), true),
      );
    }
    const position = this.search(this.key(record), seq);
    const there = this.at(position);
    const replaces = there !== 0 && this.seq(there) === seq &&
      compareBytes(this.key(there), this.key(record)) === 0;
    this.#sorted.splice(position, replaces ? 1 : 0, record);
    if (replaces) this.#count(there, -1);
    this.#count(record, 1);
    return replaces ? there : 0;
  }

  #count(record: number, sign: 1 | -1): void {
    const { view } = this.#memory;
    const add = (offset: number, amount: number) => {
      const at = this.#handle + offset;
      view.setUint32(at, view.getUint32(at, true) + sign * amount, true);
    };
    const keyBytes = view.getUint32(record + 24, true);
    const valueBytes = view.getUint32(record + 28, true);
    const flags = view.getUint32(record + 32, true);
    const times = Number((flags & RowFlag.CREATE) !== 0) +
      Number((flags & RowFlag.EXPIRE) !== 0);
    add(MEMTABLE_STATE.ROWS, 1);
    add(
      MEMTABLE_STATE.ENCODED_BYTES,
      1 + varintBytes(keyBytes) + varintBytes(valueBytes) + keyBytes +
        valueBytes + 9 + 8 * times,
    );
    add(MEMTABLE_STATE.ARENA_BYTES, ROW_HEADER_BYTES + keyBytes + valueBytes);
    if ((flags & RowFlag.MERGE) !== 0) add(MEMTABLE_STATE.MERGES, 1);
    if ((flags & RowFlag.EXPIRE) !== 0) add(MEMTABLE_STATE.EXPIRING, 1);
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/**
 * A cursor over a memtable. Moves return a record's address, or 0 past an end,
 * where the cursor then stays until the next seek. Rows may be inserted between
 * two moves.
 */
export class ReferenceMemtableCursor {
  readonly #table: ReferenceMemtable;
  #record = 0;

  /**
   * Constructs a new {@linkcode ReferenceMemtableCursor}, without a position.
   *
   * @param table Where it moves.
   */
  constructor(table: ReferenceMemtable) {
    this.#table = table;
  }

  /** Moves to the newest version of the smallest key. */
  seekFirst(): number {
    return this.#moveTo(0);
  }

  /** Moves to the oldest version of the largest key. */
  seekLast(): number {
    return this.#moveTo(this.#table.rows - 1);
  }

  /** Moves to the first record with a key >= (or >, unless inclusive) the given one. */
  seek(key: Uint8Array, inclusive: boolean): number {
    return this.#moveTo(this.#bound(key, !inclusive));
  }

  /** Moves to the last record with a key <= (or <, unless inclusive) the given one. */
  seekBack(key: Uint8Array, inclusive: boolean): number {
    return this.#moveTo(this.#bound(key, inclusive) - 1);
  }

  /** Moves one record on. */
  next(): number {
    return this.#moveBy(1);
  }

  /** Moves one record back. */
  prev(): number {
    return this.#moveBy(-1);
  }

  /** The position of the first record with a key >= (or > with `after`) the given one. */
  #bound(key: Uint8Array, after: boolean): number {
    const position = this.#table.search(key, after ? 0n : MAX_SEQ);
    const record = this.#table.at(position);
    const exact = after && record !== 0 &&
      compareBytes(this.#table.key(record), key) === 0;
    return exact ? position + 1 : position;
  }

  #moveBy(step: 1 | -1): number {
    if (this.#record === 0) return 0;
    const key = this.#table.key(this.#record);
    const position = this.#table.search(key, this.#table.seq(this.#record));
    return this.#moveTo(position + step);
  }

  #moveTo(position: number): number {
    this.#record = this.#table.at(position);
    return this.#record;
  }
}

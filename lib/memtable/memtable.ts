/**
 * Rows in memory: a handle on the kernel's ordered arena.
 *
 * Owns: the arena's lifetime, by counting who still reads it.
 * Does not own: sequence numbers, freezing, the log. Rows are linked in commit
 * order inside the arena, which is what the WAL is encoded from.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { MemoryBudget } from "../base/budget.ts";
import { MEMTABLE_STATE, ROW_HEADER_BYTES } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";

/** What the kernel is asked for at most; it refuses less than that. */
const MAX_U32 = 0xffff_ffff;
/** Byte offset of a record's link. */
const LINK_OFFSET = 36;

/** An ordered set of rows in linear memory. */
export class Memtable {
  /** The kernel's handle. */
  readonly pointer: number;
  readonly #kernel: Kernel;
  readonly #budget: MemoryBudget;
  #references = 1;
  #charged = 0;

  /**
   * Constructs a new {@linkcode Memtable}, empty and referenced once.
   *
   * @param kernel Whose memory it lives in.
   * @param budget What its arena is charged to.
   */
  constructor(kernel: Kernel, budget: MemoryBudget) {
    this.#kernel = kernel;
    this.#budget = budget;
    this.pointer = kernel.exports.memtable_create();
    if (this.pointer === 0) throw outOfMemory();
  }

  /** Rows, all versions counted. */
  get rows(): number {
    return this.#u32(MEMTABLE_STATE.ROWS);
  }

  /** Estimated bytes of the rows once encoded. */
  get encodedBytes(): number {
    return this.#u32(MEMTABLE_STATE.ENCODED_BYTES);
  }

  /** Linear memory the arena holds. */
  get arenaBytes(): number {
    return this.#u32(MEMTABLE_STATE.ARENA_BYTES);
  }

  /** Rows that are merge operands. */
  get merges(): number {
    return this.#u32(MEMTABLE_STATE.MERGES);
  }

  /** Rows that expire. */
  get expiring(): number {
    return this.#u32(MEMTABLE_STATE.EXPIRING);
  }

  /** The row committed first; 0 while empty. */
  get firstRecord(): number {
    return this.#u32(MEMTABLE_STATE.FIRST_RECORD);
  }

  /** The row committed last; 0 while empty. */
  get lastRecord(): number {
    return this.#u32(MEMTABLE_STATE.LAST_RECORD);
  }

  /** The smallest sequence number; 0 while empty. */
  get firstSeq(): bigint {
    return this.#kernel.readU64(this.pointer + MEMTABLE_STATE.FIRST_SEQ);
  }

  /** The largest sequence number; 0 while empty. */
  get lastSeq(): bigint {
    return this.#kernel.readU64(this.pointer + MEMTABLE_STATE.LAST_SEQ);
  }

  /** The latest create_ts; the smallest i64 while empty. */
  get maxCreateTs(): bigint {
    return this.#kernel.readI64(this.pointer + MEMTABLE_STATE.MAX_CREATE_TS);
  }

  /**
   * Makes sure that `bytes` of records fit before the first of them is
   * inserted, so that a batch is never half in.
   *
   * @param bytes Bytes of the records together.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for them.
   */
  reserve(bytes: number): void {
    const wanted = Math.min(bytes, MAX_U32);
    if (this.#kernel.exports.memtable_reserve(this.pointer, wanted) === 0) {
      throw outOfMemory();
    }
  }

  /**
   * Inserts a row; key and value are copied.
   *
   * @param key The key, its length checked by the caller.
   * @param value The value; empty for a tombstone.
   * @param flags Its kind and which timestamps it has.
   * @param seq Its sequence number.
   * @param createTs When it was written.
   * @param expireTs When it expires; ignored without the flag.
   * @returns The row's record.
   */
  insert(
    key: Uint8Array,
    value: Uint8Array,
    flags: number,
    seq: bigint,
    createTs: bigint,
    expireTs: bigint,
  ): number {
    const { exports } = this.#kernel;
    const record = exports.memtable_reserve(
      this.pointer,
      Math.min(ROW_HEADER_BYTES + key.length + value.length, MAX_U32),
    );
    if (record === 0) throw outOfMemory();
    const { u8 } = this.#kernel;
    const start = record + ROW_HEADER_BYTES;
    copy(key, u8, start);
    copy(value, u8, start + key.length);
    exports.memtable_insert(
      this.pointer,
      key.length,
      value.length,
      flags,
      seq,
      createTs,
      expireTs,
    );
    return record;
  }

  /**
   * Inserts a copy of a record that lies elsewhere in linear memory.
   *
   * @param source The record.
   * @returns 0, or the record with the same key and seq that it replaced.
   */
  insertRecord(source: number): number {
    const { exports } = this.#kernel;
    const keyBytes = this.#kernel.u32[(source + 24) >> 2]!;
    const valueBytes = this.#kernel.u32[(source + 28) >> 2]!;
    const bytes = ROW_HEADER_BYTES + keyBytes + valueBytes;
    const record = exports.memtable_reserve(this.pointer, bytes);
    if (record === 0) throw outOfMemory();
    const { u8, u32 } = this.#kernel;
    u8.copyWithin(
      record + ROW_HEADER_BYTES,
      source + ROW_HEADER_BYTES,
      source + bytes,
    );
    return exports.memtable_insert(
      this.pointer,
      keyBytes,
      valueBytes,
      u32[(source + 32) >> 2]!,
      this.#kernel.readU64(source),
      this.#kernel.readI64(source + 8),
      this.#kernel.readI64(source + 16),
    );
  }

  /**
   * Takes records out of the commit order that later rows of the same batch
   * replaced, so that the log never holds one key twice under one seq.
   *
   * @param before The last record before the batch; 0 where the batch is first.
   * @param replaced The records to take out; never the last one.
   */
  unlink(before: number, replaced: ReadonlySet<number>): void {
    const { u32 } = this.#kernel;
    let kept = before === 0
      ? (this.pointer + MEMTABLE_STATE.FIRST_RECORD) >> 2
      : linkOf(before);
    for (let record = u32[kept]!; record !== 0;) {
      const next = linkOf(record);
      if (replaced.has(record)) u32[kept] = u32[next]!;
      else kept = next;
      record = u32[next]!;
    }
  }

  /** Charges the arena's growth since the last call to the budget. */
  charge(): void {
    const bytes = this.arenaBytes;
    if (bytes === this.#charged) return;
    this.#budget.chargeMemtable(bytes - this.#charged);
    this.#charged = bytes;
  }

  /** Keeps the rows until {@linkcode release}. */
  acquire(): void {
    this.#references++;
  }

  /** Gives back one reference; the last one frees the memory. */
  release(): void {
    if (--this.#references !== 0) return;
    this.#budget.chargeMemtable(-this.#charged);
    this.#kernel.exports.memtable_free(this.pointer);
  }

  #u32(offset: number): number {
    return this.#kernel.u32[(this.pointer + offset) >> 2]!;
  }
}

/** Where a record's link lies, in 32-bit words. */
function linkOf(record: number): number {
  return (record + LINK_OFFSET) >> 2;
}

/** Below this many bytes a loop beats the set-up of a bulk copy. */
const SHORT_COPY_BYTES = 24;

function copy(from: Uint8Array, to: Uint8Array, offset: number): void {
  const { length } = from;
  if (length > SHORT_COPY_BYTES) return to.set(from, offset);
  for (let i = 0; i < length; i++) to[offset + i] = from[i]!;
}

function outOfMemory(): DbError {
  return new DbError(
    "unavailable",
    "Cannot hold more rows in memory: flush more often ('l0_sst_size_bytes', 'max_unflushed_bytes') or close other databases",
  );
}

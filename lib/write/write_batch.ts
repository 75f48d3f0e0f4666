/**
 * Writes that become visible together.
 *
 * Owns: the copies of what the caller gave, packed as the row records the
 * kernel's memtable holds, so that a batch goes in with one copy.
 * Does not own: sequence numbers, folding, expiry; the commit decides those.
 *
 * @module
 */
import { BufferPool } from "../base/buffer_pool.ts";
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { ROW_HEADER_BYTES, RowFlag } from "../codec/abi.ts";
import { checkedKey, checkedValue } from "../memtable/row_input.ts";
import { keptTtl, type TtlOptions } from "./expiry.ts";

/** A caller that says nothing about expiry. */
export const NO_TTL: TtlOptions = Object.freeze({});

const LEAST_CAPACITY = 1024;
const MOST_CAPACITY = 1024 * 1024;
/** The kernel's memory takes no more in one piece. */
const MAX_BATCH_BYTES = 0x7c00_0000;
/** Records of batches that were written; the next batches go into them. */
const BUFFERS = new BufferPool(4, MOST_CAPACITY);
const EMPTY_BUFFER = new Uint8Array(0);
/** The batches of a thread are alike: a new one begins as large as the last was. */
let usualCapacity = LEAST_CAPACITY;

/**
 * Puts, deletes and merges that become visible in one step, under one sequence
 * number. Of several writes to one key the last put or delete wins, and merges
 * after it are folded in. A batch is written once.
 */
export class WriteBatch {
  /** Row records, 8-byte aligned, their timestamps still open. */
  #bytes = BUFFERS.take(usualCapacity);
  #length = 0;
  readonly #offsets: number[] = [];
  readonly #keyBytes: number[] = [];
  readonly #valueBytes: number[] = [];
  readonly #kinds: number[] = [];
  readonly #ttls = new Map<number, TtlOptions>();
  #merges = 0;
  #consumed = false;

  /** How many writes it holds. */
  get size(): number {
    return this.#offsets.length;
  }

  /**
   * Adds a put.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param value Any bytes, also none; copied.
   * @param options When the row expires.
   * @returns This batch.
   * @throws {DbError} Kind `"invalid"` if key, value or options are, or the batch was written already.
   */
  put(key: Bytes, value: Bytes, options: TtlOptions = NO_TTL): this {
    return this.#add(key, value, 0, options);
  }

  /**
   * Adds a delete.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @returns This batch.
   * @throws {DbError} Kind `"invalid"` if the key is, or the batch was written already.
   */
  delete(key: Bytes): this {
    return this.#add(key, "", RowFlag.TOMBSTONE, NO_TTL);
  }

  /**
   * Adds a merge.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param operand What the merge operator will combine; copied.
   * @param options When the operand expires.
   * @returns This batch.
   * @throws {DbError} Kind `"invalid"` if key, operand or options are, or the batch was written already.
   */
  merge(key: Bytes, operand: Bytes, options: TtlOptions = NO_TTL): this {
    return this.#add(key, operand, RowFlag.MERGE, options);
  }

  /**
   * Takes the writes out; the engine's side of a batch.
   *
   * @internal
   * @returns What the commit needs.
   * @throws {DbError} Kind `"invalid"` if there is nothing, or it was taken before.
   */
  consume(): ConsumedBatch {
    this.#checkOpen();
    if (this.size === 0) {
      throw new DbError("invalid", "empty write batch not allowed");
    }
    this.#consumed = true;
    const bytes = this.#bytes;
    this.#bytes = EMPTY_BUFFER;
    usualCapacity = Math.min(
      Math.max(this.#length, LEAST_CAPACITY),
      MOST_CAPACITY,
    );
    return {
      records: bytes.subarray(0, this.#length),
      offsets: this.#offsets,
      keyBytes: this.#keyBytes,
      valueBytes: this.#valueBytes,
      kinds: this.#kinds,
      ttls: this.#ttls,
      hasMerges: this.#merges > 0,
      release: () => BUFFERS.give(bytes),
    };
  }

  #add(key: Bytes, value: Bytes, kind: number, options: TtlOptions): this {
    this.#checkOpen();
    const keyBytes = checkedKey(key);
    const valueBytes = checkedValue(value);
    const ttl = options === NO_TTL ? undefined : keptTtl(options);
    const start = this.#length;
    const keyStart = start + ROW_HEADER_BYTES;
    const valueStart = keyStart + keyBytes.length;
    if (valueStart + valueBytes.length > MAX_BATCH_BYTES) {
      throw new DbError(
        "invalid",
        `write batch too large: ${MAX_BATCH_BYTES} bytes are allowed, write the rest as another`,
      );
    }
    const end = valueStart + valueBytes.length + 7 & ~7;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(keyBytes, keyStart);
    this.#bytes.set(valueBytes, valueStart);
    if (ttl !== undefined) this.#ttls.set(this.#offsets.length, ttl);
    if (kind === RowFlag.MERGE) this.#merges++;
    this.#offsets.push(start);
    this.#keyBytes.push(keyBytes.length);
    this.#valueBytes.push(valueBytes.length);
    this.#kinds.push(kind);
    this.#length = end;
    return this;
  }

  #grow(needed: number): void {
    const bytes = BUFFERS.take(Math.max(needed, 2 * this.#bytes.length));
    bytes.set(this.#bytes.subarray(0, this.#length));
    BUFFERS.give(this.#bytes);
    this.#bytes = bytes;
  }

  #checkOpen(): void {
    if (!this.#consumed) return;
    throw new DbError("invalid", "write batch has already been consumed");
  }
}

/** A batch's writes, in the order they were added. */
export interface ConsumedBatch {
  /** Row records without their headers' content. */
  readonly records: Uint8Array;
  /** Where each record begins. */
  readonly offsets: readonly number[];
  /** Bytes of each key. */
  readonly keyBytes: readonly number[];
  /** Bytes of each value. */
  readonly valueBytes: readonly number[];
  /** Kind flags of each record. */
  readonly kinds: readonly number[];
  /** By index, the writes that said something about expiry. */
  readonly ttls: ReadonlyMap<number, TtlOptions>;
  /** Whether any of them is a merge. */
  readonly hasMerges: boolean;
  /** Says that `records` is not looked at any more. */
  release(): void;
}

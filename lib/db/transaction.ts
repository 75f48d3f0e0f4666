/**
 * A transaction: reads of one moment, its own writes on top, and a commit that
 * fails if others wrote what it depends on.
 *
 * Owns: what was read and written. Does not own: the decision (`conflicts.ts`),
 * the commit.
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { type Bytes, EMPTY_BYTES } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type KeyRange, resolveRange } from "../base/key_range.ts";
import type { Entry } from "../base/row.ts";
import { checkedKey, checkedValue } from "../memtable/row_input.ts";
import { type Footprint, keyName } from "../write/conflicts.ts";
import { keptTtl, type TtlOptions } from "../write/expiry.ts";
import { OwnWrites } from "../write/own_writes.ts";
import { NO_TTL } from "../write/write_batch.ts";
import type { WriteHandle } from "../write/write_handle.ts";
import type { Engine } from "./engine.ts";
import { overlaid, OverlaySource } from "./overlay_source.ts";
import type { ReadOptions, ScanOptions } from "./read_options.ts";
import type { Scan } from "./scan.ts";
import { Snapshot } from "./snapshot.ts";
import type { WriteOptions } from "./write_options.ts";

/** What a transaction is protected against. */
export interface TransactionOptions {
  /**
   * `"snapshot"`: no two transactions that overlap write one key.
   * `"serializable"`: moreover, nothing it read, keys and whole ranges, was
   * written meanwhile; it is as if transactions ran one after another.
   *
   * @default {"snapshot"}
   */
  isolation?: "snapshot" | "serializable";
}

/** What a forgotten transaction leaves to be ended. */
const FORGOTTEN = new FinalizationRegistry<() => void>((end) => end());

/**
 * A transaction; see `Db.begin`. Nothing it writes is visible before
 * {@linkcode commit}; leaving it without one takes everything back.
 */
export class Transaction implements Disposable {
  /** The last sequence number it sees of others. */
  readonly seq: bigint;
  readonly #engine: Engine;
  readonly #serializable: boolean;
  readonly #snapshot: Snapshot;
  readonly #id: symbol;
  readonly #own = new OwnWrites();
  readonly #readKeys = new Set<string>();
  readonly #readRanges: KeyRange[] = [];
  readonly #unmarked = new Set<string>();
  #completed = false;

  /**
   * Begins a transaction; see `Db.begin`.
   *
   * @internal
   * @param engine The database.
   * @param options What it is protected against.
   */
  constructor(engine: Engine, options: TransactionOptions) {
    const { isolation = "snapshot" } = options;
    if (isolation !== "snapshot" && isolation !== "serializable") {
      throw new DbError(
        "invalid",
        `isolation must be "snapshot" or "serializable", not ${
          JSON.stringify(isolation)
        }`,
      );
    }
    this.#engine = engine;
    this.#serializable = isolation === "serializable";
    this.#snapshot = new Snapshot(engine);
    this.seq = this.#snapshot.seq;
    const { conflicts } = engine.committer;
    const id = conflicts.begin(this.seq);
    this.#id = id;
    FORGOTTEN.register(this, () => conflicts.end(id), this);
  }

  /** Whether it was committed or rolled back. */
  get completed(): boolean {
    return this.#completed;
  }

  /**
   * Reads a value, its own writes included; see `Db.get`.
   *
   * @param key The key.
   * @param options How to read.
   * @returns The value, or `undefined`.
   */
  async get(
    key: Bytes,
    options?: ReadOptions,
  ): Promise<Uint8Array | undefined> {
    return (await this.getEntry(key, options))?.value;
  }

  /**
   * Reads a value with what is known about it; an own write has sequence
   * number 0 until it is committed. See `Db.getEntry`.
   *
   * @param key The key.
   * @param options How to read.
   * @returns The entry, or `undefined`.
   */
  async getEntry(
    key: Bytes,
    options?: ReadOptions,
  ): Promise<Entry | undefined> {
    this.#guard();
    const keyBytes = checkedKey(key).slice();
    this.#noteRead(keyBytes);
    const own = this.#own.get(keyBytes);
    const { mergeOperator } = this.#engine.readContext;
    if (own !== undefined && !own.open) {
      return overlaid(own, undefined, mergeOperator);
    }
    const stored = await this.#snapshot.getEntry(keyBytes, options);
    return own === undefined ? stored : overlaid(own, stored, mergeOperator);
  }

  /**
   * Reads several values; see `Db.getMany`.
   *
   * @param keys The keys, in any order.
   * @param options How to read.
   * @returns For each key its value, or `undefined`.
   */
  getMany(
    keys: readonly Bytes[],
    options?: ReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key, options)));
  }

  /**
   * Reads a range, with the writes made so far; see `Db.scan`. The whole range
   * counts as read, however far the scan goes.
   *
   * @param options Range, direction, limit, fetching.
   * @returns An async iterable of entries.
   */
  scan(options: ScanOptions = {}): Scan {
    this.#guard();
    if (this.#serializable) this.#readRanges.push(resolveRange(options));
    const { mergeOperator } = this.#engine.readContext;
    const { reverse: descending = false } = options;
    return this.#snapshot.scanWith(
      options,
      (stored, range) =>
        new OverlaySource({
          stored,
          own: this.#own.inRange(range, descending),
          descending,
          mergeOperator,
        }),
    );
  }

  /**
   * Writes a value; see `Db.put`.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param value Any bytes, also none; copied.
   * @param options When it expires.
   * @throws {DbError} Kind `"invalid"` if an argument is.
   */
  put(key: Bytes, value: Bytes, options: TtlOptions = NO_TTL): void {
    this.#write("put", key, value, options);
  }

  /**
   * Deletes a key; see `Db.delete`.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @throws {DbError} Kind `"invalid"` if the key is.
   */
  delete(key: Bytes): void {
    this.#write("delete", key, EMPTY_BYTES, NO_TTL);
  }

  /**
   * Writes a merge operand; see `Db.merge`.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param operand What the merge operator will combine; copied.
   * @param options When it expires.
   * @throws {DbError} Kind `"invalid"` if an argument is, or there is no merge operator.
   */
  merge(key: Bytes, operand: Bytes, options: TtlOptions = NO_TTL): void {
    this.#engine.committer.checkOperator();
    this.#write("merge", key, operand, options);
  }

  /**
   * Makes the commit fail if one of these keys was written meanwhile, as if it
   * had been read, at either isolation.
   *
   * @param keys The keys.
   */
  markRead(keys: Iterable<Bytes>): void {
    this.#guard();
    for (const key of keys) this.#readKeys.add(keyName(checkedKey(key)));
  }

  /**
   * Lets others write these keys meanwhile: they are still written by the
   * commit, and do not make it fail.
   *
   * @param keys The keys.
   */
  unmarkWrite(keys: Iterable<Bytes>): void {
    this.#guard();
    for (const key of keys) this.#unmarked.add(keyName(checkedKey(key)));
  }

  /**
   * Makes the writes visible, all at once, and ends the transaction, also when
   * it fails.
   *
   * @param options Durability, sequence number.
   * @returns Where the writes stand; `undefined` where there were none.
   * @throws {DbError} Kind `"transaction"` if others wrote what it depends on; nothing is written then.
   */
  async commit(options: WriteOptions = {}): Promise<WriteHandle | undefined> {
    this.#guard();
    this.#completed = true;
    try {
      const { committer, backpressure } = this.#engine;
      const { seqnum, signal } = options;
      signal?.throwIfAborted();
      const footprint = this.#footprint();
      if (this.#own.empty) {
        committer.checkConflicts(footprint);
        return undefined;
      }
      const writes = this.#own.toBatch().consume();
      const commit = () => committer.commitBatch(writes, seqnum, footprint);
      const handle = backpressure.stalled
        ? await backpressure.enqueue(commit, signal)
        : commit();
      if (options.awaitDurable === false) return handle;
      return await abortable(
        this.#engine.durableHandle(handle, undefined),
        signal,
      );
    } finally {
      this.#end();
    }
  }

  /** Takes everything back; fine after a commit or rollback, too. */
  rollback(): void {
    this.#completed = true;
    this.#end();
  }

  /** See {@linkcode rollback}. */
  [Symbol.dispose](): void {
    this.rollback();
  }

  /** See {@linkcode rollback}. */
  [Symbol.asyncDispose](): Promise<void> {
    this.rollback();
    return Promise.resolve();
  }

  #write(
    kind: "put" | "delete" | "merge",
    key: Bytes,
    value: Bytes,
    ttl: TtlOptions,
  ): void {
    this.#guard();
    const keyBytes = checkedKey(key);
    const valueBytes = checkedValue(value);
    const kept = ttl === NO_TTL ? ttl : keptTtl(ttl);
    this.#own.add(kind, keyBytes, valueBytes, kept);
    this.#unmarked.delete(keyName(keyBytes));
  }

  #noteRead(key: Uint8Array): void {
    if (this.#serializable) this.#readKeys.add(keyName(key));
  }

  #footprint(): Footprint {
    const writeKeys = new Set(this.#own.names);
    for (const name of this.#unmarked) writeKeys.delete(name);
    return {
      startedSeq: this.seq,
      writeKeys,
      readKeys: this.#readKeys,
      readRanges: this.#readRanges,
    };
  }

  #end(): void {
    FORGOTTEN.unregister(this);
    this.#engine.committer.conflicts.end(this.#id);
    this.#snapshot.close();
  }

  #guard(): void {
    this.#engine.lifecycle.guard();
    if (!this.#completed) return;
    throw new DbError("invalid", "transaction has already been completed");
  }
}

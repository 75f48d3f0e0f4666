/**
 * The database a user holds: checks arguments, delegates; no algorithm.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { throwIfAborted } from "../base/errors.ts";
import type { Entry } from "../base/row.ts";
import { RowFlag } from "../codec/abi.ts";
import type { CompactNowOptions as CompactOptions } from "../compactor/manual_compactions.ts";
import type { CheckpointRef } from "../manifest/checkpoints.ts";
import type { KeyExplanation } from "../read/explain.ts";
import { NO_TTL, type WriteBatch } from "../write/write_batch.ts";
import type { WriteHandle } from "../write/write_handle.ts";
import {
  bulkLoad,
  type WritableOptions,
  type WritableRow,
} from "./bulk_load.ts";
import type { Engine } from "./engine.ts";
import type { DbCheckpointOptions } from "./new_checkpoint.ts";
import { openEngine } from "./open.ts";
import type { DbOptions } from "./open_options.ts";
import type { ReadOptions, ScanOptions } from "./read_options.ts";
import { Reads } from "./reads.ts";
import type { Scan } from "./scan.ts";
import { Snapshot } from "./snapshot.ts";
import type { DbStatus } from "./status.ts";
import { transact, type TransactOptions } from "./transact.ts";
import { Transaction, type TransactionOptions } from "./transaction.ts";
import type {
  CloseOptions,
  FlushOptions,
  PutOptions,
  WriteOptions,
} from "./write_options.ts";
import { Writes } from "./writes.ts";

const NO_OPTIONS: PutOptions = Object.freeze({});

/**
 * An open database, as its one writer.
 *
 * Order is the order of calls. A write is visible to every read that begins
 * after its call, and durable when its promise resolves (or, with
 * `awaitDurable: false`, when `durable()` of its handle does). What a crash
 * loses is a suffix of the writes that were never reported durable. A handle
 * belongs to one thread. Every method rejects with kind `"closed"` once the
 * database is closed, fenced by a newer writer, or failed; the first reason is
 * kept.
 *
 * @example
 * ```ts ignore
 * await using db = await Db.open("orders", { store: new FileStore("./data") });
 * await db.put("sku/7", "blue");
 * ```
 */
export class Db implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #reads: Reads;
  readonly #writes: Writes;

  private constructor(engine: Engine) {
    this.#engine = engine;
    this.#writes = new Writes(engine);
    this.#reads = new Reads({
      context: engine.readContext,
      guard: () => engine.lifecycle.guard(),
      pin: (remote, cacheBlocks) => engine.pin(remote, cacheBlocks),
    });
  }

  /**
   * Opens a database as its writer, and makes it where there is none. Whoever
   * was its writer is shut out: its next write fails as fenced.
   *
   * @param path The database's path in the store.
   * @param options Components and settings; only `store` is required.
   * @returns The database.
   * @throws {DbError} Kind `"invalid"` if options or settings do not fit each other or the database; `"data"` if what is stored is damaged; `"unavailable"` if the store does not answer; `"closed"` if a newer writer took over meanwhile.
   */
  static async open(path: string, options: DbOptions): Promise<Db> {
    return new Db(await openEngine(path, options));
  }

  /**
   * Writes a value.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param value Any bytes, also none; copied.
   * @param options Durability, expiry, sequence number.
   * @returns Where the write stands.
   * @throws {DbError} Kind `"invalid"` if an argument is.
   */
  put(
    key: Bytes,
    value: Bytes,
    options: PutOptions = NO_OPTIONS,
  ): Promise<WriteHandle> {
    return this.#writes.row(0, key, value, options, options);
  }

  /**
   * Deletes a key; one that is absent is fine, and a tombstone is written
   * either way.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param options Durability, sequence number.
   * @returns Where the write stands.
   * @throws {DbError} Kind `"invalid"` if an argument is.
   */
  delete(key: Bytes, options: WriteOptions = NO_OPTIONS): Promise<WriteHandle> {
    return this.#writes.row(RowFlag.TOMBSTONE, key, "", NO_TTL, options);
  }

  /**
   * Writes a merge operand.
   *
   * @param key 1 to 65,535 bytes; copied.
   * @param operand What the merge operator will combine; copied.
   * @param options Durability, expiry, sequence number.
   * @returns Where the write stands.
   * @throws {DbError} Kind `"invalid"` if an argument is, or there is no merge operator.
   */
  merge(
    key: Bytes,
    operand: Bytes,
    options: PutOptions = NO_OPTIONS,
  ): Promise<WriteHandle> {
    return this.#writes.row(RowFlag.MERGE, key, operand, options, options);
  }

  /**
   * Writes a batch: all of it becomes visible, and durable, together.
   *
   * @param batch The writes; used up by this call.
   * @param options Durability, sequence number.
   * @returns Where the batch stands.
   * @throws {DbError} Kind `"invalid"` if the batch is empty or was written before, or a merge cannot be folded.
   */
  write(
    batch: WriteBatch,
    options: WriteOptions = NO_OPTIONS,
  ): Promise<WriteHandle> {
    return this.#writes.batch(batch, options);
  }

  /**
   * Reads a value.
   *
   * @param key The key.
   * @param options Which rows to see.
   * @returns The value, the caller's own; `undefined` where there is none.
   * @throws {DbError} Kind `"data"` if what is stored is damaged; `"invalid"` if an argument is.
   */
  get(key: Bytes, options?: ReadOptions): Promise<Uint8Array | undefined> {
    return this.#reads.get(key, options);
  }

  /**
   * Reads a value with its sequence number and timestamps.
   *
   * @param key The key.
   * @param options Which rows to see.
   * @returns The entry; `undefined` where there is none.
   * @throws {DbError} As {@linkcode get}.
   */
  getEntry(key: Bytes, options?: ReadOptions): Promise<Entry | undefined> {
    return this.#reads.getEntry(key, options);
  }

  /**
   * Reads several values from one moment.
   *
   * @param keys The keys, in any order.
   * @param options Which rows to see.
   * @returns For each key its value, or `undefined`.
   * @throws {DbError} As {@linkcode get}.
   */
  getMany(
    keys: readonly Bytes[],
    options?: ReadOptions,
  ): Promise<(Uint8Array | undefined)[]> {
    return this.#reads.getMany(keys, options);
  }

  /**
   * Reads a range, as it is at this call.
   *
   * @param options Range, direction, limit, fetching.
   * @returns An async iterable of entries; also in batches, and as a stream.
   * @throws {DbError} Kind `"invalid"` if an option is; `"closed"` if the database is.
   */
  scan(options: ScanOptions = {}): Scan {
    return this.#reads.scan(options);
  }

  /**
   * The keys of a range.
   *
   * @param options As {@linkcode scan}.
   * @returns The keys, in order.
   */
  keys(options: ScanOptions = {}): AsyncIterable<Uint8Array> {
    return this.#reads.keys(options);
  }

  /**
   * The values of a range.
   *
   * @param options As {@linkcode scan}.
   * @returns The values, in key order.
   */
  values(options: ScanOptions = {}): AsyncIterable<Uint8Array> {
    return this.#reads.values(options);
  }

  /**
   * Counts the entries of a range, by reading it.
   *
   * @param options As {@linkcode scan}.
   * @returns How many there are.
   */
  count(options: ScanOptions = {}): Promise<number> {
    return this.#reads.count(options);
  }

  /**
   * Holds on to the present state for reading.
   *
   * @returns A snapshot; close it, or let `using` do so: as long as it lives, old versions are kept.
   * @throws {DbError} Kind `"closed"` if the database is.
   */
  snapshot(): Snapshot {
    this.#engine.lifecycle.guard();
    return new Snapshot(this.#engine);
  }

  /**
   * Begins a transaction: it reads the present state, and its writes become
   * visible together when it commits, unless others wrote what it depends on.
   *
   * @param options What it is protected against.
   * @returns The transaction; commit it or roll it back, or let `using` do the latter.
   * @throws {DbError} Kind `"closed"` if the database is.
   */
  begin(options: TransactionOptions = {}): Promise<Transaction> {
    try {
      this.#engine.lifecycle.guard();
      return Promise.resolve(new Transaction(this.#engine, options));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Runs a transaction, and again from the start while it meets conflicts.
   *
   * @param body What it does; called once for each attempt. What it throws rolls back.
   * @param options Isolation, attempts, durability.
   * @returns What the attempt that committed returned.
   * @throws {DbError} Kind `"transaction"` if the last attempt met a conflict, too.
   */
  transact<Result>(
    body: (transaction: Transaction) => Promise<Result> | Result,
    options: TransactOptions = {},
  ): Promise<Result> {
    return transact(() => this.begin(options), body, options);
  }

  /**
   * A stream that takes rows and writes them in batches.
   *
   * @param options Rows of a batch.
   * @returns A stream whose `close()` resolves when everything is durable.
   */
  writable(options: WritableOptions = {}): WritableStream<WritableRow> {
    return bulkLoad({
      write: async (batch) => {
        await this.write(batch, { awaitDurable: false });
      },
      finish: () => this.flush(),
    }, options);
  }

  /**
   * Makes every write so far durable.
   *
   * @param options How far down.
   * @returns Resolves when it is; at once where nothing is pending.
   * @throws {DbError} Kind `"invalid"` if the WAL is asked for and switched off.
   */
  async flush(options: FlushOptions = {}): Promise<void> {
    this.#engine.lifecycle.guard();
    throwIfAborted(options.signal);
    await this.#engine.flush(options);
  }

  /**
   * Keeps the present state, until the checkpoint's lifetime is over: a
   * `DbReader` opens it, a backup copies it, a clone begins with it.
   *
   * @param options Scope, lifetime, name, source.
   * @returns Its id, and the manifest it keeps.
   * @throws {DbError} Kind `"invalid"` if an option is; `"data"` if the source does not exist.
   *
   * @example
   * ```ts ignore
   * const { id } = await db.createCheckpoint({ lifetimeMs: 3_600_000, name: "hourly" });
   * ```
   */
  async createCheckpoint(
    options: DbCheckpointOptions = {},
  ): Promise<CheckpointRef> {
    this.#engine.lifecycle.guard();
    return await this.#engine.createCheckpoint(options);
  }

  /** The database's state; also after it closed. */
  status(): DbStatus {
    return this.#engine.status();
  }

  /**
   * The state now, and again whenever it changes; ends when the database is
   * closed, after that state. A slow consumer skips states.
   *
   * @returns States.
   */
  statuses(): AsyncIterable<DbStatus> {
    return this.#engine.statuses();
  }

  /**
   * Reads a key and says how: which sources were asked, newest first, what each
   * said, and what it cost.
   *
   * @param key The key.
   * @param options Which rows to see.
   * @returns The search, step by step.
   */
  explain(key: Bytes, options?: ReadOptions): Promise<KeyExplanation> {
    return this.#reads.explain(key, options);
  }

  /**
   * Flushes, and merges L0 and all sorted runs into one run, in each segment:
   * what is deleted, expired or superseded takes no space afterwards, but for
   * what live snapshots see. Reads and writes go on meanwhile.
   *
   * @param options One segment, how much, how long to wait.
   * @returns Resolves when it is done.
   * @throws {DbError} Kind `"invalid"` if this handle runs no compactor; what the compaction failed with.
   */
  async compact(options: CompactOptions = {}): Promise<void> {
    this.#engine.lifecycle.guard();
    throwIfAborted(options.signal);
    await this.#engine.compact(options);
  }

  /**
   * Closes the database; may be called again. Rows in memory are flushed first,
   * unless told otherwise; where L0 is full and nobody compacts, they are left
   * in the WAL, which is durable.
   *
   * @param options What to flush.
   * @returns Resolves when nothing runs any more.
   * @throws {DbError} Kind `"unavailable"` if rows could not be made durable; says how many bytes.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#engine.close(options.flush ?? "memtable");
  }

  /** See {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

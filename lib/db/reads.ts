/**
 * The reads that a database, a snapshot and a reader have in common.
 *
 * Owns: options and arguments, what a read pins, aborting.
 * Does not own: the search (`read/`), what is visible (whoever pins).
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { type Bytes, toBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { type KeyRange, resolveRange } from "../base/key_range.ts";
import type { Entry } from "../base/row.ts";
import type { LsmView } from "../lsm/lsm_view.ts";
import { checkedKey } from "../memtable/row_input.ts";
import type { EntrySource } from "../read/entry_source.ts";
import { explainKey, type KeyExplanation } from "../read/explain.ts";
import { pointGet, pointValue } from "../read/point_get.ts";
import { RangeScan } from "../read/range_scan.ts";
import type { ReadContext } from "../read/read_context.ts";
import type { PointRead } from "../read/table_lookup.ts";
import {
  type ReadOptions,
  type ResolvedRead,
  resolveRead,
  type ScanOptions,
} from "./read_options.ts";
import { Scan } from "./scan.ts";

/** The clock by which a read judges expiry. */
export interface ReadClock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

/** One read: what it may see, and how it looks. */
export class ReadPoint implements PointRead {
  /** The sources. */
  readonly view: LsmView;
  /** Rows above this are invisible. */
  readonly seqMax: bigint;
  /** Whether blocks that are read stay in the cache. */
  readonly cacheBlocks: boolean;
  /** What users' own filters are told; a property only where there is something. */
  declare filterContext?: unknown;
  readonly #clock: ReadClock;
  #nowMs: number | undefined;

  /**
   * Constructs a new {@linkcode ReadPoint}.
   *
   * @param view The sources.
   * @param seqMax Rows above this are invisible.
   * @param clock Judges expiry.
   * @param cacheBlocks Whether blocks that are read stay in the cache.
   */
  constructor(
    view: LsmView,
    seqMax: bigint,
    clock: ReadClock,
    cacheBlocks: boolean,
  ) {
    this.view = view;
    this.seqMax = seqMax;
    this.cacheBlocks = cacheBlocks;
    this.#clock = clock;
  }

  /** Asked for by rows that expire alone; one time for all of them. */
  get nowMs(): number {
    return this.#nowMs ??= this.#clock.nowMs();
  }
}

/** What {@linkcode Reads} works with. */
export interface ReadsOptions {
  /** What every read of the database works with. */
  readonly context: ReadContext;
  /** Throws once the handle is closed. */
  guard(): void;
  /**
   * What a read that begins now may see.
   *
   * @param remote Whether only durable rows count.
   * @param cacheBlocks Whether blocks that are read stay in the cache.
   */
  pin(remote: boolean, cacheBlocks: boolean): ReadPoint;
}

/** Reads from whatever its owner pins. */
export class Reads {
  readonly #options: ReadsOptions;
  readonly #context: ReadContext;

  /**
   * Constructs a new {@linkcode Reads}.
   *
   * @param options What it works with.
   */
  constructor(options: ReadsOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  /** See `Db.get`. */
  get(
    key: Bytes,
    options: ReadOptions | undefined,
  ): Promise<Uint8Array | undefined> {
    try {
      const resolved = resolveRead(options);
      const read = this.#pin(resolved);
      this.#context.requests.gets.add();
      const value = pointValue(
        this.#context,
        read.view,
        checkedKey(key),
        read,
      );
      return value instanceof Promise
        ? abortable(value, resolved.signal)
        : Promise.resolve(value);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** See `Db.getEntry`. */
  async getEntry(
    key: Bytes,
    options: ReadOptions | undefined,
  ): Promise<Entry | undefined> {
    const resolved = resolveRead(options);
    const read = this.#pin(resolved);
    this.#context.requests.gets.add();
    const keyBytes = checkedKey(key).slice();
    const searching = pointGet(this.#context, read.view, keyBytes, read);
    const found = searching instanceof Promise
      ? await abortable(searching, resolved.signal)
      : searching;
    if (found === undefined) return undefined;
    const { value, seq, createTs, expireTs } = found;
    return { key: keyBytes, value, seq, createTs, expireTs };
  }

  /** See `Db.getMany`. */
  async getMany(
    keys: readonly Bytes[],
    options: ReadOptions | undefined,
  ): Promise<(Uint8Array | undefined)[]> {
    const resolved = resolveRead(options);
    const read = this.#pin(resolved);
    this.#context.requests.gets.add(keys.length);
    const waits: Promise<void>[] = [];
    const values: (Uint8Array | undefined)[] = new Array(keys.length);
    read.view.acquire();
    try {
      keys.forEach((key, i) => {
        const value = pointValue(
          this.#context,
          read.view,
          checkedKey(key),
          read,
        );
        if (!(value instanceof Promise)) values[i] = value;
        else {
          waits.push(value.then((value) => {
            values[i] = value;
          }));
        }
      });
    } finally {
      // All settle before one is thrown: nothing outlives this call but an
      // aborted wait.
      const settled = Promise.allSettled(waits).then((results) => {
        read.view.release();
        for (const result of results) {
          if (result.status === "rejected") throw result.reason;
        }
      });
      await abortable(settled, resolved.signal);
    }
    return values;
  }

  /**
   * See `Db.scan`.
   *
   * @param options Range, direction, limit, fetching.
   * @param overlay Lays something over the stored entries.
   */
  scan(
    options: ScanOptions,
    overlay: (source: EntrySource, range: KeyRange) => EntrySource = (source) =>
      source,
  ): Scan {
    const resolved = resolveRead(options);
    const { reverse = false, limit = Infinity, prefix } = options;
    checkCount("limit", limit, 0);
    checkCount("readAheadBytes", options.readAheadBytes, 1);
    checkCount("maxFetchTasks", options.maxFetchTasks, 1);
    const range = resolveRange(options);
    const { view, seqMax, nowMs } = this.#pin(resolved);
    this.#context.requests.scans.add();
    const source = new RangeScan(this.#context, view, {
      seqMax,
      nowMs,
      range,
      prefix: prefix === undefined ? undefined : toBytes(prefix),
      descending: reverse,
      filterContext: resolved.filterContext,
      cacheBlocks: resolved.cacheBlocks ?? false,
      readAheadBytes: options.readAheadBytes,
      maxFetchTasks: options.maxFetchTasks,
    });
    return new Scan({
      source: overlay(source, range),
      range,
      descending: reverse,
      limit,
      signal: resolved.signal,
      guard: () => this.#options.guard(),
    });
  }

  /** See `Db.keys`. */
  async *keys(options: ScanOptions): AsyncGenerator<Uint8Array, void, void> {
    for await (const batch of this.scan(options).batches()) {
      for (const { key } of batch) yield key;
    }
  }

  /** See `Db.values`. */
  async *values(options: ScanOptions): AsyncGenerator<Uint8Array, void, void> {
    for await (const batch of this.scan(options).batches()) {
      for (const { value } of batch) yield value;
    }
  }

  /** See `Db.count`. */
  async count(options: ScanOptions): Promise<number> {
    return await this.scan(options).count();
  }

  /** See `Db.explain`. */
  async explain(
    key: Bytes,
    options: ReadOptions | undefined,
  ): Promise<KeyExplanation> {
    const resolved = resolveRead(options);
    const read = this.#pin(resolved);
    return await abortable(
      explainKey(this.#context, read.view, checkedKey(key), read),
      resolved.signal,
    );
  }

  /** Ends all scans: whoever made this closes. */
  endScans(): void {
    this.#context.endScans();
  }

  #pin(resolved: ResolvedRead): ReadPoint {
    const { remote, cacheBlocks = true, filterContext, signal } = resolved;
    this.#options.guard();
    if (signal?.aborted === true) throw signal.reason;
    const read = this.#options.pin(remote, cacheBlocks);
    if (filterContext !== undefined) read.filterContext = filterContext;
    return read;
  }
}

function checkCount(
  name: string,
  value: number | undefined,
  least: number,
): void {
  if (value === undefined || value === Infinity) return;
  if (Number.isInteger(value) && value >= least) return;
  throw new DbError(
    "invalid",
    `${name} must be a whole number >= ${least}, not ${value}`,
  );
}

/**
 * The entries of a range, as a user holds them.
 *
 * Owns: the order of calls, the limit, the rules of seeking, and that an error
 * stays. Does not own: how entries are found (`read/range_scan.ts`).
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { type Bytes, compareBytes, showKey, toBytes } from "../base/bytes.ts";
import { DbError, throwIfAborted } from "../base/errors.ts";
import { type KeyRange, rangeContains } from "../base/key_range.ts";
import type { Entry } from "../base/row.ts";
import type { EntrySource } from "../read/entry_source.ts";

/** Entries of the first batch; every further one has four times as many. */
const FIRST_BATCH = 32;
const MAX_BATCH = 1024;

/** What a {@linkcode Scan} works with. */
export interface ScanParts {
  /** Where the entries come from; the scan closes it. */
  readonly source: EntrySource;
  /** The keys. */
  readonly range: KeyRange;
  /** From the last key to the first. */
  readonly descending: boolean;
  /** Most entries to return. */
  readonly limit: number;
  /** Ends the scan with its reason. */
  readonly signal: AbortSignal | undefined;
  /** Throws once the database is closed. */
  guard(): void;
}

/**
 * The entries of a range, in key order, as they were when the scan began.
 *
 * Use it in `for await`, or call {@linkcode next}; calls may overlap and are
 * answered in order. What it reads from stays in memory until it ends: at the
 * last entry, at the end of the loop, at an error, or with {@linkcode close}.
 * After an error every later call fails with the same. The keys and values of a
 * batch share one buffer: copy those few that are kept for long, lest they keep
 * the others.
 */
export class Scan implements AsyncIterable<Entry>, AsyncDisposable {
  readonly #parts: ScanParts;
  #buffer: readonly Entry[] = [];
  #at = 0;
  /** Entries that may still be fetched, besides those in the buffer. */
  #left: number;
  #batch = FIRST_BATCH;
  #last: Uint8Array | undefined;
  #sought: Uint8Array | undefined;
  #filling: Promise<void> | undefined;
  #failed = false;
  #failure: unknown;
  #ended = false;

  /**
   * Constructs a new {@linkcode Scan}; no I/O. Users call `scan()` of a database.
   *
   * @internal
   * @param parts What it works with.
   */
  constructor(parts: ScanParts) {
    this.#parts = parts;
    this.#left = parts.limit;
    if (this.#left <= 0) this.#end();
  }

  /**
   * Moves to the next entry.
   *
   * @returns The entry, or `undefined` after the last.
   * @throws {DbError} Kind `"data"` if stored data is missing or damaged, `"closed"` once the database is closed.
   */
  next(): Promise<Entry | undefined> {
    try {
      const waiting = this.#ready();
      if (waiting !== undefined) return waiting.then(() => this.next());
      return Promise.resolve(this.#take());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Moves to the next entries: cheaper than one by one.
   *
   * @returns One or more entries, or `undefined` after the last.
   * @throws {DbError} As {@linkcode next}.
   */
  nextBatch(): Promise<readonly Entry[] | undefined> {
    try {
      const waiting = this.#ready();
      if (waiting !== undefined) return waiting.then(() => this.nextBatch());
      return Promise.resolve(this.#takeAll());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The remaining entries in batches.
   *
   * @returns An async iterable; ending the loop ends the scan.
   */
  async *batches(): AsyncGenerator<readonly Entry[], void, undefined> {
    try {
      for (;;) {
        const batch = await this.nextBatch();
        if (batch === undefined) return;
        yield batch;
      }
    } finally {
      this.#end();
    }
  }

  /**
   * The remaining entries as a web stream, read as they are asked for.
   *
   * @returns A stream; cancelling it ends the scan.
   */
  toReadableStream(): ReadableStream<Entry> {
    return new ReadableStream<Entry>({
      pull: async (controller) => {
        const batch = await this.nextBatch();
        if (batch === undefined) return controller.close();
        for (const entry of batch) controller.enqueue(entry);
      },
      cancel: () => this.close(),
    }, { highWaterMark: 0 });
  }

  /**
   * Counts the remaining entries, which are not made for that.
   *
   * @returns How many there are.
   * @throws {DbError} As {@linkcode next}.
   */
  async count(): Promise<number> {
    while (this.#filling !== undefined) await this.#filling;
    this.#check();
    const { source, signal } = this.#parts;
    let count = this.#buffer.length - this.#at;
    try {
      while (this.#left > 0 && !this.#ended) {
        const rows = source.countNext(Math.min(MAX_BATCH, this.#left));
        const more = rows instanceof Promise
          ? await abortable(rows, signal)
          : rows;
        this.#check();
        if (more === 0) break;
        this.#left -= more;
        count += more;
      }
      return this.#left < 0 ? count + this.#left : count;
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#end();
    }
  }

  /**
   * Moves ahead: the next entry is the first at or behind `key`, in the scan's
   * direction. It never goes back: not to where an earlier seek has passed over,
   * and a seek that is refused leaves the scan where it is.
   *
   * @param key A key inside the range and behind the last entry that was returned.
   * @throws {DbError} Kind `"invalid"` if it is not.
   */
  async seek(key: Bytes): Promise<void> {
    const target = toBytes(key).slice();
    while (this.#filling !== undefined) await this.#filling;
    this.#check();
    this.#checkTarget(target);
    if (this.#ended) return;
    const sign = this.#parts.descending ? -1 : 1;
    if (
      this.#sought !== undefined &&
      sign * compareBytes(target, this.#sought) <= 0
    ) return;
    this.#sought = target;
    while (this.#at < this.#buffer.length) {
      if (sign * compareBytes(this.#buffer[this.#at]!.key, target) >= 0) return;
      this.#at++;
      this.#left++;
    }
    this.#batch = FIRST_BATCH;
    this.#parts.source.seek(target);
  }

  /**
   * Ends the scan; a second time is fine. Later calls of {@linkcode next} return
   * `undefined`.
   *
   * @returns Resolves at once; never rejects.
   */
  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** See {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The remaining entries, one by one.
   *
   * @returns An iterator; ending the loop ends the scan.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Entry, undefined> {
    return new ScanIterator(
      this,
      () =>
        this.#filling === undefined && this.#isOpen()
          ? this.#take()
          : undefined,
    );
  }

  /** Takes the first entry of the buffer. */
  #take(): Entry | undefined {
    if (this.#at === this.#buffer.length) return undefined;
    const entry = this.#buffer[this.#at++]!;
    this.#last = entry.key;
    return entry;
  }

  /** Takes the whole buffer. */
  #takeAll(): readonly Entry[] | undefined {
    if (this.#at === this.#buffer.length) return undefined;
    const batch = this.#at === 0 ? this.#buffer : this.#buffer.slice(this.#at);
    this.#at = this.#buffer.length;
    this.#last = batch.at(-1)!.key;
    return batch;
  }

  /** Makes sure that the buffer has an entry, or that there is none. */
  #ready(): Promise<void> | undefined {
    if (this.#filling !== undefined) return this.#filling;
    this.#check();
    if (this.#at < this.#buffer.length || this.#ended) return undefined;
    return this.#fill();
  }

  #fill(): Promise<void> | undefined {
    const { source, signal } = this.#parts;
    if (this.#left === 0) {
      this.#end();
      return undefined;
    }
    let entries: Entry[] | undefined | Promise<Entry[] | undefined>;
    try {
      entries = source.next(Math.min(this.#batch, this.#left));
    } catch (error) {
      throw this.#fail(error);
    }
    if (!(entries instanceof Promise)) {
      this.#accept(entries);
      return undefined;
    }
    this.#filling = abortable(entries, signal).then(
      (entries) => {
        this.#filling = undefined;
        this.#accept(entries);
      },
      (error) => {
        this.#filling = undefined;
        throw this.#fail(error);
      },
    );
    return this.#filling;
  }

  #accept(entries: Entry[] | undefined): void {
    if (entries === undefined) return this.#end();
    if (entries.length > this.#left) entries.length = this.#left;
    this.#buffer = entries;
    this.#at = 0;
    this.#left -= entries.length;
    this.#batch = Math.min(4 * this.#batch, MAX_BATCH);
  }

  /** Throws what has ended the scan. */
  #check(): void {
    if (!this.#isOpen()) throw this.#failure;
  }

  /** Whether nothing has ended the scan, nor ends it now. */
  #isOpen(): boolean {
    if (this.#failed) return false;
    const { signal } = this.#parts;
    try {
      throwIfAborted(signal);
      this.#parts.guard();
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #checkTarget(target: Uint8Array): void {
    const { range, descending } = this.#parts;
    if (target.length === 0) {
      throw new DbError("invalid", "key cannot be empty");
    }
    if (!rangeContains(range, target)) {
      throw new DbError(
        "invalid",
        `cannot seek to a key outside the iterator range: ${showKey(target)}`,
      );
    }
    if (this.#last === undefined) return;
    const order = compareBytes(target, this.#last);
    if (descending ? order < 0 : order > 0) return;
    throw new DbError(
      "invalid",
      `cannot seek to a key ${
        descending ? "greater" : "less"
      } than the last returned key: ${showKey(target)}, last was ${
        showKey(this.#last)
      }`,
    );
  }

  #fail(error: unknown): unknown {
    if (!this.#failed) {
      this.#failed = true;
      this.#failure = error;
      this.#end();
    }
    return this.#failure;
  }

  /** Frees everything; what comes next is `undefined`, or the failure. */
  #end(): void {
    this.#ended = true;
    this.#buffer = [];
    this.#at = 0;
    this.#parts.source.close();
  }
}

/** A class and not a generator: half the price for each entry. */
class ScanIterator implements AsyncIterableIterator<Entry, undefined> {
  readonly #scan: Scan;
  readonly #takeNow: () => Entry | undefined;

  constructor(scan: Scan, takeNow: () => Entry | undefined) {
    this.#scan = scan;
    this.#takeNow = takeNow;
  }

  next(): Promise<IteratorResult<Entry, undefined>> {
    const entry = this.#takeNow();
    return entry === undefined
      ? this.#scan.next().then(toResult)
      : Promise.resolve({ done: false, value: entry });
  }

  return(): Promise<IteratorResult<Entry, undefined>> {
    return this.#scan.close().then(() => toResult(undefined));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function toResult(entry: Entry | undefined): IteratorResult<Entry, undefined> {
  return entry === undefined
    ? { done: true, value: undefined }
    : { done: false, value: entry };
}

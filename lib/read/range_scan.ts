/**
 * A view and a range as batches of entries, in either direction.
 *
 * Owns: the pin on the view, and the cursor. Does not own: options, arguments and
 * what a user holds (`db/scan.ts`).
 *
 * @module
 */
import type { KeyRange } from "../base/key_range.ts";
import type { Entry } from "../base/row.ts";
import { MergeMode, RowFlag } from "../codec/abi.ts";
import type { LsmView } from "../lsm/lsm_view.ts";
import { MergeCursor, type RowSource } from "../sst/merge_cursor.ts";
import { TableSource } from "../sst/table_source.ts";
import type { EntrySource } from "./entry_source.ts";
import type { ReadContext } from "./read_context.ts";
import { tablesOfRange } from "./source_plan.ts";

/** Bytes at which a batch ends whatever its rows. */
const BATCH_BYTES = 128 * 1024;
/** A read takes this much at most unless told otherwise. */
const READ_AHEAD_BYTES = 256 * 1024;

/** How a range is read. */
export interface RangeRead {
  /** Rows above this are invisible. */
  readonly seqMax: bigint;
  /** The clock by which rows expire, in milliseconds. */
  readonly nowMs: number;
  /** The keys. */
  readonly range: KeyRange;
  /** What every key begins with, where that is known: tables without are passed over. */
  readonly prefix?: Uint8Array | undefined;
  /** What users' own filters are told about a prefix. */
  readonly filterContext?: unknown;
  /** From the last key to the first. */
  readonly descending: boolean;
  /** Whether blocks that are read stay in the cache. */
  readonly cacheBlocks: boolean;
  /**
   * The most that one read takes.
   *
   * @default {262144}
   */
  readonly readAheadBytes?: number | undefined;
  /** Reads and loads under way at once; the context's unless given. */
  readonly maxFetchTasks?: number | undefined;
}

/** What a scan holds, apart from it: the finalizer frees scans that nobody closed. */
class Held implements Disposable {
  readonly cursor: MergeCursor;
  readonly #view: LsmView;
  readonly #scans: Set<Disposable>;

  constructor(cursor: MergeCursor, view: LsmView, scans: Set<Disposable>) {
    this.cursor = cursor;
    this.#view = view;
    this.#scans = scans;
    view.acquire();
    scans.add(this);
  }

  get open(): boolean {
    return this.#scans.has(this);
  }

  [Symbol.dispose](): void {
    if (!this.#scans.delete(this)) return;
    this.cursor.close();
    this.#view.release();
  }
}

const FORGOTTEN = new FinalizationRegistry<Held>((held) => {
  held[Symbol.dispose]();
});

/** Entries of a range, batch by batch; close it when done. */
export class RangeScan implements EntrySource {
  readonly #context: ReadContext;
  readonly #read: RangeRead;
  readonly #held: Held;

  /**
   * Constructs a new {@linkcode RangeScan}; no I/O.
   *
   * @param context What reads work with.
   * @param view The sources; held until {@linkcode close}.
   * @param read What to read.
   */
  constructor(context: ReadContext, view: LsmView, read: RangeRead) {
    this.#context = context;
    this.#read = read;
    const cursor = new MergeCursor({
      kernel: context.kernel,
      sources: sourcesOf(context, view, read),
      mode: MergeMode.VISIBLE,
      descending: read.descending,
      hideExpired: context.hideExpired,
      seqMax: read.seqMax,
      nowMs: BigInt(Math.floor(read.nowMs)),
      range: read.range,
      outputBytes: BATCH_BYTES,
      maxFetchTasks: read.maxFetchTasks ?? context.maxFetchTasks,
    });
    this.#held = new Held(cursor, view, context.scans);
    FORGOTTEN.register(this, this.#held, this);
  }

  /**
   * Reads the next entries.
   *
   * @param maxRows How many at most, but for operands that fold into one.
   * @returns At least one entry, or `undefined` after the last; at once where nothing has to be waited for.
   * @throws {DbError} Kind `"data"` if an SST is missing or damaged.
   */
  next(
    maxRows: number,
  ): Entry[] | undefined | Promise<Entry[] | undefined> {
    const more = this.#held.cursor.next(maxRows);
    return more instanceof Promise
      ? more.then((more) => this.#take(more))
      : this.#take(more);
  }

  /**
   * Passes over the next entries.
   *
   * @param maxRows As in {@linkcode next}.
   * @returns How many they are; 0 after the last.
   * @throws {DbError} As {@linkcode next}.
   */
  countNext(maxRows: number): number | Promise<number> {
    const more = this.#held.cursor.next(maxRows);
    return more instanceof Promise
      ? more.then((more) => this.#count(more))
      : this.#count(more);
  }

  /**
   * Moves to a key: the next entry is the first at or behind it, in the scan's
   * direction. Nothing may be under way.
   *
   * @param key A key inside the range.
   */
  seek(key: Uint8Array): void {
    const { range, descending } = this.#read;
    const bound = { key, inclusive: true };
    this.#held.cursor.seek(
      descending ? { ...range, upper: bound } : { ...range, lower: bound },
    );
  }

  /** Frees everything; a second time is fine. */
  close(): void {
    FORGOTTEN.unregister(this);
    this.#held[Symbol.dispose]();
  }

  #count(more: boolean): number {
    if (!more || !this.#held.open) return 0;
    const { kernel } = this.#context;
    const { output, bytes, rows } = this.#held.cursor;
    const { u32 } = kernel;
    for (let at = output; at < output + bytes; at += u32[(at + 36) >> 2]!) {
      // Operands count as what they fold into.
      if ((u32[(at + 32) >> 2]! & RowFlag.MERGE) === 0) continue;
      return this.#take(true)?.length ?? 0;
    }
    return rows;
  }

  #take(more: boolean): Entry[] | undefined {
    if (!more || !this.#held.open) return undefined;
    const { kernel, mergeOperator, batches } = this.#context;
    const { cursor } = this.#held;
    const { output, bytes } = cursor;
    return batches.take(kernel, output, bytes, mergeOperator);
  }
}

function sourcesOf(
  context: ReadContext,
  view: LsmView,
  read: RangeRead,
): RowSource[] {
  const sources: RowSource[] = [view.active];
  for (const { memtable } of view.frozen) sources.push(memtable);
  const { range, descending, cacheBlocks, filterContext } = read;
  // The caller may use its array again.
  const prefix = read.prefix?.slice();
  for (const tables of tablesOfRange(view, range)) {
    sources.push(
      new TableSource(tables, {
        descending,
        cacheBlocks,
        readAheadBytes: read.readAheadBytes ?? READ_AHEAD_BYTES,
        maxFetchTasks: read.maxFetchTasks ?? context.maxFetchTasks,
        admits: prefix === undefined
          ? undefined
          : (table) => table.mayContainPrefix(prefix, filterContext),
      }),
    );
  }
  return sources;
}

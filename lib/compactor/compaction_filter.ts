/**
 * User code that drops or rewrites rows while compacting.
 *
 * Owns: the contract, and asking about each row. Rows come here last, after
 * folding and retention, so what a filter says is what is written.
 *
 * It can break promises that compaction keeps by itself: a row that a snapshot
 * still sees may be dropped under it, and dropping a row above the lowest run
 * brings older versions of its key back. A filter that only ever drops keys nobody
 * reads any more, by prefix for instance, is safe.
 *
 * @module
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import { DbError, messageOf } from "../base/errors.ts";
import type { Row } from "../base/row.ts";
import type { Kernel } from "../codec/kernel.ts";
import { readRow, rowRecordBytes, writeRow } from "../codec/row_record.ts";
import type { RowSink } from "../sst/rewrite.ts";

/** What becomes of a row: as it is, gone, a tombstone, or a put of another value. */
export type FilterDecision =
  | "keep"
  | "drop"
  | "delete"
  | { readonly put: Uint8Array };

/** Judges the rows of one part of a compaction. */
export interface CompactionFilter {
  /**
   * Judges one row. A throw fails the compaction; its inputs stay.
   *
   * @param row The row, a copy; rows come in order.
   * @returns What becomes of it.
   */
  filter(row: Row): FilterDecision | Promise<FilterDecision>;
  /** Runs after the last row. */
  end?(): void | Promise<void>;
}

/** What a filter may want to know about its compaction. */
export interface FilterContext {
  /** Id of the output run. */
  readonly destination: number;
  /** Whether nothing older lies beneath. */
  readonly bottom: boolean;
  /** The time by which rows have expired, in milliseconds. */
  readonly clockTick: bigint;
  /** Versions above this may still be read. */
  readonly retainSeq: bigint;
}

/**
 * Makes the filter of one part of a compaction; a large compaction has several
 * parts, which may run in different threads.
 *
 * @param context What it is about.
 * @returns A filter.
 *
 * @example
 * ```ts
 * import { type CompactionFilterSupplier, Db, MemoryStore } from "@shale/db";
 *
 * // Forgets drafts; nobody has a snapshot with some.
 * const decoder = new TextDecoder();
 * const compactionFilter: CompactionFilterSupplier = () => ({
 *   filter: ({ key }) =>
 *     decoder.decode(key).startsWith("draft/") ? "drop" : "keep",
 * });
 * const store = new MemoryStore();
 * await using db = await Db.open("texts", { store, compactionFilter });
 * ```
 */
export type CompactionFilterSupplier = (
  context: FilterContext,
) => CompactionFilter | Promise<CompactionFilter>;

/** Asks a filter about each row, and passes on what it leaves. */
export class FilterSink implements RowSink {
  readonly #kernel: Kernel;
  readonly #filter: CompactionFilter;
  readonly #next: RowSink;

  /**
   * Constructs a new {@linkcode FilterSink}.
   *
   * @param kernel Where the rows are.
   * @param filter What judges them.
   * @param next What takes the rest.
   */
  constructor(kernel: Kernel, filter: CompactionFilter, next: RowSink) {
    this.#kernel = kernel;
    this.#filter = filter;
    this.#next = next;
  }

  /** {@inheritDoc RowSink.add} */
  async add(pointer: number, bytes: number): Promise<void> {
    const end = pointer + bytes;
    let kept = pointer;
    for (let at = pointer; at < end;) {
      const next = at + this.#kernel.u32[(at + 36) >> 2]!;
      const row = readRow(this.#kernel, at);
      const decision = await this.#decide(row);
      if (decision !== "keep") {
        if (kept < at) await this.#next.add(kept, at - kept);
        if (decision !== "drop") await this.#addRow(rewritten(row, decision));
        kept = next;
      }
      at = next;
    }
    if (kept < end) await this.#next.add(kept, end - kept);
  }

  /** Tells the filter that no row is left. */
  async end(): Promise<void> {
    try {
      await this.#filter.end?.();
    } catch (error) {
      throw failed(error);
    }
  }

  async #decide(row: Row): Promise<FilterDecision> {
    let decision: FilterDecision;
    try {
      decision = await this.#filter.filter(row);
    } catch (error) {
      throw failed(error);
    }
    if (
      decision === "keep" || decision === "drop" || decision === "delete" ||
      decision?.put instanceof Uint8Array
    ) return decision;
    throw new DbError(
      "invalid",
      `a compaction filter must answer "keep", "drop", "delete" or { put: Uint8Array }, not ${
        JSON.stringify(decision)
      }`,
    );
  }

  async #addRow(row: Row): Promise<void> {
    const bytes = rowRecordBytes(row);
    const pointer = this.#kernel.copyIn(new Uint8Array(bytes));
    try {
      writeRow(this.#kernel, pointer, row);
      await this.#next.add(pointer, bytes);
    } finally {
      this.#kernel.free(pointer);
    }
  }
}

function rewritten(
  row: Row,
  decision: "delete" | { readonly put: Uint8Array },
): Row {
  const { key, seq, createTs } = row;
  if (decision !== "delete") {
    return { ...row, kind: "put", value: decision.put };
  }
  return {
    key,
    seq,
    kind: "delete",
    value: EMPTY_BYTES,
    ...(createTs === undefined ? {} : { createTs }),
  };
}

function failed(error: unknown): DbError {
  return new DbError(
    "invalid",
    `compaction filter failed: ${messageOf(error)}`,
    { cause: error },
  );
}

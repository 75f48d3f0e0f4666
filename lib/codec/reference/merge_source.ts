/**
 * One source of a merge of the kernel's TypeScript twin.
 *
 * @module
 */
import { compareBytes } from "../../base/bytes.ts";
import type { Row } from "../../base/row.ts";
import { readRow } from "../row_record.ts";
import type { ReferenceMemory } from "./memory.ts";
import type { ReferenceMemtableCursor } from "./memtable.ts";

/** One side of the range of a merge. */
export interface MergeBound {
  /** The key. */
  readonly key: Uint8Array;
  /** Whether the key itself is inside. */
  readonly inclusive: boolean;
}

/** What a source has to offer: a row, nothing until its next block, nothing ever. */
export type SourceHead = Row | "wants" | "ended";

/** A memtable, or a stream of blocks. */
export class MergeSource {
  readonly #memory: ReferenceMemory;
  readonly #descending: boolean;
  #cursor: ReferenceMemtableCursor | undefined;
  #record = 0;
  #rows: readonly Row[] = [];
  #placed = false;
  #ended = false;

  /**
   * Constructs a new {@linkcode MergeSource}, which wants a block.
   *
   * @param memory Where records are.
   * @param descending Whether rows come in falling order.
   */
  constructor(memory: ReferenceMemory, descending: boolean) {
    this.#memory = memory;
    this.#descending = descending;
  }

  /** Makes it a memtable. */
  useMemtable(cursor: ReferenceMemtableCursor): void {
    this.#cursor = cursor;
    this.forget();
  }

  /** Gives it the next block of a stream, in the block's own order. */
  useBlock(rows: readonly Row[]): void {
    this.#cursor = undefined;
    this.#ended = false;
    this.#rows = this.#descending ? rows.toReversed() : rows;
  }

  /** Ends the stream. */
  end(): void {
    this.#cursor = undefined;
    this.#ended = true;
  }

  /** Forgets position and block; a memtable stays. */
  forget(): void {
    this.#rows = [];
    this.#placed = false;
    this.#ended = false;
  }

  /** What comes next, the first time from `bound` on. */
  head(bound: MergeBound | undefined): SourceHead {
    if (this.#cursor !== undefined) {
      if (!this.#placed) this.#record = this.#seek(this.#cursor, bound);
      this.#placed = true;
      return this.#record === 0 ? "ended" : readRow(this.#memory, this.#record);
    }
    if (this.#ended) return "ended";
    if (!this.#placed && bound !== undefined) {
      const first = this.#rows.findIndex((row) => this.#isPast(row.key, bound));
      this.#rows = first === -1 ? [] : this.#rows.slice(first);
    }
    const head = this.#rows[0];
    if (head === undefined) return "wants";
    this.#placed = true;
    return head;
  }

  /** Leaves the row that {@linkcode head} gave. */
  advance(): void {
    if (this.#cursor === undefined) this.#rows = this.#rows.slice(1);
    else if (this.#descending) this.#record = this.#cursor.prev();
    else this.#record = this.#cursor.next();
  }

  /** Whether a key is inside the bound that the merge begins with. */
  #isPast(key: Uint8Array, { key: from, inclusive }: MergeBound): boolean {
    const order = compareBytes(key, from);
    return order === 0 ? inclusive : order < 0 === this.#descending;
  }

  #seek(
    cursor: ReferenceMemtableCursor,
    bound: MergeBound | undefined,
  ): number {
    if (bound === undefined) {
      return this.#descending ? cursor.seekLast() : cursor.seekFirst();
    }
    return this.#descending
      ? cursor.seekBack(bound.key, bound.inclusive)
      : cursor.seek(bound.key, bound.inclusive);
  }
}

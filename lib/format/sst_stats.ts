/**
 * The stats block of an SST: what its rows are.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { FlatTable } from "./flatbuffer_reader.ts";
import {
  finishBuffer,
  inOneStep,
  writeRefsInSteps,
  writeTable,
} from "./flatbuffer_writer.ts";

/** Enough for the stats of a short SST; they grow. */
const FIRST_BYTES = 512;

/** Rows by kind. */
export interface RowCounts {
  /** Rows that set a value. */
  readonly puts: number;
  /** Tombstones. */
  readonly deletes: number;
  /** Merge operands. */
  readonly merges: number;
}

/** What a stats block says of all rows together. */
export interface RowTotals extends RowCounts {
  /** Sum of the lengths of all rows' keys. */
  readonly rawKeyBytes: number;
  /** Sum of the lengths of all rows' values. */
  readonly rawValueBytes: number;
}

/** A stats block. */
export interface SstStats extends RowTotals {
  /** Rows of each data block. */
  readonly blocks: readonly RowCounts[];
}

/** A stats block under construction, as an `IndexWriter` is for the index. */
export class StatsWriter {
  readonly #builder = new Builder(FIRST_BYTES);
  readonly #entries: number[] = [];

  /**
   * Adds the next block.
   *
   * @param counts Its rows.
   */
  add({ puts, deletes, merges }: RowCounts): void {
    const builder = this.#builder;
    builder.startObject(3);
    builder.addFieldInt16(2, merges, 0);
    builder.addFieldInt16(1, deletes, 0);
    builder.addFieldInt16(0, puts, 0);
    this.#entries.push(builder.endObject());
  }

  /**
   * Ends the stats, in short steps; nothing can be added afterwards.
   *
   * @param totals What is said of all rows.
   * @returns A FlatBuffer, before compression and checksum.
   */
  *finish(totals: RowTotals): Generator<void, Uint8Array> {
    const builder = this.#builder;
    const blocks = this.#entries.length === 0
      ? undefined
      : yield* writeRefsInSteps(builder, this.#entries);
    const root = writeTable(builder, [
      [0, "u64", totals.puts],
      [1, "u64", totals.deletes],
      [2, "u64", totals.merges],
      [3, "u64", totals.rawKeyBytes],
      [4, "u64", totals.rawValueBytes],
      [5, "ref", blocks],
    ]);
    return finishBuffer(builder, root);
  }
}

/**
 * Encodes a stats block.
 *
 * @param stats The stats.
 * @returns A FlatBuffer, before compression and checksum.
 */
export function encodeStats(stats: SstStats): Uint8Array {
  const writer = new StatsWriter();
  for (const block of stats.blocks) writer.add(block);
  return inOneStep(writer.finish(stats));
}

/**
 * The inverse of {@linkcode encodeStats}.
 *
 * @param bytes A FlatBuffer, after decompression.
 * @returns The stats.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeStats(bytes: Uint8Array): SstStats {
  const root = FlatTable.root(bytes, "SST stats");
  return {
    ...rowCounts(root),
    rawKeyBytes: root.size(3),
    rawValueBytes: root.size(4),
    blocks: (root.tables(5) ?? []).map((block) => ({
      puts: block.u16(0),
      deletes: block.u16(1),
      merges: block.u16(2),
    })),
  };
}

/**
 * Decodes the sums alone, at a cost that does not grow with the SST.
 *
 * @param bytes A FlatBuffer, after decompression.
 * @returns Rows of all blocks together, by kind.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeRowCounts(bytes: Uint8Array): RowCounts {
  return rowCounts(FlatTable.root(bytes, "SST stats"));
}

function rowCounts(root: FlatTable): RowCounts {
  return {
    puts: root.size(0),
    deletes: root.size(1),
    merges: root.size(2),
  };
}

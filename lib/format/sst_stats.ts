/**
 * The stats block of an SST: what its rows are.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { FlatTable } from "./flatbuffer_reader.ts";
import { finishBuffer, writeRefs, writeTable } from "./flatbuffer_writer.ts";

const BLOCK_BYTES = 24;

/** Rows by kind. */
export interface RowCounts {
  /** Rows that set a value. */
  readonly puts: number;
  /** Tombstones. */
  readonly deletes: number;
  /** Merge operands. */
  readonly merges: number;
}

/** A stats block. */
export interface SstStats extends RowCounts {
  /** Sum of the lengths of all rows' keys. */
  readonly rawKeyBytes: number;
  /** Sum of the lengths of all rows' values. */
  readonly rawValueBytes: number;
  /** Rows of each data block. */
  readonly blocks: readonly RowCounts[];
}

/**
 * Encodes a stats block.
 *
 * @param stats The stats.
 * @returns A FlatBuffer, before compression and checksum.
 */
export function encodeStats(stats: SstStats): Uint8Array {
  const builder = new Builder(256 + BLOCK_BYTES * stats.blocks.length);
  const entries = stats.blocks.map(({ puts, deletes, merges }) => {
    builder.startObject(3);
    builder.addFieldInt16(2, merges, 0);
    builder.addFieldInt16(1, deletes, 0);
    builder.addFieldInt16(0, puts, 0);
    return builder.endObject();
  });
  const blocks = entries.length === 0 ? undefined : writeRefs(builder, entries);
  const root = writeTable(builder, [
    [0, "u64", stats.puts],
    [1, "u64", stats.deletes],
    [2, "u64", stats.merges],
    [3, "u64", stats.rawKeyBytes],
    [4, "u64", stats.rawValueBytes],
    [5, "ref", blocks],
  ]);
  return finishBuffer(builder, root);
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

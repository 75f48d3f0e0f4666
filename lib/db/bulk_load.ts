/**
 * A `WritableStream` into a database: rows become batches, and the stream's own
 * backpressure slows the producer.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { TtlOptions } from "../write/expiry.ts";
import { WriteBatch } from "../write/write_batch.ts";

/** One chunk of {@linkcode bulkLoad}. */
export type WritableRow =
  | ({ readonly key: Bytes; readonly value: Bytes } & TtlOptions)
  | { readonly key: Bytes; readonly delete: true };

/** Options of {@linkcode bulkLoad}. */
export interface WritableOptions {
  /**
   * Rows that become visible together. More is faster and less fine-grained.
   *
   * @default {1000}
   */
  batchRows?: number;
}

/** What {@linkcode bulkLoad} writes through. */
export interface BatchSink {
  /** Writes a batch; resolves when there is room for the next. */
  write(batch: WriteBatch): Promise<void>;
  /** Resolves when every batch is durable. */
  finish(): Promise<void>;
}

/**
 * Makes the stream.
 *
 * @param sink Where batches go.
 * @param options Rows of a batch.
 * @returns A stream whose `close()` resolves when all is durable; `abort()` drops the rows of the unfinished batch.
 * @throws {DbError} Kind `"invalid"` if `batchRows` is not a whole number >= 1.
 */
export function bulkLoad(
  sink: BatchSink,
  options: WritableOptions = {},
): WritableStream<WritableRow> {
  const { batchRows = 1000 } = options;
  if (!Number.isInteger(batchRows) || batchRows < 1) {
    throw new DbError(
      "invalid",
      `batchRows must be a whole number >= 1, not ${batchRows}`,
    );
  }
  let batch = new WriteBatch();
  const send = () => {
    const full = batch;
    batch = new WriteBatch();
    return sink.write(full);
  };
  return new WritableStream<WritableRow>({
    write(row) {
      if ("delete" in row) batch.delete(row.key);
      else if (row.ttlMs === undefined && row.expiresAtMs === undefined) {
        batch.put(row.key, row.value);
      } else batch.put(row.key, row.value, row);
      if (batch.size >= batchRows) return send();
    },
    async close() {
      if (batch.size > 0) await send();
      await sink.finish();
    },
  }, { highWaterMark: batchRows });
}

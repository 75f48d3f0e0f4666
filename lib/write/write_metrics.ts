/**
 * What writes count, under SlateDB's names.
 *
 * @module
 */
import type { Counter, Recorder } from "../base/metrics.ts";

/** The counters of one database's writes. */
export class WriteMetrics {
  readonly #batches: Counter;
  readonly #rows: Counter;
  readonly #bytes: Counter;

  /**
   * Registers the counters.
   *
   * @param recorder Where.
   */
  constructor(recorder: Recorder) {
    this.#batches = recorder.counter(
      "slatedb.db.write_batch_count",
      "Writes, a batch counting as one",
    );
    this.#rows = recorder.counter("slatedb.db.write_ops", "Rows written");
    this.#bytes = recorder.counter(
      "slatedb.db.memtable_write_bytes",
      "Bytes that rows will take in an SST",
    );
  }

  /**
   * Counts one write.
   *
   * @param rows How many rows it has.
   * @param bytes What they will take in an SST.
   */
  note(rows: number, bytes: number): void {
    this.#batches.add();
    this.#rows.add(rows);
    this.#bytes.add(bytes);
  }
}

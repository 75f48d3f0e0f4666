/**
 * The writes of a database: arguments checked, room waited for, durability
 * acknowledged.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { checkedKey, checkedValue } from "../memtable/row_input.ts";
import { keptTtl, type TtlOptions } from "../write/expiry.ts";
import type { WriteBatch } from "../write/write_batch.ts";
import type { WriteHandle } from "../write/write_handle.ts";
import type { Engine } from "./engine.ts";
import type { WriteOptions } from "./write_options.ts";

/** Writes to one engine. */
export class Writes {
  readonly #engine: Engine;

  /**
   * Constructs a new {@linkcode Writes}.
   *
   * @param engine Where to.
   */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Writes one row; see `Db.put`.
   *
   * @param kind `RowFlag.TOMBSTONE`, `RowFlag.MERGE` or 0 for a put.
   * @param key The key; copied.
   * @param value The value; copied.
   * @param ttl When it expires.
   * @param options Durability, sequence number.
   * @returns Where the write stands.
   */
  row(
    kind: number,
    key: Bytes,
    value: Bytes,
    ttl: TtlOptions,
    options: WriteOptions,
  ): Promise<WriteHandle> {
    try {
      const { lifecycle, committer, backpressure } = this.#engine;
      lifecycle.guard();
      const keyBytes = checkedKey(key);
      const valueBytes = checkedValue(value);
      const { seqnum, signal } = options;
      if (signal?.aborted === true) throw signal.reason;
      if (backpressure.stalled) {
        const ownKey = keyBytes.slice();
        const ownValue = valueBytes.slice();
        const ownTtl = keptTtl(ttl);
        return this.#stalled(
          () => committer.commitRow(kind, ownKey, ownValue, ownTtl, seqnum),
          options,
        );
      }
      return this.#acknowledge(
        committer.commitRow(kind, keyBytes, valueBytes, ttl, seqnum),
        options,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Writes a batch; see `Db.write`.
   *
   * @param batch The writes; used up.
   * @param options Durability, sequence number.
   * @returns Where the batch stands.
   */
  batch(batch: WriteBatch, options: WriteOptions): Promise<WriteHandle> {
    try {
      const { lifecycle, committer, backpressure } = this.#engine;
      lifecycle.guard();
      const writes = batch.consume();
      const { seqnum, signal } = options;
      if (signal?.aborted === true) throw signal.reason;
      const commit = () => committer.commitBatch(writes, seqnum);
      return backpressure.stalled
        ? this.#stalled(commit, options)
        : this.#acknowledge(commit(), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #stalled(
    commit: () => WriteHandle,
    options: WriteOptions,
  ): Promise<WriteHandle> {
    const { backpressure } = this.#engine;
    const handle = await backpressure.enqueue(commit, options.signal);
    return await this.#acknowledge(handle, options);
  }

  #acknowledge(
    handle: WriteHandle,
    options: WriteOptions,
  ): Promise<WriteHandle> {
    if (options.awaitDurable === false) return Promise.resolve(handle);
    return this.#engine.durableHandle(handle, options.signal);
  }
}

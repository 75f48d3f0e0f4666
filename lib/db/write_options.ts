/**
 * Options of the calls that write, flush and close.
 *
 * @module
 */
import type { TtlOptions } from "../write/expiry.ts";

/** How a write is acknowledged. */
export interface WriteOptions {
  /**
   * Whether the returned promise waits until the write would survive a crash;
   * it is visible to reads either way before that.
   *
   * @default {true}
   */
  awaitDurable?: boolean;
  /**
   * The write's sequence number, greater than every one before; 0 or none
   * takes the next. Gaps are fine.
   */
  seqnum?: number | bigint;
  /**
   * Ends the wait with the signal's reason. A write that was still waiting for
   * room has not happened then; any other has, and may become durable.
   */
  signal?: AbortSignal;
}

/** {@linkcode WriteOptions} of a row that may expire. */
export interface PutOptions extends WriteOptions, TtlOptions {}

/** What {@linkcode Db.flush} makes durable, and where. */
export interface FlushOptions {
  /**
   * `"wal"`: as WAL files. `"memtable"`: as L0 SSTs, too. Without a WAL only the
   * latter is possible, and the default.
   *
   * @default {"wal"}
   */
  target?: "wal" | "memtable";
  /** Ends the wait, not the flush. */
  signal?: AbortSignal;
}

/** What {@linkcode Db.close} does with rows that are only in memory. */
export interface CloseOptions {
  /**
   * `"memtable"` leaves nothing to replay; `"wal"` closes faster and makes the
   * next open replay; `"none"` loses what is not durable yet.
   *
   * @default {"memtable"}
   */
  flush?: "memtable" | "wal" | "none";
}

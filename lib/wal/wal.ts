/**
 * What any write-ahead log promises the writer.
 *
 * Owns: the contract. Does not own: where rows lie until they are logged (in the
 * memtable, linked in commit order), nor what a log file looks like.
 *
 * Rows are logged in the order of {@linkcode Wal.append}, a batch is never split,
 * and what is lost with the process is a suffix of that order.
 *
 * @module
 */
import type { Pulse, Watermark } from "../base/watch.ts";
import type { Memtable } from "../memtable/memtable.ts";

/** A log of one writer. */
export interface Wal {
  /**
   * Whether rows survive here before they are in L0. Where not, `durable` is
   * raised by whoever writes the manifest, and L0 need not wait for the log.
   */
  readonly enabled: boolean;
  /** The largest sequence number that would survive the process; fails with the log. */
  readonly durable: Watermark;
  /** The last WAL file known to be stored; every smaller number is, too. */
  readonly lastFlushedId: number;
  /** Estimated bytes of rows that were appended and are not durable yet. */
  readonly bufferedBytes: number;
  /** Fires whenever a file was stored. */
  readonly onFlushed: Pulse;

  /**
   * Logs a batch: bookkeeping alone, the rows stay where they are. To be called
   * in the step that inserted them, in the order of sequence numbers.
   *
   * @param memtable Whose rows they are; kept until they are stored.
   * @param firstRecord The batch's first record; the others follow along the links.
   * @param bytes Estimated bytes of the batch once encoded.
   * @param seq The batch's sequence number.
   * @throws {DbError} What ended the log, if it has ended.
   */
  append(
    memtable: Memtable,
    firstRecord: number,
    bytes: number,
    seq: bigint,
  ): void;

  /**
   * Makes everything appended so far durable.
   *
   * @returns Resolves when it is; at once where nothing is buffered.
   * @throws {DbError} What ended the log, if it ends before that.
   */
  flush(): Promise<void>;

  /**
   * Ends the log; a second call waits for the first. Never rejects: what could
   * not be stored is told to the waiters of `durable`.
   *
   * @param options Whether to make everything durable first.
   */
  close(options: { flush: boolean }): Promise<void>;
}

/** One encoded WAL file. */
export interface WalFileBytes {
  /** The whole object; nobody else uses its buffer. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** How many rows it holds. */
  readonly rows: number;
  /** The largest sequence number in it. */
  readonly maxSeq: bigint;
}

/** Turns rows into the bytes of one WAL file; a new one for each file. */
export interface WalEncoder {
  /**
   * Adds rows in commit order. The chain may grow beyond `lastRecord` meanwhile.
   *
   * @param firstRecord Where to begin.
   * @param lastRecord Where to stop, included.
   * @returns `undefined` when done already, else a promise: long chains yield to the event loop.
   */
  addChain(firstRecord: number, lastRecord: number): Promise<void> | undefined;
  /**
   * Ends the file. Nothing can be added afterwards.
   *
   * @returns Its bytes.
   */
  finish(): Promise<WalFileBytes>;
  /** Frees what it holds. */
  dispose(): void;
}

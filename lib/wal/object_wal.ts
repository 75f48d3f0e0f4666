/**
 * The log kept in the object store: numbered WAL files, one after another.
 *
 * Owns: which rows are not stored yet, when a file is cut, and the order in which
 * files become durable.
 * Does not own: the rows (they stay in their memtable, linked in commit order),
 * the bytes of a file, nor how the log is taken over (`object_wal_fence.ts`).
 *
 * A file's way, and what it means to die after each step:
 *
 * ```text
 * append   bookkeeping            the rows are lost, nobody was told they are durable
 * cut      ids have no gaps, so a file gets its number when it is cut
 * encode   from the memtable      (the next file is encoded while this one travels)
 * put      create file N          the rows survive: the next writer replays them
 *            exists → another writer holds N: fenced
 * confirm  the manifest was seen under this writer's epoch lately, or is looked at
 *          now: a writer that slept may have put a file where its successor's fence
 *          stood before it was collected
 * raise    lastFlushedId, then durable, then the waiters
 * ```
 *
 * One file travels at a time, so what a crash loses is a suffix of the commits.
 * The log ends with the first failure; the error is kept and told to everybody.
 *
 * @module
 */
import { DbError, invariant, toDbError } from "../base/errors.ts";
import type { BufferPool } from "../base/buffer_pool.ts";
import type { Recorder } from "../base/metrics.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import { Pulse, Watermark } from "../base/watch.ts";
import { walName } from "../format/paths.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { fencedError } from "./object_wal_fence.ts";
import type { Wal, WalEncoder, WalFileBytes } from "./wal.ts";

/** What an {@linkcode ObjectWal} is made of. */
export interface ObjectWalOptions {
  /** Where WAL files are put. */
  store: ObjectStore;
  /** The database's path. */
  root: string;
  /** Timers. */
  runtime: Runtime;
  /** Counts files and bytes. */
  recorder: Recorder;
  /** Makes the encoder of one file, given roughly how long it will be. */
  newEncoder: (expectedBytes: number) => WalEncoder;
  /** Takes the buffers of files that are stored. */
  buffers?: BufferPool;
  /** The last WAL file stored by now: this writer's fence. */
  lastId: number;
  /** The largest sequence number that is durable by now. */
  durableSeq: bigint;
  /**
   * Longest a row waits before its file is cut; `undefined`: until somebody asks
   * or enough is buffered.
   */
  flushIntervalMs: number | undefined;
  /** Buffered bytes at which a file is cut. */
  maxFileBytes: number;
  /**
   * Makes sure that this writer still owned the database when it asks; rejects
   * where it did not. `undefined`: that was checked lately enough.
   */
  confirmOwnership: () => Promise<void> | undefined;
  /** Told once what ended the log, unless it was closed. */
  onFailure: (error: DbError) => void;
}

/** Rows of one memtable, along its commit chain. */
interface Piece {
  readonly memtable: Memtable;
  readonly firstRecord: number;
  lastRecord: number;
}

/** Rows that will be in one file. */
interface OpenFile {
  readonly pieces: Piece[];
  bytes: number;
  lastSeq: bigint;
}

/** A file on its way: cut, perhaps encoded already. */
interface CutFile {
  readonly id: number;
  readonly encoded: Promise<WalFileBytes>;
  readonly lastSeq: bigint;
  readonly bytes: number;
}

/** One file travels; the next one may be ready behind it. */
const MAX_CUT_FILES = 2;

/** Memory that was exhausted is free again once others have flushed. */
const RETRY_MS = 1000;

/** The log kept in the object store. */
export class ObjectWal implements Wal {
  /** See {@linkcode Wal.enabled}. */
  readonly enabled: boolean = true;
  /** See {@linkcode Wal.durable}. */
  readonly durable: Watermark;
  /** See {@linkcode Wal.onFlushed}. */
  readonly onFlushed: Pulse = new Pulse();
  readonly #options: ObjectWalOptions;
  readonly #metrics: ReturnType<typeof registerMetrics>;
  readonly #abort = new AbortController();
  /** What is not cut yet, oldest first; all but the last have their size. */
  #open: OpenFile[] = [];
  #appendedSeq: bigint;
  #bufferedBytes = 0;
  #lastFlushedId: number;
  #nextId: number;
  readonly #cut: CutFile[] = [];
  /** Somebody wants what is buffered, but no further file may be cut yet. */
  #due = false;
  #asked = false;
  #running: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #ended: DbError | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Constructs a new {@linkcode ObjectWal}; no I/O.
   *
   * @param options What it is made of.
   */
  constructor(options: ObjectWalOptions) {
    this.#options = options;
    this.durable = new Watermark(options.durableSeq);
    this.#appendedSeq = options.durableSeq;
    this.#lastFlushedId = options.lastId;
    this.#nextId = options.lastId + 1;
    this.#metrics = registerMetrics(options.recorder);
  }

  /** See {@linkcode Wal.lastFlushedId}. */
  get lastFlushedId(): number {
    return this.#lastFlushedId;
  }

  /** See {@linkcode Wal.bufferedBytes}. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** See {@linkcode Wal.append}. */
  append(
    memtable: Memtable,
    firstRecord: number,
    bytes: number,
    seq: bigint,
  ): void {
    if (this.#ended !== undefined) throw this.#ended;
    const file = this.#fileToFill();
    const { lastRecord } = memtable;
    const piece = file.pieces.at(-1);
    if (piece?.memtable === memtable) piece.lastRecord = lastRecord;
    else {
      memtable.acquire();
      file.pieces.push({ memtable, firstRecord, lastRecord });
    }
    file.bytes += bytes;
    file.lastSeq = seq;
    this.#bufferedBytes += bytes;
    this.#appendedSeq = seq;
    if (file.bytes >= this.#options.maxFileBytes) this.#askSoon();
    else if (this.#cancelTimer === undefined) this.#startTimer();
  }

  /** See {@linkcode Wal.flush}. */
  async flush(): Promise<void> {
    this.#metrics.requests.add();
    this.#metrics.buffered.set(this.#bufferedBytes);
    const reached = this.durable.reached(this.#appendedSeq);
    if (reached === undefined) return;
    if (this.#ended === undefined) this.#ask();
    await reached;
  }

  /** See {@linkcode Wal.close}. */
  close(options: { flush: boolean }): Promise<void> {
    return this.#closing ??= this.#close(options.flush);
  }

  async #close(flush: boolean): Promise<void> {
    // Whoever waits for `durable` hears of a failure; closing goes on.
    if (flush) await this.flush().catch(() => {});
    // A put that is broken off may arrive all the same.
    const outcome = "unknown";
    this.#end(new DbError("closed", "the database is closed", { outcome }));
    this.#abort.abort();
    await this.#running;
  }

  #fileToFill(): OpenFile {
    const last = this.#open.at(-1);
    if (last !== undefined && last.bytes < this.#options.maxFileBytes) {
      return last;
    }
    const file: OpenFile = { pieces: [], bytes: 0, lastSeq: 0n };
    this.#open.push(file);
    return file;
  }

  #startTimer(): void {
    const { runtime, flushIntervalMs } = this.#options;
    if (flushIntervalMs === undefined) return;
    this.#cancelTimer = runtime.after(flushIntervalMs, () => {
      this.#cancelTimer = undefined;
      this.#ask();
    });
  }

  /** After the present step, so that a commit is never cut in the middle. */
  #askSoon(): void {
    if (this.#asked || this.#due) return;
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
      this.#ask();
    });
  }

  /** Cuts all that is buffered into files, now or as soon as the queue allows. */
  #ask(): void {
    if (this.#ended !== undefined || this.#open.length === 0) return;
    this.#cutFiles();
    if (this.#cut.length > 0) this.#running ??= this.#run();
  }

  #cutFiles(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    while (this.#open.length > 0 && this.#cut.length < MAX_CUT_FILES) {
      const file = this.#open.shift()!;
      const encoded = this.#encode(file);
      // It is awaited when its turn comes, which may be never.
      encoded.catch(() => {});
      const { bytes, lastSeq } = file;
      this.#cut.push({ id: this.#nextId++, encoded, lastSeq, bytes });
    }
    this.#due = this.#open.length > 0;
  }

  async #encode(file: OpenFile): Promise<WalFileBytes> {
    try {
      for (;;) {
        try {
          return await this.#encodeOnce(file);
        } catch (error) {
          if (this.#ended !== undefined || !isExhausted(error)) throw error;
        }
        await sleep(this.#options.runtime, RETRY_MS, this.#abort.signal);
      }
    } finally {
      for (const { memtable } of file.pieces) memtable.release();
    }
  }

  async #encodeOnce({ pieces, bytes }: OpenFile): Promise<WalFileBytes> {
    const encoder = this.#options.newEncoder(bytes);
    try {
      for (const { firstRecord, lastRecord } of pieces) {
        const pending = encoder.addChain(firstRecord, lastRecord);
        if (pending !== undefined) await pending;
      }
      return await encoder.finish();
    } finally {
      encoder.dispose();
    }
  }

  async #run(): Promise<void> {
    try {
      for (
        let file = this.#cut[0];
        file !== undefined && this.#ended === undefined;
        file = this.#cut[0]
      ) {
        await this.#store(file);
        this.#cut.shift();
        if (this.#due) this.#cutFiles();
        this.#settle(file);
      }
    } catch (error) {
      if (this.#ended === undefined) {
        const failure = toDbError(error);
        // First, since the owner may tell the waiters more than is known here.
        this.#options.onFailure(failure);
        this.#end(failure);
      }
    } finally {
      // The encoders read memtables: nothing is over before they are.
      if (this.#ended !== undefined) {
        await Promise.allSettled(this.#cut.map(({ encoded }) => encoded));
      }
      this.#running = undefined;
    }
  }

  async #store({ id, encoded, lastSeq }: CutFile): Promise<void> {
    const { store, root, confirmOwnership } = this.#options;
    const { body, maxSeq } = await encoded;
    invariant(maxSeq === lastSeq, "a WAL file ends where it was cut");
    const result = await store.put(walName(root, id), body, {
      mode: "create",
      signal: this.#abort.signal,
    });
    if (!result.ok) throw fencedError();
    const confirmed = confirmOwnership();
    if (confirmed !== undefined) await confirmed;
    this.#metrics.files.add();
    this.#metrics.bytes.add(body.length);
    this.#options.buffers?.give(new Uint8Array(body.buffer));
  }

  #settle({ id, lastSeq, bytes }: CutFile): void {
    this.#bufferedBytes -= bytes;
    this.#metrics.buffered.set(this.#bufferedBytes);
    this.#lastFlushedId = id;
    this.durable.raise(lastSeq);
    this.onFlushed.fire();
  }

  #end(error: DbError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const { pieces } of this.#open) {
      for (const { memtable } of pieces) memtable.release();
    }
    this.#open = [];
    this.#due = false;
    this.durable.fail(error);
    this.onFlushed.fire();
  }
}

/** No request is made while a file is encoded: it is memory that was missing. */
function isExhausted(error: unknown): boolean {
  return error instanceof DbError && error.kind === "unavailable";
}

function registerMetrics(recorder: Recorder) {
  return {
    files: recorder.counter(
      "slatedb.wal.wal_buffer_flushes",
      "WAL files stored",
    ),
    buffered: recorder.gauge(
      "slatedb.wal.wal_buffer_estimated_bytes",
      "Bytes of rows that are not in a WAL file yet",
    ),
    requests: recorder.counter(
      "slatedb.wal.wal_buffer_flush_requests",
      "Requests to flush the WAL",
    ),
    bytes: recorder.counter(
      "slatedb.wal.wal_flush_bytes",
      "Bytes of WAL files stored",
    ),
  };
}

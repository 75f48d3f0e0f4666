/**
 * What one memtable has of one tree, to an SST in the store.
 *
 * Owns: which versions are still needed, and trying again until the store takes
 * the SST.
 * Does not own: which trees a memtable touches (`l0_upload.ts`).
 *
 * @module
 */
import { DbError, messageOf } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import { segmentRange } from "../lsm/segments.ts";
import type { L0Sst } from "../manifest/tree_edit.ts";
import type { Memtable } from "../memtable/memtable.ts";
import { BytePipe } from "../sst/byte_pipe.ts";
import { type RewriteOptions, rewriteRows } from "../sst/rewrite.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import type { EncodedSst, SstEncoder } from "../sst/sst_encoder.ts";
import type { SstStore } from "../sst/sst_store.ts";
import type { Wal } from "../wal/wal.ts";

/** SSTs of about this size and more are stored while they are encoded. */
const STREAM_BYTES = 4 * 1024 * 1024;

/** What storing an SST works with. */
export interface L0PartOptions {
  /** Where memtables live. */
  readonly kernel: Kernel;
  /** Timers. */
  readonly runtime: Runtime;
  /** Told about repeated attempts. */
  readonly logger: Logger;
  /** Knows the live snapshots. */
  readonly lsm: LsmState;
  /** Readers of durable rows stand where it is. */
  readonly wal: Wal;
  /** Where the SST is put. */
  readonly ssts: SstStore;
  /** Makes the encoder of one SST. */
  readonly newEncoder: (expectedBytes: number, sink?: ByteSink) => SstEncoder;
  /** Folds merge operands on the way; without one they stay as they are. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** The pause before another attempt. */
  readonly manifestPollIntervalMs: number;
}

/** The rows of one memtable that belong to one tree. */
export interface L0Rows {
  /** The memtable; held by the caller. */
  readonly memtable: Memtable;
  /** What the tree's keys begin with; `undefined`: all rows. */
  readonly prefix: Uint8Array | undefined;
  /** About how long they are, encoded. */
  readonly encodedBytes: number;
  /** The SST's id. */
  readonly id: Ulid;
}

/** Stores the SST of a memtable's rows of one tree. */
export class L0Part {
  readonly #rows: L0Rows;
  readonly #options: L0PartOptions;
  readonly #signal: AbortSignal;
  readonly #limits: Pick<RewriteOptions, "retainSeq" | "nowMs">;
  #bytes = 0;

  /**
   * Constructs a new {@linkcode L0Part}.
   *
   * @param rows Which rows.
   * @param options What to work with.
   * @param signal Ends it.
   */
  constructor(rows: L0Rows, options: L0PartOptions, signal: AbortSignal) {
    this.#rows = rows;
    this.#options = options;
    this.#signal = signal;
    this.#limits = limitsOf(rows.memtable, options);
  }

  /** Bytes stored. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Stores the SST.
   *
   * @returns The SST and its tree; `undefined` where no row was worth keeping.
   * @throws {DbError} What no other attempt can help against; the signal's reason.
   */
  async store(): Promise<L0Sst | undefined> {
    const { id, prefix, encodedBytes } = this.#rows;
    const { rows, bytes, info, formatVersion } = encodedBytes < STREAM_BYTES
      ? await this.#storeWhole()
      : await this.#retry(() => this.#storeStream());
    if (rows === 0) return undefined;
    this.#bytes = bytes;
    const handle = { id, viewId: id, info, formatVersion };
    return prefix === undefined ? { handle } : { prefix, handle };
  }

  async #storeWhole(): Promise<EncodedSst> {
    const encoded = await this.#retry(() => this.#encode(undefined));
    if (encoded.rows > 0) {
      await this.#retry(() =>
        this.#options.ssts.put(this.#rows.id, encoded, this.#signal)
      );
    }
    return encoded;
  }

  /** Stores the SST while it is encoded, so that it is never whole in memory. */
  async #storeStream(): Promise<EncodedSst> {
    const pipe = new BytePipe();
    const putting = this.#options.ssts.putStream(
      this.#rows.id,
      pipe.stream,
      this.#signal,
    );
    // Whoever encodes is told why the store takes no more.
    putting.catch((error) => pipe.fail(error));
    try {
      const encoded = await this.#encode(pipe);
      // An SST without rows is not kept.
      if (encoded.rows > 0) {
        pipe.end();
        await putting;
      }
      return encoded;
    } finally {
      pipe.fail(new DbError("unavailable", "the SST was not finished"));
      await putting.catch(() => {});
    }
  }

  async #encode(sink: ByteSink | undefined): Promise<EncodedSst> {
    const { kernel, runtime, newEncoder } = this.#options;
    const { memtable, prefix, encodedBytes } = this.#rows;
    const encoder = newEncoder(encodedBytes, sink);
    try {
      await rewriteRows({
        kernel,
        runtime,
        sources: [memtable],
        range: segmentRange(prefix),
        ...this.#limits,
        dropTombstones: false,
        operator: memtable.merges > 0 ? this.#options.mergeOperator : undefined,
        maxFetchTasks: 1,
        signal: this.#signal,
      }, encoder);
      return await encoder.finish();
    } finally {
      encoder.dispose();
    }
  }

  /** Again and again until it works, it cannot, or the flusher ends. */
  async #retry<Result>(attempt: () => Promise<Result>): Promise<Result> {
    const { runtime, logger, manifestPollIntervalMs } = this.#options;
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await attempt();
      } catch (error) {
        if (
          !(error instanceof DbError) || error.kind !== "unavailable" ||
          !error.retryable
        ) throw error;
        logger.warn(
          `cannot upload SST ${this.#rows.id}, trying again: ${
            messageOf(error)
          }`,
        );
      }
      await sleep(runtime, manifestPollIntervalMs, this.#signal);
    }
  }
}

/**
 * What readers at this moment see; later ones stand on more. The same for every
 * attempt: an SST that was given up may arrive behind the one that the manifest
 * describes, and must then be the same.
 */
function limitsOf(
  memtable: Memtable,
  { lsm, wal }: L0PartOptions,
): Pick<RewriteOptions, "retainSeq" | "nowMs"> {
  const { oldestSeq, oldestClockMs } = lsm.snapshots;
  return {
    // Readers of durable rows alone stand on the durable sequence number.
    retainSeq: min(wal.durable.level, oldestSeq),
    // A row that a live snapshot sees alive must not expire under it.
    nowMs: min(
      memtable.maxCreateTs,
      oldestClockMs === undefined
        ? undefined
        : BigInt(Math.floor(oldestClockMs)),
    ),
  };
}

function min(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b < a ? b : a;
}

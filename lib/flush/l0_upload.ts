/**
 * One frozen memtable to an SST in the store.
 *
 * Owns: which versions are still needed, and trying again until the store takes
 * the SST.
 * Does not own: when the SST enters the manifest (`l0_commit.ts`).
 *
 * A database with segments makes one SST for each segment it touches: the result
 * names the tree of each SST, and nothing outside this file counts on there being
 * just one.
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
import type { FrozenMemtable } from "../lsm/lsm_view.ts";
import type { L0Addition } from "../manifest/tree_edit.ts";
import { BytePipe } from "../sst/byte_pipe.ts";
import { rewriteRows } from "../sst/rewrite.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import type { EncodedSst, SstEncoder } from "../sst/sst_encoder.ts";
import type { SstStore } from "../sst/sst_store.ts";
import type { Wal } from "../wal/wal.ts";

/** Memtables of this size and more are stored while they are encoded. */
const STREAM_BYTES = 4 * 1024 * 1024;

/** What an upload works with. */
export interface L0UploadOptions {
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

/** The upload of one memtable; begins when it is constructed. */
export class L0Upload {
  /** The memtable. */
  readonly frozen: FrozenMemtable;
  /** Resolves when everything is stored; rejects when no attempt can help. */
  readonly done: Promise<void>;
  readonly #options: L0UploadOptions;
  readonly #signal: AbortSignal;
  readonly #id: Ulid;
  #addition: L0Addition | undefined;
  #bytes = 0;

  /**
   * Constructs a new {@linkcode L0Upload} and begins it.
   *
   * @param frozen The memtable; kept until the upload has ended.
   * @param options What to work with.
   * @param signal Ends it.
   */
  constructor(
    frozen: FrozenMemtable,
    options: L0UploadOptions,
    signal: AbortSignal,
  ) {
    this.frozen = frozen;
    this.#options = options;
    this.#signal = signal;
    // Taken now, in the order of dispatch: ids rise as L0 does.
    this.#id = options.ssts.nextId();
    this.done = this.#run();
  }

  /** What the manifest gains; `undefined` until everything is stored. */
  get addition(): L0Addition | undefined {
    return this.#addition;
  }

  /** Bytes stored. */
  get bytes(): number {
    return this.#bytes;
  }

  async #run(): Promise<void> {
    const { memtable, replayAfterWalId, lastSeq, tracker } = this.frozen;
    memtable.acquire();
    try {
      const clockTick = memtable.maxCreateTs;
      const encoded = memtable.encodedBytes < STREAM_BYTES
        ? await this.#storeWhole(clockTick)
        : await this.#retry(() => this.#storeStream(clockTick));
      if (encoded.rows > 0) this.#bytes = encoded.bytes;
      const { info, formatVersion } = encoded;
      const handle = { id: this.#id, viewId: this.#id, info, formatVersion };
      this.#addition = {
        ssts: encoded.rows > 0 ? [{ handle }] : [],
        replayAfterWalId,
        lastSeq,
        clockTick,
        tracker,
      };
    } finally {
      memtable.release();
    }
  }

  async #storeWhole(clockTick: bigint): Promise<EncodedSst> {
    const encoded = await this.#retry(() => this.#encode(clockTick, undefined));
    if (encoded.rows > 0) {
      await this.#retry(() =>
        this.#options.ssts.put(this.#id, encoded, this.#signal)
      );
    }
    return encoded;
  }

  /** Stores the SST while it is encoded, so that it is never whole in memory. */
  async #storeStream(clockTick: bigint): Promise<EncodedSst> {
    const pipe = new BytePipe();
    const putting = this.#options.ssts.putStream(
      this.#id,
      pipe.stream,
      this.#signal,
    );
    // Whoever encodes is told why the store takes no more.
    putting.catch((error) => pipe.fail(error));
    try {
      const encoded = await this.#encode(clockTick, pipe);
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

  async #encode(
    clockTick: bigint,
    sink: ByteSink | undefined,
  ): Promise<EncodedSst> {
    const { kernel, runtime, lsm, wal, newEncoder } = this.#options;
    const { memtable } = this.frozen;
    const { oldestSeq, oldestClockMs } = lsm.snapshots;
    const encoder = newEncoder(memtable.encodedBytes, sink);
    try {
      await rewriteRows({
        kernel,
        runtime,
        sources: [memtable],
        // Readers of durable rows alone stand on the durable sequence number.
        retainSeq: min(wal.durable.level, oldestSeq),
        // A row that a live snapshot sees alive must not expire under it.
        nowMs: min(
          clockTick,
          oldestClockMs === undefined
            ? undefined
            : BigInt(Math.floor(oldestClockMs)),
        ),
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
        if (!(error instanceof DbError) || error.kind !== "unavailable") {
          throw error;
        }
        logger.warn(
          `cannot upload SST ${this.#id}, trying again: ${messageOf(error)}`,
        );
      }
      await sleep(runtime, manifestPollIntervalMs, this.#signal);
    }
  }
}

function min(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b < a ? b : a;
}

/**
 * Memtables to L0: which go next, when they enter the manifest, who waits for it.
 *
 * Owns: the queue of frozen memtables, the limits of L0, and this writer's one
 * lane of manifest changes: whoever installs a manifest in the tree is the
 * flusher, so that an SST appears and its memtable goes in the same step.
 * Does not own: freezing, what an SST holds (`l0_upload.ts`).
 *
 * A memtable's way, and what it means to die after each step:
 *
 * ```text
 * dispatch  in order; takes its SST's id, so that ids rise as L0 does. The collector
 *           keeps what is younger than the newest L0 SST that a manifest names
 * upload    several at once, again until it works     an SST nobody names: collected
 * wait      until the WAL has every row of it: L0 must never be ahead of the log,
 *           or a replay after a crash would miss rows between the two
 * commit    in order, several in one manifest         named: replay skips its rows
 *           lost race → merge, again; newer epoch → fenced, all over
 * install   the tree gains the SSTs and loses the memtables in one step
 * ```
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { DbError, messageOf, toDbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { Loop } from "../base/loop.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import { Pulse, Watermark } from "../base/watch.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Manifest } from "../format/manifest.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { FrozenMemtable } from "../lsm/lsm_view.ts";
import { segmentsOf } from "../lsm/segments.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import type { SstEncoder } from "../sst/sst_encoder.ts";
import type { PrefixExtractor } from "../sst/prefix_extractor.ts";
import type { SstStore } from "../sst/sst_store.ts";
import type { Wal } from "../wal/wal.ts";
import {
  type FlusherMetrics,
  registerFlusherMetrics,
} from "./flusher_metrics.ts";
import { commitL0, takeCommittable } from "./l0_commit.ts";
import {
  findFullTree,
  type FullTree,
  type L0Limits,
  type TouchedTrees,
} from "./l0_room.ts";
import { L0Upload } from "./l0_upload.ts";
import { PollPace } from "./poll_pace.ts";
import { failWhenStalled, type StallPatience } from "./stall_watch.ts";

/** What a {@linkcode Flusher} is made of; limits are named as SlateDB's settings. */
export interface FlusherOptions extends L0Limits {
  /** Where memtables live. */
  readonly kernel: Kernel;
  /** Clock and timers. */
  readonly runtime: Runtime;
  /** Told about stalls and repeated attempts. */
  readonly logger: Logger;
  /** Counts flushes. */
  readonly recorder: Recorder;
  /** Gives the frozen memtables and takes the manifests. */
  readonly lsm: LsmState;
  /** Rows reach the manifest only after they are durable here. */
  readonly wal: Wal;
  /** The manifest under this writer's epoch. */
  readonly manifest: HeldManifest;
  /** Where SSTs are put. */
  readonly ssts: SstStore;
  /** Makes the encoder of one SST. */
  readonly newEncoder: (expectedBytes: number, sink?: ByteSink) => SstEncoder;
  /** Folds merge operands on the way; without one they stay as they are. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Assigns keys to segments; without one there are none. */
  readonly segmentExtractor?: PrefixExtractor | undefined;
  /** Uploads at the same time. */
  readonly l0FlushParallelism: number;
  /** How often the manifest is looked at; also the pause before another attempt. */
  readonly manifestPollIntervalMs: number;
  /** Whether that interval holds when idle, too. */
  readonly manifestPollExact: boolean;
  /** Whether something outside the writer wants manifests soon, such as a running compaction. */
  readonly isBusy: () => boolean;
  /** Told once what ended the flusher, unless it was stopped. */
  readonly onFailure: (error: DbError) => void;
}

/** Options of {@linkcode Flusher.flush}. */
export interface FlushOptions {
  /** Ends the wait with the signal's reason; the flush itself goes on. */
  signal?: AbortSignal;
  /**
   * What to do while L0 is full.
   *
   * @default {"wait"}
   */
  onStall?: StallPatience;
}

const STALL_LOG_INTERVAL_MS = 10_000;
const FOREVER_MS = 0x7fff_ffff;

/** Uploads frozen memtables and names them in the manifest, oldest first. */
export class Flusher {
  /** Fires whenever a memtable was uploaded or committed, or L0 became full. */
  readonly progressed: Pulse = new Pulse();
  readonly #options: FlusherOptions;
  readonly #metrics: FlusherMetrics;
  readonly #pace: PollPace;
  readonly #loop: Loop;
  readonly #abort = new AbortController();
  /** Dispatched memtables that are not in the manifest yet, oldest first. */
  readonly #uploads: L0Upload[] = [];
  readonly #touched = new WeakMap<FrozenMemtable, TouchedTrees>();
  /** The largest sequence number in the manifest. */
  readonly #flushed: Watermark;
  #lookWanted = false;
  /** Who waits until the newest manifest is shown to readers. */
  #lookers: (() => void)[] = [];
  #stalledAtMs: number | undefined;
  #stallLoggedAtMs = 0;
  #waitsForWal = false;

  /**
   * Constructs a new {@linkcode Flusher}; it rests until {@linkcode start}.
   *
   * @param options What it is made of.
   */
  constructor(options: FlusherOptions) {
    this.#options = options;
    this.#metrics = registerFlusherMetrics(options.recorder);
    this.#pace = new PollPace(options);
    this.#flushed = new Watermark(options.manifest.latest.lastL0Seq);
    observeIds(options.ssts, options.manifest.latest);
    this.#metrics.show(options.manifest.latest);
    this.#loop = new Loop({
      runtime: options.runtime,
      body: () => this.#round(),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** Whether L0 is full, so that memtables wait for the compactor. */
  get stalled(): boolean {
    return this.#stalledAtMs !== undefined;
  }

  /** Begins to follow the manifest and to flush what is frozen. */
  start(): void {
    this.#loop.poke();
  }

  /**
   * Says that something was frozen or that the manifest may have changed.
   *
   * @param look Whether to look at the manifest at once, such as after a compaction.
   */
  poke(look = false): void {
    this.#lookWanted ||= look;
    this.#loop.poke();
  }

  /**
   * Looks at the manifest, such as after a compaction.
   *
   * @returns Resolves when readers see what was stored at the call, or the flusher has ended; never rejects.
   */
  look(): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#lookers.push(resolve);
      this.poke(true);
    });
  }

  /**
   * Waits until every memtable frozen by now is in the manifest.
   *
   * @param options How to wait.
   * @throws {DbError} What ended the flusher; kind `"unavailable"` if L0 is full and `onStall` is `"fail"`.
   */
  async flush(options: FlushOptions = {}): Promise<void> {
    const { signal, onStall = "wait" } = options;
    signal?.throwIfAborted();
    this.#metrics.requests.add();
    const newest = this.#options.lsm.view.frozen[0];
    const done = newest && this.#flushed.reached(newest.lastSeq);
    if (done === undefined) return;
    this.poke();
    const end = new AbortController();
    const isStuck = () => this.stalled && this.#uploads.length === 0;
    const { progressed } = this;
    const watch = { ...this.#options, progressed, isStuck, onStall };
    const full = failWhenStalled(watch, end.signal);
    // Whoever waits keeps the process alive; the loop's timers do not.
    const letGo = this.#options.runtime.after(FOREVER_MS, () => {});
    try {
      await abortable(Promise.race([done, full]), signal);
    } finally {
      end.abort();
      letGo();
    }
  }

  /**
   * Ends everything; what is not in the manifest is left to the WAL.
   *
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(): Promise<void> {
    this.#flushed.fail(new DbError("closed", "the database is closed"));
    this.#abort.abort();
    await this.#loop.stop();
    await Promise.allSettled(this.#uploads.map(({ done }) => done));
    await this.#options.manifest.close();
    for (const resolve of this.#lookers.splice(0)) resolve();
    this.progressed.fire();
  }

  /** One turn of the lane: commit, look, dispatch. */
  async #round(): Promise<number | undefined> {
    const { manifest, manifestPollIntervalMs, logger } = this.#options;
    if (this.#abort.signal.aborted) return undefined;
    // Whoever asks from now on wants a look that has not begun yet.
    const lookers = this.#lookers.length;
    try {
      await this.#commit();
      await this.#look();
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      if (!isTransient(error)) throw error;
      logger.warn(
        `cannot reach the manifest, trying again: ${messageOf(error)}`,
      );
      this.#dispatch();
      return manifestPollIntervalMs;
    }
    this.#install([]);
    this.#metrics.showMemory(this.#options.lsm.view);
    for (const resolve of this.#lookers.splice(0, lookers)) resolve();
    this.#dispatch();
    this.#pace.wakeOnWrites(() => this.poke());
    return Math.max(0, this.#pace.ms - manifest.msSinceLook);
  }

  async #look(): Promise<void> {
    const { manifest } = this.#options;
    if (!this.#lookWanted && manifest.msSinceLook < this.#pace.ms) return;
    this.#lookWanted = false;
    await manifest.refresh(this.#abort.signal);
    this.#metrics.refreshes.add();
    this.#pace.looked();
  }

  async #commit(): Promise<void> {
    const { wal } = this.#options;
    const ready = takeCommittable(this.#uploads, wal);
    if (ready.length === 0) return this.#waitForWal();
    await commitL0(ready, this.#options, this.#abort.signal);
    this.#uploads.splice(0, ready.length);
    this.#install(ready.map(({ frozen }) => frozen));
    const { lastSeq } = ready.at(-1)!.frozen;
    if (!wal.enabled) wal.durable.raise(lastSeq);
    this.#flushed.raise(lastSeq);
    this.#metrics.commits.add(ready.length);
    this.progressed.fire();
  }

  /** Asks for the log where an uploaded memtable waits for nothing else. */
  #waitForWal(): void {
    const { wal } = this.#options;
    if (this.#waitsForWal || this.#uploads[0]?.addition === undefined) return;
    this.#waitsForWal = true;
    // A log that fails ends the database by itself.
    wal.flush().then(() => {
      this.#waitsForWal = false;
      this.poke();
    }, () => {});
  }

  /** Shows readers the newest manifest, which names what `retired` held. */
  #install(retired: readonly FrozenMemtable[]): void {
    const { lsm, manifest } = this.#options;
    if (retired.length === 0 && manifest.latest.id === lsm.view.manifest.id) {
      return;
    }
    lsm.install(manifest.latest, retired);
    this.#metrics.show(manifest.latest);
  }

  /** Starts uploads, oldest memtable first, as far as L0 has room for them. */
  #dispatch(): void {
    const { lsm, l0FlushParallelism } = this.#options;
    const { frozen, manifest } = lsm.view;
    while (this.#uploads.length < frozen.length) {
      const running = this.#uploads.filter((upload) =>
        upload.addition === undefined
      );
      if (running.length >= l0FlushParallelism) break;
      const next = frozen.at(-1 - this.#uploads.length)!;
      const touched = this.#treesOf(next);
      const full = findFullTree(
        manifest,
        touched,
        this.#uploads.map((upload) => upload.touched),
        this.#options,
      );
      if (full !== undefined) return this.#noteStall(full);
      this.#start(next, touched);
    }
    this.#stalledAtMs = undefined;
  }

  /** The trees that a memtable touches; without segments, the one there is. */
  #treesOf(frozen: FrozenMemtable): TouchedTrees {
    const { kernel, segmentExtractor } = this.#options;
    if (segmentExtractor === undefined) return [undefined];
    let touched = this.#touched.get(frozen);
    if (touched === undefined) {
      touched = segmentsOf(kernel, frozen.memtable, segmentExtractor);
      this.#touched.set(frozen, touched);
    }
    return touched;
  }

  #start(frozen: FrozenMemtable, touched: TouchedTrees): void {
    const upload = new L0Upload(
      frozen,
      touched,
      this.#options,
      this.#abort.signal,
    );
    this.#uploads.push(upload);
    this.#metrics.freezes.add();
    upload.done.then(() => {
      if (this.#abort.signal.aborted) return;
      this.#options.lsm.uploaded(frozen);
      this.#metrics.uploads.add();
      this.#metrics.bytes.add(upload.bytes);
      this.progressed.fire();
      this.poke();
    }, (error) => this.#fail(error));
  }

  #noteStall(full: FullTree): void {
    const { runtime, logger, lsm } = this.#options;
    const now = runtime.monotonicMs();
    if (this.#stalledAtMs === undefined) {
      this.#stalledAtMs = now;
      this.#stallLoggedAtMs = -Infinity;
      this.#metrics.stalls[full.limit].add();
      this.progressed.fire();
    }
    if (now - this.#stallLoggedAtMs < STALL_LOG_INTERVAL_MS) return;
    this.#stallLoggedAtMs = now;
    const { frozen } = lsm.view;
    logger.warn(
      `${full.name} is full (${full.ssts} SSTs): ${frozen.length} memtables wait for the compactor`,
    );
  }

  #fail(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    const failure = toDbError(error);
    this.#flushed.fail(failure);
    this.#abort.abort();
    this.progressed.fire();
    this.#options.onFailure(failure);
  }
}

/** New SSTs of L0 must have greater ids than old ones, whatever the clock says. */
function observeIds(ssts: SstStore, manifest: Manifest): void {
  for (const { l0, lastCompactedL0 } of [manifest.tree, ...manifest.segments]) {
    for (const id of [l0[0]?.id, lastCompactedL0]) {
      if (id !== undefined) ssts.observeId(id);
    }
  }
}

/** Whether the same attempt may work later. */
function isTransient(error: unknown): boolean {
  return error instanceof DbError && error.kind === "unavailable" &&
    error.retryable;
}

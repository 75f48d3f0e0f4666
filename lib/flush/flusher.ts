/**
 * Memtables to L0: which go next, and who waits for them.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Pulse } from "../base/watch.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/manifest_store.ts";
import type { SstEncoder } from "../sst/sst_encoder.ts";
import type { SstStore } from "../sst/sst_store.ts";
import type { Wal } from "../wal/wal.ts";

/** What a {@linkcode Flusher} is made of; limits as in SlateDB's settings. */
export interface FlusherOptions {
  kernel: Kernel;
  runtime: Runtime;
  logger: Logger;
  recorder: Recorder;
  /** Gives the frozen memtables and takes the manifests. */
  lsm: LsmState;
  /** Rows reach the manifest only after they are durable here. */
  wal: Wal;
  manifest: HeldManifest;
  ssts: SstStore;
  /** A fresh encoder for each SST. */
  newEncoder: () => SstEncoder;
  mergeOperator?: MergeOperator;
  l0MaxSsts: number;
  l0MaxSstsPerKey: number;
  l0FlushParallelism: number;
  manifestPollIntervalMs: number;
  /** Whether the poll interval holds when idle, too. */
  manifestPollExact: boolean;
  /** Whether somebody outside the writer wants manifests soon (a compaction runs, a follower waits). */
  isBusy: () => boolean;
  /** Told once what ended the flusher. */
  onFailure: (error: unknown) => void;
}

/** Options of {@linkcode Flusher.flush}. */
export interface FlushOptions {
  /** Ends the wait, not the flush. */
  signal?: AbortSignal;
  /** What to do when L0 is full: wait for the compactor, or fail with `unavailable`. */
  onStall?: "wait" | "fail";
}

/** Uploads frozen memtables and names them in the manifest, oldest first. */
export declare class Flusher {
  constructor(options: FlusherOptions);
  /** Whether L0 is full, so that memtables wait for the compactor. */
  readonly stalled: boolean;
  /** Fires whenever the flusher made progress. */
  readonly progressed: Pulse;
  /** Begins polling the manifest. */
  start(): void;
  /** Says that something was frozen, or that a flush is wanted. */
  poke(): void;
  /** Resolves when every memtable frozen by now is in the manifest. */
  flush(options?: FlushOptions): Promise<void>;
  /** Ends everything; what is not in the manifest is left to the WAL. Never rejects. */
  stop(): Promise<void>;
}

/**
 * The compactions file: which compactions there are, and who runs them.
 *
 * @module
 */
import type { Ulid } from "../base/ids.ts";
import type { KeyRange } from "../base/key_range.ts";
import type { SstHandle } from "./manifest.ts";

/** How far a compaction has come; the order is the file format's. */
export type CompactionStatus =
  | "submitted"
  | "running"
  | "completed"
  | "failed"
  | "compacted"
  | "scheduled";

/** Merges L0 SSTs and sorted runs of one tree into one sorted run. */
export interface TieredSpec {
  /** Discriminates {@linkcode CompactionSpec}. */
  readonly kind: "tiered";
  /** Prefix of the segment; empty for the tree outside segments. */
  readonly segment: Uint8Array;
  /** View ids of the L0 inputs, newest first. */
  readonly l0ViewIds: readonly Ulid[];
  /** Ids of the input runs, newest first. */
  readonly runIds: readonly number[];
  /**
   * Id of the output run. `undefined` where a file of version 1 has no run
   * among its inputs: it does not say.
   */
  readonly destination: number | undefined;
}

/** Drops everything that a segment holds. */
export interface DrainSpec {
  /** Discriminates {@linkcode CompactionSpec}. */
  readonly kind: "drain";
  /** Prefix of the segment. */
  readonly segment: Uint8Array;
  /** View ids of the L0 inputs, newest first. */
  readonly l0ViewIds: readonly Ulid[];
  /** Ids of the input runs, newest first. */
  readonly runIds: readonly number[];
}

/** What a compaction shall do. */
export type CompactionSpec = TieredSpec | DrainSpec;

/** The process that runs a compaction. */
export interface CompactionWorker {
  /** Its name. */
  readonly id: string;
  /** Milliseconds since the epoch when it was last heard of. */
  readonly lastHeartbeatMs: number;
}

/** One key range of a compaction, and what it has put out so far. */
export interface Subcompaction {
  /** The keys. */
  readonly range: KeyRange;
  /** SSTs written so far. */
  readonly outputs: readonly SstHandle[];
}

/** What a worker needs to take over a compaction. */
export interface CompactionContext {
  /** The key ranges. */
  readonly subcompactions: readonly Subcompaction[];
  /** Versions above this seq must be kept, and the newest at or below it. */
  readonly retentionMinSeq: bigint;
}

/** One compaction. */
export interface Compaction {
  /** Its id. */
  readonly id: Ulid;
  /** What it shall do. */
  readonly spec: CompactionSpec;
  /** How far it has come. */
  readonly status: CompactionStatus;
  /** SSTs it has put out. */
  readonly outputs: readonly SstHandle[];
  /** Who runs it; only in files of version 2. */
  readonly worker?: CompactionWorker;
  /** How to take it over; only in files of version 2. */
  readonly context?: CompactionContext;
}

/** The state of the compactor at one moment. */
export interface Compactions {
  /** From the file name; 0 before the first one is written. */
  readonly id: number;
  /** The file's version. */
  readonly version: 1 | 2;
  /** Raised by every compactor that starts. */
  readonly compactorEpoch: number;
  /** All active compactions and the newest finished one. */
  readonly compactions: readonly Compaction[];
}

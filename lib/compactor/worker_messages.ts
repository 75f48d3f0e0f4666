/**
 * What a database and its compaction workers say to each other: plain data,
 * since nothing else crosses a thread.
 *
 * @module
 */
import type { PlainError } from "../base/errors.ts";
import type { LogLevel } from "../base/log.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { BlockTransformer } from "../sst/block_transformer.ts";
import type { FilterPolicy } from "../sst/filter_policy.ts";
import type { PlainFilterPolicy } from "../sst/plain_filter_policy.ts";
import type { CompactionFilterSupplier } from "./compaction_filter.ts";
import type {
  PartLimits,
  PartRequest,
  PartResult,
  SstEncoding,
} from "./part.ts";
import type { PartProgress } from "./part_input.ts";

/** What a worker is told once. */
export interface WorkerSetup {
  /** The URL by which the store is opened again. */
  readonly storeUrl: string;
  /** The database's path. */
  readonly root: string;
  /** How SSTs are written. */
  readonly encoding: SstEncoding;
  /** Which filters SSTs get; of whole keys alone unless given. */
  readonly filterPolicies?: readonly PlainFilterPolicy[] | undefined;
  /** Sizes of reads and SSTs. */
  readonly limits: PartLimits;
  /** URL of a {@linkcode CompactionModule}, where user code takes part. */
  readonly module: string | undefined;
}

/**
 * What a module of user code for compaction threads may export, since functions
 * cannot cross to them. Its URL is option `compactorModule`; what it exports must
 * do what the options of the same names do.
 *
 * @example
 * ```ts
 * // compaction_module.ts
 * import { counterOperator, type MergeOperator } from "@shale/db";
 *
 * export const mergeOperator: MergeOperator = counterOperator();
 * ```
 */
export interface CompactionModule {
  /** Folds merge operands. */
  readonly mergeOperator?: MergeOperator;
  /** The step after compression. */
  readonly blockTransformer?: BlockTransformer;
  /** Filters whose policies or extractors are a user's own. */
  readonly filterPolicies?: readonly FilterPolicy[];
  /** Judges rows. */
  readonly compactionFilter?: CompactionFilterSupplier;
}

/** From the database to a worker. */
export type ToWorker =
  | { readonly kind: "setup"; readonly setup: WorkerSetup }
  | {
    readonly kind: "run";
    readonly part: number;
    readonly request: PartRequest;
  }
  | { readonly kind: "abort"; readonly part: number };

/** From a worker to the database. */
export type FromWorker =
  | { readonly kind: "ready" }
  | { readonly kind: "unfit"; readonly error: PlainError }
  | { readonly kind: "alive" }
  | {
    readonly kind: "log";
    readonly level: LogLevel;
    readonly message: string;
  }
  | {
    readonly kind: "progress";
    readonly part: number;
    readonly progress: PartProgress;
  }
  | {
    readonly kind: "done";
    readonly part: number;
    readonly result: PartResult;
  }
  | {
    readonly kind: "failed";
    readonly part: number;
    readonly error: PlainError;
  };

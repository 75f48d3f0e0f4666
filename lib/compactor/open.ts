/**
 * A compactor of components and settings, wired.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import { CompactionsStore } from "../manifest/compactions_store.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import { type ObjectStore, storeUrl } from "../object_store/object_store.ts";
import type { BlockTransformer } from "../sst/block_transformer.ts";
import type { FilterPolicy } from "../sst/filter_policy.ts";
import { toPlainPolicies } from "../sst/plain_filter_policy.ts";
import type { CompactionFilterSupplier } from "./compaction_filter.ts";
import { Compactor, type CompactorEngine } from "./compactor.ts";
import type { JobExecutor } from "./executor.ts";
import { InlineExecutor } from "./inline_executor.ts";
import type { JobTools } from "./job.ts";
import { CompactionWorker } from "./job_claims.ts";
import {
  type CompactionWorkerSettings,
  type CompactorOptions,
  type CompactorSettings,
  resolveCompactorOptions,
  resolveWorkerOptions,
  type WorkerOptions,
} from "./options.ts";
import {
  openCompactionSsts,
  type PartTools,
  type SstEncoding,
} from "./part.ts";
import type { CompactionScheduler } from "./scheduler.ts";
import { sizeTieredScheduler } from "./size_tiered.ts";
import { planRanges } from "./subcompactions.ts";
import { hasWorkers, WorkerExecutor } from "./worker_executor.ts";

const MAX_THREADS = 4;

/** What whoever runs compactions is made of. */
export interface JobComponents {
  /** The kernel of this thread. */
  readonly kernel: Kernel;
  /** Clock, timers and randomness. */
  readonly runtime: Runtime;
  /** Told what is done. */
  readonly logger: Logger;
  /** Where compactions are counted. */
  readonly recorder: Recorder;
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** Whether state files get the trailer that makes damage detectable. */
  readonly manifestChecksum: boolean;
  /** How SSTs are written, unless the worker's settings say otherwise. */
  readonly encoding: SstEncoding;
  /** Which filters SSTs get; of whole keys alone unless given. */
  readonly filterPolicies?: readonly FilterPolicy[] | undefined;
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** Folds merge operands; without one they stay as they are. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Judges rows. */
  readonly compactionFilter?: CompactionFilterSupplier | undefined;
  /**
   * Whether compactions run in this event loop or in threads of their own.
   *
   * @default {"inline"}
   */
  readonly execution?: "inline" | "worker" | undefined;
  /** Most threads; one fewer than there are processors unless given, up to 4. */
  readonly threads?: number | undefined;
  /** URL of a module that gives threads the user's code; see `CompactionModule`. */
  readonly module?: string | URL | undefined;
}

/** The components and settings of a compactor. */
export interface OpenCompactorOptions extends JobComponents {
  /** Settings, with SlateDB's names. */
  readonly settings: CompactorSettings;
  /** Which readers the files are for; workers of other processes need `"0.15"`. */
  readonly formatTarget: "interop" | "0.15";
  /** Decides what to compact; size-tiered unless given. */
  readonly scheduler?: CompactionScheduler | undefined;
  /** The writer, where it lives in this process. */
  readonly engine?: CompactorEngine | undefined;
  /** See `CompactorParts.onFailure`. */
  readonly onFailure: (error: DbError) => void;
}

/**
 * Makes a compactor; no I/O before it is started or poked.
 *
 * @param options Components and settings.
 * @returns The compactor, at rest.
 * @throws {DbError} Kind `"invalid"` if a setting is.
 */
export function openCompactor(options: OpenCompactorOptions): Compactor {
  const resolved = checkedSettings(options);
  return new Compactor({
    ...stateFilesOf(options),
    options: resolved,
    scheduler: options.scheduler ?? sizeTieredScheduler(resolved.scheduler),
    version: options.formatTarget === "0.15" ? 2 : 1,
    tools: resolved.hasWorker
      ? openJobTools(options, resolved.worker)
      : undefined,
    engine: options.engine,
    onFailure: options.onFailure,
  });
}

/**
 * Resolves a compactor's settings; for whoever must know whether they will do
 * before it begins with anything.
 *
 * @param options The settings, and what they are for.
 * @returns The settings, resolved.
 * @throws {DbError} Kind `"invalid"` if one is, or nobody could ever run what is scheduled.
 */
export function checkedSettings(
  { settings, formatTarget, logger }: Pick<
    OpenCompactorOptions,
    "settings" | "formatTarget" | "logger"
  >,
): CompactorOptions {
  const resolved = resolveCompactorOptions(settings, logger);
  if (!resolved.hasWorker && formatTarget !== "0.15") {
    throw new DbError(
      "invalid",
      'compactions can only be left to workers of other processes with formatTarget "0.15": older files cannot say who runs what',
    );
  }
  return resolved;
}

/** The components and settings of a worker in a process of its own. */
export interface OpenWorkerOptions extends JobComponents {
  /** Settings, with SlateDB's names. */
  readonly settings: CompactionWorkerSettings;
  /** See `CompactionWorkerParts.onFailure`. */
  readonly onFailure: (error: DbError) => void;
}

/**
 * Makes a worker that runs what a compactor elsewhere has scheduled; no I/O
 * before it is started. The compactor must write files of `formatTarget: "0.15"`.
 *
 * @param options Components and settings.
 * @returns The worker, at rest.
 * @throws {DbError} Kind `"invalid"` if a setting is.
 */
export function openCompactionWorker(
  options: OpenWorkerOptions,
): CompactionWorker {
  const resolved = resolveWorkerOptions(options.settings);
  return new CompactionWorker({
    ...stateFilesOf(options),
    options: resolved,
    tools: openJobTools(options, resolved),
    onFailure: options.onFailure,
  });
}

/** The files that compactors and workers have in common, and who hears of them. */
function stateFilesOf(options: JobComponents) {
  const { runtime, logger, recorder, store, root } = options;
  const files = { store, root, runtime, checksum: options.manifestChecksum };
  return {
    runtime,
    logger,
    recorder,
    manifests: new ManifestStore({ ...files, logger }),
    compactions: new CompactionsStore(files),
  };
}

/**
 * Makes what jobs work with.
 *
 * @param options Components.
 * @param worker Sizes.
 * @returns Executor and planner; no thread is started yet.
 */
export function openJobTools(
  options: JobComponents,
  worker: WorkerOptions,
): JobTools {
  const { kernel } = options;
  const tools: PartTools = {
    ...options,
    encoding: {
      ...options.encoding,
      ...(worker.compression === undefined
        ? {}
        : { compression: worker.compression }),
      ...(worker.minFilterKeys === undefined
        ? {}
        : { minFilterKeys: worker.minFilterKeys }),
    },
    limits: {
      maxSstBytes: worker.maxSstBytes,
      maxFetchTasks: worker.maxFetchTasks,
      bytesToFetch: worker.bytesToFetch,
    },
  };
  const executor = openExecutor(options, tools);
  return {
    executor,
    plan: ({ l0, runs, externalDbs }, signal) =>
      planRanges({
        kernel,
        ssts: openCompactionSsts(tools),
        inputs: [...l0, ...runs.flatMap(({ ssts }) => ssts)],
        externalDbs,
        // What runs one after another is not worth dividing.
        maxParts: Math.min(worker.maxSubcompactions, executor.parallelism),
        signal,
      }),
  };
}

function openExecutor(
  options: JobComponents,
  tools: PartTools,
): JobExecutor {
  const { execution = "inline", runtime, logger, module } = options;
  const inline = () => new InlineExecutor(tools);
  if (execution === "inline") return inline();
  const url = storeUrl(options.store);
  const reason = reasonAgainstThreads(options);
  if (url === undefined || reason !== undefined) {
    logger.warn(
      `compactions run in the event loop: ${
        reason ?? "the store has no URL by which a thread could open it"
      }`,
    );
    return inline();
  }
  const { root, encoding, filterPolicies, limits } = tools;
  return new WorkerExecutor({
    setup: {
      storeUrl: url,
      root,
      encoding,
      filterPolicies: filterPolicies && toPlainPolicies(filterPolicies),
      limits,
      module: module === undefined ? undefined : String(module),
    },
    threads: options.threads ?? defaultThreads(),
    runtime,
    logger,
    fallback: inline,
  });
}

/** What keeps compactions in this thread; `undefined`: nothing. */
function reasonAgainstThreads(
  options: JobComponents,
): string | undefined {
  const { module, mergeOperator, transformer, compactionFilter } = options;
  if (!hasWorkers()) return "this runtime has no workers";
  if (module !== undefined) return undefined;
  const ownFilters = toPlainPolicies(options.filterPolicies ?? [])
    .some(({ bloom }) => bloom === undefined);
  const code = mergeOperator !== undefined
    ? "a merge operator"
    : transformer !== undefined
    ? "a block transformer"
    : compactionFilter !== undefined
    ? "a compaction filter"
    : ownFilters
    ? "a filter policy of one's own"
    : undefined;
  return code &&
    `${code} cannot be sent to a thread; give the URL of a module that exports it`;
}

function defaultThreads(): number {
  const processors = globalThis.navigator?.hardwareConcurrency ?? 2;
  return Math.max(1, Math.min(MAX_THREADS, processors - 1));
}

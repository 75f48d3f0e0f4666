/**
 * Compactions away from the writer: a compactor in a process of its own, and
 * workers that run what it schedules.
 *
 * The writer is opened with `compactor: "off"` then. Merge operator, block
 * transformer, filter policies and format target must be the writer's; one
 * compactor serves a database, and any number of workers.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { noRecorder } from "../base/metrics.ts";
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import type { CompactorStatus } from "../compactor/compactor.ts";
import type { CompactNowOptions } from "../compactor/manual_compactions.ts";
import {
  type JobComponents,
  openCompactionWorker,
  openCompactor,
} from "../compactor/open.ts";
import type {
  CompactionWorkerSettings,
  CompactorSettings,
} from "../compactor/options.ts";
import type { JobStatus } from "../compactor/running_jobs.ts";
import { jobComponentsOf } from "../db/compacting.ts";
import {
  checkDbOptions,
  type DbOptions,
  resolvePath,
} from "../db/open_options.ts";
import { resolveSettings } from "../db/settings.ts";
import { sharedKernel } from "../db/shared_kernel.ts";
import { componentStores } from "../object_store/component_stores.ts";

/** Components and settings of a compactor or worker; each as for `Db.open`. */
export interface CompactorProcessOptions extends
  Pick<
    DbOptions,
    | "store"
    | "mergeOperator"
    | "blockTransformer"
    | "formatTarget"
    | "filterPolicies"
    | "compactor"
    | "compactorThreads"
    | "compactorModule"
    | "compactionScheduler"
    | "compactionFilter"
    | "settings"
    | "blockBytes"
    | "manifestChecksum"
    | "runtime"
    | "recorder"
    | "logger"
  > {}

/** A compactor in a process of its own. */
export interface RunningCompactor extends AsyncDisposable {
  /** What it is doing. */
  readonly status: CompactorStatus;
  /** Rejects with what ended it; resolves when it is stopped. */
  readonly ended: Promise<void>;
  /** Compacts now, or until the scheduler proposes nothing more. */
  compactNow(options?: CompactNowOptions): Promise<void>;
  /** Ends it; what it runs is broken off. */
  stop(): Promise<void>;
}

/** A worker in a process of its own. */
export interface RunningCompactionWorker extends AsyncDisposable {
  /** Its name among workers. */
  readonly id: string;
  /** How its jobs are doing. */
  readonly jobs: readonly JobStatus[];
  /** Rejects with what ended it; resolves when it is stopped. */
  readonly ended: Promise<void>;
  /** Ends it; other workers go on with what it runs. */
  stop(): Promise<void>;
}

/** What keeps a process alive that only waits for work. */
const TICK_MS = 3_600_000;

/**
 * Starts the compactor of a database; an older one, in the writer or anywhere
 * else, is fenced. The writer goes on; open it with `compactor: "off"`.
 *
 * @example
 * ```ts
 * import { Db, MemoryStore, startCompactor } from "@shale/db";
 *
 * const store = new MemoryStore(); // a FileStore, where it is another process
 * await using db = await Db.open("orders", { store, compactor: "off" });
 * await db.put("sku/7", "blue");
 * await db.flush({ target: "memtable" });
 *
 * await using compactor = await startCompactor("orders", { store });
 * await compactor.compactNow({ full: true }); // or await compactor.ended
 * ```
 *
 * @param path The database's path in the store.
 * @param options Components and settings. `compactor_options.worker: null` leaves all work to workers.
 * @returns The compactor, running until it is stopped.
 * @throws {DbError} Kind `"invalid"` if an option is.
 */
export async function startCompactor(
  path: string,
  options: CompactorProcessOptions,
): Promise<RunningCompactor> {
  const end = Promise.withResolvers<void>();
  const compactor = openCompactor({
    ...await componentsOf(path, options),
    settings: (options.settings?.compactor_options ?? {}) as CompactorSettings,
    formatTarget: options.formatTarget ?? "interop",
    scheduler: options.compactionScheduler,
    onFailure: end.reject,
  });
  const running = runningUntil(end, options, () => compactor.stop());
  compactor.poke();
  return {
    ...running,
    get status() {
      return compactor.status;
    },
    compactNow: (options) => compactor.compactNow(options),
  };
}

/**
 * Starts a worker that runs what a compactor elsewhere schedules. That compactor
 * must have `formatTarget: "0.15"`: older files cannot say who runs what. Any
 * number of workers may run, on whatever machines reach the store.
 *
 * @example
 * ```ts ignore
 * // One process schedules and commits:
 * await using compactor = await startCompactor("orders", {
 *   store,
 *   formatTarget: "0.15",
 *   settings: { compactor_options: { worker: null } },
 * });
 * await compactor.ended;
 *
 * // Others do the work, here in threads:
 * await using worker = await startCompactionWorker("orders", {
 *   store: new FileStore("./data"),
 *   formatTarget: "0.15",
 *   mergeOperator: counterOperator(),
 *   compactor: "worker",
 *   compactorModule: new URL("./compaction_module.ts", import.meta.url),
 * });
 * await worker.ended;
 * ```
 *
 * @param path The database's path in the store.
 * @param options Components and settings; of these `compactor_options.worker` counts.
 * @returns The worker, running until it is stopped.
 * @throws {DbError} Kind `"invalid"` if an option is.
 */
export async function startCompactionWorker(
  path: string,
  options: CompactorProcessOptions,
): Promise<RunningCompactionWorker> {
  const end = Promise.withResolvers<void>();
  const settings = options.settings?.compactor_options ?? {};
  const worker = openCompactionWorker({
    ...await componentsOf(path, options),
    settings: (settings["worker"] ?? {}) as CompactionWorkerSettings,
    onFailure: end.reject,
  });
  const running = runningUntil(end, options, () => worker.stop());
  worker.start();
  return {
    ...running,
    id: worker.id,
    get jobs() {
      return worker.jobs;
    },
  };
}

async function componentsOf(
  path: string,
  options: CompactorProcessOptions,
): Promise<JobComponents> {
  const { compactor: execution = "inline" } = options;
  checkDbOptions(options);
  if (execution === "off") {
    throw new DbError("invalid", "option 'compactor' must not be \"off\" here");
  }
  const settings = resolveSettings(options.settings);
  const runtime = options.runtime ?? systemRuntime;
  const logger = options.logger ?? silentLogger;
  const recorder = options.recorder ?? noRecorder;
  const { store } = componentStores("compactor", {
    store: options.store,
    runtime,
    logger,
    recorder,
    maxRetries: settings.objectStoreMaxRetries,
  });
  return {
    kernel: await sharedKernel(),
    runtime,
    logger,
    recorder,
    store,
    root: resolvePath(path),
    ...jobComponentsOf(options, settings),
    execution,
  };
}

/** Keeps the process alive until the end, whichever it is. */
function runningUntil(
  end: PromiseWithResolvers<void>,
  { runtime = systemRuntime }: { runtime?: Runtime; logger?: Logger },
  stop: () => Promise<void>,
): AsyncDisposable & { ended: Promise<void>; stop(): Promise<void> } {
  let cancel = () => {};
  const stay = () => {
    cancel = runtime.after(TICK_MS, stay);
  };
  stay();
  const ended = end.promise.finally(() => cancel());
  // Whoever does not ask is told by the log.
  ended.catch(() => {});
  const stopped = async () => {
    await stop();
    end.resolve();
  };
  return { ended, stop: stopped, [Symbol.asyncDispose]: stopped };
}

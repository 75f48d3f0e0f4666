/**
 * The compactor's settings: SlateDB's names, checked and with units.
 *
 * Owns: defaults, of the compactor, its scheduler and its worker.
 * Does not own: how SSTs are written where the worker's settings do not say; then
 * it is as the database itself writes them.
 *
 * @module
 */
import {
  type Duration,
  parseDuration,
  parseInterval,
  type PollInterval,
} from "../base/duration.ts";
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import { checkSettingNames } from "../base/setting_names.ts";
import type { Compression } from "../codec/compression.ts";
import type { PartLimits } from "./part.ts";
import type { SizeTieredOptions } from "./size_tiered.ts";

/** Settings of whoever runs compactions, with SlateDB's names. */
export interface CompactionWorkerSettings {
  /**
   * Compactions that one worker runs at the same time.
   *
   * @default {4}
   */
  max_concurrent_compactions?: number;
  /**
   * How often a worker in another process looks for work; each pause is up to a
   * half shorter or longer, so that many workers do not look at once.
   *
   * @default {"5s"}
   */
  compactions_poll_interval?: Duration;
  /**
   * How often a worker says that it is alive, and what it has done so far.
   *
   * @default {"10s"}
   */
  heartbeat_interval?: Duration;
  /**
   * Bytes at which an SST of a run ends. Larger means fewer objects, and more
   * that is done again when a worker dies.
   *
   * @default {268435456}
   */
  max_sst_size?: number;
  /**
   * Reads of one input under way at once.
   *
   * @default {4}
   */
  max_fetch_tasks?: number;
  /**
   * Bytes one read takes; many inputs share the memory for it.
   *
   * @default {2097152}
   */
  bytes_to_fetch?: number;
  /**
   * Most parts into which one compaction is divided; as many as there are threads
   * for it run at once.
   *
   * @default {4}
   */
  max_subcompactions?: number;
  /** SSTs with fewer rows get no filter; as in L0 unless given. */
  min_filter_keys?: number;
  /** Compression of blocks; as in L0 unless given. */
  compression_codec?: string | null;
  /** Accepted for SlateDB's files; metrics are registered all alike. */
  metric_level?: string | null;
}

/** Settings of the compactor, with SlateDB's names. */
export interface CompactorSettings {
  /**
   * How often the compactor looks for work while there is any; idle, the pause
   * doubles up to a minute, unless `{ interval, exact: true }` says otherwise.
   *
   * @default {"5s"}
   */
  poll_interval?: Duration | PollInterval;
  /**
   * Longest the start may fight over the manifest.
   *
   * @default {"300s"}
   */
  manifest_update_timeout?: Duration;
  /**
   * Compactions under way at the same time, wherever they run.
   *
   * @default {4}
   */
  max_concurrent_compactions?: number;
  /**
   * Whether inputs that do not overlap become a run as they are, unread. Expired
   * rows and old versions in them stay, and no compaction filter sees them.
   *
   * @default {false}
   */
  enable_trivial_move?: boolean;
  /** `min_compaction_sources`, `max_compaction_sources`, `include_size_threshold`. */
  scheduler_options?: Readonly<Record<string, unknown>>;
  /** Settings of the worker in this process; `null`: workers run elsewhere. */
  worker?: CompactionWorkerSettings | null;
  /**
   * How often finished compactions of other processes are looked for.
   *
   * @default {"1s"}
   */
  commit_compacted_interval?: Duration;
  /**
   * How long a worker may be silent before others take over what it runs.
   *
   * @default {"30s"}
   */
  worker_heartbeat_timeout?: Duration;
  /** SlateDB 0.12's place for the worker's setting. */
  max_sst_size?: number;
  /** SlateDB 0.12's place for the worker's setting. */
  max_fetch_tasks?: number;
  /** Accepted for SlateDB's files; metrics are registered all alike. */
  metric_level?: string | null;
  /** Accepted for SlateDB's files; the store's own count holds. */
  object_store_max_retries?: number | null;
}

/** {@linkcode CompactionWorkerSettings} with units and defaults resolved. */
export interface WorkerOptions extends PartLimits {
  /** Compactions at the same time. */
  readonly maxConcurrent: number;
  /** Milliseconds between two looks for work. */
  readonly pollIntervalMs: number;
  /** Milliseconds between two signs of life. */
  readonly heartbeatMs: number;
  /** Most parts of one compaction. */
  readonly maxSubcompactions: number;
  /** Fewer rows get no filter; `undefined`: as in L0. */
  readonly minFilterKeys: number | undefined;
  /** Compression of blocks; `undefined`: as in L0. */
  readonly compression: Compression | undefined;
}

/** {@linkcode CompactorSettings} with units and defaults resolved. */
export interface CompactorOptions {
  /** Milliseconds between two looks for work. */
  readonly pollIntervalMs: number;
  /** Whether that holds when idle, too. */
  readonly pollExact: boolean;
  /** Longest the start may take, in milliseconds. */
  readonly manifestUpdateTimeoutMs: number;
  /** Compactions at the same time. */
  readonly maxConcurrent: number;
  /** Whether inputs may become a run as they are. */
  readonly trivialMove: boolean;
  /** Settings of the default scheduler. */
  readonly scheduler: SizeTieredOptions;
  /** Settings of whoever runs compactions. */
  readonly worker: WorkerOptions;
  /** Whether this process runs any. */
  readonly hasWorker: boolean;
  /** Milliseconds between two looks for what others have finished. */
  readonly commitIntervalMs: number;
  /** Milliseconds a worker may be silent. */
  readonly workerTimeoutMs: number;
}

const MIB = 1024 * 1024;
const NAME = "compactor_options";
const NAMES: readonly (keyof CompactorSettings)[] = [
  "poll_interval",
  "manifest_update_timeout",
  "max_concurrent_compactions",
  "enable_trivial_move",
  "scheduler_options",
  "worker",
  "commit_compacted_interval",
  "worker_heartbeat_timeout",
  "max_sst_size",
  "max_fetch_tasks",
  "metric_level",
  "object_store_max_retries",
];
const WORKER_NAMES: readonly (keyof CompactionWorkerSettings)[] = [
  "max_concurrent_compactions",
  "compactions_poll_interval",
  "heartbeat_interval",
  "max_sst_size",
  "max_fetch_tasks",
  "bytes_to_fetch",
  "max_subcompactions",
  "min_filter_keys",
  "compression_codec",
  "metric_level",
];
const COMPRESSIONS: readonly Compression[] = ["snappy", "zlib", "lz4", "zstd"];
const SCHEDULER_NAMES: Readonly<Record<string, keyof SizeTieredOptions>> = {
  min_compaction_sources: "minSources",
  max_compaction_sources: "maxSources",
  include_size_threshold: "includeSizeThreshold",
};

/**
 * Checks the compactor's settings and fills in the defaults.
 *
 * @param settings What the caller gave.
 * @param logger Told of scheduler options that are not understood; they do not count, as with SlateDB.
 * @returns Complete options.
 * @throws {DbError} Kind `"invalid"` if a name is unknown or a value out of range; names the setting.
 */
export function resolveCompactorOptions(
  settings: CompactorSettings,
  logger: Logger,
): CompactorOptions {
  checkSettingNames(settings, NAMES, NAME);
  const poll = parseInterval(
    settings.poll_interval ?? "5s",
    `${NAME}.poll_interval`,
  );
  const { worker = {} } = settings;
  if (worker !== null) {
    checkSettingNames(worker, WORKER_NAMES, `${NAME}.worker`);
  }
  const maxConcurrent = countOf(settings, "max_concurrent_compactions", 4);
  const duration = (name: keyof CompactorSettings, otherwise: Duration) =>
    parseDuration(settings[name] ?? otherwise, `${NAME}.${name}`);
  return {
    pollIntervalMs: poll.ms,
    pollExact: poll.exact,
    manifestUpdateTimeoutMs: duration("manifest_update_timeout", "300s"),
    maxConcurrent,
    trivialMove: trivialMoveOf(settings),
    scheduler: {
      ...schedulerOf(settings.scheduler_options ?? {}, logger),
      maxConcurrent,
    },
    worker: resolveWorkerOptions({
      ...pick(settings, "max_sst_size"),
      ...pick(settings, "max_fetch_tasks"),
      ...worker,
    }),
    hasWorker: worker !== null,
    commitIntervalMs: duration("commit_compacted_interval", "1s"),
    workerTimeoutMs: duration("worker_heartbeat_timeout", "30s"),
  };
}

/**
 * Checks a worker's settings and fills in the defaults.
 *
 * @param settings What the caller gave.
 * @returns Complete options.
 * @throws {DbError} Kind `"invalid"` if a name is unknown or a value out of range; names the setting.
 */
export function resolveWorkerOptions(
  settings: CompactionWorkerSettings,
): WorkerOptions {
  const name = `${NAME}.worker`;
  checkSettingNames(settings, WORKER_NAMES, name);
  const duration = (
    key: keyof CompactionWorkerSettings,
    otherwise: Duration,
  ) => parseDuration(settings[key] ?? otherwise, `${name}.${key}`);
  const minFilterKeys = settings.min_filter_keys;
  return {
    maxConcurrent: countOf(settings, "max_concurrent_compactions", 4, name),
    pollIntervalMs: duration("compactions_poll_interval", "5s"),
    heartbeatMs: duration("heartbeat_interval", "10s"),
    maxSstBytes: countOf(settings, "max_sst_size", 256 * MIB, name),
    maxFetchTasks: countOf(settings, "max_fetch_tasks", 4, name),
    bytesToFetch: countOf(settings, "bytes_to_fetch", 2 * MIB, name),
    maxSubcompactions: countOf(settings, "max_subcompactions", 4, name),
    minFilterKeys: minFilterKeys === undefined
      ? undefined
      : countOf(settings, "min_filter_keys", 0, name, 0),
    compression: compressionOf(settings.compression_codec, name),
  };
}

function pick<Name extends "max_sst_size" | "max_fetch_tasks">(
  settings: CompactorSettings,
  name: Name,
): CompactionWorkerSettings {
  return settings[name] === undefined ? {} : { [name]: settings[name] };
}

function trivialMoveOf(
  { enable_trivial_move: value = false }: CompactorSettings,
) {
  if (typeof value === "boolean") return value;
  throw new DbError(
    "invalid",
    `setting '${NAME}.enable_trivial_move' must be a boolean, not ${
      JSON.stringify(value)
    }`,
  );
}

function schedulerOf(
  options: Readonly<Record<string, unknown>>,
  logger: Logger,
): SizeTieredOptions {
  const resolved: SizeTieredOptions = {};
  for (const [name, value] of Object.entries(options)) {
    const key = Object.hasOwn(SCHEDULER_NAMES, name)
      ? SCHEDULER_NAMES[name]
      : undefined;
    const number = Number(value);
    const isGood = key === "includeSizeThreshold"
      ? number > 0
      : Number.isSafeInteger(number) && number > 0;
    if (key !== undefined && isGood) resolved[key] = number;
    else {
      logger.warn(
        key === undefined
          ? `unknown scheduler option '${name}' is passed over`
          : `scheduler option '${name}' must be a number > 0, not ${
            JSON.stringify(value)
          }: it is passed over`,
      );
    }
  }
  return resolved;
}

function countOf<Settings extends object>(
  settings: Settings,
  key: keyof Settings & string,
  otherwise: number,
  name: string = NAME,
  least = 1,
): number {
  const value = settings[key] ?? otherwise;
  if (Number.isSafeInteger(value) && (value as number) >= least) {
    return value as number;
  }
  throw new DbError(
    "invalid",
    `setting '${name}.${key}' must be a whole number >= ${least}, not ${
      JSON.stringify(value)
    }`,
  );
}

function compressionOf(
  codec: string | null | undefined,
  name: string,
): Compression | undefined {
  if (codec === null || codec === undefined) return undefined;
  const known = COMPRESSIONS.find((each) =>
    each === String(codec).toLowerCase()
  );
  if (known !== undefined) return known;
  throw new DbError(
    "invalid",
    `setting '${name}.compression_codec' must be one of ${
      COMPRESSIONS.join(", ")
    } or null, not ${JSON.stringify(codec)}`,
  );
}

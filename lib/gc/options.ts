/**
 * The collector's settings: SlateDB's names, checked and with units.
 *
 * Owns: defaults, and which kinds of files are collected at all.
 * Does not own: what may be deleted; no setting changes that but `min_age`.
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
import { checkSettingNames } from "../base/setting_names.ts";

/** Settings of the collection of one kind of files. */
export interface GcTaskSettings {
  /**
   * How often files are looked for. Idle, an interval below a minute doubles up
   * to one, unless `{ interval, exact: true }` says otherwise.
   *
   * @default {"600s"}
   */
  interval?: Duration | PollInterval | null;
  /** The same, under another name. */
  poll_interval?: Duration | PollInterval | null;
  /**
   * Files younger than this are kept whatever they are. Must exceed the longest
   * time between two looks at the manifest of any process, and the difference
   * between any two clocks.
   *
   * @default {"300s"}
   */
  min_age?: Duration;
  /**
   * Whether to say what would be deleted instead of deleting it.
   *
   * @default {false}
   */
  dry_run?: boolean;
}

/** Settings of the collector, with SlateDB's names; an entry that is `null` switches its task off. */
export interface GarbageCollectorSettings {
  /** Manifests that are neither the latest nor kept by a checkpoint. */
  manifest_options?: GcTaskSettings | null;
  /** WAL files whose rows are in L0. */
  wal_options?: GcTaskSettings | null;
  /**
   * WAL files without rows, by which writers shut each other out. They are kept
   * (`dry_run` is on) unless told otherwise: a writer that slept since before one
   * was put could go on after it is gone.
   */
  wal_fence_options?: GcTaskSettings | null;
  /** SSTs of L0 and sorted runs that nothing refers to. */
  compacted_options?: GcTaskSettings | null;
  /** State files of the compactor but the latest. */
  compactions_options?: GcTaskSettings | null;
  /** Accepted for SlateDB's files; clones let go of nothing yet. */
  detach_options?: GcTaskSettings | null;
  /**
   * Whether to mark what was deleted, so that a writer that slept cannot bring it
   * back; off only for stores without conditional puts.
   *
   * @default {true}
   */
  boundary_files_enabled?: boolean;
  /** Accepted for SlateDB's files; metrics are registered all alike. */
  metric_level?: string | null;
  /** Retries of one request; accepted for SlateDB's files, the store's count. */
  object_store_max_retries?: number | null;
}

/** The kinds of files that are collected. */
export type GcResource =
  | "manifest"
  | "wal"
  | "wal_fence"
  | "compacted"
  | "compactions";

/** How one kind of files is collected. */
export interface GcTask {
  /** How often, in milliseconds. */
  readonly intervalMs: number;
  /** Whether that holds when idle, too. */
  readonly exact: boolean;
  /** Files younger than this stay, in milliseconds. */
  readonly minAgeMs: number;
  /** Whether nothing is deleted. */
  readonly dryRun: boolean;
}

/** {@linkcode GarbageCollectorSettings} with units and defaults resolved. */
export interface GcOptions {
  /** The tasks that are on. */
  readonly tasks: Readonly<Partial<Record<GcResource, GcTask>>>;
  /** See {@linkcode GarbageCollectorSettings.boundary_files_enabled}. */
  readonly boundaryFiles: boolean;
}

/** Every kind of files, in the order in which they are collected. */
export const GC_RESOURCES: readonly GcResource[] = [
  "manifest",
  "wal",
  "wal_fence",
  "compacted",
  "compactions",
];

const OTHER_NAMES: readonly string[] = [
  "detach_options",
  "boundary_files_enabled",
  "metric_level",
  "object_store_max_retries",
];
const TASK_NAMES: readonly string[] = [
  "interval",
  "poll_interval",
  "min_age",
  "dry_run",
];

/**
 * Checks the collector's settings and fills in the defaults.
 *
 * @param settings What the caller gave.
 * @returns Complete options.
 * @throws {DbError} Kind `"invalid"` if a name is unknown or a value out of range; names the setting.
 */
export function resolveGcOptions(
  settings: GarbageCollectorSettings = {},
): GcOptions {
  const known = [...GC_RESOURCES.map(settingOf), ...OTHER_NAMES];
  checkSettingNames(settings, known, "garbage_collector_options");
  const tasks: Partial<Record<GcResource, GcTask>> = {};
  for (const resource of GC_RESOURCES) {
    const task = settings[settingOf(resource)];
    if (task === null) continue;
    tasks[resource] = resolveTask(task ?? {}, resource);
  }
  const { boundary_files_enabled: boundaryFiles = true } = settings;
  checkBoolean(boundaryFiles, "boundary_files_enabled");
  return { tasks, boundaryFiles };
}

function resolveTask(settings: GcTaskSettings, resource: GcResource): GcTask {
  const name = settingOf(resource);
  checkSettingNames(settings, TASK_NAMES, name);
  const {
    interval,
    poll_interval: pollInterval,
    min_age: minAge = "300s",
    dry_run: dryRun = resource === "wal_fence",
  } = settings;
  if (isGiven(interval) && isGiven(pollInterval)) {
    throw new DbError(
      "invalid",
      `Give '${name}.interval' or '${name}.poll_interval', not both`,
    );
  }
  const poll = parseInterval(
    interval ?? pollInterval ?? "600s",
    `${name}.interval`,
  );
  checkBoolean(dryRun, `${name}.dry_run`);
  return {
    intervalMs: poll.ms,
    exact: poll.exact,
    minAgeMs: parseDuration(minAge, `${name}.min_age`),
    dryRun,
  };
}

function settingOf<Resource extends GcResource>(
  resource: Resource,
): `${Resource}_options` {
  return `${resource}_options`;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function checkBoolean(value: unknown, name: string): void {
  if (typeof value === "boolean") return;
  throw new DbError(
    "invalid",
    `setting '${name}' must be a boolean, not ${JSON.stringify(value)}`,
  );
}

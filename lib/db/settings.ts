/**
 * Settings: plain JSON with SlateDB's names, checked once when a database
 * opens.
 *
 * Owns: defaults, units, and what to say about a name or value that is wrong.
 * Does not own: components (stores, operators, clocks), which are options of
 * `Db.open` itself and never part of the JSON.
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
import type { Compression } from "../codec/compression.ts";
import {
  type GarbageCollectorSettings,
  type GcOptions,
  resolveGcOptions,
} from "../gc/options.ts";
import {
  SETTINGS_SCHEMA,
  type SettingsSchema,
  type SettingType,
} from "./settings_schema.ts";

const MIB = 1024 * 1024;
const DEFAULT_MIN_AGE_MS = 300_000;

/**
 * Settings of a database, with SlateDB's names and meaning; a file made for
 * SlateDB 0.12.1 or 0.15.0 is accepted as it is. Durations are texts such as
 * `"100ms"`, or milliseconds.
 */
export interface DbSettings {
  /**
   * Longest a write waits in memory before its WAL file is put; `null` flushes
   * only when big enough or on request. Lower is durable sooner and costs more
   * requests: a busy writer makes one PUT an interval, about 130 USD a month on
   * S3 at 100 ms.
   *
   * @default {"100ms"}
   */
  flush_interval?: Duration | null;
  /** The same in milliseconds. */
  flush_ms?: number;
  /**
   * Whether there is a WAL. Without one a write is durable only once its
   * memtable is an L0 SST.
   *
   * @default {true}
   */
  wal_enabled?: boolean;
  /**
   * How often a busy writer looks for changes of the manifest by others. Idle,
   * the interval doubles up to a minute, unless `{ interval, exact: true }` says
   * otherwise.
   *
   * @default {"1s"}
   */
  manifest_poll_interval?: Duration | PollInterval;
  /**
   * Longest that opening may fight over the manifest.
   *
   * @default {"300s"}
   */
  manifest_update_timeout?: Duration;
  /**
   * SSTs with fewer rows get no filter.
   *
   * @default {1000}
   */
  min_filter_keys?: number;
  /**
   * Bits of bloom filter a row; 10 makes about 1 % false positives.
   *
   * @default {10}
   */
  filter_bits_per_key?: number;
  /**
   * Bytes at which a memtable is frozen and flushed, and a WAL file is put.
   *
   * @default {67108864}
   */
  l0_sst_size_bytes?: number;
  /**
   * WAL files after which the memtable is flushed whatever its size; bounds
   * the replay of the next open.
   *
   * @default {4096}
   */
  max_wal_flushes_before_l0_flush?: number;
  /**
   * L0 SSTs at which flushing waits for the compactor.
   *
   * @default {8}
   */
  l0_max_ssts?: number;
  /**
   * L0 SSTs over one key at which flushing waits for the compactor.
   *
   * @default {8}
   */
  l0_max_ssts_per_key?: number;
  /**
   * L0 SSTs that are put at the same time.
   *
   * @default {4}
   */
  l0_flush_parallelism?: number;
  /**
   * Bytes not yet in L0 at which writers wait. This is the writer's memory
   * limit: with the store down, writes stall here rather than fail.
   *
   * @default {1073741824}
   */
  max_unflushed_bytes?: number;
  /**
   * Frozen memtables at which writers wait; `null` is no limit.
   *
   * @default {null}
   */
  max_unflushed_memtable?: number | null;
  /**
   * Compression of blocks: `snappy`, `zlib`, `lz4` or `zstd`.
   *
   * @default {null}
   */
  compression_codec?: string | null;
  /**
   * Milliseconds a row lives unless its write says otherwise.
   *
   * @default {null}
   */
  default_ttl?: number | null;
  /** The same, under the name of SlateDB's development branch. */
  default_ttl_millis?: number | null;
  /** Retries of one request; `null` never gives up. */
  object_store_max_retries?: number | null;
  /** The compactor's settings; `null` runs none. */
  compactor_options?: Readonly<Record<string, unknown>> | null;
  /**
   * The collector's settings; `null` runs none, and then another process should.
   *
   * @default {{}}
   */
  garbage_collector_options?: GarbageCollectorSettings | null;
  /** Settings of the disk cache. */
  object_store_cache_options?: Readonly<Record<string, unknown>> | null;
  /** Accepted for SlateDB's files; metrics are registered all alike. */
  metric_level?: string | null;
}

/** {@linkcode DbSettings} with units and defaults resolved; what the engine takes. */
export interface ResolvedSettings {
  readonly flushIntervalMs: number | undefined;
  readonly walEnabled: boolean;
  readonly manifestPollIntervalMs: number;
  readonly manifestPollExact: boolean;
  readonly manifestUpdateTimeoutMs: number;
  readonly minFilterKeys: number;
  readonly filterBitsPerKey: number;
  readonly l0SstBytes: number;
  readonly maxWalFlushesBeforeL0Flush: number;
  readonly l0MaxSsts: number;
  readonly l0MaxSstsPerKey: number;
  readonly l0FlushParallelism: number;
  readonly maxUnflushedBytes: number;
  readonly maxUnflushedMemtables: number;
  readonly compression: Compression;
  readonly defaultTtlMs: number | undefined;
  readonly objectStoreMaxRetries: number | undefined;
  /** What the collector of this process does; `undefined`: there is none. */
  readonly gc: GcOptions | undefined;
  /** The least age of WAL files that a collector deletes. */
  readonly walMinAgeMs: number;
  /** The least age of files that views need and that a collector deletes. */
  readonly viewMinAgeMs: number;
}

/**
 * Checks settings and fills in the defaults.
 *
 * @param settings What the caller gave.
 * @returns Complete settings.
 * @throws {DbError} Kind `"invalid"` if a name is unknown or a value out of range; names the setting.
 */
export function resolveSettings(settings: DbSettings = {}): ResolvedSettings {
  checkObject(settings, SETTINGS_SCHEMA, "");
  const poll = parseInterval(
    settings.manifest_poll_interval ?? "1s",
    "manifest_poll_interval",
  );
  const resolved: ResolvedSettings = {
    flushIntervalMs: flushIntervalOf(settings),
    walEnabled: settings.wal_enabled ?? true,
    manifestPollIntervalMs: poll.ms,
    manifestPollExact: poll.exact,
    manifestUpdateTimeoutMs: parseDuration(
      settings.manifest_update_timeout ?? "300s",
      "manifest_update_timeout",
    ),
    minFilterKeys: settings.min_filter_keys ?? 1000,
    filterBitsPerKey: settings.filter_bits_per_key ?? 10,
    l0SstBytes: settings.l0_sst_size_bytes ?? 64 * MIB,
    maxWalFlushesBeforeL0Flush: settings.max_wal_flushes_before_l0_flush ??
      4096,
    l0MaxSsts: settings.l0_max_ssts ?? 8,
    l0MaxSstsPerKey: settings.l0_max_ssts_per_key ?? 8,
    l0FlushParallelism: settings.l0_flush_parallelism ?? 4,
    maxUnflushedBytes: settings.max_unflushed_bytes ?? 1024 * MIB,
    maxUnflushedMemtables: settings.max_unflushed_memtable ?? Infinity,
    compression: compressionOf(settings.compression_codec),
    defaultTtlMs: settings.default_ttl_millis ?? settings.default_ttl ??
      undefined,
    objectStoreMaxRetries: settings.object_store_max_retries ?? undefined,
    ...collectionOf(settings.garbage_collector_options),
  };
  checkRelations(resolved);
  return Object.freeze(resolved);
}

function checkRelations(resolved: ResolvedSettings): void {
  const atLeastOne = {
    l0_sst_size_bytes: resolved.l0SstBytes,
    l0_max_ssts: resolved.l0MaxSsts,
    l0_max_ssts_per_key: resolved.l0MaxSstsPerKey,
    l0_flush_parallelism: resolved.l0FlushParallelism,
    max_unflushed_memtable: resolved.maxUnflushedMemtables,
    max_wal_flushes_before_l0_flush: resolved.maxWalFlushesBeforeL0Flush,
  };
  for (const [name, value] of Object.entries(atLeastOne)) {
    if (value >= 1) continue;
    throw new DbError("invalid", `setting '${name}' must be at least 1`);
  }
  if (resolved.maxUnflushedBytes <= resolved.l0SstBytes) {
    throw new DbError(
      "invalid",
      `setting 'max_unflushed_bytes' (${resolved.maxUnflushedBytes}) must be greater than 'l0_sst_size_bytes' (${resolved.l0SstBytes})`,
    );
  }
}

function flushIntervalOf(settings: DbSettings): number | undefined {
  if (settings.flush_ms !== undefined) {
    if (settings.flush_interval !== undefined) {
      throw new DbError(
        "invalid",
        "Give 'flush_interval' or 'flush_ms', not both",
      );
    }
    return settings.flush_ms;
  }
  if (settings.flush_interval === null) return undefined;
  return parseDuration(settings.flush_interval ?? "100ms", "flush_interval");
}

/** Where no collector runs here, one of another process does by the defaults. */
function collectionOf(
  settings: GarbageCollectorSettings | null | undefined,
): Pick<ResolvedSettings, "gc" | "walMinAgeMs" | "viewMinAgeMs"> {
  const gc = settings === null ? undefined : resolveGcOptions(settings);
  const { wal, compacted, manifest } = gc?.tasks ?? {};
  return {
    gc,
    walMinAgeMs: wal?.minAgeMs ?? DEFAULT_MIN_AGE_MS,
    viewMinAgeMs: Math.min(
      compacted?.minAgeMs ?? DEFAULT_MIN_AGE_MS,
      manifest?.minAgeMs ?? DEFAULT_MIN_AGE_MS,
    ),
  };
}

const COMPRESSIONS: readonly Compression[] = ["snappy", "zlib", "lz4", "zstd"];

function compressionOf(name: string | null | undefined): Compression {
  if (name === null || name === undefined) return "none";
  const known = COMPRESSIONS.find((codec) => codec === name.toLowerCase());
  if (known !== undefined) return known;
  throw new DbError(
    "invalid",
    `setting 'compression_codec' must be one of ${
      COMPRESSIONS.join(", ")
    } or null, not "${name}"`,
  );
}

function checkObject(
  value: unknown,
  schema: SettingsSchema,
  path: string,
): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DbError(
      "invalid",
      `settings${path === "" ? "" : ` '${path}'`} must be an object, not ${
        JSON.stringify(value)
      }`,
    );
  }
  for (const [name, entry] of Object.entries(value)) {
    if (entry === undefined) continue;
    const type = schema[name] ?? schema[`${name}?`];
    const full = path === "" ? name : `${path}.${name}`;
    if (type === undefined) throw unknownSetting(full, name, schema);
    if (entry === null) {
      if (`${name}?` in schema) continue;
      throw new DbError("invalid", `setting '${full}' must not be null`);
    }
    checkValue(entry, type, full);
  }
}

function checkValue(value: unknown, type: SettingType, path: string): void {
  if (typeof type === "object") return checkObject(value, type, path);
  // A poll interval is checked where it is resolved.
  if (type === "open" || type === "poll") return;
  if (type === "duration") return void parseDuration(value, path);
  if (type === "count" || type === "bytes") {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return;
    throw new DbError(
      "invalid",
      `setting '${path}' must be a whole number >= 0, not ${
        JSON.stringify(value)
      }`,
    );
  }
  const fits = type === "text"
    ? typeof value === "string"
    : typeof value === "boolean";
  if (fits) return;
  throw new DbError(
    "invalid",
    `setting '${path}' must be a ${
      type === "text" ? "string" : "boolean"
    }, not ${JSON.stringify(value)}`,
  );
}

function unknownSetting(
  path: string,
  name: string,
  schema: SettingsSchema,
): DbError {
  const known = Object.keys(schema).map((key) => key.replace("?", ""));
  const nearest = known
    .map((key) => ({ key, distance: editDistance(key, name) }))
    .sort((a, b) => a.distance - b.distance)[0]!;
  return new DbError(
    "invalid",
    `unknown setting '${path}': did you mean '${nearest.key}'?`,
  );
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(
        row[j - 1]! + 1,
        previous[j]! + 1,
        previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    }
    previous = row;
  }
  return previous[b.length]!;
}

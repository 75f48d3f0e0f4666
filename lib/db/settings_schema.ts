/**
 * The names settings may have, and what each takes; SlateDB's own, those of
 * 0.15.0 and of 0.12.1, plus ours.
 *
 * @module
 */

/** What a setting takes. */
export type SettingType =
  | "duration"
  | "poll"
  | "count"
  | "bytes"
  | "boolean"
  | "text"
  | "open"
  | SettingsSchema;

/** The settings of one object; `null` is allowed where the name ends in `?`. */
export interface SettingsSchema {
  readonly [name: string]: SettingType;
}

const GC_TASK: SettingsSchema = {
  "interval?": "poll",
  "poll_interval?": "poll",
  min_age: "duration",
  dry_run: "boolean",
};

/** Every setting `Db.open` knows. */
export const SETTINGS_SCHEMA: SettingsSchema = {
  "flush_interval?": "duration",
  flush_ms: "count",
  wal_enabled: "boolean",
  manifest_poll_interval: "poll",
  manifest_update_timeout: "duration",
  min_filter_keys: "count",
  filter_bits_per_key: "count",
  l0_sst_size_bytes: "bytes",
  max_wal_flushes_before_l0_flush: "count",
  l0_max_ssts: "count",
  l0_max_ssts_per_key: "count",
  l0_flush_parallelism: "count",
  max_unflushed_bytes: "bytes",
  "max_unflushed_memtable?": "count",
  "compactor_options?": {
    poll_interval: "poll",
    manifest_update_timeout: "duration",
    max_concurrent_compactions: "count",
    max_sst_size: "bytes",
    max_fetch_tasks: "count",
    enable_trivial_move: "boolean",
    scheduler_options: "open",
    "worker?": {
      max_concurrent_compactions: "count",
      compactions_poll_interval: "duration",
      heartbeat_interval: "duration",
      max_sst_size: "bytes",
      max_fetch_tasks: "count",
      bytes_to_fetch: "bytes",
      max_subcompactions: "count",
      min_filter_keys: "count",
      "compression_codec?": "text",
      "metric_level?": "text",
    },
    "metric_level?": "text",
    commit_compacted_interval: "duration",
    worker_heartbeat_timeout: "duration",
    "object_store_max_retries?": "count",
  },
  "compression_codec?": "text",
  "object_store_cache_options?": {
    "root_folder?": "text",
    "max_cache_size_bytes?": "bytes",
    part_size_bytes: "bytes",
    cache_puts: "boolean",
    cache_on_flush: "boolean",
    cache_on_compaction: "boolean",
    "preload_disk_cache_on_startup?": "text",
    "scan_interval?": "duration",
    max_open_file_handles: "count",
  },
  "garbage_collector_options?": {
    "manifest_options?": GC_TASK,
    "wal_options?": GC_TASK,
    "wal_fence_options?": GC_TASK,
    "compacted_options?": GC_TASK,
    "compactions_options?": GC_TASK,
    "detach_options?": GC_TASK,
    "metric_level?": "text",
    boundary_files_enabled: "boolean",
    "object_store_max_retries?": "count",
  },
  "metric_level?": "text",
  "default_ttl?": "count",
  "default_ttl_millis?": "count",
  "object_store_max_retries?": "count",
};

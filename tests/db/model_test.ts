/**
 * Databases against the model: random writes, reads, restarts and crashes in
 * several configurations. `SHALE_ROUNDS=20` runs twenty times as long.
 *
 * @module
 */
import { DiskWorld, StoreWorld } from "../support/crash_world.ts";
import { type ModelConfig, runModel } from "../support/model_run.ts";
import { test } from "../support/test.ts";

const ROUNDS = { rounds: 4, steps: 600 };
/** No compactor runs here: L0 must not fill up. */
const ROOMY = {
  l0_max_ssts: 100_000,
  l0_max_ssts_per_key: 100_000,
  flush_interval: "3ms",
} as const;

const CONFIGS: readonly ModelConfig[] = [
  {
    name: "tiny memtables and a tiny cache",
    profile: { keys: 90, valueBytes: 120, huge: true },
    cacheBytes: 20_000,
    options: {
      settings: {
        ...ROOMY,
        l0_sst_size_bytes: 2000,
        max_unflushed_bytes: 9000,
        min_filter_keys: 0,
      },
    },
  },
  {
    name: "merges and expiry",
    profile: { keys: 40, valueBytes: 12, merges: true, maxTtl: 9000 },
    options: {
      settings: { ...ROOMY, l0_sst_size_bytes: 3000, min_filter_keys: 1 },
    },
  },
  {
    name: "WAL off",
    profile: { keys: 60, valueBytes: 60, merges: true },
    options: {
      settings: {
        ...ROOMY,
        wal_enabled: false,
        l0_sst_size_bytes: 4000,
      },
    },
  },
  {
    name: "blocks of 1 KiB, LZ4",
    profile: { keys: 200, valueBytes: 300 },
    options: {
      blockBytes: 1024,
      settings: {
        ...ROOMY,
        compression_codec: "lz4",
        l0_sst_size_bytes: 20_000,
        min_filter_keys: 10,
      },
    },
  },
  {
    name: "a WAL store, no timer, a default time to live",
    profile: { keys: 50, valueBytes: 40, merges: true, maxTtl: 20_000 },
    ownWalStore: true,
    options: {
      settings: {
        ...ROOMY,
        flush_interval: null,
        default_ttl: 6000,
        l0_sst_size_bytes: 5000,
      },
    },
  },
  {
    name: "everything in memory",
    profile: { keys: 120, valueBytes: 30, merges: true, maxTtl: 9000 },
    options: { settings: ROOMY },
  },
];

for (const [i, config] of CONFIGS.entries()) {
  test(`a database equals its model through crashes: ${config.name}`, () => {
    return runModel(
      config,
      { ...ROUNDS, firstSeed: 100 + i },
      () => new StoreWorld(),
    );
  });
  test(`a database equals its model when unsynced file data is lost: ${config.name}`, () => {
    return runModel(
      config,
      { ...ROUNDS, firstSeed: 200 + i },
      (random) => new DiskWorld(random),
    );
  });
}

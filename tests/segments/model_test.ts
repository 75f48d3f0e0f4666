/**
 * Segmented databases against the model: random writes, reads, compactions,
 * restarts and crashes. `SHALE_ROUNDS=20` runs twenty times as long.
 *
 * @module
 */
import { type DbSettings, type FilterPolicy, fixedPrefix } from "../../mod.ts";
import { DiskWorld, StoreWorld } from "../support/crash_world.ts";
import { type ModelConfig, ModelRun } from "../support/model_run.ts";
import { roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const STEPS = 500;

/** A compactor that finds work after every other flush. */
const SETTINGS: DbSettings = {
  flush_interval: "3ms",
  // A disk without power does not get better.
  object_store_max_retries: 1,
  min_filter_keys: 1,
  l0_sst_size_bytes: 3000,
  manifest_poll_interval: "5ms",
  // The clock stands still while a flush waits: a compactor that has died would
  // never be given up, and L0 never have room.
  l0_max_ssts: 100_000,
  l0_max_ssts_per_key: 100_000,
  garbage_collector_options: null,
  compactor_options: {
    poll_interval: "2ms",
    max_sst_size: 2000,
    scheduler_options: { min_compaction_sources: 2 },
  },
};

const FILTERS: readonly FilterPolicy[] = [
  { bitsPerKey: 4 },
  { prefixExtractor: fixedPrefix(2), bitsPerKey: 5 },
  { prefixExtractor: fixedPrefix(4), wholeKeys: false },
];

const CONFIGS: readonly ModelConfig[] = [
  {
    name: "segments of one byte",
    profile: { keys: 120, valueBytes: 60, merges: true, maxTtl: 9000 },
    options: {
      formatTarget: "0.15",
      segmentExtractor: fixedPrefix(1),
      settings: SETTINGS,
    },
  },
  {
    name: "segments and filters, a tiny cache",
    profile: { keys: 200, valueBytes: 120 },
    cacheBytes: 20_000,
    options: {
      formatTarget: "0.15",
      segmentExtractor: fixedPrefix(1),
      filterPolicies: FILTERS,
      settings: { ...SETTINGS, compression_codec: "lz4" },
    },
  },
  {
    name: "segments, WAL off",
    profile: { keys: 60, valueBytes: 40, merges: true },
    options: {
      formatTarget: "0.15",
      segmentExtractor: fixedPrefix(1),
      settings: { ...SETTINGS, wal_enabled: false },
    },
  },
  {
    name: "filters without segments",
    profile: { keys: 200, valueBytes: 60, merges: true, maxTtl: 9000 },
    options: {
      formatTarget: "0.15",
      filterPolicies: FILTERS,
      settings: SETTINGS,
    },
  },
];

for (const config of CONFIGS) {
  test(`model: ${config.name}`, async () => {
    for (let round = 0; round < roundsOf(4); round++) {
      await withSeed(400 + round, async (random) => {
        const fork = random.fork();
        const world = round % 2 === 0 ? new StoreWorld() : new DiskWorld(fork);
        await using run = await ModelRun.open(config, world, random);
        await run.steps(STEPS);
        await run.checkAll();
        await run.crash();
      });
    }
  });
}

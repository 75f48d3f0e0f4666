/**
 * Databases against the model while a compactor works: snapshots, expiry,
 * restarts and crashes, and compactions of whatever may be compacted.
 * `SHALE_ROUNDS=20` runs twenty times as long.
 *
 * @module
 */
import type { Tree } from "../../lib/format/manifest.ts";
import type {
  CompactionScheduler,
  CompactorView,
} from "../../lib/compactor/scheduler.ts";
import { isActive } from "../../lib/compactor/scheduler.ts";
import type { TieredSpec } from "../../lib/format/compactions.ts";
import { nextRunId, prefixedTrees } from "../../lib/manifest/run_edit.ts";
import { DiskWorld, StoreWorld } from "../support/crash_world.ts";
import { type ModelConfig, runModel } from "../support/model_run.ts";
import { Random } from "../support/random.ts";
import { test } from "../support/test.ts";

const ROUNDS = { rounds: 2, steps: 500 };

/** Proposes whatever may be compacted, a different part of each tree each time. */
const anything: CompactionScheduler = {
  propose: ({ manifest, compactions }: CompactorView) => {
    if (compactions.some(isActive)) return [];
    const random = new Random(manifest.id);
    const specs: TieredSpec[] = [];
    for (const { segment, tree } of prefixedTrees(manifest)) {
      const inputs = windowOf(tree, random);
      if (inputs === undefined) continue;
      const reserved = specs.map(({ destination }) => destination!);
      specs.push({
        kind: "tiered",
        segment,
        ...inputs,
        destination: inputs.runIds.at(-1) ?? nextRunId(manifest, reserved),
      });
    }
    return specs;
  },
};

/** Neighbours; of L0 always the oldest. */
function windowOf(
  { l0, runs }: Tree,
  random: Random,
): Pick<TieredSpec, "l0ViewIds" | "runIds"> | undefined {
  // L0 must not fill up: nothing changes then, nor would the proposal.
  const fresh = l0.length < 4 ? random.below(l0.length + 1) : l0.length;
  const first = fresh > 0 ? 0 : random.below(runs.length + 1);
  const count = random.below(runs.length - first + 1);
  if (fresh === 0 && count < 2) return undefined;
  return {
    l0ViewIds: l0.slice(l0.length - fresh).map(({ viewId }) => viewId),
    runIds: runs.slice(first, first + count).map(({ id }) => id),
  };
}

const COMPACTING = {
  poll_interval: "1ms",
  worker: { max_sst_size: 1500, min_filter_keys: 4 },
} as const;

const CONFIGS: readonly ModelConfig[] = [
  {
    name: "size-tiered, with L0 that fills up",
    profile: { keys: 80, valueBytes: 100, merges: true },
    options: {
      settings: {
        flush_interval: "3ms",
        manifest_poll_interval: "5ms",
        l0_sst_size_bytes: 1500,
        max_unflushed_bytes: 9000,
        min_filter_keys: 0,
        compactor_options: COMPACTING,
      },
    },
  },
  {
    name: "anything, with merges and expiry",
    profile: { keys: 30, valueBytes: 12, merges: true, maxTtl: 9000 },
    options: {
      compactionScheduler: anything,
      settings: {
        flush_interval: "3ms",
        l0_sst_size_bytes: 1000,
        min_filter_keys: 1,
        compactor_options: COMPACTING,
      },
    },
  },
  {
    name: "anything, WAL off, moved where possible",
    profile: { keys: 300, valueBytes: 40, merges: true, maxTtl: 20_000 },
    options: {
      compactionScheduler: anything,
      settings: {
        flush_interval: "3ms",
        wal_enabled: false,
        l0_sst_size_bytes: 800,
        compactor_options: { ...COMPACTING, enable_trivial_move: true },
      },
    },
  },
  {
    name: "anything, in segments",
    profile: { keys: 60, valueBytes: 30, merges: true, maxTtl: 9000 },
    options: {
      formatTarget: "0.15",
      segmentExtractor: {
        name: "first",
        prefixLength: (key: Uint8Array) => key.length < 1 ? undefined : 1,
      },
      compactionScheduler: anything,
      settings: {
        flush_interval: "3ms",
        l0_sst_size_bytes: 1000,
        min_filter_keys: 1,
        // What a crashed compactor ran is taken back once the clock has moved.
        l0_max_ssts: 1000,
        l0_max_ssts_per_key: 1000,
        compactor_options: { ...COMPACTING, worker_heartbeat_timeout: 0 },
      },
    },
  },
];

for (const [i, config] of CONFIGS.entries()) {
  test(`a database that is compacted equals its model: ${config.name}`, () => {
    return runModel(
      config,
      { ...ROUNDS, firstSeed: 500 + i },
      () => new StoreWorld(),
    );
  });
  test(`a database that is compacted equals its model when unsynced file data is lost: ${config.name}`, () => {
    return runModel(
      config,
      { ...ROUNDS, firstSeed: 600 + i },
      (random) => new DiskWorld(random),
    );
  });
}

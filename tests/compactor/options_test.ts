import type { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import {
  type CompactorSettings,
  resolveCompactorOptions,
} from "../../lib/compactor/options.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { loadSettings } from "../support/fixtures.ts";
import { test } from "../support/test.ts";

const MIB = 1024 * 1024;

function resolve(settings: unknown, warnings: string[] = []) {
  return resolveCompactorOptions(settings as CompactorSettings, {
    ...silentLogger,
    warn: (message) => warnings.push(message),
  });
}

test("resolveCompactorOptions() fills in SlateDB's defaults", () => {
  const defaults = resolve({});
  assertEquals(defaults, {
    pollIntervalMs: 5000,
    pollExact: false,
    manifestUpdateTimeoutMs: 300_000,
    maxConcurrent: 4,
    trivialMove: false,
    scheduler: { maxConcurrent: 4 },
    worker: {
      maxConcurrent: 4,
      pollIntervalMs: 5000,
      heartbeatMs: 10_000,
      maxSstBytes: 256 * MIB,
      maxFetchTasks: 4,
      bytesToFetch: 2 * MIB,
      maxSubcompactions: 4,
      minFilterKeys: undefined,
      compression: undefined,
    },
    hasWorker: true,
    commitIntervalMs: 1000,
    workerTimeoutMs: 30_000,
  });
  for (const version of ["0.12", "0.15"]) {
    const { compactor_options: options } = loadSettings(version);
    const { worker, ...rest } = resolve(options);
    const { worker: expected, ...others } = defaults;
    assertEquals(rest, others, version);
    const minFilterKeys = version === "0.15" ? 1000 : undefined;
    assertEquals(worker, { ...expected, minFilterKeys }, version);
  }
});

test("resolveCompactorOptions() takes what is given", () => {
  const options = resolve({
    poll_interval: { interval: "2s", exact: true },
    max_concurrent_compactions: 2,
    enable_trivial_move: true,
    scheduler_options: {
      min_compaction_sources: "2",
      max_compaction_sources: 20,
      include_size_threshold: "1.5",
    },
    worker: { compression_codec: "Zstd", min_filter_keys: 0 },
    max_sst_size: 7,
    max_fetch_tasks: 2,
  });
  assertEquals([options.pollIntervalMs, options.pollExact], [2000, true]);
  assertEquals(options.scheduler, {
    minSources: 2,
    maxSources: 20,
    includeSizeThreshold: 1.5,
    maxConcurrent: 2,
  });
  const { worker } = options;
  assertEquals([worker.maxSstBytes, worker.maxFetchTasks], [7, 2]);
  assertEquals([worker.compression, worker.minFilterKeys], ["zstd", 0]);
  assertEquals(resolve({ worker: null }).hasWorker, false);
  const both = resolve({ max_sst_size: 7, worker: { max_sst_size: 8 } });
  assertEquals(both.worker.maxSstBytes, 8);
});

test("resolveCompactorOptions() passes over scheduler options it does not know", () => {
  const warnings: string[] = [];
  const { scheduler } = resolve({
    scheduler_options: {
      min_compaction_sources: "x",
      max_compaction_sources: -1,
      include_size_threshold: 0,
      toString: 3,
      other: 1,
    },
  }, warnings);
  assertEquals(scheduler, { maxConcurrent: 4 });
  assertEquals(warnings.length, 5);
});

test("resolveCompactorOptions() names the setting that is wrong", () => {
  const wrong: [unknown, string][] = [
    [{ pol_interval: 1 }, "compactor_options.pol_interval"],
    [{ poll_interval: 0 }, "poll_interval"],
    [{ poll_interval: "soon" }, "poll_interval"],
    [{ max_concurrent_compactions: 0 }, "max_concurrent_compactions"],
    [{ enable_trivial_move: 1 }, "enable_trivial_move"],
    [{ worker: { max_sst_size: 1.5 } }, "worker.max_sst_size"],
    [{ worker: { sst_size: 1 } }, "worker.sst_size"],
    [{ worker: 3 }, "worker"],
    [{ worker: { compression_codec: "gzip" } }, "compression_codec"],
    [{ worker: { heartbeat_interval: -1 } }, "heartbeat_interval"],
    [3, "compactor_options"],
  ];
  for (const [settings, name] of wrong) {
    const error = assertThrows(() => resolve(settings)) as DbError;
    assertEquals(error.kind, "invalid");
    assertEquals(error.message.includes(name), true, error.message);
  }
});

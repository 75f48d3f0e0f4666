/** When the collector looks, what a look costs, and how it ends. */
import type { DbError } from "../../lib/base/errors.ts";
import { Collector } from "../../lib/gc/collector.ts";
import {
  type GarbageCollectorSettings,
  resolveGcOptions,
} from "../../lib/gc/options.ts";
import { addCheckpoint } from "../../lib/manifest/checkpoints.ts";
import { CompactionsStore } from "../../lib/manifest/compactions_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { loadSettings } from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { GcWorld, MINUTE, ROOT, SECOND, withL0 } from "./world.ts";

const ID = "c0ffee00-0000-4000-8000-000000000001";

async function touch(world: GcWorld): Promise<void> {
  await world.edit((manifest) => ({
    ...manifest,
    nextWalId: manifest.nextWalId + 1,
  }));
}

function lists(world: GcWorld): number {
  return world.store.count("list", `${ROOT}/wal/`);
}

test("resolveGcOptions() has SlateDB's defaults", () => {
  const usual = {
    intervalMs: 600 * SECOND,
    exact: false,
    minAgeMs: 300 * SECOND,
    dryRun: false,
  };
  assertEquals(resolveGcOptions(), {
    tasks: {
      manifest: usual,
      wal: usual,
      wal_fence: { ...usual, dryRun: true },
      compacted: usual,
      compactions: usual,
    },
    boundaryFiles: true,
  });
});

test("resolveGcOptions() takes SlateDB's files and both names of the interval", () => {
  for (const version of ["0.12", "0.15"]) {
    const { garbage_collector_options: settings } = loadSettings(version);
    const { tasks } = resolveGcOptions(settings as GarbageCollectorSettings);
    assertEquals(tasks.wal!.intervalMs, MINUTE);
    assertEquals(tasks.wal_fence!.dryRun, true);
  }
  const { tasks, boundaryFiles } = resolveGcOptions({
    manifest_options: { poll_interval: "2s", min_age: 5, dry_run: true },
    wal_options: { interval: { interval: "3s", exact: true } },
    compacted_options: { interval: null },
    compactions_options: null,
    boundary_files_enabled: false,
  });
  assertEquals(tasks.manifest, {
    intervalMs: 2000,
    exact: false,
    minAgeMs: 5,
    dryRun: true,
  });
  assertEquals([tasks.wal!.intervalMs, tasks.wal!.exact], [3000, true]);
  assertEquals(tasks.compacted!.intervalMs, 600 * SECOND);
  assertEquals(tasks.compactions, undefined);
  assertEquals(boundaryFiles, false);
});

test("resolveGcOptions() names what is wrong", () => {
  const wrong: [unknown, string][] = [
    [7, "garbage_collector_options"],
    [{ manifests: {} }, "garbage_collector_options.manifests"],
    [{ wal_options: { age: 1 } }, "wal_options.age"],
    [{ wal_options: 3 }, "wal_options"],
    [{ wal_options: { interval: 0 } }, "wal_options.interval"],
    [{ wal_options: { interval: "1s", poll_interval: "1s" } }, "wal_options"],
    [{ wal_options: { interval: { interval: "1s", exakt: 1 } } }, "exakt"],
    [{ wal_options: { interval: { interval: "1s", exact: 1 } } }, "exact"],
    [{ wal_options: { min_age: "old" } }, "wal_options.min_age"],
    [{ wal_options: { min_age: -1 } }, "wal_options.min_age"],
    [{ wal_options: { dry_run: "no" } }, "wal_options.dry_run"],
    [{ boundary_files_enabled: 1 }, "boundary_files_enabled"],
  ];
  for (const [settings, name] of wrong) {
    const error = assertThrows(() =>
      resolveGcOptions(settings as GarbageCollectorSettings)
    ) as DbError;
    assertEquals(error.kind, "invalid");
    assert(error.message.includes(name), error.message);
  }
});

test("start() collects soon, then at every interval", async () => {
  const world = await GcWorld.create();
  const collector = world.collector();
  collector.start();
  await world.runtime.advance(9 * SECOND);
  assertEquals(lists(world), 0);
  await world.runtime.advance(1 * SECOND);
  assertEquals(lists(world), 1);
  await world.runtime.advance(585 * SECOND);
  for (let pass = 2; pass < 5; pass++) {
    await touch(world);
    assertEquals(lists(world), pass - 1);
    await world.runtime.advance(10 * SECOND);
    assertEquals(lists(world), pass);
    await world.runtime.advance(590 * SECOND);
  }
  assertEquals(await world.names("manifest"), ["5"]);
  await collector.stop();
  assertEquals(world.runtime.timers, 0);
});

test("each task has its own interval", async () => {
  const world = await GcWorld.create();
  const collector = world.collector({
    manifest_options: { interval: { interval: "10s", exact: true } },
    wal_options: { interval: { interval: "30s", exact: true } },
    wal_fence_options: null,
    compacted_options: null,
    compactions_options: null,
  });
  const count = (folder: string) =>
    world.store.calls.filter(({ operation, name }) =>
      operation === "list" && name === `${ROOT}/${folder}/`
    ).length;
  collector.start();
  world.store.calls.length = 0;
  for (let second = 0; second < 60; second++) {
    await world.runtime.advance(SECOND);
    await touch(world);
  }
  await collector.stop();
  // Soon, at half a minute, and at a minute.
  assertEquals(count("wal"), 3);
  // A look at the latest manifest lists, too: it is another process's.
  assertEquals(count("manifest"), 2 * 6);
});

test("an idle database is looked at ever less, and hardly listed", async () => {
  const world = await GcWorld.create();
  const interval = "2s";
  const collector = world.collector({
    manifest_options: { interval },
    wal_options: { interval },
    wal_fence_options: { interval },
    compacted_options: { interval },
    compactions_options: { interval },
  }, { embedded: true });
  collector.start();
  // Until the first manifests went, and the pauses have grown.
  await world.runtime.advance(20 * MINUTE);
  assertEquals(await world.names("manifest"), ["2"]);
  world.store.calls.length = 0;
  await world.runtime.advance(30 * MINUTE);
  assertEquals(lists(world), 0);
  // One look at the compactions and one at the manifest, once a minute.
  const calls = world.store.calls.length;
  assert(calls <= 30 * 3, `${calls} requests in an idle half-hour`);

  // A change brings the listings back, and the pace.
  await touch(world);
  await world.runtime.advance(MINUTE);
  const before = lists(world);
  assert(before > 0);
  for (let i = 0; i < 10; i++) {
    await touch(world);
    await world.runtime.advance(2 * SECOND);
  }
  assert(lists(world) >= before + 9);
  await collector.stop();
});

test("a file that was too young is found when it is old, though nothing changed", async () => {
  const world = await GcWorld.create();
  const interval = { interval: "10s", exact: true };
  const orphan = await world.sst(4 * MINUTE);
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const collector = world.collector({
    manifest_options: null,
    wal_options: null,
    wal_fence_options: null,
    compacted_options: { interval },
    compactions_options: null,
  });
  collector.start();
  await world.runtime.advance(55 * SECOND);
  assert((await world.names("compacted")).includes(orphan));
  assertEquals(world.store.count("list", `${ROOT}/compacted/`), 1);
  await world.runtime.advance(20 * SECOND);
  assert(!(await world.names("compacted")).includes(orphan));
  assertEquals(world.store.count("list", `${ROOT}/compacted/`), 2);
  await collector.stop();
});

test("checkpoints expire while nothing else happens", async () => {
  const world = await GcWorld.create();
  const now = world.runtime.now();
  await world.edit((manifest) =>
    addCheckpoint(manifest, ID, now, { lifetimeMs: 25 * MINUTE })
  );
  await touch(world);
  const collector = world.collector({}, { embedded: true });
  collector.start();
  await world.runtime.advance(21 * MINUTE);
  assertEquals(await world.names("manifest"), ["3", "4"]);
  await world.runtime.advance(10 * MINUTE);
  assertEquals(await world.names("manifest"), ["5"]);
  await collector.stop();
});

test("a pass that fails is logged and tried again", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  world.store.fail(
    ({ operation, name }) => operation === "list" && name.includes("manifest"),
    { kind: "fail-before" },
  );
  const collector = world.collector({
    manifest_options: { interval: "1s" },
    wal_options: null,
    wal_fence_options: null,
    compacted_options: null,
    compactions_options: null,
  });
  collector.start();
  await world.runtime.advance(1 * SECOND);
  assertEquals(await world.names("manifest"), ["1", "2", "3"]);
  assert(
    world.logged.some((line) => line.startsWith("warn: gc: trying again")),
  );
  await world.runtime.advance(1 * SECOND);
  assertEquals(await world.names("manifest"), ["3"]);
  await collector.stop();
});

test("a delete that fails is tried again though nothing changed", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  world.store.fail(({ operation }) => operation === "delete", {
    kind: "fail-before",
  }, 2);
  const collector = world.collector({ manifest_options: { interval: "1s" } });
  collector.start();
  await world.runtime.advance(1 * SECOND);
  assertEquals(await world.names("manifest"), ["1", "2", "3"]);
  await world.runtime.advance(1 * SECOND);
  assertEquals(await world.names("manifest"), ["3"]);
  await collector.stop();
});

test("stop() ends a pass that hangs", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  for (const operation of ["list", "delete"] as const) {
    const hold = world.store.hold((call) => call.operation === operation);
    const collector = world.collector();
    collector.start();
    await world.runtime.advance(10 * SECOND);
    await hold.arrived();
    await collector.stop();
    hold.end();
    assertEquals(world.runtime.timers, 0);
  }
  assert(!world.logged.some((line) => line.startsWith("warn")));
});

test("a collector whose writer was fenced says so and ends", async () => {
  const world = await GcWorld.create();
  const failures: DbError[] = [];
  const { runtime, store, manifests, held } = world;
  const collector = new Collector({
    store,
    walStore: store,
    root: ROOT,
    manifests: {
      refresh: (signal) => held.refresh(signal),
      update: (edit, signal) => held.update(edit, signal),
      read: (id) => manifests.read(id),
    },
    compactions: new CompactionsStore({
      store,
      root: ROOT,
      runtime,
      checksum: true,
    }),
    options: resolveGcOptions(),
    runtime,
    logger: world.logger,
    recorder: noRecorder,
    onFailure: (error) => failures.push(error),
  });
  await manifests.open("writer", { timeoutMs: MINUTE });
  collector.start();
  await runtime.advance(MINUTE);
  assertEquals(failures.map(({ reason }) => reason), ["fenced"]);
  assertEquals(runtime.timers, 0);
  await collector.stop();
});

test("run() without a database fails, and writes nothing", async () => {
  const runtime = new ManualRuntime();
  const store = new MemoryStore({ runtime });
  const options = { store, root: ROOT, runtime, checksum: true };
  const manifests = new ManifestStore(options);
  const collector = new Collector({
    ...options,
    walStore: store,
    manifests: {
      refresh: (signal) => manifests.update((m) => m, undefined, signal),
      update: (edit, signal) => manifests.update(edit, undefined, signal),
      read: (id) => manifests.read(id),
    },
    compactions: new CompactionsStore(options),
    options: resolveGcOptions(),
    logger: silentLogger,
    recorder: noRecorder,
  });
  const error = await assertRejects(() => collector.run()) as DbError;
  assertEquals(error.kind, "data");
  assertEquals(await Array.fromAsync(store.list("")), []);
});

test("two collectors at once delete each file once, or meet it gone", async () => {
  const world = await GcWorld.create();
  const now = world.runtime.now();
  await world.edit((manifest) =>
    addCheckpoint(manifest, ID, now, { lifetimeMs: 1 })
  );
  for (let i = 0; i < 20; i++) await touch(world);
  for (let i = 0; i < 20; i++) await world.sst(60 * MINUTE);
  const live = await world.sst(0);
  await world.edit(withL0(live));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  await world.runtime.advance(6 * MINUTE);
  const reports = await Promise.all([
    world.collector().run(),
    world.collector().run(),
    world.collector({}, { embedded: true }).run(),
  ]);
  for (const { failures } of reports) assertEquals(failures, []);
  assertEquals(await world.names("compacted"), [live]);
  const { id, checkpoints } = await world.held.refresh();
  assertEquals(checkpoints, []);
  const left = (await world.names("manifest")).map(Number);
  assertEquals(left.at(-1), id);
});

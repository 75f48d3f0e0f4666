/** WAL files: spans of manifests, ages, and fences in all their forms. */
import { toBytes } from "../../lib/base/bytes.ts";
import { walName } from "../../lib/format/paths.ts";
import { addCheckpoint } from "../../lib/manifest/checkpoints.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { GcWorld, MINUTE, ROOT } from "./world.ts";

const WAL_ONLY = {
  manifest_options: null,
  compacted_options: null,
  compactions_options: null,
};
const ID = "c0ffee00-0000-4000-8000-000000000001";
const IN_L0 = "deleted: its rows are in L0";

/** Files 1 to `last`; what is replayed begins after `replayAfter`. */
async function setUp(last: number, replayAfter: number, ownWalStore = false) {
  const world = await GcWorld.create({ ownWalStore });
  for (let id = 1; id <= last; id++) await world.wal(id);
  await world.edit((manifest) => ({
    ...manifest,
    replayAfterWalId: replayAfter,
    nextWalId: last + 1,
  }));
  return world;
}

test("WAL files go once their rows are in L0; the last such file stays", async () => {
  const world = await setUp(6, 4);
  await world.runtime.advance(5 * MINUTE);
  const young = await world.collect(WAL_ONLY);
  assertEquals(young.get("1"), "kept: younger than min_age (300000 ms)");
  await world.runtime.advance(1);
  const old = await world.collect(WAL_ONLY);
  assertEquals([1, 2, 3].map((id) => old.get(`${id}`)), [IN_L0, IN_L0, IN_L0]);
  assertEquals(old.get("4"), "kept: the log is looked for from here");
  assertEquals(old.get("5"), "kept: rows of it may not be in L0 yet");
  assertEquals(await world.names("wal"), ["4", "5", "6"]);
});

test("a checkpoint keeps the WAL files that its manifest needs for replay", async () => {
  const world = await setUp(4, 2);
  // Its manifest has 2 in L0, and knows of files up to 4.
  await world.edit((m) => addCheckpoint(m, ID, world.runtime.now()));
  for (const id of [5, 6, 7, 8]) await world.wal(id);
  await world.edit((m) => ({ ...m, replayAfterWalId: 7, nextWalId: 9 }));
  await world.runtime.advance(6 * MINUTE);
  const all = await world.collect(WAL_ONLY);
  const pinned =
    `kept: manifest 4 needs its rows, which checkpoint ${ID} keeps`;
  assertEquals(
    [1, 2, 3, 4, 5, 6].map((id) => all.get(`${id}`)),
    [IN_L0, IN_L0, pinned, pinned, IN_L0, IN_L0],
  );
  assertEquals(await world.names("wal"), ["3", "4", "7", "8"]);
  await world.edit((manifest) => ({ ...manifest, checkpoints: [] }));
  await world.collect(WAL_ONLY);
  assertEquals(await world.names("wal"), ["7", "8"]);
});

test("WAL files without rows are fences, and kept unless asked for", async () => {
  const world = await setUp(7, 6);
  await world.wal(2, "fence");
  await world.wal(3, "empty");
  await world.runtime.advance(6 * MINUTE);
  const kept = "kept: fence: wal_fence_options.dry_run is on";
  const usual = await world.collect(WAL_ONLY, { dryRun: true });
  assertEquals(
    [1, 2, 3, 4].map((id) => usual.get(`${id}`)),
    [
      "would-delete: its rows are in L0",
      kept,
      kept,
      "would-delete: its rows are in L0",
    ],
  );
  const off = await world.collect({ ...WAL_ONLY, wal_fence_options: null });
  assertEquals(off.get("2"), "kept: fence: wal_fence_options are null");
  assertEquals(await world.names("wal"), ["2", "3", "6", "7"]);

  const fences = { ...WAL_ONLY, wal_fence_options: { dry_run: false } };
  const asked = await world.collect({
    ...fences,
    wal_options: null,
  });
  assertEquals(asked.get("3"), "deleted: fence, and L0 has all before it");
  assertEquals(asked.get("6"), "kept: the log is looked for from here");
  assertEquals(await world.names("wal"), ["6", "7"]);
});

test("fences have an age limit of their own", async () => {
  const world = await setUp(5, 5);
  await world.wal(2, "fence");
  await world.runtime.advance(6 * MINUTE);
  const settings = {
    ...WAL_ONLY,
    wal_fence_options: { dry_run: false, min_age: "10m" },
  };
  const early = await world.collect(settings);
  assertEquals(early.get("2"), "kept: younger than min_age (600000 ms)");
  assertEquals(await world.names("wal"), ["2", "5"]);
  await world.runtime.advance(5 * MINUTE);
  await world.collect(settings);
  assertEquals(await world.names("wal"), ["5"]);
});

test("with wal_options null, fences alone go", async () => {
  const world = await setUp(4, 4);
  await world.wal(2, "empty");
  await world.runtime.advance(6 * MINUTE);
  const all = await world.collect({
    ...WAL_ONLY,
    wal_options: null,
    wal_fence_options: { dry_run: false },
  });
  assertEquals(all.get("1"), "kept: wal_options are null");
  assertEquals(await world.names("wal"), ["1", "3", "4"]);
});

test("a small file that cannot be read is kept, and the others go", async () => {
  const world = await setUp(4, 4);
  await world.memory.put(walName(ROOT, 2), toBytes("not an SST at all"));
  await world.memory.put(walName(ROOT, 3), toBytes("no"));
  await world.runtime.advance(6 * MINUTE);
  const all = await world.collect({
    ...WAL_ONLY,
    wal_fence_options: { dry_run: false },
  });
  assert(all.get("2")!.startsWith("kept: cannot be read: "), all.get("2"));
  assert(all.get("3")!.startsWith("kept: cannot be read: "), all.get("3"));
  assertEquals(all.get("1"), IN_L0);
});

test("a small file is read once, not in every pass", async () => {
  const world = await setUp(5, 5);
  await world.wal(2, "fence");
  await world.wal(3, "empty");
  await world.runtime.advance(6 * MINUTE);
  const collector = world.collector(WAL_ONLY);
  const reads = () =>
    world.store.calls.filter(({ operation, name }) =>
      operation === "get" && name === walName(ROOT, 2)
    ).length;
  for (let pass = 0; pass < 3; pass++) await collector.run();
  assertEquals(reads(), 1);
  assertEquals(await world.names("wal"), ["2", "3", "5"]);
});

test("the WAL is collected in the store it is in", async () => {
  const world = await setUp(4, 3, true);
  // The same names in the other store are somebody else's.
  await world.memory.put(walName(ROOT, 1), new Uint8Array(400));
  await world.runtime.advance(6 * MINUTE);
  await world.collect(WAL_ONLY);
  assertEquals(await world.names("wal"), ["3", "4"]);
  assert(await world.memory.head(walName(ROOT, 1)) !== undefined);
});

test("nothing goes while a manifest that a checkpoint keeps is missing", async () => {
  const world = await setUp(4, 3);
  await world.edit((manifest) => ({
    ...manifest,
    checkpoints: [{
      id: ID,
      manifestId: 77,
      createTimeS: 1,
      expireTimeS: undefined,
    }],
  }));
  await world.sst(100 * MINUTE);
  await world.compactions(1, [[world.ulid(), "completed"]]);
  await world.compactions(2, [[world.ulid(), "completed"]]);
  await world.runtime.advance(60 * MINUTE);
  const report = await world.collector().run();
  assertEquals(
    report.failures.map(({ resource }) => resource),
    ["wal", "wal_fence", "compacted"],
  );
  assert(
    String(report.failures[0]!.error).includes(
      `manifest 77, which checkpoint ${ID} refers to, is missing`,
    ),
  );
  assertEquals((await world.names("wal")).length, 4);
  assertEquals((await world.names("compacted")).length, 1);
  // What does not depend on it went all the same.
  assertEquals(await world.names("compactions"), ["2"]);
});

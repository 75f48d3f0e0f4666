/** SSTs of L0 and sorted runs: references, and the three cutoffs. */
import { toBytes } from "../../lib/base/bytes.ts";
import type { Manifest } from "../../lib/format/manifest.ts";
import { sstName } from "../../lib/format/paths.ts";
import { liveSsts, sstCutoff } from "../../lib/gc/live_set.ts";
import { initialManifest } from "../../lib/format/manifest.ts";
import { addCheckpoint } from "../../lib/manifest/checkpoints.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { GcWorld, handleOf, MINUTE, withL0, withRun } from "./world.ts";

const SSTS_ONLY = {
  manifest_options: null,
  wal_options: null,
  wal_fence_options: null,
  compactions_options: null,
};
const ID = "c0ffee00-0000-4000-8000-000000000001";
const GONE = "deleted: nothing refers to it";

test("an SST goes when nothing refers to it and nobody can be about to", async () => {
  const world = await GcWorld.create();
  const orphan = await world.sst(60 * MINUTE);
  const live = await world.sst(50 * MINUTE);
  const top = await world.sst(0);
  await world.edit(withL0(live, top));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(orphan), GONE);
  assertEquals(all.get(live), "kept: the latest manifest refers to it");
  assertEquals(await world.names("compacted"), [live, top]);
});

test("without a compactions file, or one without compactions, no SST goes", async () => {
  const world = await GcWorld.create();
  const orphan = await world.sst(60 * MINUTE);
  await world.edit(withL0(await world.sst(0)));
  const none = await world.collect(SSTS_ONLY);
  assertEquals(none.get(orphan), "kept: no compactions file yet");
  await world.compactions(1, []);
  const empty = await world.collect(SSTS_ONLY);
  assertEquals(empty.get(orphan), "kept: no compaction yet");
  assertEquals((await world.names("compacted")).length, 2);
});

test("while L0 never had an SST, none goes", async () => {
  const world = await GcWorld.create();
  const orphan = await world.sst(60 * MINUTE);
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(orphan), "kept: no SST was ever in L0");
});

test("outputs of a compaction under way are younger than it, and stay", async () => {
  const world = await GcWorld.create();
  const older = await world.sst(40 * MINUTE);
  const job = world.ulid(30 * MINUTE);
  const output = await world.sst(30 * MINUTE);
  const later = await world.sst(20 * MINUTE);
  await world.edit(withL0(await world.sst(0)));
  const statuses = [
    "submitted",
    "scheduled",
    "running",
    "compacted",
    "failed",
    "completed",
  ] as const;
  for (const [i, status] of statuses.entries()) {
    await world.compactions(i + 1, [
      [world.ulid(1 * MINUTE), "running"],
      [job, status],
    ]);
    const all = await world.collect(SSTS_ONLY, { dryRun: true });
    assertEquals(all.get(older), "would-delete: nothing refers to it");
    assertEquals(all.get(output), `kept: not older than compaction ${job}`);
    assertEquals(all.get(later), `kept: not older than compaction ${job}`);
  }
  await world.compactions(9, [[world.ulid(1 * MINUTE), "completed"]]);
  await world.collect(SSTS_ONLY);
  assertEquals((await world.names("compacted")).length, 1);
});

test("an SST of L0 that is not named yet is no older than the newest that is", async () => {
  const world = await GcWorld.create();
  const older = await world.sst(61 * MINUTE);
  const named = await world.sst(60 * MINUTE);
  // Made in the same millisecond, and dispatched afterwards.
  const pending = await world.sst(60 * MINUTE);
  await world.edit(withL0(named));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(older), GONE);
  assertEquals(all.get(pending), `kept: not older than ${named} of L0`);
});

test("with L0 compacted away, its last SST is the limit", async () => {
  const world = await GcWorld.create();
  const older = await world.sst(61 * MINUTE);
  const input = await world.sst(60 * MINUTE);
  const output = await world.sst(30 * MINUTE);
  await world.edit(withL0(input));
  await world.edit(withRun(0, output));
  await world.compactions(1, [[world.ulid(40 * MINUTE), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(older), GONE);
  // Strictly less: the input itself has to wait for the next flush.
  assertEquals(all.get(input), `kept: not older than ${input} of L0`);
  await world.edit(withL0(await world.sst(0)));
  await world.collect(SSTS_ONLY);
  assert(!(await world.names("compacted")).includes(input));
});

test("of several trees the newest L0 counts", async () => {
  const world = await GcWorld.create();
  const orphan = await world.sst(60 * MINUTE);
  const [old, young, marker] = [
    await world.sst(90 * MINUTE),
    await world.sst(30 * MINUTE),
    world.ulid(10 * MINUTE),
  ];
  const segments = [
    { prefix: toBytes("a"), l0: [handleOf(old)], runs: [] },
    { prefix: toBytes("b"), l0: [handleOf(young)], runs: [] },
  ];
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const cutoffOf = (manifest: Manifest) =>
    sstCutoff(
      manifest,
      {
        id: 1,
        version: 2,
        compactorEpoch: 1,
        compactions: [{
          id: world.ulid(0),
          status: "completed",
          outputs: [],
          spec: {
            kind: "drain",
            segment: new Uint8Array(0),
            l0ViewIds: [],
            runIds: [],
          },
        }],
      },
      world.runtime.now(),
      0,
    ).reason;
  const base = initialManifest();
  assertEquals(
    cutoffOf({ ...base, segments }),
    `not older than ${young} of L0`,
  );
  // A marker counts for a tree without L0 alone.
  const tree = { l0: [], runs: [], lastCompactedL0: marker };
  assertEquals(
    cutoffOf({ ...base, segments, tree }),
    `not older than ${marker} of L0`,
  );
  const hidden = { ...tree, l0: [handleOf(old)] };
  assertEquals(
    cutoffOf({ ...base, segments, tree: hidden }),
    `not older than ${young} of L0`,
  );
  await world.edit((manifest) => ({
    ...manifest,
    segments,
    segmentExtractorName: "fixed1",
  }));
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(orphan), GONE);
  assertEquals(all.get(old), "kept: the latest manifest refers to it");
});

test("min_age counts by the time in the name, strictly", async () => {
  const world = await GcWorld.create();
  const exact = await world.sst(5 * MINUTE);
  const above = await world.sst(5 * MINUTE + 1);
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(all.get(above), GONE);
  assertEquals(all.get(exact), "kept: younger than min_age (300000 ms)");
});

test("what a checkpoint's manifest refers to stays as long as it", async () => {
  const world = await GcWorld.create();
  const kept = await world.sst(60 * MINUTE);
  await world.edit(withL0(kept));
  const now = world.runtime.now();
  await world.edit((manifest) =>
    addCheckpoint(manifest, ID, now, { lifetimeMs: 30 * MINUTE })
  );
  await world.edit(withRun(0, await world.sst(0)));
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const all = await world.collect(SSTS_ONLY);
  assertEquals(
    all.get(kept),
    `kept: manifest 4 refers to it, which checkpoint ${ID} keeps`,
  );
  await world.runtime.advance(30 * MINUTE);
  // Manifest 4 is read afresh until its checkpoint is gone.
  const late = await world.collect(SSTS_ONLY);
  assertEquals(late.get(kept), GONE);
});

test("compactions are read before the manifest", async () => {
  const world = await GcWorld.create();
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  world.store.calls.length = 0;
  await world.collector(SSTS_ONLY).run();
  const reads = world.store.calls.map(({ name }) => name.split("/")[1]);
  const lastOf = (folder: string) => reads.lastIndexOf(folder);
  assert(lastOf("compactions") < reads.indexOf("manifest"));
  assert(lastOf("manifest") < reads.indexOf("compacted"));
});

test("a compaction that finishes between the two reads loses no output", async () => {
  const world = await GcWorld.create();
  const input = await world.sst(60 * MINUTE);
  await world.edit(withL0(input));
  const job = world.ulid(50 * MINUTE);
  const output = await world.sst(50 * MINUTE);
  await world.compactions(1, [[job, "running"]]);
  const hold = world.store.hold(({ operation, name }) =>
    operation === "list" && name.includes("manifest")
  );
  const running = world.collector(SSTS_ONLY).run({ verdicts: true });
  await hold.arrived();
  await world.edit(withRun(0, output));
  const top = await world.sst(0);
  await world.edit(withL0(top));
  await world.compactions(2, [[world.ulid(0), "completed"]]);
  hold.end();
  await running;
  assertEquals(await world.names("compacted"), [output, top]);
});

test("SSTs of other databases are never looked for", async () => {
  const world = await GcWorld.create();
  const foreign = world.ulid(60 * MINUTE);
  const name = sstName("parent", foreign);
  await world.memory.put(name, toBytes("theirs"));
  await world.edit((manifest) =>
    withL0(foreign)({
      ...manifest,
      externalDbs: [{
        path: "parent",
        sourceCheckpointId: ID,
        sstIds: [foreign],
      }],
    })
  );
  await world.edit(withRun(0, await world.sst(30 * MINUTE)));
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  await world.collect({ ...SSTS_ONLY, compacted_options: { min_age: 0 } });
  assert(await world.memory.head(name) !== undefined);
});

test("a filter may keep what nothing needs, and cannot add to it", async () => {
  const world = await GcWorld.create();
  const [first, second] = [
    await world.sst(60 * MINUTE),
    await world.sst(59 * MINUTE),
  ];
  const live = await world.sst(0);
  await world.edit(withL0(live));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  const asked: string[] = [];
  const all = await world.collect(SSTS_ONLY, {
    filter: (candidates, resource) => {
      asked.push(`${resource} ${candidates.length}`);
      return [sstName("db", second), sstName("db", live), "anything"];
    },
  });
  assertEquals(asked, ["compacted 2"]);
  assertEquals(all.get(first), "kept: the filter keeps it");
  assertEquals(all.get(second), GONE);
  assertEquals(await world.names("compacted"), [first, live]);
});

test("at most eight deletes run at once", async () => {
  const world = await GcWorld.create();
  for (let i = 0; i < 30; i++) await world.sst(60 * MINUTE);
  await world.edit(withL0(await world.sst(0)));
  await world.compactions(1, [[world.ulid(0), "completed"]]);
  let running = 0;
  let most = 0;
  const remove = world.memory.delete.bind(world.memory);
  world.memory.delete = async (name) => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => world.runtime.after(10, resolve));
    await remove(name);
    running--;
  };
  const report = await world.runtime.run(world.collector(SSTS_ONLY).run());
  assertEquals(report.deleted.compacted, 30);
  assertEquals(most, 8);
});

test("liveSsts() finds the SSTs of every tree of every manifest", () => {
  const id = (n: number) => String(n).padStart(26, "0");
  const manifest: Manifest = {
    ...initialManifest(),
    id: 9,
    tree: {
      l0: [handleOf(id(1))],
      runs: [{ id: 3, ssts: [handleOf(id(2)), handleOf(id(3))] }],
    },
    segments: [{
      prefix: toBytes("a"),
      l0: [handleOf(id(4))],
      runs: [{ id: 1, ssts: [handleOf(id(5))] }],
    }],
    checkpoints: [{
      id: ID,
      manifestId: 4,
      createTimeS: 1,
      expireTimeS: undefined,
    }],
  };
  const pinned = { ...initialManifest(), id: 4, tree: { l0: [], runs: [] } };
  const withOwn = { ...pinned, tree: { l0: [handleOf(id(6))], runs: [] } };
  const live = liveSsts({ latest: manifest, pinned: new Map([[4, withOwn]]) });
  assertEquals([...live.keys()].sort(), [1, 2, 3, 4, 5, 6].map(id));
});

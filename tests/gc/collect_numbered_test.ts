/** Manifests and compactions files: what is kept, what goes, and the mark. */
import { toText } from "../../lib/base/bytes.ts";
import { boundaryName } from "../../lib/format/paths.ts";
import { addCheckpoint } from "../../lib/manifest/checkpoints.ts";
import type { StoreCall } from "../../lib/testing/fault_store.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { GcWorld, MINUTE, ROOT } from "./world.ts";

const NUMBERED = {
  wal_options: null,
  wal_fence_options: null,
  compacted_options: null,
};
const ID = "c0ffee00-0000-4000-8000-000000000001";

async function touch(world: GcWorld): Promise<void> {
  await world.edit((manifest) => ({
    ...manifest,
    nextWalId: manifest.nextWalId + 1,
  }));
}

async function markOf(world: GcWorld, kind: "manifest" | "compactions") {
  const found = await world.memory.get(boundaryName(ROOT, kind));
  return found === undefined ? undefined : toText(found.bytes);
}

test("manifests go when there is a newer one and they are old enough", async () => {
  const world = await GcWorld.create();
  await world.runtime.advance(5 * MINUTE);
  await touch(world);
  // Exactly min_age old is not old enough.
  const first = await world.collect(NUMBERED);
  assertEquals(
    first.get("1.manifest"),
    "kept: younger than min_age (300000 ms)",
  );
  assertEquals(first.get("3.manifest"), "kept: the latest");
  assertEquals(await markOf(world, "manifest"), undefined);

  await world.runtime.advance(1);
  const second = await world.collect(NUMBERED);
  assertEquals(second.get("1.manifest"), "deleted: there is a newer one");
  assertEquals(second.get("2.manifest"), "deleted: there is a newer one");
  assertEquals(await world.names("manifest"), ["3"]);
  assertEquals(await markOf(world, "manifest"), "2");
  // However old, the latest stays.
  await world.runtime.advance(1000 * MINUTE);
  await world.collect(NUMBERED);
  assertEquals(await world.names("manifest"), ["3"]);
});

test("manifests that checkpoints keep stay until the checkpoint expires", async () => {
  const world = await GcWorld.create();
  const now = world.runtime.now();
  await world.edit((manifest) =>
    addCheckpoint(manifest, ID, now, { lifetimeMs: 20 * MINUTE, name: "n" })
  );
  await touch(world);
  await touch(world);
  await world.runtime.advance(10 * MINUTE);
  const early = await world.collect(NUMBERED);
  assertEquals(early.get("3.manifest"), `kept: checkpoint ${ID} "n" keeps it`);
  assertEquals(early.get(ID), "kept: expires at 2023-11-14T22:33:20.000Z");
  assertEquals(await world.names("manifest"), ["3", "5"]);
  assertEquals(await markOf(world, "manifest"), "4");

  await world.runtime.advance(10 * MINUTE);
  const late = await world.collect(NUMBERED);
  assertEquals(late.get(ID), "deleted: expires at 2023-11-14T22:33:20.000Z");
  // Removed by a change of the manifest, before anything is deleted.
  assertEquals(late.get("6.manifest"), "kept: the latest");
  assertEquals((await world.held.refresh()).checkpoints, []);
  // 5 was the latest until just now, but is old: a reader lists again.
  assertEquals(await world.names("manifest"), ["6"]);
});

test("a checkpoint without an end keeps its manifest for ever", async () => {
  const world = await GcWorld.create();
  await world.edit((m) => addCheckpoint(m, ID, world.runtime.now()));
  await touch(world);
  await world.runtime.advance(1e6 * MINUTE);
  const all = await world.collect(NUMBERED);
  assertEquals(all.get(ID), "kept: never expires");
  assertEquals(await world.names("manifest"), ["3", "4"]);
});

test("the mark is raised before a manifest goes, and never lowered", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  const isDeleteOf1 = ({ operation, name }: StoreCall) =>
    operation === "delete" && name.endsWith("1.manifest");
  world.store.fail(isDeleteOf1, { kind: "fail-before" });
  const all = await world.collect(NUMBERED);
  assert(all.get("1.manifest")!.startsWith("failed: Cannot delete"));
  assertEquals(await world.names("manifest"), ["1", "3"]);
  assertEquals(await markOf(world, "manifest"), "2");
  const calls = world.store.calls.map(({ operation, name }) =>
    `${operation} ${name}`
  );
  const raised = calls.indexOf(`put ${boundaryName(ROOT, "manifest")}`);
  const deleted = calls.findIndex((call) => call.startsWith("delete"));
  assert(raised >= 0 && raised < deleted);

  await world.collect(NUMBERED);
  assertEquals(await world.names("manifest"), ["3"]);
  // What was left is lower than what was marked before.
  assertEquals(await markOf(world, "manifest"), "2");
});

test("nothing goes where the mark cannot be raised", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  world.store.fail(
    ({ operation, name }) => operation === "put" && name.includes("boundary"),
    { kind: "fail-before" },
  );
  const report = await world.collector(NUMBERED).run();
  assertEquals(report.failures.map(({ resource }) => resource), ["manifest"]);
  assertEquals(await world.names("manifest"), ["1", "2", "3"]);
  assert(world.logged.some((line) => line.includes("cannot collect manifest")));
});

test("boundary_files_enabled: false leaves no mark", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.runtime.advance(6 * MINUTE);
  await world.collect({ ...NUMBERED, boundary_files_enabled: false });
  assertEquals(await world.names("manifest"), ["3"]);
  assertEquals(await markOf(world, "manifest"), undefined);
});

test("a dry run says what would go, and changes nothing at all", async () => {
  const world = await GcWorld.create();
  const now = world.runtime.now();
  await world.edit((manifest) =>
    addCheckpoint(manifest, ID, now, { lifetimeMs: 20 * MINUTE })
  );
  await touch(world);
  await world.compactions(1, []);
  await world.compactions(2, []);
  await world.runtime.advance(20 * MINUTE);
  world.store.calls.length = 0;
  const all = await world.collect(NUMBERED, { dryRun: true });
  assertEquals(
    all.get(ID),
    "would-delete: expires at 2023-11-14T22:33:20.000Z",
  );
  // As if the checkpoint were gone.
  assertEquals(all.get("3.manifest"), "would-delete: there is a newer one");
  assertEquals(all.get("4.manifest"), "kept: the latest");
  assertEquals(all.get("1.compactions"), "would-delete: there is a newer one");
  assertEquals(await world.names("manifest"), ["1", "2", "3", "4"]);
  const writes = world.store.calls.filter(({ operation }) =>
    operation === "put" || operation === "delete"
  );
  assertEquals(writes, []);
});

test("dry_run of one task leaves the others alone", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.compactions(1, []);
  await world.compactions(2, []);
  await world.runtime.advance(6 * MINUTE);
  const all = await world.collect({
    ...NUMBERED,
    manifest_options: { dry_run: true },
  });
  assertEquals(all.get("1.manifest"), "would-delete: there is a newer one");
  assertEquals(all.get("1.compactions"), "deleted: there is a newer one");
  assertEquals(await markOf(world, "manifest"), undefined);
  assertEquals(await markOf(world, "compactions"), "1");
  assert(
    world.logged.includes("info: gc: dry run: would delete 2 of manifest"),
  );
});

test("compactions files go but the latest, under a mark of their own", async () => {
  const world = await GcWorld.create();
  for (const id of [4, 5, 6]) await world.compactions(id, []);
  await world.runtime.advance(5 * MINUTE + 1);
  await world.compactions(7, []);
  await world.compactions(8, []);
  const all = await world.collect(NUMBERED);
  assertEquals(all.get("6.compactions"), "deleted: there is a newer one");
  assertEquals(
    all.get("7.compactions"),
    "kept: younger than min_age (300000 ms)",
  );
  assertEquals(all.get("8.compactions"), "kept: the latest");
  assertEquals(await world.names("compactions"), ["7", "8"]);
  assertEquals(await markOf(world, "compactions"), "6");
});

test("files with other names are nobody's business", async () => {
  const world = await GcWorld.create();
  await touch(world);
  const strays = [
    `${ROOT}/manifest/notes.txt`,
    `${ROOT}/manifest/1.manifest`,
    `${ROOT}/compacted/readme.sst`,
    `${ROOT}/wal/abc.sst`,
    `${ROOT}-2/manifest/00000000000000000001.manifest`,
  ];
  for (const name of strays) await world.memory.put(name, new Uint8Array(3));
  await world.runtime.advance(100 * MINUTE);
  await world.collect({ wal_fence_options: { dry_run: false } });
  for (const name of strays) {
    assert(await world.memory.head(name) !== undefined, name);
  }
});

test("a null entry switches its task off", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.compactions(1, []);
  await world.compactions(2, []);
  await world.runtime.advance(6 * MINUTE);
  const all = await world.collect({
    manifest_options: null,
    compactions_options: null,
  });
  assertEquals([...all.keys()], []);
  assertEquals(await world.names("manifest"), ["1", "2", "3"]);
  assertEquals(await world.names("compactions"), ["1", "2"]);
});

test("the collector counts what it deletes", async () => {
  const world = await GcWorld.create();
  await touch(world);
  await world.compactions(1, []);
  await world.compactions(2, []);
  await world.runtime.advance(6 * MINUTE);
  const report = await world.collector().run();
  assertEquals(report.deleted.manifest, 2);
  assertEquals(report.deleted.compactions, 1);
  assertEquals(report.verdicts, []);
  assert(report.bytes > 0);
  const { recorder } = world;
  const of = (name: string, resource: string) =>
    recorder.numberOf(`slatedb.gc.${name}`, { resource });
  assertEquals(of("deleted_count", "manifest"), 2);
  assertEquals(of("deleted_count", "compactions"), 1);
  assertEquals(of("deleted_count", "wal"), 0);
  assertEquals(of("version_count", "manifest"), 1);
  assertEquals(of("version_count", "compactions"), 1);
  assertEquals(recorder.numberOf("slatedb.gc.count"), 1);
});

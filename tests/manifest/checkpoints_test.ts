import type { DbError } from "../../lib/base/errors.ts";
import { randomUuid } from "../../lib/base/ids.ts";
import {
  decodeManifest,
  encodeManifest,
  initialManifest,
  type Manifest,
} from "../../lib/format/manifest.ts";
import { boundaryName } from "../../lib/format/paths.ts";
import {
  addCheckpoint,
  checkedCheckpointId,
  deleteCheckpoints,
  dropExpired,
  isExpired,
  refreshCheckpoint,
} from "../../lib/manifest/checkpoints.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";

const runtime = new ManualRuntime();
const [A, B, C] = [0, 1, 2].map(() => randomUuid(runtime)) as [
  string,
  string,
  string,
];
const NOW = 1_700_000_000_400;

function manifestOf(id: number, checkpoints: Manifest["checkpoints"] = []) {
  return { ...initialManifest(), id, checkpoints };
}

test("addCheckpoint() refers to the manifest that will be the first to have it", () => {
  const next = addCheckpoint(manifestOf(7), A, NOW, { name: "nightly" });
  assertEquals(next.checkpoints, [{
    id: A,
    manifestId: 8,
    createTimeS: 1_700_000_000,
    expireTimeS: undefined,
    name: "nightly",
  }]);
  // An edit may meet its own result.
  assertStrictEquals(addCheckpoint(next, A, NOW), next);
  const unnamed = addCheckpoint(manifestOf(7), A, NOW, { name: "" });
  assertEquals("name" in unnamed.checkpoints[0]!, false);
});

test("addCheckpoint() with a source refers to what the source refers to", () => {
  const one = { ...addCheckpoint(manifestOf(7), A, NOW), id: 30 };
  const two = addCheckpoint(one, B, NOW, { source: A.toUpperCase() });
  assertEquals(two.checkpoints.map(({ manifestId }) => manifestId), [8, 8]);
  const missing = assertThrows(() =>
    addCheckpoint(one, B, NOW, { source: C })
  ) as DbError;
  assertEquals(missing.kind, "data");
  assertEquals(missing.message, `checkpoint missing. checkpoint_id=\`${C}\``);
});

test("a checkpoint lives at least as long as asked, and expires on the second", () => {
  const { checkpoints: [checkpoint] } = addCheckpoint(manifestOf(1), A, NOW, {
    lifetimeMs: 900,
  });
  assertEquals(checkpoint!.expireTimeS, 1_700_000_002);
  assertEquals(isExpired(checkpoint!, NOW + 900), false);
  assertEquals(isExpired(checkpoint!, 1_700_000_001_999), false);
  assertEquals(isExpired(checkpoint!, 1_700_000_002_000), true);
  assertEquals(
    isExpired({ ...checkpoint!, expireTimeS: undefined }, 1e18),
    false,
  );
});

test("refreshCheckpoint() counts from now, and may end the counting", () => {
  const one = addCheckpoint(manifestOf(1), A, NOW, { lifetimeMs: 1000 });
  const later = refreshCheckpoint(one, A, NOW + 5000, 2000);
  assertEquals(later.checkpoints[0]!.expireTimeS, 1_700_000_008);
  assertEquals(later.checkpoints[0]!.createTimeS, 1_700_000_000);
  assertStrictEquals(refreshCheckpoint(later, A, NOW + 5000, 2000), later);
  const never = refreshCheckpoint(later, A, NOW, undefined);
  assertEquals(never.checkpoints[0]!.expireTimeS, undefined);
  const missing = assertThrows(() =>
    refreshCheckpoint(one, B, NOW, 1000)
  ) as DbError;
  assertEquals(missing.kind, "data");
});

test("lifetimes and ids that cannot be are refused", () => {
  for (const lifetimeMs of [0, -1, NaN, Infinity, 1e15]) {
    const error = assertThrows(() =>
      addCheckpoint(manifestOf(1), A, NOW, { lifetimeMs })
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
  for (const id of ["", "x", A.slice(1), 7 as unknown as string]) {
    const error = assertThrows(() => checkedCheckpointId(id)) as DbError;
    assertEquals(error.kind, "invalid");
  }
  assertEquals(checkedCheckpointId(A.toUpperCase()), A);
});

test("deleteCheckpoints() and dropExpired() leave a manifest alone that has none such", () => {
  let manifest = addCheckpoint(manifestOf(1), A, NOW, { lifetimeMs: 1000 });
  manifest = addCheckpoint(manifest, B, NOW, { lifetimeMs: 60_000 });
  manifest = addCheckpoint(manifest, C, NOW);
  assertStrictEquals(dropExpired(manifest, NOW), manifest);
  const ids = (of: Manifest) => of.checkpoints.map(({ id }) => id);
  assertEquals(ids(dropExpired(manifest, NOW + 10_000)), [B, C]);
  assertEquals(ids(dropExpired(manifest, NOW + 100_000)), [C]);
  assertEquals(ids(deleteCheckpoints(manifest, [A, C])), [B]);
  const { id } = manifest;
  const none = manifestOf(id);
  assertStrictEquals(deleteCheckpoints(none, [A]), none);
});

test("checkpoints survive their file, names and all", () => {
  let manifest = addCheckpoint(manifestOf(1), A, NOW, {
    lifetimeMs: 1000,
    name: "ünnamed",
  });
  manifest = addCheckpoint(manifest, B, NOW);
  const bytes = encodeManifest(manifest, { checksum: true });
  assertEquals(decodeManifest(1, bytes).checkpoints, manifest.checkpoints);
});

function setUp() {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  return { runtime, memory, store, manifests };
}

test("ManifestStore.update() changes the manifest beside its writer", async () => {
  const { manifests } = setUp();
  const missing = await assertRejects(() =>
    manifests.update((manifest) => manifest)
  ) as DbError;
  assertEquals(missing.kind, "data");

  const writer = await manifests.open("writer", {
    create: initialManifest(),
    timeoutMs: 1000,
  });
  const seen = writer.latest;
  const made = await manifests.update((m) => addCheckpoint(m, A, NOW));
  assertEquals(made.id, 3);
  assertEquals(made.checkpoints[0]!.manifestId, 3);
  assertEquals(made.writerEpoch, writer.epoch);
  assertStrictEquals(await manifests.update((m) => m, made), made);

  // The writer finds number 3 taken, and keeps the checkpoint.
  const stored = await writer.update((m) => ({ ...m, nextWalId: 9 }));
  assertEquals([stored.id, stored.checkpoints.length], [4, 1]);
  // And the other way round, from a look that is old by now.
  const removed = await manifests.update(
    (m) => deleteCheckpoints(m, [A]),
    seen,
  );
  assertEquals([removed.id, removed.nextWalId], [5, 9]);
  assertEquals((await writer.refresh()).checkpoints, []);
});

test("ManifestStore.update() of many at once loses no checkpoint", async () => {
  const { manifests, runtime } = setUp();
  await manifests.open("writer", {
    create: initialManifest(),
    timeoutMs: 1000,
  });
  const ids = Array.from({ length: 12 }, () => randomUuid(runtime));
  await Promise.all(
    ids.map((id) => manifests.update((m) => addCheckpoint(m, id, NOW))),
  );
  const latest = (await manifests.readLatest())!;
  assertEquals(
    latest.checkpoints.map(({ id }) => id).sort(),
    [...ids].sort(),
  );
  // Each refers to the manifest that had it first.
  for (const { id, manifestId } of latest.checkpoints) {
    const first = (await manifests.read(manifestId))!;
    const before = (await manifests.read(manifestId - 1))!;
    assertEquals(first.checkpoints.some((each) => each.id === id), true);
    assertEquals(before.checkpoints.some((each) => each.id === id), false);
  }
});

test("ManifestStore.update() does not believe in a number that was collected", async () => {
  const { manifests, memory } = setUp();
  const writer = await manifests.open("writer", {
    create: initialManifest(),
    timeoutMs: 1000,
  });
  const seen = writer.latest;
  await writer.update((m) => ({ ...m, nextWalId: 5 }));
  await writer.update((m) => ({ ...m, nextWalId: 6 }));
  // Number 3 comes and goes while somebody sleeps over number 2.
  await memory.put(
    boundaryName("db", "manifest"),
    new TextEncoder().encode("3"),
  );
  await memory.delete("db/manifest/00000000000000000003.manifest");
  const made = await manifests.update((m) => addCheckpoint(m, A, NOW), seen);
  assertEquals([made.id, made.nextWalId], [5, 6]);
});

/** Views that are read for long keep their files, whoever collects. */
import type { DbError } from "../../lib/base/errors.ts";
import type { Ulid } from "../../lib/base/ids.ts";
import { initialManifest, type Manifest } from "../../lib/format/manifest.ts";
import {
  addCheckpoint,
  deleteCheckpoints,
  dropExpired,
} from "../../lib/manifest/checkpoints.ts";
import { LEASE_NAME } from "../../lib/manifest/lease_change.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { type LeasedView, ViewLease } from "../../lib/manifest/view_lease.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { handle } from "./handles.ts";

const MINUTE = 60_000;
const MIN_AGE_MS = 5 * MINUTE;
const COMMIT = "c0ffee00-0000-4000-8000-000000000001";

/** The SSTs of L0 shall be these, newest first. */
function l0(...ns: number[]): (manifest: Manifest) => Manifest {
  return (manifest) => ({
    ...manifest,
    tree: { ...manifest.tree, l0: ns.map((n) => handle(n)) },
  });
}

function idOf(n: number): Ulid {
  return handle(n).id;
}

async function setUp() {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }), { runtime });
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  const held = await manifests.open("writer", {
    create: initialManifest(),
    timeoutMs: MINUTE,
  });
  const views: LeasedView[] = [];
  const logged: string[] = [];
  const failures: DbError[] = [];
  const log = (message: string) => void logged.push(message);
  const lease = new ViewLease({
    heldViews: () => views,
    manifests: {
      refresh: (signal) => held.refresh(signal),
      update: (edit, signal) => held.update(edit, signal),
      read: (id) => manifests.read(id),
    },
    minAgeMs: MIN_AGE_MS,
    runtime,
    logger: { debug: log, info: log, warn: log, error: log },
    onFailure: (error) => failures.push(error),
  });
  lease.start();
  return {
    runtime,
    store,
    manifests,
    held,
    lease,
    views,
    logged,
    failures,
    /** A view of the latest manifest, held from now on. */
    hold: () => {
      const view = { manifest: held.latest, rests: 0 };
      views.push(view);
      return view;
    },
    letGo: (view: LeasedView) => void views.splice(views.indexOf(view), 1),
    /** What no collector may delete now. */
    kept: async () => {
      const latest = dropExpired(await held.refresh(), runtime.now());
      const kept = new Set<Ulid>();
      const ids = latest.checkpoints.map(({ manifestId }) => manifestId);
      for (const id of [latest.id, ...ids]) {
        const manifest = (await manifests.read(id))!;
        for (const { id } of manifest.tree.l0) kept.add(id);
      }
      return kept;
    },
  };
}

type World = Awaited<ReturnType<typeof setUp>>;

async function assertKept(world: World, ...ns: number[]): Promise<void> {
  const kept = await world.kept();
  for (const n of ns) assert(kept.has(idOf(n)), `SST ${n} is not kept`);
}

test("ViewLease writes nothing for views that are held for a short time", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  for (let i = 0; i < 20; i++) {
    const view = world.hold();
    await world.runtime.advance(1.5 * MINUTE);
    world.letGo(view);
    await world.runtime.advance(0.5 * MINUTE);
  }
  assertEquals((await world.held.refresh()).id, 3);
  assertEquals(world.lease.checkpoints, []);
  await world.lease.stop(true);
  assertEquals(world.runtime.timers, 0);
  assertEquals((await world.held.refresh()).id, 3);
});

test("ViewLease takes a view that came to rest for a new one", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  const view = { manifest: world.held.latest, rests: 0 };
  world.views.push(view);
  for (let i = 0; i < 20; i++) {
    await world.runtime.advance(1 * MINUTE);
    view.rests++;
  }
  assertEquals(world.lease.checkpoints, []);
  await world.runtime.advance(MIN_AGE_MS / 2);
  assertEquals(world.lease.checkpoints.length, 1);
  await world.lease.stop(true);
});

test("ViewLease backs a view by half of min_age, and refreshes until it is let go", async () => {
  const world = await setUp();
  await world.held.update(l0(2, 1));
  await world.runtime.advance(1234);
  const view = world.hold();
  await world.runtime.advance(MIN_AGE_MS / 2);
  const [checkpoint] = (await world.held.refresh()).checkpoints;
  assertEquals(checkpoint!.name, LEASE_NAME);
  assertEquals(checkpoint!.manifestId, 4);
  // Compaction replaces what the view reads.
  await world.held.update(l0(3));
  for (let hour = 0; hour < 3; hour++) {
    await world.runtime.advance(60 * MINUTE);
    await assertKept(world, 1, 2, 3);
  }
  assertEquals((await world.held.refresh()).checkpoints.length, 1);
  world.letGo(view);
  await world.runtime.advance(MINUTE);
  assertEquals((await world.held.refresh()).checkpoints, []);
  assertEquals(world.lease.checkpoints, []);
  assertEquals(world.logged, []);
  await world.lease.stop(true);
});

test("ViewLease: views of one time share a checkpoint, later ones get their own", async () => {
  const world = await setUp();
  await world.held.update(l0(5, 1));
  const first = world.hold();
  const second = world.hold();
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints.length, 1);
  await world.held.update(l0(2, 1));
  const third = world.hold();
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints.length, 2);
  world.letGo(first);
  await world.runtime.advance(10 * MINUTE);
  await assertKept(world, 1, 2, 5);
  assertEquals(world.lease.checkpoints.length, 2);
  world.letGo(second);
  await world.held.update(l0(9));
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints.length, 1);
  await assertKept(world, 1, 2, 9);
  world.letGo(third);
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints, []);
  await world.lease.stop(true);
});

test("ViewLease removes a checkpoint once a later one has all that is needed", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  await world.runtime.advance(10 * MINUTE);
  const [earlier] = world.lease.checkpoints;
  await world.held.update(l0(2, 1));
  world.hold();
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints.length, 1);
  assert(world.lease.checkpoints[0] !== earlier);
  await assertKept(world, 1, 2);
  await world.lease.stop(true);
});

test("ViewLease: long scans one after another do not heap up checkpoints", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  const views: LeasedView[] = [];
  for (let n = 2; n < 30; n++) {
    views.push(world.hold());
    await world.runtime.advance(3 * MINUTE);
    // 1 stays for ever; every other one is replaced by the next.
    await world.held.update(l0(n, 1));
    if (views.length > 3) world.letGo(views.shift()!);
    assert(world.lease.checkpoints.length <= 4);
    for (const { manifest } of views.slice(0, -1)) {
      await assertKept(world, 1);
      const kept = await world.kept();
      for (const { id } of manifest.tree.l0) assert(kept.has(id));
    }
  }
  await world.lease.stop(true);
  assertEquals((await world.held.refresh()).checkpoints, []);
});

test("ViewLease finds what was replaced before it began in the compactor's checkpoint", async () => {
  const world = await setUp();
  await world.held.update(l0(2, 1));
  world.hold();
  await world.runtime.advance(1 * MINUTE);
  // As every compactor commits: a checkpoint first, then the change.
  const now = world.runtime.now();
  await world.held.update((manifest) =>
    addCheckpoint(manifest, COMMIT, now, { lifetimeMs: 15 * MINUTE })
  );
  await world.held.update(l0(3, 2));
  await world.runtime.advance(1 * MINUTE);
  await world.held.update(l0(4));
  await world.runtime.advance(60 * MINUTE);
  // Others drop the compactor's checkpoint when its time is over.
  const later = world.runtime.now();
  await world.held.update((manifest) => dropExpired(manifest, later));
  await assertKept(world, 1, 2, 4);
  assertEquals(world.logged, []);
  await world.lease.stop(true);
  assertEquals((await world.held.refresh()).checkpoints, []);
});

test("ViewLease says once what nothing keeps, and keeps the rest", async () => {
  const world = await setUp();
  await world.held.update(l0(2, 1));
  world.hold();
  await world.held.update(l0(2));
  await world.runtime.advance(60 * MINUTE);
  await assertKept(world, 2);
  assertEquals(world.logged.length, 1);
  assert(world.logged[0]!.startsWith("1 SSTs of an open view of manifest 3"));
  const { id } = await world.held.refresh();
  await world.runtime.advance(4 * MINUTE);
  assertEquals((await world.held.refresh()).id, id);
  await world.lease.stop(true);
});

test("ViewLease makes a checkpoint again that somebody deleted", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  await world.runtime.advance(10 * MINUTE);
  const [lost] = world.lease.checkpoints;
  await world.held.update((manifest) => deleteCheckpoints(manifest, [lost!]));
  await world.runtime.advance(10 * MINUTE);
  const [again] = world.lease.checkpoints;
  assert(again !== undefined && again !== lost);
  await assertKept(world, 1);
  await world.lease.stop(true);
});

test("ViewLease plans again when the manifest has moved on", async () => {
  const world = await setUp();
  await world.held.update(l0(2, 1));
  world.hold();
  const now = world.runtime.now();
  await world.held.update((manifest) =>
    addCheckpoint(manifest, COMMIT, now, { lifetimeMs: 60 * MINUTE })
  );
  // Between the look and the change, the view's last SST is replaced.
  const hold = world.store.hold(({ operation, name }) =>
    operation === "put" && name.includes("manifest")
  );
  await world.runtime.advance(10 * MINUTE);
  await hold.arrived();
  const other = new ManifestStore({
    store: new FaultStore(world.store, { runtime: world.runtime }),
    root: "db",
    runtime: world.runtime,
    checksum: true,
  });
  const racing = other.update(l0(3));
  await hold.arrived(2);
  // The other one first.
  hold.waiting.reverse();
  hold.end();
  await racing;
  await world.runtime.advance(10 * MINUTE);
  await assertKept(world, 1, 2, 3);
  assertEquals(world.logged, []);
  await world.lease.stop(true);
});

test("ViewLease tries again while the store fails", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  world.store.fail(({ operation }) => operation === "put", {
    kind: "fail-before",
  }, 3);
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.lease.checkpoints.length, 1);
  assertEquals(world.logged.length, 3);
  await world.lease.stop(true);
});

test("ViewLease with a lost reply makes one checkpoint, not two", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  world.store.fail(
    ({ operation, name }) => operation === "put" && name.includes("manifest"),
    { kind: "duplicate" },
  );
  await world.runtime.advance(10 * MINUTE);
  const { checkpoints } = await world.held.refresh();
  assertEquals(checkpoints.map(({ id }) => id), world.lease.checkpoints);
  assertEquals(checkpoints.length, 1);
  await assertKept(world, 1);
  await world.lease.stop(true);
});

test("ViewLease of a fenced writer says so and ends", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  await world.manifests.open("writer", { timeoutMs: MINUTE });
  await world.runtime.advance(10 * MINUTE);
  assertEquals(world.failures.map(({ reason }) => reason), ["fenced"]);
  assertEquals(world.runtime.timers, 0);
  await world.lease.stop(true);
});

test("ViewLease.stop() does not wait for ever, and may leave its checkpoints", async () => {
  const world = await setUp();
  await world.held.update(l0(1));
  world.hold();
  await world.runtime.advance(10 * MINUTE);
  const hold = world.store.hold(({ operation }) => operation === "put");
  const stopping = world.lease.stop(true);
  await world.runtime.run(stopping, 10_000);
  hold.end();
  assert(world.logged[0]!.startsWith("checkpoints are left to expire"));

  const other = await setUp();
  await other.held.update(l0(1));
  other.hold();
  await other.runtime.advance(10 * MINUTE);
  await other.lease.stop(false);
  assertEquals((await other.held.refresh()).checkpoints.length, 1);
});

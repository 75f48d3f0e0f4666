import type { DbError } from "../../lib/base/errors.ts";
import { initialManifest, type Manifest } from "../../lib/format/manifest.ts";
import { boundaryName, manifestName } from "../../lib/format/paths.ts";
import type { HeldManifest } from "../../lib/manifest/held_manifest.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "../support/assert.ts";
import { test } from "../support/test.ts";

const MINUTE = 60_000;

function setUp() {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const open = (role: "writer" | "compactor" = "writer") =>
    manifests.open(role, { create: initialManifest(), timeoutMs: 5 * MINUTE });
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  return { runtime, memory, store, manifests, open };
}

function withSeq(lastL0Seq: bigint): (manifest: Manifest) => Manifest {
  return (manifest) =>
    manifest.lastL0Seq >= lastL0Seq ? manifest : { ...manifest, lastL0Seq };
}

async function reasonOf(body: () => Promise<unknown>) {
  return (await assertRejects(body) as DbError).reason;
}

test("ManifestStore.open() creates manifest 1, then raises the epoch", async () => {
  const { manifests, open } = setUp();
  assertEquals(await manifests.readLatest(), undefined);
  const held = await open();
  assertEquals(held.epoch, 1);
  assertEquals(held.latest.id, 2);
  assertEquals(held.latest.writerEpoch, 1);
  assertEquals((await manifests.read(1))!.writerEpoch, 0);
  assertEquals(await manifests.read(3), undefined);
  const ids: number[] = [];
  for await (const { id } of manifests.list()) ids.push(id);
  assertEquals(ids, [1, 2]);
  assertEquals((await manifests.readLatest())!.id, 2);
});

test("ManifestStore.open() refuses what is not there or fails the check", async () => {
  const { manifests, open } = setUp();
  const missing = await assertRejects(() =>
    manifests.open("writer", { timeoutMs: MINUTE })
  ) as DbError;
  assertEquals(missing.kind, "data");
  await open();
  const refusal = new Error("not like that");
  assertStrictEquals(
    await assertRejects(() =>
      manifests.open("writer", {
        timeoutMs: MINUTE,
        check: () => {
          throw refusal;
        },
      })
    ),
    refusal,
  );
  assertEquals((await manifests.readLatest())!.id, 2);
});

test("HeldManifest is fenced by the next writer, and not by a compactor", async () => {
  const { open } = setUp();
  const old = await open();
  const compactor = await open("compactor");
  await old.update(withSeq(1n));
  const young = await open();
  assertEquals(young.epoch, 2);
  assertEquals(await reasonOf(() => old.refresh()), "fenced");
  assertEquals(await reasonOf(() => old.update(withSeq(2n))), "fenced");
  await compactor.update((manifest) => ({
    ...manifest,
    recentSnapshotMinSeq: 9n,
  }));
  await young.update(withSeq(3n));
  assertEquals(young.latest.recentSnapshotMinSeq, 9n);
  assertEquals(young.latest.compactorEpoch, 1);
  assertEquals(young.latest.lastL0Seq, 3n);
});

test("HeldManifest.update() applies the edit to what won the race", async () => {
  const { open } = setUp();
  const writer = await open();
  const compactor = await open("compactor");
  const seen: number[] = [];
  await compactor.update((manifest) => ({
    ...manifest,
    checkpoints: [{
      id: "00000000-0000-0000-0000-000000000001",
      manifestId: manifest.id,
      createTimeS: 1,
      expireTimeS: undefined,
    }],
  }));
  const stored = await writer.update((manifest) => {
    seen.push(manifest.id);
    return withSeq(5n)(manifest);
  });
  assertEquals(seen, [2, 4]);
  assertEquals(stored.id, 5);
  assertStrictEquals(stored, writer.latest);
  assertEquals(stored.checkpoints.length, 1);
  assertEquals(stored.lastL0Seq, 5n);
});

test("HeldManifest.update() writes nothing where the edit changes nothing", async () => {
  const { store, open } = setUp();
  const held = await open();
  store.calls.length = 0;
  const before = held.latest;
  assertStrictEquals(await held.update((manifest) => manifest), before);
  assertEquals(store.calls.length, 0);
});

test("HeldManifest.update() is made once where its reply is lost", async () => {
  const { store, open, manifests } = setUp();
  const held = await open();
  store.fail(({ operation }) => operation === "put", { kind: "fail-after" });
  await assertRejects(() => held.update(withSeq(7n)));
  // The next attempt meets its own result.
  const stored = await held.update(withSeq(7n));
  assertEquals(stored.lastL0Seq, 7n);
  assertEquals((await manifests.readLatest())!.id, 3);
});

test("HeldManifest.update() ends with its signal, and so does refresh()", async () => {
  const { store, open } = setUp();
  const held = await open();
  const hold = store.hold(() => true);
  for (
    const call of [
      (signal: AbortSignal) => held.update(withSeq(7n), signal),
      (signal: AbortSignal) => held.refresh(signal),
    ]
  ) {
    const controller = new AbortController();
    const result = call(controller.signal);
    const reason = new Error("closing");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => result), reason);
  }
  hold.end();
});

test("HeldManifest looks by one probe while its last look is young", async () => {
  const { store, runtime, open } = setUp();
  const held = await open();
  store.calls.length = 0;
  await runtime.advance(2 * MINUTE);
  assertEquals(held.msSinceLook, 2 * MINUTE);
  await held.refresh();
  assertEquals(store.calls.map(({ operation }) => operation), ["get"]);
  assertEquals(held.msSinceLook, 0);
});

/** Another writer came and went; all it left behind is the latest manifest. */
async function collectAllButLatest(
  memory: MemoryStore,
  young: HeldManifest,
  mark: boolean,
): Promise<void> {
  for (let seq = 1n; seq < 4n; seq++) await young.update(withSeq(seq));
  for (let id = 1; id < young.latest.id; id++) {
    await memory.delete(manifestName("db", id));
  }
  if (!mark) return;
  await memory.put(
    boundaryName("db", "manifest"),
    new TextEncoder().encode(String(young.latest.id - 1)),
  );
}

test("HeldManifest that slept lists before it believes or writes anything", async () => {
  for (const mark of [true, false]) {
    for (
      const act of [
        (held: HeldManifest) => held.refresh(),
        (held: HeldManifest) => held.update(withSeq(9n)),
        (held: HeldManifest) => held.confirm(150_000)!,
      ]
    ) {
      const { memory, runtime, open } = setUp();
      const old = await open();
      const young = await open();
      await collectAllButLatest(memory, young, mark);
      await runtime.advance(3 * MINUTE);
      assertEquals(await reasonOf(() => act(old)), "fenced");
      assertEquals(
        await memory.head(manifestName("db", old.latest.id + 1)),
        undefined,
      );
    }
  }
});

test("HeldManifest does not trust a number it re-created below the mark", async () => {
  const { memory, open } = setUp();
  const old = await open();
  const young = await open();
  await collectAllButLatest(memory, young, true);
  // Its last look is young by its own clock, but everything is gone.
  assertEquals(await reasonOf(() => old.update(withSeq(9n))), "fenced");
});

test("HeldManifest counts sleep by whichever clock shows more", async () => {
  const { runtime, open } = setUp();
  const held = await open();
  // The machine slept: the monotonic clock stood still.
  runtime.shiftClock(10 * MINUTE);
  assertEquals(held.msSinceLook, 10 * MINUTE);
  assert(held.confirm(MINUTE) !== undefined);
  await held.refresh();
  assertEquals(held.msSinceLook, 0);
  // Somebody set the system clock back.
  runtime.shiftClock(-60 * MINUTE);
  await runtime.advance(2 * MINUTE);
  assertEquals(held.msSinceLook, 2 * MINUTE);
  assertEquals(held.confirm(3 * MINUTE), undefined);
});

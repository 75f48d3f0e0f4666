import type { DbError } from "../../lib/base/errors.ts";
import type { Compaction, Compactions } from "../../lib/format/compactions.ts";
import { boundaryName, compactionsName } from "../../lib/format/paths.ts";
import { CompactionsStore } from "../../lib/manifest/compactions_store.ts";
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

const ULID = (n: number) => String(n).padStart(26, "0");

function setUp() {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const compactions = new CompactionsStore({
    store,
    root: "db",
    runtime,
    checksum: true,
  });
  const open = (epoch: number, version: 1 | 2 = 1) =>
    compactions.open({ epoch, version, timeoutMs: 1000 });
  return { runtime, memory, store, compactions, open };
}

function job(n: number, more: Partial<Compaction> = {}): Compaction {
  return {
    id: ULID(n),
    status: "submitted",
    spec: {
      kind: "tiered",
      segment: new Uint8Array(0),
      l0ViewIds: [],
      runIds: [n],
      destination: n,
    },
    outputs: [],
    ...more,
  };
}

const add = (added: Compaction) => (state: Compactions): Compactions =>
  state.compactions.some(({ id }) => id === added.id)
    ? state
    : { ...state, compactions: [...state.compactions, added] };

const idsOf = ({ compactions }: Compactions) => compactions.map(({ id }) => id);

test("CompactionsStore.open() creates file 1 with epoch 0, then writes the epoch", async () => {
  const { compactions, open } = setUp();
  assertEquals(await compactions.readLatest(), undefined);
  const held = await open(5);
  assertEquals((await compactions.read(1))!.compactorEpoch, 0);
  assertEquals((await compactions.read(2))!.compactorEpoch, 5);
  assertEquals([held.epoch, held.latest.id, held.latest.version], [5, 2, 1]);
  const files: number[] = [];
  for await (const { id } of compactions.list()) files.push(id);
  assertEquals(files, [1, 2]);
});

test("CompactionsStore.open() is fenced by an epoch as high as its own", async () => {
  const { open } = setUp();
  await open(5);
  for (const epoch of [4, 5]) {
    const error = await assertRejects(() => open(epoch)) as DbError;
    assertEquals(error.reason, "fenced");
  }
  assertEquals((await open(6)).epoch, 6);
});

test("HeldCompactions.update() is fenced by a later compactor", async () => {
  const { open } = setUp();
  const first = await open(1);
  await first.update(add(job(1)));
  const second = await open(2);
  assertEquals(idsOf(second.latest), [ULID(1)]);
  for (
    const call of [() => first.update(add(job(2))), () => first.refresh()]
  ) {
    assertEquals((await assertRejects(call) as DbError).reason, "fenced");
  }
  await second.update(add(job(3)));
  assertEquals(idsOf(second.latest), [ULID(1), ULID(3)]);
});

test("changes with and without an epoch come on top of each other", async () => {
  const { compactions, open } = setUp();
  const held = await open(3, 2);
  await Promise.all([
    held.update(add(job(1))),
    compactions.update(add(job(2))),
    held.update(add(job(3))),
    compactions.update(add(job(4))),
  ]);
  const latest = await held.refresh();
  assertEquals(idsOf(latest).toSorted(), [1, 2, 3, 4].map(ULID));
  assertEquals([latest.compactorEpoch, latest.version], [3, 2]);
  const seen = (await compactions.readLatest())!;
  assertStrictEquals(await compactions.update((state) => state, seen), seen);
});

test("CompactionsStore.update() needs a compactor to have been there", async () => {
  const { compactions } = setUp();
  const error = await assertRejects(() =>
    compactions.update(add(job(1)))
  ) as DbError;
  assertEquals(error.kind, "data");
});

test("a put whose reply was lost counts once", async () => {
  const { store, open } = setUp();
  const held = await open(1);
  store.fail(({ operation }) => operation === "put", { kind: "fail-after" });
  await assertRejects(() => held.update(add(job(1))));
  await held.update(add(job(1)));
  assertEquals(idsOf(await held.refresh()), [ULID(1)]);
});

test("the epoch is written over what older files cannot say", async () => {
  const { compactions, open } = setUp();
  const newer = await open(1, 2);
  await newer.update(add(job(1, { status: "scheduled" })));
  const older = await open(2, 1);
  assertEquals((await compactions.readLatest())!.version, 2);
  const error = await assertRejects(() => older.update(add(job(2)))) as DbError;
  assertEquals(error.kind, "invalid");
  await older.update((state) => ({ ...state, compactions: [] }));
  assertEquals((await compactions.readLatest())!.version, 1);
  // Newer files would take an unsaid destination for run 0.
  const spec = { ...job(3).spec, runIds: [], l0ViewIds: [ULID(9)] };
  await older.update(add(job(3, { spec })));
  await open(3, 2);
  assertEquals((await compactions.readLatest())!.version, 1);
});

test("HeldCompactions looks thoroughly after a long sleep", async () => {
  const { runtime, memory, store, open } = setUp();
  const held = await open(1);
  const other = await open(2);
  for (let n = 1; n <= 8; n++) await other.update(add(job(n)));
  // Everything the sleeper knew was collected.
  for (let id = 1; id <= 9; id++) {
    await memory.delete(compactionsName("db", id));
  }
  await memory.put(
    boundaryName("db", "compactions"),
    new TextEncoder().encode("9"),
  );
  runtime.shiftClock(200_000);
  store.calls.length = 0;
  const error = await assertRejects(() => held.update(add(job(9)))) as DbError;
  assertEquals(error.reason, "fenced");
  assert(store.count("list") > 0);
  assertEquals(await memory.get(compactionsName("db", 3)), undefined);
});

import { Admin } from "../../mod.ts";
import { DbError } from "../../lib/base/errors.ts";
import type { TieredSpec } from "../../lib/format/compactions.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { copyStore, JournalStore } from "../support/journal_store.ts";
import { test } from "../support/test.ts";
import {
  assertWhole,
  compactorOf,
  contentOf,
  fill,
  manifestOf,
  openDb,
  shapeOf,
  stateOf,
} from "./compactors.ts";

test("Compactor.compactNow() makes one run of everything", async () => {
  const store = new MemoryStore();
  await fill(store, 6);
  const before = await contentOf(store);
  await using made = compactorOf(store);
  await made.compactor.compactNow();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
  assertEquals(await contentOf(store), before);
  const state = (await stateOf(store))!;
  assertEquals(state.version, 1);
  assertEquals(state.compactions.map(({ status }) => status), ["completed"]);
  assertEquals(made.compactor.status.state, "running");
  assertEquals(made.compactor.status.lastFailure, undefined);
});

test("Compactor.compactNow() waits for a store that is down, and not for one that cannot be written", async () => {
  const memory = new MemoryStore();
  await fill(memory, 6);
  const runtime = new ManualRuntime();
  const store = new FaultStore(memory);
  await using made = compactorOf(store, { runtime });
  const fail = (retryable: boolean) =>
    store.fail(({ operation }) => operation === "put", {
      kind: "fail-before",
      error: new DbError("unavailable", "no put", { retryable }),
    });

  fail(true);
  const waiting = made.compactor.compactNow();
  await runtime.advance(60_000);
  await waiting;
  assertEquals(shapeOf(await manifestOf(memory)), "l0 0, runs 0:1");

  fail(false);
  const { kind } = await assertRejects(() =>
    made.compactor.compactNow()
  ) as DbError;
  assertEquals(kind, "unavailable");
  assertEquals(made.compactor.status.state, "running");
  const again = made.compactor.compactNow();
  await runtime.advance(60_000);
  await again;
});

test("Compactor.compactNow() rewrites again, and an empty tree not at all", async () => {
  const store = new MemoryStore();
  await fill(store, 0);
  await using made = compactorOf(store);
  await made.compactor.compactNow();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs");
  await made.compactor.stop();
  await fill(store, 2);
  await using again = compactorOf(store);
  await again.compactor.compactNow();
  const first = (await manifestOf(store)).tree.runs[0]!.ssts[0]!.id;
  await again.compactor.compactNow();
  assert((await manifestOf(store)).tree.runs[0]!.ssts[0]!.id !== first);
});

test("Compactor.compactNow({ full: false }) does what the scheduler proposes", async () => {
  const store = new MemoryStore();
  await fill(store, 9);
  const before = await contentOf(store);
  await using made = compactorOf(store);
  await made.compactor.compactNow({ full: false });
  // Of nine SSTs the eight oldest make a run; one alone waits for more.
  assertEquals(shapeOf(await manifestOf(store)), "l0 1, runs 0:1");
  assertEquals(await contentOf(store), before);
});

test("Compactor stands beside a writer that goes on", async () => {
  const store = new MemoryStore();
  await using db = await openDb(store);
  await using made = compactorOf(store);
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 30; i++) {
      await db.put(`k${i % 13}`, `${round}.${i}`, { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
    const compacting = made.compactor.compactNow();
    await db.put("late", `${round}`);
    await db.flush({ target: "memtable" });
    await compacting;
  }
  assertEquals(await db.get("late"), new TextEncoder().encode("5"));
  assertEquals(await db.get("k3"), new TextEncoder().encode("5.29"));
  await assertWhole(store);
});

test("a second Compactor fences the first", async () => {
  const store = new MemoryStore();
  await fill(store, 4);
  await using first = compactorOf(store);
  await first.compactor.compactNow();
  await fill(store, 4);
  await using second = compactorOf(store);
  await second.compactor.compactNow();
  const error = await assertRejects(() =>
    first.compactor.compactNow()
  ) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  assertEquals(first.compactor.status.state, "fenced");
  assertEquals(first.failures.map(({ reason }) => reason), ["fenced"]);
  assertEquals(second.compactor.status.epoch, first.compactor.status.epoch + 1);
  await fill(store, 2);
  await second.compactor.compactNow();
  assertEquals((await manifestOf(store)).tree.l0.length, 0);
});

test("Compactor.submit() runs what fits the tree and refuses the rest", async () => {
  const store = new MemoryStore();
  await fill(store, 3);
  const { tree } = await manifestOf(store);
  const [newest, middle, oldest] = tree.l0.map(({ viewId }) => viewId);
  const before = await contentOf(store);
  await using made = compactorOf(store);
  const spec = (l0ViewIds: readonly string[], more: Partial<TieredSpec> = {}) =>
    ({
      kind: "tiered",
      segment: new Uint8Array(0),
      l0ViewIds,
      runIds: [],
      destination: undefined,
      ...more,
    }) as const;
  const refuse = async (bad: TieredSpec, why: string) => {
    const { done } = await made.compactor.submit(bad);
    const error = await assertRejects(() => done) as DbError;
    assertEquals(error.kind, "invalid");
    assert(error.message.includes(why), error.message);
  };
  await refuse(spec([newest!, middle!]), "older than its inputs");
  await refuse(spec([oldest!, middle!]), "newest first");
  await refuse(spec([newest!, oldest!]), "neighbours");
  await refuse(spec([]), "no inputs");
  await refuse(spec([], { runIds: [7], destination: 7 }), "no run 7");
  await refuse(spec(["0".repeat(26)]), "L0 has no SST");
  const foreign = spec([oldest!], { segment: new Uint8Array([1]) });
  const error = await assertRejects(() => made.compactor.submit(foreign));
  assert((error as DbError).message.includes("version 1 cannot say"));
  const { done } = await made.compactor.submit(spec([middle!, oldest!]));
  await done;
  assertEquals(shapeOf(await manifestOf(store)), "l0 1, runs 0:1");
  await refuse(spec([newest!], { destination: 0 }), "run 0 exists");
  await refuse(
    spec([newest!], { runIds: [0], destination: 1 }),
    "lowest input run",
  );
  const whole = spec([newest!], { runIds: [0], destination: 0 });
  await (await made.compactor.submit(whole)).done;
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
  assertEquals(await contentOf(store), before);
});

test("Compactor moves inputs that do not overlap, if told so", async () => {
  const store = new MemoryStore();
  await using db = await openDb(store);
  for (const letter of "dacb") {
    for (let i = 0; i < 5; i++) {
      await db.put(`${letter}${i}`, `${i}`, { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
  }
  const ids = (await manifestOf(store)).tree.l0.map(({ id }) => id).sort();
  await using made = compactorOf(store, {
    settings: { enable_trivial_move: true },
  });
  await made.compactor.compactNow({ full: false });
  const { tree } = await manifestOf(store);
  assertEquals(tree.runs[0]!.ssts.map(({ id }) => id).sort(), ids);
  assertEquals(tree.l0.length, 0);
  const keys: string[] = [];
  for await (const { key } of db.scan()) {
    keys.push(new TextDecoder().decode(key));
  }
  assertEquals(keys.length, 20);
  assertEquals(keys.toSorted(), keys);
});

test("Compactor cuts runs by size, and drops what is deleted", async () => {
  const store = new MemoryStore();
  await using db = await openDb(store);
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 100; i++) {
      await db.put(`key${i}`, "x".repeat(100), { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
  }
  await using made = compactorOf(store, {
    settings: { worker: { max_sst_size: 3000 } },
  });
  await made.compactor.compactNow();
  const { tree } = await manifestOf(store);
  assert(tree.runs[0]!.ssts.length >= 4, shapeOf(await manifestOf(store)));
  for (let i = 0; i < 100; i++) {
    await db.delete(`key${i}`, { awaitDurable: false });
  }
  await db.flush({ target: "memtable" });
  await made.compactor.compactNow();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs");
  for await (const _ of db.scan()) throw new Error("nothing is left");
});

test("Compactor keeps what the writer's last flush says is still read", async () => {
  const store = new MemoryStore();
  await using db = await openDb(store);
  await db.put("a", "old");
  await db.flush({ target: "memtable" });
  using snapshot = db.snapshot();
  await db.put("a", "new");
  await db.delete("b");
  await db.flush({ target: "memtable" });
  await using made = compactorOf(store);
  await made.compactor.compactNow();
  await db.flush({ target: "memtable" });
  assertEquals(await snapshot.get("a"), new TextEncoder().encode("old"));
  assertEquals(await db.get("a"), new TextEncoder().encode("new"));
});

for (const kind of ["fail-before", "fail-after"] as const) {
  test(`Compactor tries again where every kind of call fails once (${kind})`, async () => {
    const memory = new MemoryStore();
    await fill(memory, 5);
    const before = await contentOf(memory);
    const store = new FaultStore(memory);
    const failed = new Set<string>();
    store.plan = ({ operation, name }) => {
      const what = `${operation} ${name.split("/")[1]}`;
      if (operation === "list" || failed.has(what)) return undefined;
      failed.add(what);
      return { kind };
    };
    const runtime = new ManualRuntime();
    await using made = compactorOf(store, { runtime });
    await runtime.run(made.compactor.compactNow());
    assert(failed.size >= 6, [...failed].join());
    assertEquals((await manifestOf(memory)).tree.l0.length, 0);
    assertEquals(await contentOf(memory), before);
  });
}

test("Compactor fails a compaction whose input is damaged, and keeps the tree", async () => {
  const store = new MemoryStore();
  await fill(store, 4);
  const { tree } = await manifestOf(store);
  const name = `db/compacted/${tree.l0[1]!.id}.sst`;
  const { bytes } = (await store.get(name))!;
  const damaged = bytes.slice();
  damaged[10]! ^= 0xff;
  await store.put(name, damaged);
  await using made = compactorOf(store);
  const error = await assertRejects(() =>
    made.compactor.compactNow()
  ) as DbError;
  assertEquals(error.kind, "data");
  assert(error.message.includes(tree.l0[1]!.id), error.message);
  assertEquals(shapeOf(await manifestOf(store)), "l0 4, runs");
  assertEquals(made.compactor.status.lastFailure?.kind, "data");
  assertEquals(made.compactor.status.state, "running");
  await store.put(name, bytes);
  await made.compactor.compactNow();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
});

test("Compactor.stop() breaks off what runs, and the next goes on", async () => {
  const memory = new MemoryStore();
  await fill(memory, 4);
  const before = await contentOf(memory);
  const store = new FaultStore(memory);
  const hold = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("compacted/")
  );
  const made = compactorOf(store);
  const compacting = made.compactor.compactNow();
  await hold.arrived(1);
  const stopped = made.compactor.stop();
  const error = await assertRejects(() => compacting) as DbError;
  assertEquals(error.kind, "closed");
  hold.release();
  await stopped;
  assertEquals(shapeOf(await manifestOf(memory)), "l0 4, runs");
  await using next = compactorOf(memory);
  await next.compactor.compactNow();
  assertEquals(await contentOf(memory), before);
  const late = await assertRejects(() => made.compactor.compactNow());
  assertEquals((late as DbError).kind, "closed");
});

for (const formatTarget of ["interop", "0.15"] as const) {
  test(`Compactor may die after every change of the store (${formatTarget})`, async () => {
    const store = new JournalStore();
    await fill(store, 9);
    const before = await contentOf(await copyStore(store));
    const from = store.length;
    const settings = {
      worker: { max_sst_size: 2000 },
      // What a dead compactor ran is taken back at once.
      worker_heartbeat_timeout: 0,
      poll_interval: "2ms",
    };
    await using made = compactorOf(store, { formatTarget, settings });
    await made.compactor.compactNow({ full: false });
    await made.compactor.compactNow();
    await made.compactor.stop();
    assert(store.length - from > 12, `${store.length - from} changes`);
    for (let changes = from; changes <= store.length; changes++) {
      const what = `after ${store.describe(changes - 1)}`;
      const left = await store.at(changes);
      await assertWhole(left);
      // Nor may a collector of another process delete what is still needed.
      await collectLater(left);
      await using next = compactorOf(left, { formatTarget, settings });
      await next.compactor.compactNow({ full: false });
      assertEquals(await contentOf(left), before, what);
      await next.compactor.compactNow();
      const { tree } = await manifestOf(left);
      assertEquals([tree.l0.length, tree.runs.length], [0, 1], what);
      assertEquals(await contentOf(left), before, what);
      await assertWhole(left);
      const { compactions } = (await stateOf(left))!;
      assertEquals(compactions.length, 1, what);
      await next.compactor.stop();
      await collectLater(left);
      await assertWhole(left);
      assertEquals(await contentOf(left), before, what);
    }
  });
}

/** Collects as if all files were an hour older. */
async function collectLater(store: MemoryStore): Promise<void> {
  const runtime = new ManualRuntime({ now: Date.now() + 3_600_000 });
  const { failures } = await Admin.open("db", { store, runtime }).runGc({
    settings: { wal_fence_options: { dry_run: false } },
  });
  assertEquals(failures, []);
}

/**
 * A writer and the compactor beside it: what each does when the other cannot go
 * on.
 *
 * @module
 */
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import {
  Admin,
  type CompactionScheduler,
  Db,
  type DbError,
  type DbOptions,
  FileStore,
  MemoryRecorder,
  MemoryStore,
  startCompactor,
  WriteBatch,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { applyOp, assertSame, concatOperator } from "../support/db_ops.ts";
import { ModelDb } from "../support/model_db.ts";
import { OpSource } from "../support/op_source.ts";
import { withSeed } from "../support/random.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const text = (bytes: Uint8Array | undefined) =>
  bytes && new TextDecoder().decode(bytes);

async function setUp(options: Partial<DbOptions> = {}) {
  // Compiling takes real time, which the manual clock does not wait for.
  await sharedKernel();
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }), { runtime });
  const db = await runtime.run(
    Db.open("db", { store, runtime, ...options }),
  );
  return { runtime, store, db };
}

/** Lets time pass until something holds. */
async function until(runtime: ManualRuntime, holds: () => boolean) {
  for (let i = 0; !holds(); i++) {
    assert(i < 1000, "it never came to hold");
    await runtime.advance(100);
  }
}

test("a compactor that is fenced leaves its database open, and status() says so", async () => {
  const { runtime, store, db } = await setUp();
  await runtime.run(db.put("a", "1"));
  await runtime.run(db.compact());
  assertEquals(db.status().compactor?.state, "running");

  const young = await startCompactor("db", { store, runtime });
  await db.put("b", "2", LATER);
  await runtime.run(db.flush({ target: "memtable" }));
  await runtime.run(young.compactNow());
  await until(runtime, () => db.status().compactor?.state === "fenced");

  assertEquals(db.status().state, "open");
  await runtime.run(db.put("c", "3"));
  const compacting = assertRejects(() => db.compact());
  const error = await runtime.run(compacting) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  assert(error.message.includes("compactor epoch"), error.message);
  // What the other one compacts, this one reads; and it goes on flushing.
  await runtime.run(db.flush({ target: "memtable" }));
  await runtime.run(young.compactNow());
  await until(runtime, () => db.status().tree.l0.length === 0);
  assertEquals(text(await db.get("a")), "1");
  assertEquals(await runtime.run(db.count()), 3);
  await runtime.run(young.stop());
  await runtime.run(db.close());
  assertEquals(db.status().closeReason, "clean");
  assertEquals(runtime.timers, 0);
});

test("Db.compact() of a handle without a compactor says where to ask", async () => {
  for (
    const options of [
      { compactor: "off" },
      { settings: { compactor_options: null } },
    ] as const
  ) {
    const { runtime, db } = await setUp(options);
    const error = await assertRejects(() => db.compact()) as DbError;
    assertEquals(error.kind, "invalid");
    assertEquals(db.status().compactor, undefined);
    await runtime.run(db.close());
  }
});

test("Db.open() that refuses the compactor's settings has not touched the database", async () => {
  const { runtime, store, db } = await setUp();
  const { length } = store.calls;
  for (
    const compactor_options of [
      { poll_interval: -5 },
      { max_concurrent_compactions: "many" },
      // Files of this target cannot say who runs what.
      { worker: null },
    ]
  ) {
    const opening = Db.open("db", { store, settings: { compactor_options } });
    const error = await assertRejects(() => opening) as DbError;
    assertEquals(error.kind, "invalid", error.message);
  }
  assertEquals(store.calls.slice(length), []);
  // The writer that is there was not fenced.
  await runtime.run(db.put("a", "1"));
  await runtime.run(db.flush({ target: "memtable" }));
  await runtime.run(db.close());
});

/** SSTs of L0, each with all keys. */
async function layers(db: Db, count: number): Promise<void> {
  for (let layer = 0; layer < count; layer++) {
    for (let i = 0; i < 20; i++) await db.put(`k${i}`, `${layer}`, LATER);
    await db.flush({ target: "memtable" });
  }
}

test("Admin.submitCompaction(): the writer's compactor runs what fits, and what does not fit is refused", async () => {
  const { runtime, store, db } = await setUp();
  const admin = Admin.open("db", { store, runtime });
  await layers(db, 2);
  await runtime.run(db.compact());
  await layers(db, 3);
  const { tree } = (await admin.readManifest())!;
  const [newest, ...older] = tree.l0.map(({ viewId }) => viewId);
  const { runs } = tree;
  // Ids are in order of time.
  await runtime.advance(1000);

  const above = await admin.submitCompaction({ l0ViewIds: older });
  const stateOf = async (id: string) =>
    (await admin.readCompaction(id))?.status;
  for (let i = 0; await stateOf(above.id) !== "completed"; i++) {
    assert(i < 1000, "it was never run");
    await runtime.advance(100);
  }
  await until(runtime, () => db.status().tree.l0.length === 1);
  assertEquals(db.status().tree.runs.length, 2);

  await admin.submitCompaction({ l0ViewIds: [newest!] });
  // Asked for by whoever has not seen that: its inputs are not there any more.
  const late = await assertRejects(() =>
    admin.submitCompaction({ l0ViewIds: older, runIds: [runs[0]!.id] })
  ) as DbError;
  assertEquals(late.kind, "invalid");
  const unknown = await assertRejects(() =>
    admin.submitCompaction({ runIds: [4711] })
  ) as DbError;
  assertEquals(unknown.kind, "invalid");
  assert(unknown.message.includes("4711"), unknown.message);
  await until(runtime, () => db.status().tree.l0.length === 0);
  assertEquals(await db.count(), 20);
  assertEquals(text(await db.get("k7")), "2");
  await runtime.run(db.close());
});

test("a compaction whose input is missing fails, names it, and loses nothing", async () => {
  const { runtime, store, db } = await setUp();
  await layers(db, 3);
  const admin = Admin.open("db", { store, runtime });
  const { id } = (await admin.readManifest())!.tree.l0[1]!;
  const name = `db/compacted/${id}.sst`;
  const { bytes } = (await store.get(name))!;
  await store.delete(name);

  const compacting = assertRejects(() => db.compact());
  const error = await runtime.run(compacting) as DbError;

  assertEquals(error.kind, "data");
  assert(error.message.includes(id), error.message);
  const { state, tree, compactor } = db.status();
  assertEquals([state, tree.l0.length], ["open", 3]);
  assertEquals([compactor?.state, compactor?.lastFailure?.kind], [
    "running",
    "data",
  ]);
  await runtime.run(db.put("k0", "written after"));
  await store.put(name, bytes);
  await runtime.run(db.compact());
  const { l0, runs } = db.status().tree;
  assertEquals([l0.length, runs.length], [0, 1]);
  assertEquals(await db.count(), 20);
  assertEquals(db.status().compactor?.lastFailure, undefined);
  await runtime.run(db.close());
});

/** Compacts all of L0, once it is let. */
function gate(): CompactionScheduler & { isOpen: boolean } {
  return {
    isOpen: false,
    propose({ manifest: { tree }, compactions }) {
      const isIdle = compactions.every(({ status }) =>
        status === "completed" || status === "failed"
      );
      if (!this.isOpen || !isIdle || tree.l0.length === 0) return [];
      return [{
        kind: "tiered",
        segment: new Uint8Array(0),
        l0ViewIds: tree.l0.map(({ viewId }) => viewId),
        runIds: tree.runs.map(({ id }) => id),
        destination: tree.runs.at(-1)?.id ?? 0,
      }];
    },
  };
}

for (
  const [limit, settings] of [
    ["l0_max_ssts", { l0_max_ssts: 2 }],
    ["l0_max_ssts_per_key", { l0_max_ssts_per_key: 2 }],
    ["max_unflushed_memtable", { l0_max_ssts: 2, max_unflushed_memtable: 1 }],
  ] as const
) {
  test(`writes that ${limit} holds up go on in order once the compactor catches up; an aborted one is gone`, async () => {
    const recorder = new MemoryRecorder();
    const scheduler = gate();
    const { runtime, db } = await setUp({
      recorder,
      compactionScheduler: scheduler,
      settings: {
        l0_sst_size_bytes: 1000,
        max_unflushed_bytes: 4000,
        ...settings,
      },
    });
    const abort = new AbortController();
    const order: number[] = [];
    const writes = Array.from({ length: 12 }, async (_, i) => {
      const signal = i === 10 ? { signal: abort.signal } : {};
      const value = new Uint8Array(900);
      const { seq } = await db.put(`k${i % 3}`, value, { ...LATER, ...signal });
      order.push(i);
      return seq;
    });
    const outcomes = Promise.allSettled(writes);
    // However long it takes: nothing makes room.
    await runtime.advance(120_000);
    assertEquals(db.status().tree.l0.length, 2);
    const { stalledWrites, unflushedBytes } = db.status().pressure;
    assert(stalledWrites >= 2, `${stalledWrites} wait`);
    assert(unflushedBytes > 0);
    const waiting = order.length;

    abort.abort(new Error("changed my mind"));
    const error = await assertRejects(() => writes[10]!) as Error;
    assertEquals(error.message, "changed my mind");
    await runtime.advance(60_000);
    assertEquals(order.length, waiting, "a write went on in between");

    scheduler.isOpen = true;
    const settled = await runtime.run(outcomes);
    const seqs = settled.flatMap((each) =>
      each.status === "fulfilled" ? [each.value] : []
    );
    assertEquals(seqs, Array.from({ length: 11 }, (_, i) => BigInt(i + 1)));
    assertEquals(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]);
    await runtime.run(db.flush({ target: "memtable" }));
    assertEquals(db.status().pressure.stalledWrites, 0);
    const stalls = recorder.snapshot().find(({ name }) =>
      name === "slatedb.db.backpressure_count"
    );
    assert(stalls !== undefined, "no stall was counted");
    await runtime.run(db.close());
    assertEquals(runtime.timers, 0);
  });
}

test("a large compaction is divided among compactorThreads", async () => {
  for (const threads of [1, 2]) {
    await using directory = await TempDir.create();
    await using db = await Db.open("db", {
      store: new FileStore(directory.path),
      compactor: "worker",
      compactorThreads: threads,
      settings: {
        l0_sst_size_bytes: 30_000,
        compactor_options: {
          scheduler_options: { min_compaction_sources: 99 },
        },
      },
    });
    for (let round = 0; round < 4; round++) {
      const batch = new WriteBatch();
      for (let i = 0; i < 1000; i++) {
        batch.put(`k${String(i * 4 + round).padStart(4, "0")}`, "v".repeat(20));
      }
      await db.write(batch);
      await db.flush({ target: "memtable" });
    }

    await db.compact();

    const { l0, runs } = db.status().tree;
    assertEquals([l0, runs.map(({ ssts }) => ssts)], [[], [threads]]);
    assertEquals((await Array.fromAsync(db.scan())).length, 4000);
  }
});

test("Db.open() refuses compactorThreads that are no number of threads", async () => {
  for (const compactorThreads of [0, 1.5, -1, NaN]) {
    const error = await assertRejects(() =>
      Db.open("db", { store: new MemoryStore(), compactorThreads })
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("a database whose compactor has threads equals its model, whatever is compacted meanwhile", () =>
  withSeed(77, async (random) => {
    await using dir = await TempDir.create();
    const store = new FileStore(dir.path);
    const source = new OpSource(random, {
      keys: 120,
      valueBytes: 60,
      merges: true,
    });
    const model = new ModelDb();
    const warnings: string[] = [];
    const log = (message: string) => void warnings.push(message);
    const open = () =>
      Db.open("db", {
        store,
        mergeOperator: concatOperator,
        compactor: "worker",
        compactorModule: new URL("../compactor/operators.ts", import.meta.url),
        logger: { debug() {}, info() {}, warn: log, error: log },
        settings: {
          flush_interval: "3ms",
          l0_sst_size_bytes: 4000,
          max_unflushed_bytes: 40_000,
          compactor_options: {
            poll_interval: "1ms",
            worker: { max_sst_size: 4000 },
          },
        },
      });
    for (let life = 0; life < 3; life++) {
      await using db = await open();
      for (let i = 0; i < 1200; i++) {
        const op = source.write();
        const written = (await applyOp(db, op))!;
        model.apply(op, written.seq, written.createTs);
        if (i % 400 === 399) await assertSame(db, model);
      }
      await db.compact();
      await assertSame(db, model);
      const { l0, runs } = db.status().tree;
      assertEquals([l0.length, runs.length], [0, 1]);
    }
    const loud = warnings.filter((line) => line.includes("event loop"));
    assertEquals(loud, []);
    await store.close();
  }));

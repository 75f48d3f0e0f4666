import type { DbError } from "../../lib/base/errors.ts";
import { parseWalId } from "../../lib/format/paths.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { fixedPrefix } from "../../lib/sst/prefix_extractor.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { seededFaults } from "../../lib/testing/seeded_faults.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { CONCAT } from "../wal/memtable_rows.ts";
import { BatchLog } from "./batch_log.ts";
import { MiniDb, type MiniDbOptions } from "./mini_db.ts";

/** Small memtables, so that a few rows fill one. */
const SMALL: Partial<MiniDbOptions> = {
  l0SstBytes: 300,
  l0FlushParallelism: 2,
  l0MaxSsts: 100,
  l0MaxSstsPerKey: 100,
  mergeOperator: CONCAT,
};

/** Whoever waits longer waits for a store that is gone. */
const PATIENCE_MS = 10_000;

/** A store that works until its put number `at`, and is gone from then on. */
function dyingStore(
  memory: MemoryStore,
  runtime: ManualRuntime,
  at: number,
  kind: "fail-before" | "fail-after",
) {
  let puts = 0;
  let isDead = false;
  const store = new FaultStore(memory, {
    runtime,
    plan: ({ operation }) => {
      if (isDead) return { kind: "fail-before" };
      if (operation !== "put" || puts++ !== at) return undefined;
      isDead = true;
      return { kind };
    },
  });
  return { store, isDead: () => isDead };
}

/** Opens, writes, flushes, is taken over by itself, and closes. */
async function live(
  options: MiniDbOptions,
  runtime: ManualRuntime,
  log: BatchLog,
  opened: MiniDb[],
): Promise<void> {
  const open = async () => {
    const db = await runtime.run(MiniDb.open(options), PATIENCE_MS);
    opened.push(db);
    return db;
  };
  const settle = async (db: MiniDb, promise: Promise<void> | undefined) => {
    await runtime.run(promise ?? Promise.resolve(), PATIENCE_MS);
    log.acknowledge(db);
  };
  const first = await open();
  log.write(first, ["a", "b", "c"]);
  await settle(first, first.wal.flush());
  log.write(first, ["a"], "delete");
  log.write(first, ["c"], "merge");
  await settle(first, first.wal.durable.reached(3n));
  for (let i = 0; i < 6; i++) log.write(first, [`key ${i}`, "b"]);
  await settle(first, first.flusher.flush());
  log.write(first, ["c", "d"], "merge");
  await settle(first, first.wal.flush());
  const second = await open();
  log.write(second, ["c", "d", "e"], "merge");
  await settle(second, second.flush());
  log.write(second, ["last"]);
  await settle(second, second.wal.flush());
}

/** Goes through `live`, dying at one put, and checks what is left. */
async function dieAt(
  at: number,
  kind: "fail-before" | "fail-after",
  more: Partial<MiniDbOptions> = {},
): Promise<boolean> {
  const runtime = new ManualRuntime({ seed: at + 1 });
  const memory = new MemoryStore({ runtime });
  const { store, isDead } = dyingStore(memory, runtime, at, kind);
  const log = new BatchLog();
  const opened: MiniDb[] = [];
  const options = { ...SMALL, ...more, runtime };
  let failed = false;
  try {
    await live({ ...options, store }, runtime, log, opened);
  } catch {
    failed = true;
  }
  for (const db of opened) log.acknowledge(db);
  for (const db of opened) await db.crash();
  assertEquals(failed, isDead());
  const again = await runtime.run(MiniDb.open({ ...options, store: memory }));
  await log.verify(again);
  log.write(again, ["after the crash", "b"]);
  log.write(again, ["c"], "merge");
  await runtime.run(again.flush());
  log.acknowledge(again);
  await again.crash();
  const last = await runtime.run(MiniDb.open({ ...options, store: memory }));
  await log.verify(last);
  await last.crash();
  return isDead();
}

for (const kind of ["fail-before", "fail-after"] as const) {
  test(`a writer that dies at any put loses nothing durable (${kind})`, async () => {
    let at = 0;
    while (await dieAt(at, kind)) at++;
    assert(at >= 15, `only ${at} puts`);
  });

  test(`a writer without a log that dies at any put loses nothing durable (${kind})`, async () => {
    let at = 0;
    while (await dieAt(at, kind, { walEnabled: false })) at++;
    assert(at > 8, `only ${at} puts`);
  });
}

for (const kind of ["fail-before", "fail-after"] as const) {
  test(`a writer with segments that dies at any put loses nothing durable (${kind})`, async () => {
    const segmentExtractor = fixedPrefix(1);
    let at = 0;
    while (await dieAt(at, kind, { segmentExtractor })) at++;
    assert(at >= 20, `only ${at} puts`);
  });
}

test("a writer that is taken over makes nothing durable any more", async () => {
  for (const wait of ["request", "reply"] as const) {
    const runtime = new ManualRuntime();
    const memory = new MemoryStore({ runtime });
    const store = new FaultStore(memory, { runtime });
    const log = new BatchLog();
    const old = await MiniDb.open({ ...SMALL, store, runtime });
    log.write(old, ["a"]);
    await old.wal.flush();
    log.acknowledge(old);
    const hold = store.hold(({ operation }) => operation === "put", wait);
    log.write(old, ["b"]);
    const flushed = old.wal.flush();
    await hold.arrived();
    const young = await MiniDb.open({ ...SMALL, store: memory, runtime });
    await log.verify(young, memory);
    assertEquals(young.seq, wait === "request" ? 1n : 2n);
    log.write(young, ["a"]);
    await young.wal.flush();
    log.acknowledge(young);
    hold.end();
    const outcome = await flushed.then(
      () => "stored",
      (error: DbError) => error.reason,
    );
    assertEquals(outcome, wait === "request" ? "fenced" : "stored");
    await old.crash();
    await young.crash();
    const last = await MiniDb.open({ ...SMALL, store: memory, runtime });
    await log.verify(last);
    await last.crash();
  }
});

test("a writer that slept until its successor's fence was collected is not believed", async () => {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const old = await MiniDb.open({ ...SMALL, store, runtime });
  const asleep = store.hold(() => true);
  old.write(["lost"]);
  const flushed = old.wal.flush();
  await asleep.arrived();
  const young = await MiniDb.open({ ...SMALL, store: memory, runtime });
  for (let i = 0; i < 3; i++) {
    young.write(["kept"]);
    await young.flush();
  }
  await runtime.advance(400_000);
  const { replayAfterWalId } = young.manifest.latest;
  for await (const { name } of memory.list("db/wal/")) {
    if (parseWalId("db", name)! < replayAfterWalId) await memory.delete(name);
  }
  asleep.end();
  const error = await assertRejects(() => flushed) as DbError;
  assertEquals(error.reason, "fenced");
  assertEquals(old.wal.durable.level, 0n);
  // Its file lies where nobody replays.
  assert(await memory.head("db/wal/00000000000000000002.sst") !== undefined);
  await old.crash();
  await young.crash();
  const last = await MiniDb.open({ ...SMALL, store: memory, runtime });
  assertEquals((await last.rows()).map(({ seq }) => seq), [3n, 2n, 1n]);
  assert((await last.rows()).every(({ key }) => key.length === 4));
  await last.crash();
});

/** One run of writers that come, go, die and overlap, over a store that fails. */
async function simulate(seed: number): Promise<void> {
  const runtime = new ManualRuntime({ seed });
  const memory = new MemoryStore({ runtime });
  const log = new BatchLog();
  const pick = (count: number) => Math.floor(runtime.random() * count);
  const open = async () => {
    const faults = new FaultStore(memory, {
      runtime,
      plan: seededFaults(() => runtime.random(), {
        failBefore: 0.05,
        failAfter: 0.05,
        delay: 0.1,
        tornList: 0.02,
      }),
    });
    const store = new RetryingStore(faults, { runtime });
    return await runtime.run(
      MiniDb.open({
        ...SMALL,
        store,
        runtime,
        walEnabled: seed % 3 !== 0,
        segmentExtractor: seed % 2 === 0 ? fixedPrefix(2) : undefined,
      }),
    );
  };
  let db = await open();
  const replaced: MiniDb[] = [];
  for (let step = 0; step < 40; step++) {
    const keys = Array.from(
      { length: 1 + pick(3) },
      (_, i) => `k${i}${pick(4)}`,
    );
    const action = pick(12);
    if (action < 6) {
      log.write(db, keys, (["put", "merge", "delete"] as const)[pick(3)]);
    } else if (action === 6) await runtime.run(db.wal.flush());
    else if (action === 7) db.freeze();
    else if (action === 8) await runtime.run(db.flush());
    else if (action === 9) await runtime.advance(pick(500));
    else {
      log.acknowledge(db);
      if (action === 10) await db.crash();
      else replaced.push(db);
      const next = await open();
      // The old one may have stored more while the new one was opening.
      if (action === 11) log.acknowledge(db);
      db = next;
      await log.verify(db, memory);
    }
    log.acknowledge(db);
    assertEquals(db.failures, []);
  }
  for (const old of replaced) await old.crash();
  await runtime.run(db.flush());
  log.acknowledge(db);
  await db.crash();
  const last = await open();
  await log.verify(last, memory);
  await last.crash();
}

test("writers that come, go and overlap over a failing store agree with the model", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    try {
      await simulate(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
});

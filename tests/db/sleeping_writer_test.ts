/**
 * DESIGN §7, rows 1, 2 and 12: what a writer must look at before it believes
 * that nothing happened while it slept, and how little it asks while idle.
 *
 * @module
 */
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import {
  Db,
  type DbError,
  type DbSettings,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { scanRows } from "../support/db_ops.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { hex } from "../support/op.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const HOUR_MS = 3_600_000;

async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

test("DESIGN 7.1: a sleeping writer whose successor's fence was collected acknowledges nothing", async () => {
  const store = new MemoryStore();
  const runtime = new ManualRuntime();
  const settings = { flush_interval: null } as const;
  const sleeper = await Db.open("db", { store, runtime, settings });
  await sleeper.put("a", "1", LATER);
  await sleeper.flush();

  const successor = await Db.open("db", { store });
  await successor.put("b", "2");
  await successor.close();
  // The collector takes every WAL file below the successor's replay point,
  // its fence too: the id that the sleeper will use next is free.
  for (const name of await namesOf(store, "db/wal/")) await store.delete(name);
  runtime.shiftClock(HOUR_MS);

  await sleeper.put("lost", "3", LATER);
  const error = await assertRejects(() => sleeper.flush()) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  await using db = await Db.open("db", { store });
  assertEquals((await scanRows(db)).map(({ k }) => k), [hex("a"), hex("b")]);
});

test("DESIGN 7.2: a sleeping writer does not re-create a collected manifest", async () => {
  const store = new MemoryStore();
  const runtime = new ManualRuntime();
  const settings = { flush_interval: null } as const;
  await using db = await Db.open("db", { store, runtime, settings });
  await db.put("a", "1", LATER);
  const before = (await namesOf(store, "db/manifest/")).at(-1)!;
  const id = Number(/(\d+)\.manifest$/.exec(before)![1]);
  const { bytes } = (await store.get(before))!;

  // Others (a compactor, say) wrote five manifests; the collector took all but
  // the last, and said so first.
  const nameOf = (n: number) =>
    `db/manifest/${String(n).padStart(20, "0")}.manifest`;
  await store.put(nameOf(id + 5), bytes);
  const mark = new TextEncoder().encode(String(id + 4));
  await store.put("db/gc/manifest.boundary", mark);
  for (let n = 1; n <= id; n++) await store.delete(nameOf(n));
  runtime.shiftClock(HOUR_MS);

  await db.flush({ target: "memtable" });
  assertEquals(await namesOf(store, "db/manifest/"), [
    nameOf(id + 5),
    nameOf(id + 6),
  ]);
});

/** The requests of an open database in an hour without calls. */
async function idleHour(settings: DbSettings) {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }));
  await using db = await Db.open("db", { store, runtime, settings });
  const written = db.put("a", "1");
  await runtime.advance(1000);
  await written;
  await runtime.advance(10 * 60_000);
  const before = store.calls.length;
  await runtime.advance(HOUR_MS);
  return store.calls.slice(before);
}

test("DESIGN 7.12: an idle open database sends at most 2 requests a minute", async () => {
  const calls = await idleHour({});
  assert(calls.length <= 120, `${calls.length} requests in an idle hour`);
});

test("DESIGN 7.12: an idle open database lists for the collector alone", async () => {
  const calls = await idleHour({ garbage_collector_options: null });
  assertEquals(calls.filter(({ operation }) => operation === "list"), []);
});

test("DESIGN 7.12: an exact interval never backs off", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore());
  await using db = await Db.open("db", {
    store,
    runtime,
    settings: { manifest_poll_interval: { interval: "1s", exact: true } },
  });
  await runtime.advance(10 * 60_000);
  const before = store.calls.length;
  await runtime.advance(60_000);
  const calls = store.calls.length - before;
  assert(calls >= 55, `${calls} requests in a minute`);
  assertEquals(db.status().state, "open");
});

test("DESIGN 7.12: an idle writer notices that it was fenced", async () => {
  const runtime = new ManualRuntime();
  const store = new MemoryStore();
  await using idle = await Db.open("db", { store, runtime });
  const next = await Db.open("db", { store });
  await next.close();
  await runtime.advance(120_000);
  assertEquals(idle.status().closeReason, "fenced");
  const error = await assertRejects(() => idle.get("a")) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
});

test("DESIGN 7.2: a writer that was awake does not list", async () => {
  const store = new FaultStore(new MemoryStore());
  const runtime = new ManualClock();
  await using db = await Db.open("db", { store, runtime });
  const before = store.calls.length;
  await db.put("a", "1");
  await db.flush({ target: "memtable" });
  assertEquals(
    store.calls.slice(before).filter(({ operation }) => operation === "list"),
    [],
  );
});

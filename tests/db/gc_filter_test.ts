/** A user's say in what the collector of an open database deletes. */
import { Db, type DbError, type GcCandidate, MemoryStore } from "../../mod.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const MINUTE = 60_000;
/** Manifests alone are collected, every minute. */
const SETTINGS = {
  compactor_options: null,
  garbage_collector_options: {
    manifest_options: {
      interval: { interval: "60s", exact: true },
      min_age: "60s",
    },
    wal_options: null,
    wal_fence_options: null,
    compacted_options: null,
    compactions_options: null,
  },
};

/** Numbers of the manifests that are left after five minutes with two flushes. */
async function manifestsAfter(
  gcFilter?: (candidates: readonly GcCandidate[]) => string[],
): Promise<number[]> {
  const runtime = new ManualRuntime();
  const store = new MemoryStore({ runtime });
  const options = { store, runtime, settings: SETTINGS };
  const db = await Db.open("db", gcFilter ? { ...options, gcFilter } : options);
  for (const key of ["a", "b"]) {
    await db.put(key, "1", { awaitDurable: false });
    const flushed = db.flush({ target: "memtable" });
    await runtime.advance(1000);
    await flushed;
  }
  await runtime.advance(5 * MINUTE);
  const closed = db.close();
  await runtime.advance(1000);
  await closed;
  const files = await Array.fromAsync(store.list("db/manifest/"));
  return files.map(({ name }) => Number(name.split("/").at(-1)!.split(".")[0]));
}

test("Db.open() with a gcFilter deletes only what it lets go", async () => {
  const last = (await manifestsAfter()).at(-1)!;
  assert(last > 2, "several manifests");
  assertEquals(await manifestsAfter(), [last]);
  const seen = new Set<string>();
  const kept = await manifestsAfter((candidates) => {
    for (const { name } of candidates) seen.add(name);
    return candidates.map(({ name }) => name)
      .filter((name) => !name.includes("00001.manifest"));
  });
  assertEquals(kept, [1, last]);
  assertEquals(seen.size, last - 1);
});

test("Db.open() with a gcFilter that fails deletes nothing, and goes on", async () => {
  let calls = 0;
  const kept = await manifestsAfter(() => {
    calls++;
    throw new Error("not today");
  });
  assert(calls > 1, "asked again");
  assert(kept.length > 2);
});

test("Db.open() refuses a gcFilter that is no function", async () => {
  const gcFilter = "keep" as unknown as () => string[];
  const store = new MemoryStore();
  const error = await assertRejects(() =>
    Db.open("db", { store, gcFilter })
  ) as DbError;
  assertEquals(error.kind, "invalid");
});

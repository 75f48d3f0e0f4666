/**
 * Segments that come and go: dropped as a whole, written to again, read by
 * snapshots and transactions meanwhile.
 *
 * @module
 */
import { toText } from "../../lib/base/bytes.ts";
import {
  Admin,
  Db,
  type DbOptions,
  delimiterPrefix,
  MemoryStore,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { prefixesOf, segmented, storedManifest } from "./segmented.ts";

function optionsOf(store: MemoryStore): DbOptions {
  return {
    ...segmented(store, delimiterPrefix("/")),
    settings: {
      garbage_collector_options: null,
      manifest_poll_interval: { interval: "5ms", exact: true },
      compactor_options: { poll_interval: { interval: "5ms", exact: true } },
    },
  };
}

async function putAll(db: Db, keys: readonly string[]): Promise<void> {
  for (const key of keys) await db.put(key, key, { awaitDurable: false });
  await db.flush({ target: "memtable" });
}

async function keysOf(db: Pick<Db, "scan">): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of db.scan()) keys.push(toText(key));
  return keys;
}

/** Asks the compactor to drop a segment, and waits until the writer sees it. */
async function dropSegment(
  db: Db,
  admin: Admin,
  store: MemoryStore,
  segment: string,
): Promise<void> {
  const { l0, runs } = (await storedManifest(store)).segments
    .find(({ prefix }) => toText(prefix) === segment)!;
  await admin.submitCompaction({
    kind: "drain",
    segment,
    l0ViewIds: l0.map(({ viewId }) => viewId),
    runIds: runs.map(({ id }) => id),
  });
  const isGone = () => {
    const { segments } = db.status().tree;
    const left = segments.find(({ prefix }) => toText(prefix) === segment);
    return left === undefined || left.l0.length + left.runs.length === 0;
  };
  while (!isGone()) await new Promise((resolve) => setTimeout(resolve, 2));
}

test("a drained segment is gone at once, and its name with the next flush", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", optionsOf(store));
  const admin = Admin.open("db", { store });
  // Starts the compactor.
  await db.compact();
  await putAll(db, ["hour1/a", "hour1/b", "hour2/a"]);
  await putAll(db, ["hour1/c", "hour3/a"]);
  using before = db.snapshot();

  await dropSegment(db, admin, store, "hour1/");
  assertEquals(await keysOf(db), ["hour2/a", "hour3/a"]);
  assertEquals(await db.get("hour1/a"), undefined);
  // Dropping a segment is no write: it is gone for older readers, too.
  assertEquals(await keysOf(before), ["hour2/a", "hour3/a"]);

  await putAll(db, ["hour4/a"]);
  assertEquals(prefixesOf(db), ["hour2/", "hour3/", "hour4/"]);
  await putAll(db, ["hour1/new"]);
  assertEquals(prefixesOf(db), ["hour1/", "hour2/", "hour3/", "hour4/"]);
  assertEquals(await keysOf(db), [
    "hour1/new",
    "hour2/a",
    "hour3/a",
    "hour4/a",
  ]);
});

test("rows of a segment that are in memory outlive its draining", async () => {
  const store = new MemoryStore();
  const options = optionsOf(store);
  let db = await Db.open("db", options);
  const admin = Admin.open("db", { store });
  await db.compact();
  await putAll(db, ["a/1", "b/1"]);
  await db.put("a/2", "a/2");

  await dropSegment(db, admin, store, "a/");
  assertEquals(await keysOf(db), ["a/2", "b/1"]);
  await db.close({ flush: "none" });

  db = await Db.open("db", options);
  assertEquals(await keysOf(db), ["a/2", "b/1"]);
  await db.close();
});

test("transactions and snapshots span segments", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", optionsOf(store));
  await putAll(db, ["a/1", "b/1"]);
  using snapshot = db.snapshot();
  const txn = await db.begin({ isolation: "serializable" });
  assertEquals(await keysOf(txn), ["a/1", "b/1"]);
  txn.put("a/2", "x");
  txn.put("c/1", "y");
  txn.delete("b/1");
  assertEquals(await keysOf(txn), ["a/1", "a/2", "c/1"]);
  await txn.commit();

  assertEquals(await keysOf(db), ["a/1", "a/2", "c/1"]);
  assertEquals(await keysOf(snapshot), ["a/1", "b/1"]);
  await db.flush({ target: "memtable" });
  await db.compact();
  assertEquals(await keysOf(db), ["a/1", "a/2", "c/1"]);
  assertEquals(await keysOf(snapshot), ["a/1", "b/1"]);

  const late = await db.begin({ isolation: "serializable" });
  await keysOf(late);
  late.put("d/1", "z");
  await db.put("e/1", "in the range that was read");
  await assertRejects(() => late.commit());
  assert(!(await keysOf(db)).includes("d/1"));
});

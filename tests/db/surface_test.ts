/**
 * The public surface, method by method, as a user meets it.
 *
 * @module
 */
import {
  Db,
  type DbError,
  type Entry,
  MemoryStore,
  WriteBatch,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const decoder = new TextDecoder();
const text = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? undefined : decoder.decode(bytes);

/** Ten rows `k0` to `k9`, half of them in an SST. */
async function openTen(): Promise<Db> {
  const db = await Db.open("db", { store: new MemoryStore() });
  for (let i = 0; i < 10; i++) {
    await db.put(`k${i}`, `v${i}`, LATER);
    if (i === 4) await db.flush({ target: "memtable" });
  }
  return db;
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const keysOf = (entries: readonly Entry[]) =>
  entries.map(({ key }) => text(key));

test("Db.put() takes text and bytes, and copies both", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const key = new Uint8Array([1, 2, 3]);
  const value = new Uint8Array([4, 5, 6]);
  await db.put(key, value, LATER);
  key.fill(9);
  value.fill(9);
  assertEquals([...(await db.get(new Uint8Array([1, 2, 3])))!], [4, 5, 6]);
  await db.put("ключ", "значение", LATER);
  assertEquals(
    text(await db.get(new TextEncoder().encode("ключ"))),
    "значение",
  );
});

test("Db.get() answers bytes that are the caller's own", async () => {
  await using db = await openTen();
  for (const key of ["k1", "k8"]) {
    const first = (await db.get(key))!;
    first.fill(0);
    assertEquals(text(await db.get(key)), key.replace("k", "v"));
  }
});

test("Db.getEntry() answers sequence number and timestamps", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const handle = await db.put("a", "1", { ttlMs: 60_000, awaitDurable: false });
  const entry = (await db.getEntry("a"))!;
  assertEquals(text(entry.key), "a");
  assertEquals(text(entry.value), "1");
  assertEquals(entry.seq, handle.seq);
  assertEquals(entry.createTs, handle.createTs);
  assertEquals(entry.expireTs, handle.createTs + 60_000n);
  await db.put("b", "1", {
    expiresAtMs: 4_102_444_800_000,
    awaitDurable: false,
  });
  assertEquals((await db.getEntry("b"))!.expireTs, 4_102_444_800_000n);
  assertEquals(await db.getEntry("c"), undefined);
});

test("Db.getMany() answers in the order of the keys, repeats included", async () => {
  await using db = await openTen();
  const values = await db.getMany(["k9", "nope", "k0", "k9", "k4"]);
  assertEquals(values.map(text), ["v9", undefined, "v0", "v9", "v4"]);
  assertEquals(await db.getMany([]), []);
});

test("Db.scan() takes every kind of bound, in both directions", async () => {
  await using db = await openTen();
  const cases = [
    [{ gte: "k2", lt: "k5" }, ["k2", "k3", "k4"]],
    [{ gt: "k2", lte: "k5" }, ["k3", "k4", "k5"]],
    [{ prefix: "k", gte: "8" }, ["k8", "k9"]],
    [{ prefix: "k", lt: "2" }, ["k0", "k1"]],
    [{ prefix: "x" }, []],
    [{ gte: "k7", limit: 2 }, ["k7", "k8"]],
    [{ gte: "k3", lte: "k3" }, ["k3"]],
    [{ limit: 0 }, []],
  ] as const;
  for (const [range, expected] of cases) {
    assertEquals(keysOf(await collect(db.scan(range))), [...expected]);
  }
  const down = await collect(db.scan({ gte: "k3", lt: "k6", reverse: true }));
  assertEquals(keysOf(down), ["k5", "k4", "k3"]);
  const last = await collect(db.scan({ reverse: true, limit: 1 }));
  assertEquals(keysOf(last), ["k9"]);
});

test("Db.scan() shows the moment of its call", async () => {
  await using db = await openTen();
  await using scan = db.scan({ gte: "k3" });
  assertEquals(text((await scan.next())!.key), "k3");
  await db.put("k3a", "new", LATER);
  await db.delete("k5", LATER);
  await db.flush({ target: "memtable" });
  assertEquals(text((await scan.next())!.key), "k4");
  assertEquals(text((await scan.next())!.key), "k5");
});

test("Scan.next(), batches() and toReadableStream() give the same rows", async () => {
  await using db = await openTen();
  const expected = keysOf(await collect(db.scan()));

  await using scan = db.scan();
  const byNext: Entry[] = [];
  for (let entry; (entry = await scan.next()) !== undefined;) {
    byNext.push(entry);
  }
  assertEquals(keysOf(byNext), expected);
  assertEquals(await scan.next(), undefined, "the end stays the end");

  const batches = await collect(db.scan().batches());
  assertEquals(keysOf(batches.flatMap((batch) => [...batch])), expected);

  const streamed: Entry[] = [];
  const sink = new WritableStream<Entry>({
    write: (entry) => void streamed.push(entry),
  });
  await db.scan().toReadableStream().pipeTo(sink);
  assertEquals(keysOf(streamed), expected);
});

test("Scan gives its rows up when the consumer stops early", async () => {
  await using db = await openTen();
  for await (const { key } of db.scan()) {
    assertEquals(text(key), "k0");
    break;
  }
  const reader = db.scan().toReadableStream().getReader();
  assertEquals(text((await reader.read()).value!.key), "k0");
  await reader.cancel();
});

test("Scan.seek() jumps ahead in either direction, and nowhere else", async () => {
  await using db = await openTen();
  await using up = db.scan({ gte: "k1", lt: "k9" });
  assertEquals(text((await up.next())!.key), "k1");
  await up.seek("k5");
  assertEquals(text((await up.next())!.key), "k5");
  await up.seek("k5x");
  assertEquals(text((await up.next())!.key), "k6");
  for (const key of ["k2", "k6", "k9", "a", ""]) {
    const error = await assertRejects(async () =>
      await up.seek(key)
    ) as DbError;
    assertEquals(error.kind, "invalid", key);
  }

  await using down = db.scan({ reverse: true });
  assertEquals(text((await down.next())!.key), "k9");
  await down.seek("k5x");
  assertEquals(text((await down.next())!.key), "k5");
  await down.seek("k2");
  assertEquals(text((await down.next())!.key), "k2");
  const error = await assertRejects(async () =>
    await down.seek("k7")
  ) as DbError;
  assertEquals(error.kind, "invalid");
});

test("Db.keys(), values() and count() follow the range", async () => {
  await using db = await openTen();
  assertEquals((await collect(db.keys({ lt: "k2" }))).map(text), ["k0", "k1"]);
  assertEquals((await collect(db.values({ gte: "k8" }))).map(text), [
    "v8",
    "v9",
  ]);
  assertEquals(await db.count(), 10);
  assertEquals(await db.count({ prefix: "k", gte: "5" }), 5);
  assertEquals(await db.count({ gt: "k9" }), 0);
});

test("Db.write() is atomic, and the last word on a key counts", async () => {
  await using db = await Db.open("db", {
    store: new MemoryStore(),
    mergeOperator: concatOperator,
  });
  await db.put("c", "beneath", LATER);
  const batch = new WriteBatch()
    .put("a", "1").delete("a").put("a", "2")
    .put("b", "1").merge("b", "+").merge("b", "+")
    .merge("c", "+").merge("c", "!")
    .put("d", "1").delete("d").merge("d", "alone");
  const handle = await db.write(batch, LATER);
  assertEquals(handle.seq, 2n);
  const values = await db.getMany(["a", "b", "c", "d"]);
  assertEquals(values.map(text), ["2", "1++", "beneath+!", "alone"]);
});

test("Db.write() refuses an empty batch and a used one", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const empty = await assertRejects(() =>
    db.write(new WriteBatch())
  ) as DbError;
  assertEquals([empty.kind, empty.message], [
    "invalid",
    "empty write batch not allowed",
  ]);
  const batch = new WriteBatch().put("a", "1");
  await db.write(batch, LATER);
  const used = await assertRejects(() => db.write(batch)) as DbError;
  assertEquals(used.kind, "invalid");
  assertEquals(used.message, "write batch has already been consumed");
});

test("Db.merge() without an operator is refused, on writing and on reading", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", { store, mergeOperator: concatOperator });
  await db.merge("m", "1");
  await db.close();
  await using plain = await Db.open("db", { store });
  for (const call of [() => plain.merge("m", "2"), () => plain.get("m")]) {
    const error = await assertRejects(call) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("Db.writable() loads a stream of rows, deletes included", async () => {
  await using db = await openTen();
  const rows = [
    { key: "k0", delete: true },
    { key: "new", value: "row", ttlMs: 60_000 },
    { key: "k1", value: "changed" },
  ] as const;
  await ReadableStream.from<typeof rows[number]>(rows).pipeTo(
    db.writable({ batchRows: 2 }),
  );
  assertEquals((await db.getMany(["k0", "new", "k1"])).map(text), [
    undefined,
    "row",
    "changed",
  ]);
  assertEquals(db.status().durableSeq, db.status().lastSeq);
});

test("Db.writable() passes on what is wrong with a row", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const writer = db.writable().getWriter();
  writer.closed.catch(() => {});
  const error = await assertRejects(async () => {
    await writer.write({ key: "", value: "1" });
    await writer.close();
  }) as DbError;
  assertEquals(error.kind, "invalid");
});

test("Db.statuses() follows the database to its end", async () => {
  const db = await Db.open("db", { store: new MemoryStore() });
  const states: string[] = [];
  let seen = 0n;
  const following = (async () => {
    for await (const status of db.statuses()) {
      states.push(status.state);
      if (status.durableSeq > seen) seen = status.durableSeq;
    }
  })();
  await db.put("a", "1");
  await db.close();
  await following;
  assertEquals(states[0], "open");
  assertEquals(states.at(-1), "closed");
  assertEquals(seen, 1n);
  assertEquals(db.status().closeReason, "clean");
});

test("Db.status() shows the tree and what waits", async () => {
  await using db = await openTen();
  const { state, lastSeq, committedSeq, tree, pressure } = db.status();
  assertEquals([state, lastSeq, committedSeq], ["open", 10n, 10n]);
  assertEquals([tree.l0.length, tree.runs.length, tree.activeRows], [1, 0, 5]);
  assert(pressure.unflushedBytes > 0);
  assert(pressure.maxUnflushedBytes > pressure.unflushedBytes);
});

test("Db.explain() says which sources were asked, and what each said", async () => {
  await using db = await openTen();
  await db.delete("k8", LATER);
  const steps: Record<string, string[]> = {};
  for (const key of ["k1", "k9", "k8", "nope"]) {
    const { sources, value } = await db.explain(key);
    steps[key] = sources.map(({ source, answer }) => `${source}: ${answer}`);
    assertEquals(text(value), text(await db.get(key)));
  }
  assertEquals(steps, {
    k1: ["active memtable: absent", "L0: put"],
    k9: ["active memtable: put"],
    k8: ["active memtable: delete"],
    nope: ["active memtable: absent", "L0: out of range"],
  });
});

test("a handle's durable() may be asked any number of times", async () => {
  await using db = await Db.open("db", { store: new MemoryStore() });
  const handle = await db.put("a", "1");
  await Promise.all([handle.durable(), handle.durable()]);
  assertEquals(db.status().durableSeq, handle.seq);
});

test("several databases live in one store, also one below another", async () => {
  const store = new MemoryStore();
  await using a = await Db.open("a", { store });
  await using b = await Db.open("a/b", { store });
  await using top = await Db.open("", { store });
  await Promise.all([a.put("k", "a"), b.put("k", "b"), top.put("k", "top")]);
  const values = await Promise.all([a.get("k"), b.get("k"), top.get("k")]);
  assertEquals(values.map(text), ["a", "b", "top"]);
});

import { toBytes, toText } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { Boundary } from "../../lib/cas/boundary.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { bytesOf } from "../../lib/testing/store_samples.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { BOUNDARY, EMPTY, nameOf, storeWords, wordsIn } from "./register.ts";

async function failureOf(call: () => Promise<unknown>): Promise<DbError> {
  const error = await assertRejects(call);
  assert(error instanceof DbError, `a DbError, not ${error}`);
  return error as DbError;
}

/** A store and the requests it has seen. */
function counted(): { store: FaultStore; requests: () => string[] } {
  const store = new FaultStore(new MemoryStore());
  return {
    store,
    requests: () =>
      store.calls.splice(0).map(({ operation, name }) =>
        `${operation} ${name.replace(/0{10,}/, "")}`
      ),
  };
}

test("readLatest() without anything seen lists, then reads the greatest", async () => {
  const { store, requests } = counted();
  const words = wordsIn(store);
  assertEquals(await words.readLatest(), undefined);
  for (const id of [7, 8, 9]) await storeWords(store, id);
  for (const name of ["words/x.words", "words/readme", "words/1.words"]) {
    await store.put(name, toBytes("no number"));
  }
  requests();

  assertEquals((await words.readLatest())?.id, 9);

  assertEquals(requests(), ["list words/", "get words/9.words"]);
});

test("readLatest() from one seen probes; one request where nothing is new", async () => {
  const { store, requests } = counted();
  const words = wordsIn(store);
  await storeWords(store, 1);
  const first = await words.readLatest();
  requests();

  assertEquals(await words.readLatest(first), first);
  assertEquals(requests(), ["get words/2.words"]);

  for (const id of [2, 3]) await storeWords(store, id);
  requests();
  assertEquals((await words.readLatest(first))?.id, 3);
  assertEquals(requests(), [2, 3, 4].map((id) => `get words/${id}.words`));
});

test("readLatest() lists when it is far behind", async () => {
  const { store, requests } = counted();
  const words = wordsIn(store);
  for (let id = 1; id <= 40; id++) await storeWords(store, id);
  requests();

  const latest = await words.readLatest({ id: 5, value: EMPTY });

  assertEquals(latest?.id, 40);
  assertEquals(requests().slice(4), ["list words/", "get words/40.words"]);
});

test("readLatest() lists again where the listed object was collected meanwhile", async () => {
  const { store } = counted();
  const words = wordsIn(store);
  await storeWords(store, 1);
  let isFirst = true;
  const hold = store.hold(({ operation }) => {
    const isHeld = operation === "get" && isFirst;
    isFirst &&= !isHeld;
    return isHeld;
  });

  const reading = words.readLatest();
  await hold.arrived();
  await storeWords(store, 2);
  await store.delete(nameOf(1));
  hold.end();

  assertEquals((await reading)?.id, 2);
});

test("readLatest() gives up on a store whose listing and objects disagree", async () => {
  const store = new MemoryStore();
  await storeWords(store, 1);
  store.get = () => Promise.resolve(undefined);

  const error = await failureOf(() => wordsIn(store).readLatest());

  assertEquals(error.kind, "data");
});

test("readLatestThoroughly() does not take what the mark has passed", async () => {
  const { store, requests } = counted();
  const words = wordsIn(store);
  await storeWords(store, 4);
  await new Boundary(store, BOUNDARY).raise(3);
  requests();
  assertEquals((await words.readLatestThoroughly())?.id, 4);
  assertEquals(requests().toSorted(), [
    `get ${BOUNDARY}`,
    "get words/4.words",
    "list words/",
  ]);

  await new Boundary(store, BOUNDARY).raise(4);
  const error = await failureOf(() => words.readLatestThoroughly());
  assertEquals(error.kind, "data");
});

test("tryCreate() tells a taken number from a collected one", async () => {
  const { store, requests } = counted();
  const words = wordsIn(store);
  assertEquals(await words.tryCreate(1, EMPTY), "created");
  assertEquals(requests(), ["put words/1.words", `get ${BOUNDARY}`]);
  assertEquals(await words.tryCreate(1, EMPTY), "exists");
  assertEquals(requests(), ["put words/1.words"]);

  await new Boundary(store, BOUNDARY).raise(5);
  assertEquals(await words.tryCreate(5, EMPTY), "collected");
  assertEquals(await words.tryCreate(6, EMPTY), "created");
  assertEquals(await words.create(7, EMPTY), true);
  assertEquals(await words.create(7, EMPTY), false);
  assertEquals(await words.create(3, EMPTY), false);
});

test("tryCreate() whose check fails may have happened, and says so", async () => {
  const { store } = counted();
  store.fail(({ operation }) => operation === "get", { kind: "fail-before" });

  const error = await failureOf(() => wordsIn(store).tryCreate(1, EMPTY));

  assertEquals([error.kind, error.outcome], ["unavailable", "unknown"]);
  assertEquals((await wordsIn(store).readLatest())?.id, 1);
});

test("read() and list() give what is there, damage included", async () => {
  const { store } = counted();
  const words = wordsIn(store);
  for (const id of [3, 1, 2]) await storeWords(store, id);
  await store.put(nameOf(4), toBytes("{"));

  const ids: number[] = [];
  for await (const { id, meta } of words.list()) {
    ids.push(id);
    assertEquals(meta.name, nameOf(id));
  }
  assertEquals(ids, [1, 2, 3, 4]);
  assertEquals((await words.read(2))?.value, EMPTY);
  assertEquals(await words.read(9), undefined);
  assertEquals((await failureOf(() => words.read(4))).kind, "data");
  assertEquals((await failureOf(() => words.readLatest())).kind, "data");
});

test("a signal ends every call with its reason", async () => {
  const words = wordsIn(new MemoryStore());
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  const calls = [
    () => words.readLatest(undefined, signal),
    () => words.readLatest({ id: 1, value: EMPTY }, signal),
    () => words.readLatestThoroughly(signal),
    () => words.read(1, signal),
    () => words.create(1, EMPTY, signal),
    () => Array.fromAsync(words.list(signal)),
  ];
  for (const call of calls) assertEquals(await assertRejects(call), reason);
});

test("Boundary.raise() never lowers, whoever else raises", async () => {
  const store = new MemoryStore();
  const boundary = new Boundary(store, BOUNDARY);
  assertEquals(await boundary.read(), 0);

  await Promise.all([3, 9, 1, 7, 9, 2].map((id) => boundary.raise(id)));
  assertEquals(await boundary.read(), 9);
  await boundary.raise(4);

  assertEquals(toText((await bytesOf(store, BOUNDARY))!), "9");
});

test("Boundary.read() takes a number with space around it, and nothing else", async () => {
  const store = new MemoryStore();
  const boundary = new Boundary(store, BOUNDARY);
  await store.put(BOUNDARY, toBytes(" 12\n"));
  assertEquals(await boundary.read(), 12);

  const damaged = ["", "x", "-1", "1.5", "0x10", "1e3", "9".repeat(20)];
  for (const text of [...damaged, "1".repeat(10_000)]) {
    await store.put(BOUNDARY, toBytes(text));
    const error = await failureOf(() => boundary.read());
    assertEquals(error.kind, "data", text.slice(0, 30));
    await assertRejects(() => boundary.raise(5));
  }
});

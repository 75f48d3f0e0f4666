import { DbError } from "../../lib/base/errors.ts";
import { Boundary } from "../../lib/cas/boundary.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  append,
  BOUNDARY,
  nameOf,
  openWords,
  storedWords,
  storeWords,
  wordsIn,
} from "./register.ts";

async function failureOf(call: () => Promise<unknown>): Promise<DbError> {
  const error = await assertRejects(call);
  assert(error instanceof DbError, `a DbError, not ${error}`);
  return error as DbError;
}

test("open() creates number 1 at epoch 0, then raises the epoch in number 2", async () => {
  const store = new MemoryStore();

  const words = await openWords(store);

  assertEquals(words.epoch, 1);
  assertEquals(words.latest, { id: 2, value: { epoch: 1, words: [] } });
  assertEquals((await storedWords(store, 1))?.epoch, 0);
  assertEquals((await storedWords(store, 2))?.epoch, 1);
});

test("open() of what exists costs five requests, and an update two", async () => {
  const store = new FaultStore(new MemoryStore());
  await storeWords(store, 12, { epoch: 4, words: ["a"] });
  store.calls.length = 0;

  const words = await openWords(store);
  assertEquals(words.latest.value, { epoch: 5, words: ["a"] });
  assertEquals(store.count(), 5);
  assertEquals(store.count("list"), 1);

  store.calls.length = 0;
  await words.update(append("b"));
  assertEquals([store.count("put"), store.count("get")], [1, 1]);
  assertEquals(store.count(), 2);
  store.calls.length = 0;
  await words.refresh();
  assertEquals([store.count("get"), store.count()], [1, 1]);
});

test("open() without anything to create is an error", async () => {
  const options = { create: undefined };
  const error = await failureOf(() => openWords(new MemoryStore(), options));
  assertEquals(error.kind, "data");
});

test("open() raises nothing where the check refuses the value", async () => {
  const store = new MemoryStore();
  await storeWords(store, 1, { epoch: 0, words: ["no"] });
  const refusal = new DbError("invalid", "not like this");

  const error = await assertRejects(() =>
    openWords(store, {
      check: ({ words }) => {
        if (words.includes("no")) throw refusal;
      },
    })
  );

  assertEquals(error, refusal);
  assertEquals(await storedWords(store, 2), undefined);
});

test("open() of many at once gives each an epoch of its own", async () => {
  const store = new MemoryStore();

  const opened = await Promise.all(
    Array.from({ length: 8 }, () => openWords(store)),
  );

  const epochs = opened.map(({ epoch }) => epoch).sort();
  assertEquals(epochs, [1, 2, 3, 4, 5, 6, 7, 8]);
  const last = opened.find(({ epoch }) => epoch === 8)!;
  assertEquals((await last.update(append("x"))).value.epoch, 8);
});

test("open() takes the epoch given, unless it was taken", async () => {
  const store = new MemoryStore();
  assertEquals((await openWords(store, { take: 7 })).epoch, 7);

  for (const take of [6, 7]) {
    const error = await failureOf(() => openWords(store, { take }));
    assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  }
});

test("open() gives up when its time is over, on a store that never answers too", async () => {
  for (const fault of ["fail-before", "lost-reply"] as const) {
    const runtime = new ManualRuntime();
    const faults = new FaultStore(new MemoryStore(), {
      runtime,
      plan: () => ({ kind: fault }),
    });
    const store = new RetryingStore(faults, { runtime });

    const opening = openWords(store, { runtime, timeoutMs: 5000 });
    const error = await failureOf(() => runtime.run(opening));

    assertEquals([error.kind, runtime.monotonicMs()], ["unavailable", 5000]);
    await runtime.settle();
    assertEquals(runtime.timers, 0);
  }
});

test("open() that others keep beating gives up when its time is over", async () => {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore();
  const store = new FaultStore(memory, { runtime });
  await storeWords(memory, 1);
  let latest = 1;
  store.plan = ({ operation }) => {
    if (operation !== "put") return undefined;
    void storeWords(memory, ++latest);
    return { kind: "delay", ms: 100 };
  };

  const opening = openWords(store, { runtime, timeoutMs: 2000 });
  const error = await failureOf(() => runtime.run(opening));

  assertEquals([error.kind, error.retryable], ["unavailable", true]);
});

test("open() ends with the reason of its signal", async () => {
  const store = new FaultStore(new MemoryStore());
  const hold = store.hold(() => true);
  const abort = new AbortController();
  const reason = new Error("enough");

  const opening = openWords(store, { signal: abort.signal });
  await hold.arrived();
  abort.abort(reason);

  assertEquals(await assertRejects(() => opening), reason);
  hold.end();
});

test("update() and refresh() of a fenced holder fail as fenced", async () => {
  const store = new MemoryStore();
  const old = await openWords(store);
  const mine = await openWords(store);
  await mine.update(append("mine"));

  for (
    const call of [
      () => old.update(append("old")),
      () => old.refresh(),
      () => old.refresh("thoroughly"),
      () => old.update(append("again")),
    ]
  ) {
    const error = await failureOf(call);
    assertEquals([error.kind, error.reason], ["closed", "fenced"]);
    assertStringIncludes(error.message, "detected newer DB client");
  }
  assertEquals((await mine.refresh()).value.words, ["mine"]);
});

test("an epoch that went back is damage", async () => {
  const store = new MemoryStore();
  const words = await openWords(store, { take: 5 });
  await storeWords(store, 3, { epoch: 4, words: [] });

  assertEquals((await failureOf(() => words.refresh())).kind, "data");
});

test("update() applies the edit again to what won, by probing", async () => {
  const store = new FaultStore(new MemoryStore());
  const words = await openWords(store);
  // Others change the value without an epoch, as those who make checkpoints do.
  await storeWords(store, 3, { epoch: 1, words: ["other"] });
  await storeWords(store, 4, { epoch: 1, words: ["other", "one"] });
  store.calls.length = 0;

  const stored = await words.update(append("mine"));

  assertEquals(stored.id, 5);
  assertEquals(stored.value.words, ["other", "one", "mine"]);
  assertEquals(words.latest, stored);
  assertEquals([store.count("list"), store.count()], [0, 6]);
});

test("update() without a change writes nothing", async () => {
  const store = new FaultStore(new MemoryStore());
  const words = await openWords(store);
  store.calls.length = 0;

  const stored = await words.update((value) => value);

  assertEquals([stored, store.count()], [words.latest, 0]);
});

test("update() keeps the epoch whatever the edit does, and throws what it throws", async () => {
  const words = await openWords(new MemoryStore());
  const stored = await words.update((value) => ({ ...value, epoch: 99 }));
  assertEquals(stored.value.epoch, 1);

  const reason = new Error("cannot edit");
  const error = await assertRejects(() =>
    words.update(() => {
      throw reason;
    })
  );
  assertEquals(error, reason);
  assertEquals((await words.update(append("x"))).value.words, ["x"]);
});

test("update() of one holder go one after another, in order", async () => {
  const store = new FaultStore(new MemoryStore());
  const words = await openWords(store);
  store.calls.length = 0;
  const names = ["a", "b", "c", "d", "e"];

  await Promise.all([
    ...names.map((word) => words.update(append(word))),
    words.refresh(),
  ]);

  assertEquals(words.latest.value.words, names);
  assertEquals([store.count("put"), store.count("list")], [5, 0]);
});

test("update() after a failed one starts from what is stored", async () => {
  const store = new FaultStore(new MemoryStore());
  const words = await openWords(store);
  store.fail(({ operation }) => operation === "put", { kind: "fail-after" });

  const error = await failureOf(() => words.update(append("maybe")));
  assertEquals([error.kind, error.outcome], ["unavailable", "unknown"]);

  const stored = await words.update(append("sure"));
  assertEquals(stored.value.words, ["maybe", "sure"]);
});

test("a sleeper that creates a collected number again has lost", async () => {
  const runtime = new ManualRuntime();
  const store = new MemoryStore();
  const sleeper = await openWords(store, { runtime });
  // The others go on without an epoch; number 3 comes and goes.
  for (let id = 3; id <= 9; id++) {
    await storeWords(store, id, { epoch: 1, words: [`w${id}`] });
  }
  await new Boundary(store, BOUNDARY).raise(8);
  for (let id = 1; id <= 8; id++) await store.delete(nameOf(id));

  const stored = await sleeper.update(append("late"));

  assertEquals(stored.id, 10);
  assertEquals(stored.value.words, ["w9", "late"]);
  // The worthless number is left to the collector; nobody takes it for real.
  assertEquals((await storedWords(store, 3))?.words, ["late"]);
  assertEquals((await wordsIn(store).readLatestThoroughly())?.id, 10);
});

test("a holder that slept does not take a sleeper's number for the latest", async () => {
  const runtime = new ManualRuntime();
  const store = new MemoryStore();
  const holder = await openWords(store, { runtime });
  await storeWords(store, 9, { epoch: 1, words: ["true"] });
  await new Boundary(store, BOUNDARY).raise(8);
  await storeWords(store, 3, { epoch: 1, words: ["worthless"] });
  await runtime.advance(600_000);

  const stored = await holder.update(append("late"));

  assertEquals(stored, {
    id: 10,
    value: { epoch: 1, words: ["true", "late"] },
  });
});

test("a database whose files were deleted is damage, not a new one", async () => {
  const store = new MemoryStore();
  const words = await openWords(store);
  await words.update(append("x"));
  for (const id of [1, 2, 3]) await store.delete(nameOf(id));

  const error = await failureOf(() => words.refresh("thoroughly"));
  assertEquals(error.kind, "data");
});

test("msSinceLook grows until a look or a change", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore(), { runtime });
  const words = await openWords(store, { runtime });
  await runtime.advance(500);
  assertEquals(words.msSinceLook, 500);
  await words.refresh();
  assertEquals(words.msSinceLook, 0);
  await runtime.advance(70);
  // From its beginning: what happened meanwhile was not seen.
  store.fail(() => true, { kind: "delay", ms: 30 });
  await runtime.run(words.update(append("x")));
  assertEquals(words.msSinceLook, 30);
});

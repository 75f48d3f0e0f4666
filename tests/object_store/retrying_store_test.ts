import { DbError } from "../../lib/base/errors.ts";
import { isUlid } from "../../lib/base/ids.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import {
  PUT_ID_KEY,
  type PutOptions,
  syncReadsOf,
} from "../../lib/object_store/object_store.ts";
import {
  RetryingStore,
  type RetryingStoreOptions,
} from "../../lib/object_store/retrying_store.ts";
import { type Fault, FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  bytesOf,
  listNames,
  sampleBytes,
  streamOf,
} from "../../lib/testing/store_samples.ts";
import { VfsError } from "../../lib/vfs/vfs.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const BODY = sampleBytes(10);
const FAIL_BEFORE: Fault = { kind: "fail-before" };
const FAIL_AFTER: Fault = { kind: "fail-after" };

interface World {
  readonly runtime: ManualRuntime;
  readonly memory: MemoryStore;
  readonly faults: FaultStore;
  readonly store: RetryingStore;
}

function world(options: RetryingStoreOptions = {}): World {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const faults = new FaultStore(memory, { runtime });
  const store = new RetryingStore(faults, { runtime, ...options });
  return { runtime, memory, faults, store };
}

async function failureOf(call: Promise<unknown>): Promise<DbError> {
  const error = await assertRejects(() => call);
  assert(error instanceof DbError, `a DbError, not ${error}`);
  return error as DbError;
}

test("every call is repeated until it succeeds", async () => {
  const { runtime, faults, store } = world();
  await store.put("a", BODY);
  const isAny = () => true;
  faults.fail(isAny, FAIL_BEFORE, 3);
  assertEquals((await runtime.run(store.get("a")))?.bytes, BODY);
  faults.fail(isAny, FAIL_BEFORE, 3);
  assertEquals((await runtime.run(store.head("a")))?.size, 10);
  faults.fail(isAny, FAIL_AFTER, 3);
  await runtime.run(store.put("b", BODY));
  faults.fail(isAny, FAIL_AFTER, 3);
  await runtime.run(store.delete("a"));
  faults.fail(isAny, FAIL_BEFORE, 3);
  assertEquals(await runtime.run(listNames(store)), ["b"]);
  assertEquals(faults.count(), 21);
});

test("pauses grow from 100 ms to 1 s, less up to a half by chance", async () => {
  const { runtime, faults, store } = world();
  const pauses: number[] = [];
  let last = 0;
  faults.plan = () => {
    pauses.push(runtime.monotonicMs() - last);
    last = runtime.monotonicMs();
    return pauses.length > 8 ? undefined : FAIL_BEFORE;
  };

  await runtime.run(store.get("a"));

  const longest = [100, 200, 400, 800, 1000, 1000, 1000, 1000];
  for (const [i, pause] of pauses.slice(1).entries()) {
    assert(pause > longest[i]! / 2 - 1 && pause <= longest[i]!, `${pauses}`);
  }
  assertEquals(pauses.length, 9);
  assert(new Set(pauses.map((pause, i) => pause / longest[i - 1]!)).size > 5);
});

test("maxRetries ends the repetition with the last failure", async () => {
  const { runtime, faults, store } = world({ maxRetries: 2 });
  faults.fail(() => true, FAIL_BEFORE, 100);

  const error = await failureOf(runtime.run(store.put("a", BODY)));

  assertEquals([error.kind, error.outcome], ["unavailable", "none"]);
  assertEquals(faults.count("put"), 3);
  assertEquals(
    (await failureOf(Promise.try(() => world({ maxRetries: -1 })))).kind,
    "invalid",
  );
});

test("a failure that waiting does not heal is thrown at once", async () => {
  const errors = [
    new DbError("invalid", "bad name"),
    new DbError("data", "damaged"),
    new DbError("unavailable", "no permission", { retryable: false }),
    new TypeError("a bug"),
  ];
  for (const error of errors) {
    const { faults, store } = world();
    faults.fail(() => true, { kind: "fail-before", error });
    assertEquals(await assertRejects(() => store.get("a")), error);
    assertEquals(faults.count(), 1);
  }
});

test("an unknown outcome is not forgotten over a later failure", async () => {
  for (const retryable of [true, false]) {
    const { runtime, faults, store } = world({ maxRetries: 1 });
    faults.fail(() => true, FAIL_AFTER);
    const error = new DbError("unavailable", "down", { retryable });
    faults.fail(() => true, { kind: "fail-before", error });

    const thrown = await failureOf(runtime.run(store.put("a", BODY)));

    assertEquals([thrown.outcome, thrown.retryable], ["unknown", retryable]);
    assertEquals(thrown.message, "down");
  }
});

test("a put that lost, to whom could not be seen, is of unknown outcome", async () => {
  const { runtime, memory, faults, store } = world({ maxRetries: 1 });
  faults.fail(({ operation }) => operation === "put", { kind: "duplicate" });
  faults.fail(({ operation }) => operation === "head", FAIL_BEFORE, 2);

  const put = store.put("a", BODY, { mode: "create" });
  const error = await failureOf(runtime.run(put));

  assertEquals([error.kind, error.outcome], ["unavailable", "unknown"]);
  assertEquals(await bytesOf(memory, "a"), BODY);
});

test("a failure of the disk is thrown after some seconds, and as hopeless", async () => {
  const { runtime, faults, store } = world();
  const cause = new VfsError("ENOSPC", "append", "/a");
  const error = new DbError("unavailable", "the disk is full", { cause });
  faults.plan = () => ({ kind: "fail-before", error });

  const thrown = await failureOf(runtime.run(store.put("a", BODY), 10_000));

  assertEquals([thrown.message, thrown.retryable], ["the disk is full", false]);
  assertEquals(thrown.cause, cause);
  assertEquals(faults.count("put"), 6);
});

for (const fault of ["fail-after", "fail-before", "duplicate"] as const) {
  test(`put() to create that loses to itself after ${fault} has won`, async () => {
    const { runtime, memory, faults, store } = world();
    faults.fail(({ operation }) => operation === "put", { kind: fault });
    const options: PutOptions = { mode: "create", metadata: { by: "me" } };

    const result = await runtime.run(store.put("a", BODY, options));

    const meta = (await memory.head("a"))!;
    assertEquals(result, { ok: true, etag: meta.etag });
    assertEquals(meta.metadata["by"], "me");
    assert(isUlid(meta.metadata[PUT_ID_KEY]!));
    assertEquals(faults.count("head"), fault === "fail-before" ? 0 : 1);
  });

  test(`put() if it matches that loses to itself after ${fault} has won`, async () => {
    const { runtime, memory, faults, store } = world();
    await store.put("a", BODY);
    const mode = { ifMatch: (await store.head("a"))!.etag };
    faults.fail(({ operation }) => operation === "put", { kind: fault });

    const result = await runtime.run(
      store.put("a", sampleBytes(5), { mode }),
    );

    assertEquals(result, { ok: true, etag: (await memory.head("a"))!.etag });
    assertEquals(await bytesOf(memory, "a"), sampleBytes(5));
  });
}

test("put() to create that lost to another has lost, whatever came before", async () => {
  const { runtime, memory, faults, store } = world();
  faults.plan = ({ operation, index }) => {
    if (operation === "put" && index < 3) return FAIL_BEFORE;
    if (operation === "head" && index < 6) return FAIL_BEFORE;
    return undefined;
  };
  const other = new RetryingStore(memory, { runtime });
  await other.put("a", sampleBytes(3), { mode: "create" });

  const put = store.put("a", BODY, { mode: "create" });
  const result = await runtime.run(put);

  assertEquals(result, { ok: false, reason: "exists" });
  assertEquals(await bytesOf(memory, "a"), sampleBytes(3));
});

test("put() to create costs one request where it wins, two where it loses", async () => {
  const { faults, store } = world();
  assertEquals((await store.put("a", BODY, { mode: "create" })).ok, true);
  assertEquals(faults.count(), 1);
  assertEquals((await store.put("a", BODY, { mode: "create" })).ok, false);
  assertEquals([faults.count(), faults.count("put")], [3, 2]);
});

test("put() of a stream is tried once", async () => {
  const { faults, store } = world();
  faults.fail(() => true, FAIL_BEFORE);

  const error = await failureOf(store.put("a", streamOf(BODY, 3)));

  assertEquals([error.kind, faults.count()], ["unavailable", 1]);
});

test("get() does not hand out a short body", async () => {
  const { runtime, faults, store } = world();
  await store.put("a", BODY);
  for (
    const options of [{}, { range: { start: 2 } }, { range: { suffix: 4 } }]
  ) {
    faults.fail(() => true, { kind: "short-body" }, 2);
    const { start } = options.range as { start?: number } ?? {};
    const expected = options.range === undefined
      ? BODY
      : start === undefined
      ? BODY.slice(6)
      : BODY.slice(2);
    const result = await runtime.run(store.get("a", options));
    assertEquals(result?.bytes, expected);
  }
  assertEquals(faults.count("get"), 9);
});

test("list() goes on where it broke off: none missed, none twice", async () => {
  const { runtime, faults, store } = world();
  const names = Array.from({ length: 9 }, (_, i) => `a/${i}`);
  for (const name of names) await store.put(name, BODY);
  for (const entries of [0, 2, 0, 0, 4, 1, 2, 0]) {
    faults.fail(() => true, { kind: "torn-list", entries });
  }

  assertEquals(await runtime.run(listNames(store, "a/")), names);
  assertEquals(await listNames(store, "a/", "a/6"), ["a/7", "a/8"]);
});

test("list() gives up after maxRetries failures in a row", async () => {
  const { runtime, faults, store } = world({ maxRetries: 1 });
  for (const name of ["a", "b", "c"]) await store.put(name, BODY);
  faults.fail(() => true, { kind: "torn-list", entries: 1 }, 3);
  assertEquals(await runtime.run(listNames(store)), ["a", "b", "c"]);

  faults.fail(() => true, FAIL_BEFORE, 2);
  const error = await failureOf(runtime.run(listNames(store)));
  assertEquals(error.kind, "unavailable");
});

test("a signal ends the pause with its reason", async () => {
  const { runtime, faults, store } = world();
  faults.fail(() => true, FAIL_AFTER, 100);
  const abort = new AbortController();
  const reason = new Error("enough");
  const { signal } = abort;

  const put = store.put("a", BODY, { mode: "create", signal });
  const list = listNames(store);
  list.catch(() => {});
  await runtime.settle();
  abort.abort(reason);

  assertEquals(await assertRejects(() => put), reason);
  faults.plan = () => undefined;
  assertEquals(runtime.timers, 1);
});

test("failures that are tried again are told to the logger", async () => {
  const told: string[] = [];
  const quiet = () => {};
  const logger = {
    debug: quiet,
    info: quiet,
    warn: (message: string) => void told.push(message),
    error: quiet,
  };
  const { runtime, faults, store } = world({ logger });
  faults.fail(() => true, FAIL_BEFORE, 2);

  await runtime.run(store.get("wal/7"));

  assertEquals(told.length, 2);
  assert(told[1]!.includes("get wal/7") && told[1]!.includes("attempt 2"));
});

test("the synchronous door and the url are the inner store's", () => {
  const memory = new MemoryStore();
  assert(syncReadsOf(new RetryingStore(memory)) !== undefined);
  const faults = new FaultStore(memory);
  assertEquals(syncReadsOf(new RetryingStore(faults)), undefined);
  assertEquals(new RetryingStore(memory).url, undefined);
});

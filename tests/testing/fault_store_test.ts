import { DbError } from "../../lib/base/errors.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { type Fault, FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { seededFaults } from "../../lib/testing/seeded_faults.ts";
import { listNames, sampleBytes } from "../../lib/testing/store_samples.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const BODY = sampleBytes(10);

async function failureOf(call: Promise<unknown>): Promise<DbError> {
  const error = await assertRejects(() => call);
  assert(error instanceof DbError);
  return error as DbError;
}

test("fail() before a put: unavailable, nothing happened", async () => {
  const store = new FaultStore(new MemoryStore());
  store.fail(() => true, { kind: "fail-before" });

  const { kind, outcome } = await failureOf(store.put("a", BODY));

  assertEquals([kind, outcome], ["unavailable", "none"]);
  assertEquals(await store.get("a"), undefined);
});

test("fail() after a put: unavailable, and it happened", async () => {
  const store = new FaultStore(new MemoryStore());
  store.fail(({ name }) => name === "a", { kind: "fail-after" });

  const { kind, outcome } = await failureOf(store.put("a", BODY));

  assertEquals([kind, outcome], ["unavailable", "unknown"]);
  assertEquals((await store.get("a"))?.bytes, BODY);
});

test("fail() with a lost reply: only the signal ends the call", async () => {
  const store = new FaultStore(new MemoryStore());
  store.fail(() => true, { kind: "lost-reply" });
  const abort = new AbortController();
  let isSettled = false;

  const put = store.put("a", BODY, { signal: abort.signal });
  put.finally(() => isSettled = true).catch(() => {});
  await new ManualRuntime().settle();
  assertEquals((await store.get("a"))?.bytes, BODY);
  assertEquals(isSettled, false);
  const reason = new Error("enough");
  abort.abort(reason);

  assertEquals(await assertRejects(() => put), reason);
});

test("fail() with a duplicate: a create loses to itself", async () => {
  const store = new FaultStore(new MemoryStore());
  store.fail(() => true, { kind: "duplicate" });

  const result = await store.put("a", BODY, { mode: "create" });

  assertEquals(result, { ok: false, reason: "exists" });
  assertEquals((await store.get("a"))?.bytes, BODY);
});

test("fail() with a short body and a torn list", async () => {
  const store = new FaultStore(new MemoryStore());
  for (const name of ["a", "b", "c"]) await store.put(name, BODY);
  const isGet = ({ operation }: { operation: string }) => operation === "get";
  store.fail(isGet, { kind: "short-body" });
  assertEquals((await store.get("a"))?.bytes.length, 5);

  for (const entries of [0, 2, 3]) {
    store.fail(() => true, { kind: "torn-list", entries });
    const seen: string[] = [];
    const list = async () => {
      for await (const { name } of store.list("")) seen.push(name);
    };
    assertEquals((await failureOf(list())).kind, "unavailable");
    assertEquals(seen.length, entries);
  }
  assertEquals(await listNames(store), ["a", "b", "c"]);
});

test("fail() with a delay takes the runtime's time", async () => {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore(), { runtime });
  store.fail(() => true, { kind: "delay", ms: 500 });

  await runtime.run(store.put("a", BODY));

  assertEquals(runtime.monotonicMs(), 500);
});

test("hold() holds requests back until released, in order", async () => {
  const inner = new MemoryStore();
  const store = new FaultStore(inner);
  const hold = store.hold(({ operation }) => operation === "put");
  const put = (name: string) => store.put(name, BODY);
  const puts = [put("a"), put("b"), put("c")];

  await hold.arrived(3);
  assertEquals(await listNames(inner), []);
  hold.release(1);
  await puts[0];
  assertEquals(await listNames(inner), ["a"]);
  assertEquals(hold.waiting.map(({ name }) => name), ["b", "c"]);
  hold.end();
  await Promise.all([...puts, put("d")]);
  assertEquals(await listNames(inner), ["a", "b", "c", "d"]);
});

test("hold() of replies lets the effect happen", async () => {
  const inner = new MemoryStore();
  const store = new FaultStore(inner);
  const hold = store.hold(() => true, "reply");
  const put = store.put("a", BODY);

  await hold.arrived();
  assertEquals(await listNames(inner), ["a"]);
  hold.end();
  assertEquals((await put).ok, true);
});

test("hold() lets a call go whose signal fires", async () => {
  const inner = new MemoryStore();
  const store = new FaultStore(inner);
  const hold = store.hold(() => true);
  const abort = new AbortController();
  const reason = new Error("enough");
  const put = store.put("a", BODY, { signal: abort.signal });
  const other = store.put("b", BODY);
  await hold.arrived(2);

  abort.abort(reason);

  assertEquals(await assertRejects(() => put), reason);
  assertEquals(hold.waiting.map(({ name }) => name), ["b"]);
  hold.end();
  await other;
  assertEquals(await listNames(inner), ["b"]);
});

test("count() counts by operation and name", async () => {
  const store = new FaultStore(new MemoryStore());
  await store.put("wal/1", BODY);
  await store.put("wal/2", BODY);
  await store.get("wal/1");
  await store.head("manifest/1");
  await store.delete("wal/1");
  await listNames(store, "wal/");

  assertEquals(store.count(), 6);
  assertEquals(store.count("put"), 2);
  assertEquals(store.count("put", "wal/2"), 1);
  assertEquals(store.count(undefined, "manifest"), 1);
  assertEquals(store.count("list", "wal/"), 1);
  store.calls.length = 0;
  assertEquals(store.count(), 0);
});

test("seededFaults() repeats for equal seeds and keeps to the rates", () => {
  const faults = (seed: number) => {
    const runtime = new ManualRuntime({ seed });
    const plan = seededFaults(() => runtime.random(), {
      failBefore: 0.2,
      failAfter: 0.2,
      duplicate: 0.1,
      delay: 0.1,
      shortBody: 0.1,
      tornList: 0.1,
    });
    return Array.from(
      { length: 2000 },
      (_, index): Fault | undefined =>
        plan({ operation: "get", name: "a", index, mode: undefined }),
    );
  };

  assertEquals(faults(3), faults(3));
  const share = (kind: Fault["kind"]) =>
    faults(3).filter((fault) => fault?.kind === kind).length / 2000;
  assert(Math.abs(share("fail-before") - 0.2) < 0.05);
  assert(Math.abs(share("short-body") - 0.1) < 0.05);
  assertEquals(share("torn-list"), 0);
});

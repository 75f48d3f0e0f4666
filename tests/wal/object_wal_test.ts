import { toText } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { walName } from "../../lib/format/paths.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { fencedError } from "../../lib/wal/object_wal_fence.ts";
import { ObjectWal, type ObjectWalOptions } from "../../lib/wal/object_wal.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { GatedStore } from "./gated_store.ts";
import { KERNEL, RowWriter, TextEncoder } from "./wal_harness.ts";

interface Bench {
  wal: ObjectWal;
  store: GatedStore;
  runtime: ManualRuntime;
  rows: RowWriter;
  failures: DbError[];
}

function open(options: Partial<ObjectWalOptions> = {}): Bench {
  const store = new GatedStore();
  const runtime = new ManualRuntime();
  const failures: DbError[] = [];
  const wal = new ObjectWal({
    store,
    root: "db",
    runtime,
    recorder: noRecorder,
    newEncoder: () => new TextEncoder(),
    lastId: 4,
    durableSeq: 0n,
    flushIntervalMs: 100,
    maxFileBytes: 1 << 20,
    confirmOwnership: () => undefined,
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return { wal, store, runtime, failures, rows: new RowWriter(wal) };
}

async function files(store: GatedStore): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const { name } of store.list("")) {
    found.push([name, toText((await store.get(name))!.bytes)]);
  }
  return found;
}

async function close({ wal, rows }: Bench): Promise<void> {
  await wal.close({ flush: false });
  rows.memtable.release();
}

test("ObjectWal stores nothing and keeps no timer while nothing is written", async () => {
  const bench = open();
  assertEquals(bench.runtime.timers, 0);
  await bench.wal.flush();
  assertEquals(bench.store.held.length, 0);
  await close(bench);
});

test("ObjectWal cuts a file when the interval is over", async () => {
  const bench = open();
  const { wal, store, runtime, rows } = bench;
  rows.write("a");
  rows.write("b", "c");
  assertEquals(runtime.timers, 1);
  await runtime.advance(99);
  assertEquals(store.held.length, 0);
  await runtime.advance(1);
  const put = await store.next();
  assertEquals(put.name, walName("db", 5));
  assertEquals(wal.durable.level, 0n);
  assert(wal.bufferedBytes > 0);
  await put.land();
  await wal.durable.reached(2n);
  assertEquals(wal.lastFlushedId, 5);
  assertEquals(wal.bufferedBytes, 0);
  assertEquals(await files(store), [[walName("db", 5), "1 a\n2 b\n2 c\n"]]);
  assertEquals(runtime.timers, 0);
  await close(bench);
});

test("ObjectWal without an interval waits to be asked", async () => {
  const bench = open({ flushIntervalMs: undefined });
  const { wal, store, runtime, rows } = bench;
  rows.write("a");
  assertEquals(runtime.timers, 0);
  const flushed = wal.flush();
  await (await store.next()).land();
  await flushed;
  assertEquals(wal.durable.level, 1n);
  await close(bench);
});

test("ObjectWal cuts a file when enough is buffered, never inside a batch", async () => {
  const bench = open({ flushIntervalMs: undefined, maxFileBytes: 1 });
  const { wal, store, rows } = bench;
  rows.write("a", "b");
  rows.write("c");
  // A file ends with the batch that fills it, however late it can be put.
  const first = await store.next();
  assertEquals(toText(first.body), "1 a\n1 b\n");
  await first.land();
  const second = await store.next();
  assertEquals(toText(second.body), "2 c\n");
  await second.land();
  await wal.durable.reached(2n);
  await close(bench);
});

test("ObjectWal puts one file after another, and groups what comes meanwhile", async () => {
  const bench = open({ flushIntervalMs: undefined });
  const { wal, store, rows } = bench;
  const flushes: Promise<void>[] = [];
  for (const key of ["a", "b", "c", "d"]) {
    rows.write(key);
    flushes.push(wal.flush());
  }
  const first = await store.next();
  assertEquals(store.held.length, 1);
  assertEquals(toText(first.body), "1 a\n");
  await first.land();
  await flushes[0];
  assertEquals(wal.durable.level, 1n);
  const second = await store.next();
  assertEquals(toText(second.body), "2 b\n");
  await second.land();
  const third = await store.next();
  assertEquals(toText(third.body), "3 c\n4 d\n");
  await third.land();
  await Promise.all(flushes);
  assertEquals((await files(store)).map(([name]) => name), [
    walName("db", 5),
    walName("db", 6),
    walName("db", 7),
  ]);
  await close(bench);
});

test("ObjectWal encodes the next file while one travels", async () => {
  let encodings = 0;
  const bench = open({
    flushIntervalMs: undefined,
    newEncoder: () => {
      encodings++;
      return new TextEncoder();
    },
  });
  const { wal, store, rows } = bench;
  rows.write("a");
  const flushed = wal.flush();
  const put = await store.next();
  rows.write("b");
  const more = wal.flush();
  assertEquals(encodings, 2);
  await put.land();
  await flushed;
  await (await store.next()).land();
  await more;
  await close(bench);
});

test("ObjectWal leaves out rows that are appended while a file is encoded", async () => {
  const gates: (() => void)[] = [];
  const bench = open({
    flushIntervalMs: undefined,
    newEncoder: () =>
      new TextEncoder(() => new Promise((resolve) => gates.push(resolve))),
  });
  const { wal, store, rows } = bench;
  rows.write("a");
  const flushed = wal.flush();
  rows.write("b");
  rows.freeze();
  rows.write("c");
  gates.shift()!();
  const put = await store.next();
  assertEquals(toText(put.body), "1 a\n");
  const more = wal.flush();
  await put.land();
  await flushed;
  // One chain of each memtable.
  while (gates.length > 0 || store.held.length === 0) {
    gates.shift()?.();
    await Promise.resolve();
  }
  assertEquals(toText(store.held[0]!.body), "2 b\n3 c\n");
  await store.held[0]!.land();
  await more;
  await close(bench);
});

test("ObjectWal keeps a memtable until its rows are encoded", async () => {
  const before = KERNEL.exports.memory_used();
  const bench = open({ flushIntervalMs: undefined });
  const { wal, store, rows } = bench;
  for (let i = 0; i < 5; i++) {
    rows.write(`key ${i}`);
    rows.freeze();
  }
  const flushed = wal.flush();
  await (await store.next()).land();
  await flushed;
  assertEquals((await files(store))[0]![1].split("\n").length, 6);
  rows.write("never stored");
  await close(bench);
  assertEquals(KERNEL.exports.memory_used(), before);
});

test("ObjectWal ends as fenced where its number is taken", async () => {
  const bench = open({ flushIntervalMs: undefined });
  const { wal, store, rows, failures } = bench;
  rows.write("a");
  const flushed = wal.flush();
  const put = await store.next();
  rows.write("b");
  const later = wal.durable.reached(2n);
  store.gated = false;
  await store.put(walName("db", 5), new Uint8Array(114), { mode: "create" });
  await put.land();
  const error = await assertRejects(() => flushed) as DbError;
  assertEquals(error.kind, "closed");
  assertEquals(error.reason, "fenced");
  assertStrictEquals(await assertRejects(() => later!), error);
  assertEquals(failures, [error]);
  assertStrictEquals(assertThrows(() => rows.write("c")), error);
  assertStrictEquals(await assertRejects(() => wal.flush()), error);
  assertEquals(wal.durable.level, 0n);
  assertEquals(wal.lastFlushedId, 4);
  await close(bench);
});

test("ObjectWal ends with what the store could not repair", async () => {
  const bench = open();
  const { wal, store, runtime, rows, failures } = bench;
  rows.write("a");
  const durable = wal.durable.reached(1n);
  await runtime.advance(100);
  const failure = new DbError("unavailable", "no answer");
  (await store.next()).fail(failure);
  assertStrictEquals(await assertRejects(() => durable!), failure);
  assertEquals(failures, [failure]);
  assertEquals(runtime.timers, 0);
  await close(bench);
});

test("ObjectWal acknowledges nothing before ownership is confirmed", async () => {
  const asked: PromiseWithResolvers<void>[] = [];
  const bench = open({
    flushIntervalMs: undefined,
    confirmOwnership: () => {
      const answer = Promise.withResolvers<void>();
      asked.push(answer);
      return answer.promise;
    },
  });
  const { wal, store, rows, failures } = bench;
  rows.write("a");
  const first = wal.flush();
  await (await store.next()).land();
  while (asked.length === 0) await Promise.resolve();
  assertEquals(wal.durable.level, 0n);
  assertEquals(wal.lastFlushedId, 4);
  asked[0]!.resolve();
  await first;
  assertEquals(wal.durable.level, 1n);

  rows.write("b");
  const second = wal.flush();
  await (await store.next()).land();
  while (asked.length === 1) await Promise.resolve();
  asked[1]!.reject(fencedError());
  const error = await assertRejects(() => second) as DbError;
  assertEquals(error.reason, "fenced");
  assertEquals(wal.durable.level, 1n);
  assertEquals(failures, [error]);
  await close(bench);
});

test("ObjectWal.close() makes everything durable when asked to", async () => {
  const bench = open();
  const { wal, store, runtime, rows } = bench;
  rows.write("a");
  const first = wal.flush();
  rows.write("b");
  const closed = wal.close({ flush: true });
  assertStrictEquals(wal.close({ flush: true }), closed);
  await (await store.next()).land();
  await first;
  await (await store.next()).land();
  await closed;
  assertEquals(wal.durable.level, 2n);
  assertEquals(runtime.timers, 0);
  const error = assertThrows(() => rows.write("c")) as DbError;
  assertEquals(error.reason, "clean");
  rows.memtable.release();
});

test("ObjectWal.close() without a flush ends a put that hangs", async () => {
  const bench = open();
  const { wal, store, rows, failures } = bench;
  rows.write("a");
  const flushed = wal.flush();
  await store.next();
  rows.write("b");
  await wal.close({ flush: false });
  const error = await assertRejects(() => flushed) as DbError;
  assertEquals(error.kind, "closed");
  assertEquals(failures, []);
  assertEquals(await files(store), []);
  rows.memtable.release();
});

test("ObjectWal encodes a file again where memory was exhausted", async () => {
  let attempts = 0;
  const bench = open({
    newEncoder: () => {
      if (attempts++ === 0) throw new DbError("unavailable", "no memory");
      return new TextEncoder();
    },
  });
  const { wal, store, runtime, rows, failures } = bench;
  rows.write("a");
  // Only the log holds the rows by now.
  rows.freeze();
  const flushed = wal.flush();

  await runtime.advance(1000);
  await (await store.next()).land();
  await flushed;

  assertEquals(await files(store), [[walName("db", 5), "1 a\n"]]);
  assertEquals([attempts, failures], [2, []]);
  await close(bench);
});

test("ObjectWal.close() waits for what still reads memtables after a failure", async () => {
  const gate = Promise.withResolvers<void>();
  let files = 0;
  const bench = open({
    newEncoder: () =>
      new TextEncoder(() => ++files === 2 ? gate.promise : undefined),
  });
  const { wal, store, rows, failures } = bench;
  rows.write("a");
  void wal.flush().catch(() => {});
  const first = await store.next();
  rows.write("b");
  void wal.flush().catch(() => {});
  await first.fail(new DbError("unavailable", "no", { retryable: false }));
  while (failures.length === 0) await Promise.resolve();

  let isClosed = false;
  const closing = wal.close({ flush: false }).then(() => isClosed = true);
  await bench.runtime.settle();
  assertEquals(isClosed, false);

  gate.resolve();
  await closing;
  rows.memtable.release();
});

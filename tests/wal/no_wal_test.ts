import type { DbError } from "../../lib/base/errors.ts";
import { NoWal } from "../../lib/wal/no_wal.ts";
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { RowWriter } from "./wal_harness.ts";

function open(flushIntervalMs: number | undefined = 100) {
  const runtime = new ManualRuntime();
  const requests: number[] = [];
  const wal = new NoWal({
    runtime,
    lastId: 3,
    durableSeq: 0n,
    flushIntervalMs,
    requestFlush: () => requests.push(runtime.now()),
  });
  return { wal, runtime, requests, rows: new RowWriter(wal) };
}

test("NoWal asks for a flush only where somebody waits", async () => {
  const { wal, runtime, requests, rows } = open();
  assertEquals(runtime.timers, 0);
  rows.write("a");
  await runtime.advance(5000);
  assertEquals(requests.length, 0);
  const durable = wal.durable.reached(1n);
  await runtime.advance(1000);
  assertEquals(requests.length, 1);
  wal.durable.raise(1n);
  await durable;
  await runtime.advance(5000);
  assertEquals(requests.length, 1);
  assertEquals(runtime.timers, 0);
  rows.memtable.release();
});

test("NoWal lets waiters wait a second at least", async () => {
  const { wal, runtime, requests, rows } = open(100);
  rows.write("a");
  const durable = wal.durable.reached(1n);
  await runtime.advance(999);
  assertEquals(requests.length, 0);
  await runtime.advance(1);
  assertEquals(requests.length, 1);
  wal.durable.raise(1n);
  await durable;
  await wal.close({ flush: false });
  rows.memtable.release();
});

test("NoWal.flush() asks at once", async () => {
  const { wal, requests, rows } = open(undefined);
  await wal.flush();
  assertEquals(requests.length, 0);
  rows.write("a");
  const flushed = wal.flush();
  assertEquals(requests.length, 1);
  wal.durable.raise(1n);
  await flushed;
  assertEquals(wal.lastFlushedId, 3);
  await wal.close({ flush: false });
  rows.memtable.release();
});

test("NoWal.close() tells the waiters", async () => {
  const { wal, runtime, rows } = open();
  rows.write("a");
  const durable = wal.durable.reached(1n);
  await wal.close({ flush: false });
  await wal.close({ flush: false });
  const error = await assertRejects(() => durable!) as DbError;
  assertEquals(error.kind, "closed");
  assertStrictEquals(assertThrows(() => rows.write("b")), error);
  assertEquals(runtime.timers, 0);
  rows.memtable.release();
});

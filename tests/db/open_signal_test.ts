/**
 * Openings that cannot come to their end: what ends them, and that nothing of
 * them goes on.
 *
 * @module
 */
import {
  type CallMatcher,
  FaultStore,
  ManualRuntime,
} from "../../lib/testing/mod.ts";
import { Db, DbError, DbReader, MemoryStore } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { isSstPut } from "../support/calls.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const isGet: CallMatcher = ({ operation }) => operation === "get";
const isList: CallMatcher = ({ operation }) => operation === "list";

/** A database that closed with rows in its WAL alone. */
async function setUp() {
  const runtime = new ManualRuntime();
  const store = new FaultStore(new MemoryStore({ runtime }), { runtime });
  const db = await Db.open("db", {
    store,
    runtime,
    settings: { flush_interval: null },
  });
  for (let i = 0; i < 12; i++) {
    await db.put(`k${i}`, new Uint8Array(1000), LATER);
    await db.flush();
  }
  await runtime.run(db.close({ flush: "wal" }));
  return { runtime, store };
}

/** Such a memory that replay must wait for its flushes. */
const SMALL = { l0_sst_size_bytes: 2000, max_unflushed_bytes: 4001 };

const rejection = async (call: Promise<unknown>) =>
  await assertRejects(() => call) as DbError;

test("Db.open() that waits for its flushes while it replays ends with its signal", async () => {
  const { runtime, store } = await setUp();
  const held = store.hold(isSstPut);
  const abort = new AbortController();
  const { signal } = abort;
  const open = Db.open("db", { store, runtime, settings: SMALL, signal });
  await held.arrived(1);
  await runtime.settle();

  abort.abort(new Error("enough"));

  assertEquals((await rejection(open)).message, "enough");
  assertEquals(runtime.timers, 0);
});

test("Db.open() ends where a flush fails while it replays", async () => {
  const { runtime, store } = await setUp();
  store.fail(isSstPut, {
    kind: "fail-before",
    error: new DbError("invalid", "no such bucket"),
  });

  const open = Db.open("db", { store, runtime, settings: SMALL });

  assertEquals((await rejection(open)).message, "no such bucket");
  assertEquals(runtime.timers, 0);
});

test("Db.open() that is fenced while it replays says so", async () => {
  const { runtime, store } = await setUp();
  const held = store.hold(isSstPut);
  const open = rejection(Db.open("db", { store, runtime, settings: SMALL }));
  await held.arrived(1);
  const young = await runtime.run(Db.open("db", { store, runtime }));

  held.end();

  assertEquals((await runtime.run(open)).reason, "fenced");
  await runtime.run(young.close());
});

test("an opening that reads from a store that is down ends with its signal, and asks no more", async () => {
  const openings = [
    { open: Db.open, isDown: isGet },
    { open: Db.open, isDown: isList },
    { open: DbReader.open, isDown: isGet },
    { open: DbReader.open, isDown: isList },
  ];
  for (const { open, isDown } of openings) {
    const { runtime, store } = await setUp();
    let isFenced = false;
    store.plan = (call) => {
      // A writer gets as far as its fence, and then no answer.
      isFenced ||= open === DbReader.open || call.name.includes("/wal/");
      return isFenced && isDown(call) ? { kind: "fail-before" } : undefined;
    };
    if (open === Db.open && isDown === isList) isFenced = true;
    const abort = new AbortController();
    const opening = rejection(
      open("db", { store, runtime, signal: abort.signal }),
    );
    await runtime.advance(1000);

    abort.abort(new Error("enough"));

    assertEquals((await opening).message, "enough");
    const { length } = store.calls;
    await runtime.advance(60_000);
    assertEquals([runtime.timers, store.calls.length], [0, length]);
  }
});

test("DbReader.open() with a signal that has fired does nothing", async () => {
  const { runtime, store } = await setUp();
  store.calls.length = 0;
  const signal = AbortSignal.abort(new Error("too late"));

  const opening = DbReader.open("db", { store, runtime, signal });

  assertEquals((await rejection(opening)).message, "too late");
  assertEquals(store.calls, []);
});

test("an opening that meets damage leaves no request behind, though the store is down by then", async () => {
  const cases = [
    { damaged: /\/wal\/0+3\.sst$/, isDown: /\/wal\/0+([4-9]|1\d)\.sst$/ },
    { damaged: /\/manifest\//, isDown: /\/gc\// },
  ];
  for (const { damaged, isDown } of cases) {
    for (const open of [Db.open, DbReader.open]) {
      const { runtime, store } = await setUp();
      for await (const { name } of store.list("db/")) {
        if (damaged.test(name)) await store.put(name, new Uint8Array(200));
      }
      store.plan = (call) =>
        isGet(call) && isDown.test(call.name)
          ? { kind: "fail-before" }
          : undefined;

      const opening: Promise<unknown> = open("db", { store, runtime });
      const error = await runtime.run(rejection(opening));

      assertEquals(error.kind, "data");
      await runtime.settle();
      assertEquals(runtime.timers, 0);
    }
  }
});

test("an opening that cannot find the end of the log leaves no probe behind", async () => {
  const { runtime, store } = await setUp();
  let probes = 0;
  store.plan = ({ operation }) => {
    if (operation !== "head") return undefined;
    return probes++ > 0 ? { kind: "fail-before" } : {
      kind: "fail-before",
      error: new DbError("invalid", "no leave"),
    };
  };

  const opening = rejection(Db.open("db", { store, runtime }));

  assertEquals((await runtime.run(opening)).message, "no leave");
  const { length } = store.calls;
  await runtime.advance(60_000);
  assertEquals([runtime.timers, store.calls.length], [0, length]);
});

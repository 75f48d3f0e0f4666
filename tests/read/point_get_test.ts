import { toBytes } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import type { Row } from "../../lib/base/row.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import {
  type Found,
  pointGet,
  type PointRead,
  pointValue,
} from "../../lib/read/point_get.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { rows } from "../iter/rows.ts";
import { createWorld, plainRows } from "../sst/world.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { CONCAT } from "./model.ts";
import { createView, insertRow } from "./view.ts";

const READ: PointRead = { seqMax: 1000n, nowMs: 0, cacheBlocks: true };

function createContext(world: ReturnType<typeof createWorld>): ReadContext {
  return new ReadContext({
    kernel: world.kernel,
    mergeOperator: CONCAT,
    hideExpired: true,
  });
}

/** Rows that interleave, so that every table covers every key. */
function layersOf(count: number): Row[][] {
  return Array.from(
    { length: count },
    (_, layer) =>
      plainRows(400).filter((_, i) => i % count === layer).map((row) => ({
        ...row,
        seq: BigInt(count - layer),
      })),
  );
}

test("pointGet() answers without a promise where the store does", async () => {
  const world = createWorld();
  const view = await createView(world, {
    l0: layersOf(3),
    active: rows("k@9=v"),
  });
  const context = createContext(world);

  const found = plainRows(400).map(({ key }) =>
    pointGet(context, view, key, READ)
  );

  assert(found.every((found) => found !== undefined));
  assert(!found.some((found) => found instanceof Promise));
  assertEquals(pointValue(context, view, toBytes("k"), READ), toBytes("v"));
  assertEquals(pointGet(context, view, toBytes("nope"), READ), undefined);
  view.release();
});

test("pointGet() loads the indexes of several candidates at once, and asks the newest first", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const view = await createView(world, { l0: layersOf(6) });
  const context = createContext(world);
  const hold = store.hold(({ operation }) => operation === "get");
  store.calls.length = 0;

  const last = plainRows(400)[5 + 6 * 30]!;
  const reading = pointGet(context, view, last.key, READ);
  await hold.arrived(4);
  assertEquals(store.count("get"), 4);
  assertEquals(
    store.calls.map(({ name }) => name),
    view.l0.slice(0, 4).map(({ name }) => name),
  );
  hold.end();

  assertEquals((await reading)?.value, last.value);
  // Six indexes, one block: filters ruled the key out elsewhere.
  assertEquals(store.count("get"), 7);
  view.release();
});

test("pointGet() reads each index and block once for a hundred callers", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const view = await createView(world, { l0: [plainRows(400)] });
  const context = createContext(world);
  const { key, value } = plainRows(400)[77]!;
  store.calls.length = 0;

  const found = await Promise.all(
    Array.from({ length: 100 }, () => pointGet(context, view, key, READ)),
  );

  assert(found.every((found) => found !== undefined));
  assertEquals(found[99]?.value, value);
  assertEquals(store.count("get"), 2);
  view.release();
});

test("pointGet() of an absent key reads no block", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const view = await createView(world, { l0: [plainRows(400)] });
  const context = createContext(world);
  store.calls.length = 0;

  for (let i = 0; i < 50; i++) {
    const key = toBytes(`key-000000${i}x`);
    assertEquals(await pointGet(context, view, key, READ), undefined);
  }

  // One in a hundred passes the filter though it is absent.
  assert(store.count("get") <= 3);
  view.release();
});

test("pointGet() keeps the caller's key and the view while it waits", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const view = await createView(world, { l0: [plainRows(400)] });
  const { key, value } = plainRows(400)[77]!;

  const reading = pointGet(createContext(world), view, key, READ);
  key.fill(0);
  view.release();

  assertEquals((await reading as Found).value, value);
  assertEquals(world.budget.cacheUsed, 0);
});

test("pointGet() answers copies", async () => {
  const world = createWorld();
  const view = await createView(world, {
    active: rows("a@9=first"),
    l0: [rows("b@1=second")],
  });
  const context = createContext(world);
  const read = (key: string) =>
    pointValue(context, view, toBytes(key), READ) as Uint8Array;

  const a = read("a");
  const b = read("b");
  a.fill(0);
  b.fill(0);

  assertEquals([read("a"), read("b")], [toBytes("first"), toBytes("second")]);
  view.release();
});

test("pointGet() sees nothing above its sequence number", async () => {
  const world = createWorld();
  const view = await createView(world, {
    active: rows("a@9=new"),
    frozen: [rows("a@5=old")],
    l0: [rows("a@2!")],
    runs: [[rows("a@1=first")]],
  });
  const context = createContext(world);
  const at = (seqMax: bigint) =>
    pointValue(context, view, toBytes("a"), { ...READ, seqMax });

  assertEquals(at(9n), toBytes("new"));
  assertEquals(at(8n), toBytes("old"));
  assertEquals(at(4n), undefined);
  assertEquals(at(1n), toBytes("first"));
  assertEquals(at(0n), undefined);
  view.release();
});

test("pointGet() does not see rows that are written while it waits", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const view = await createView(world, {
    active: rows("a@9+2"),
    l0: [rows("a@1=1")],
  });
  const hold = store.hold(({ operation }) => operation === "get");

  const reading = pointValue(createContext(world), view, toBytes("a"), {
    ...READ,
    seqMax: 9n,
  });
  await hold.arrived();
  insertRow(view.active, rows("a@10+3")[0]!);
  hold.end();

  assertEquals(await reading, toBytes("12"));
  view.release();
});

test("pointGet() is invalid where operands have no operator", async () => {
  const world = createWorld();
  const view = await createView(world, {
    active: rows("a@9+x"),
    l0: [rows("b@3+y b@2=z")],
  });
  const context = new ReadContext({ kernel: world.kernel, hideExpired: true });

  for (const key of ["a", "b"]) {
    const failure = (() => {
      try {
        return pointGet(context, view, toBytes(key), READ);
      } catch (error) {
        return error;
      }
    })();
    assertEquals((failure as DbError).kind, "invalid");
    assertStringIncludes(
      (failure as DbError).message,
      "merge operator missing",
    );
  }
  view.release();
  assertEquals(world.budget.cacheUsed, 0);
});

test("pointGet() reports damage, and pins nothing then", async () => {
  for (
    const store of [new MemoryStore(), new FaultStore(new MemoryStore())]
  ) {
    const world = createWorld({ store });
    const view = await createView(world, { l0: [plainRows(400)] });
    const context = createContext(world);
    await store.delete(view.l0[0]!.name);

    const failure = await (async () =>
      await pointGet(context, view, plainRows(9)[3]!.key, READ))().catch((
        error,
      ) =>
        error
      );

    assert(failure instanceof DbError && failure.kind === "data");
    view.release();
    assertEquals(world.budget.cacheUsed, 0);
  }
});

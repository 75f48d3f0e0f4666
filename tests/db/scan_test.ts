import { toBytes, toText } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import type { Entry } from "../../lib/base/row.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { LsmView } from "../../lib/lsm/lsm_view.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { createView, scanView, type ScanViewOptions } from "../read/view.ts";
import { createWorld, plainRows, type World } from "../sst/world.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { test } from "../support/test.ts";

const ROWS = plainRows(500);

/** A database of rows, and a scan of it that is closed with the view's memory. */
async function withView(
  body: (
    scan: (options?: ScanViewOptions) => ReturnType<typeof scanView>,
    world: World,
    view: LsmView,
  ) => Promise<void>,
  store: World["store"] = new MemoryStore(),
): Promise<void> {
  const world = createWorld({ store });
  const view = await createView(world, {
    active: ROWS.slice(0, 50),
    l0: [ROWS.slice(30, 300)],
    runs: [[ROWS.slice(200, 400), ROWS.slice(400)]],
  });
  const context = new ReadContext({ kernel: world.kernel, hideExpired: true });
  await body((options) => scanView(context, view, options), world, view);
  view.release();
  // Every scan was closed or came to its end.
  assertEquals(world.budget.cacheUsed, 0);
}

function keysOf(entries: Iterable<Entry>): string[] {
  return [...entries].map(({ key }) => toText(key));
}

const ALL = keysOf(
  ROWS.map(({ key, value, seq }) => ({
    key,
    value,
    seq,
    createTs: 0n,
    expireTs: undefined,
  })),
);

async function kindOf(body: () => Promise<unknown>): Promise<string> {
  const failure = await body().then(() => undefined, (error) => error);
  return failure instanceof DbError ? failure.kind : String(failure);
}

test("Scan answers overlapping calls in order", () =>
  withView(async (scan) => {
    const all = scan();

    const entries = await Promise.all(
      Array.from({ length: 502 }, () => all.next()),
    );

    assertEquals(keysOf(entries.slice(0, 500) as Entry[]), ALL);
    assertEquals(entries.slice(500), [undefined, undefined]);
  }, new FaultStore(new MemoryStore())));

test("Scan ends and frees its sources where the loop is left", () =>
  withView(async (scan, _world, view) => {
    const all = scan();
    for await (const { key } of all) {
      if (toText(key) === ALL[100]) break;
    }
    assertEquals(await all.next(), undefined);

    const batches = scan();
    for await (const batch of batches.batches()) {
      assert(batch.length > 0);
      break;
    }
    assertEquals(await batches.next(), undefined);
    assert(view.active.rows === 50);
  }));

test("Scan.next() and batches go together", () =>
  withView(async (scan) => {
    const all = scan();
    const first = await all.next();
    const rest: Entry[] = [];
    for await (const batch of all.batches()) rest.push(...batch);

    assertEquals(keysOf([first!, ...rest]), ALL);
  }));

test("Scan.toReadableStream() streams every entry, and ends with its reader", () =>
  withView(async (scan) => {
    const entries: Entry[] = [];
    const reader = scan().toReadableStream().getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      entries.push(value);
    }
    assertEquals(keysOf(entries), ALL);

    const all = scan();
    const cancelled = all.toReadableStream().getReader();
    await cancelled.read();
    await cancelled.cancel();
    assertEquals(await all.next(), undefined);
  }));

test("Scan.count() counts what is left", () =>
  withView(async (scan) => {
    const all = scan({ reverse: true });
    await all.next();

    assertEquals(await all.count(), 499);
    assertEquals(await all.next(), undefined);
    assertEquals(await scan({ limit: 77 }).count(), 77);
    assertEquals(await scan({ gt: ALL.at(-1)! }).count(), 0);
  }));

test("Scan.seek() refuses keys outside of the range or behind the last entry", () =>
  withView(async (scan) => {
    const range = { gte: ALL[10]!, lt: ALL[400]! };
    const forward = scan(range);
    await forward.next();

    for (const key of ["", ALL[9]!, ALL[400]!, ALL[10]!]) {
      assertEquals(await kindOf(() => forward.seek(key)), "invalid", key);
    }
    const refusal = await forward.seek(ALL[10]!).catch((error) => error);
    assertStringIncludes(
      refusal.message,
      "cannot seek to a key less than the last returned key",
    );
    await forward.seek(ALL[300]!);
    assertEquals(toText((await forward.next())!.key), ALL[300]);
    await forward.close();

    const backward = scan({ ...range, reverse: true });
    await backward.seek(ALL[200]!);
    assertEquals(toText((await backward.next())!.key), ALL[200]);
    const back = await backward.seek(ALL[201]!).catch((error) => error);
    assertStringIncludes(
      back.message,
      "cannot seek to a key greater than the last returned key",
    );
    const outside = await backward.seek(ALL[9]!).catch((error) => error);
    assertStringIncludes(
      outside.message,
      "cannot seek to a key outside the iterator range",
    );
    await backward.close();
  }));

test("Scan.seek() does not spend the limit on what it passes over", () =>
  withView(async (scan) => {
    const some = scan({ limit: 3 });
    await some.next();
    await some.seek(ALL[2]!);

    assertEquals(
      [await some.next(), await some.next(), await some.next()]
        .map((entry) => entry && toText(entry.key)),
      [ALL[2], ALL[3], undefined],
    );
  }));

test("Scan stays failed with its first error", async () => {
  const store = new FaultStore(new MemoryStore());
  await withView(async (scan) => {
    const error = new DbError("unavailable", "no network");
    store.fail(({ operation }) => operation === "get", {
      kind: "fail-before",
      error,
    });
    const all = scan();

    const failures = await Promise.all(
      [all.next(), all.next(), all.nextBatch(), all.seek("key-1")].map((call) =>
        call.catch((error) => error)
      ),
    );

    assertEquals(failures, [error, error, error, error]);
    assertEquals(await all.count().catch((error) => error), error);
    await all.close();
    assertEquals(await all.next().catch((error) => error), error);
  }, store);
});

test("Scan fails once its database is closed, also with entries at hand", () =>
  withView(async (scan) => {
    let closed = false;
    const guard = () => {
      if (closed) throw new DbError("closed", "database is closed");
    };
    const all = scan({ guard });
    const iterator = scan({ guard })[Symbol.asyncIterator]();
    await all.next();
    await iterator.next();

    closed = true;

    assertEquals(await kindOf(() => all.next()), "closed");
    assertEquals(await kindOf(() => all.seek(ALL[40]!)), "closed");
    assertEquals(await kindOf(() => iterator.next()), "closed");
  }));

test("Scan ends with its signal's reason, also while it waits", async () => {
  const store = new FaultStore(new MemoryStore());
  await withView(async (scan) => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const hold = store.hold(({ operation }) => operation === "get");
    const waiting = scan({ signal: controller.signal });
    const next = waiting.next().catch((error) => error);
    await hold.arrived();

    controller.abort(reason);

    assertEquals(await next, reason);
    assertEquals(await waiting.next().catch((error) => error), reason);
    hold.end();
    const late = scan({ signal: AbortSignal.abort(reason) });
    assertEquals(await late.next().catch((error) => error), reason);
  }, store);
});

test("Scan sees no row that is written after it began", () =>
  withView(async (scan, _world, view) => {
    const all = scan({ seqMax: 500n });
    await all.next();
    view.active.insert(toBytes("key-9"), toBytes("new"), 4, 501n, 0n, 0n);

    assertEquals(await all.count(), 499);
    assertEquals(await scan().count(), 501);
  }));

test("Scan reads on although its view was let go", async () => {
  const world = createWorld();
  const view = await createView(world, { l0: [ROWS] });
  const context = new ReadContext({ kernel: world.kernel, hideExpired: true });
  const all = scanView(context, view);
  await all.next();

  view.release();

  assertEquals(await all.count(), 499);
  assertEquals(world.budget.cacheUsed, 0);
});

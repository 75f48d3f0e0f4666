import { toBytes, toText } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { findFullTree } from "../../lib/flush/l0_room.ts";
import { initialManifest, type Manifest } from "../../lib/format/manifest.ts";
import type { HeldManifest } from "../../lib/manifest/held_manifest.ts";
import { drain, findTree } from "../../lib/manifest/run_edit.ts";
import { fixedPrefix } from "../../lib/sst/prefix_extractor.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { handle } from "../manifest/handles.ts";
import { names, storedRows } from "./mini_db.ts";
import { isSst, isSstPut, MINUTE, openCompactor, setUp } from "./set_up.ts";

const SEGMENTED = { segmentExtractor: fixedPrefix(1) };

/** How many SSTs the L0 of each segment has. */
function shape({ segments }: Manifest): Record<string, number> {
  return Object.fromEntries(
    segments.map(({ prefix, l0 }) => [toText(prefix), l0.length]),
  );
}

/** Does what a compactor does that drops all of a segment. */
async function dropAll(
  compactor: HeldManifest,
  prefix: string,
): Promise<void> {
  await compactor.refresh();
  await compactor.update((manifest) => {
    const segment = toBytes(prefix);
    const { l0, runs } = findTree(manifest, segment)!;
    return drain(manifest, {
      segment,
      l0ViewIds: l0.map(({ viewId }) => viewId),
      runIds: runs.map(({ id }) => id),
    });
  });
}

test("findFullTree() judges each tree that a memtable touches by itself", () => {
  const limits = { l0MaxSsts: 2, l0MaxSstsPerKey: 9 };
  const [a, b, c] = ["a", "b", "c"].map(toBytes);
  const manifest = {
    ...initialManifest(),
    segments: [
      { prefix: a!, l0: [handle(1), handle(2)], runs: [] },
      { prefix: b!, l0: [handle(3)], runs: [] },
    ],
  };
  const find = (
    touched: readonly (Uint8Array | undefined)[],
    dispatched: readonly (readonly (Uint8Array | undefined)[])[] = [],
  ) => findFullTree(manifest, touched, dispatched, limits);

  assertEquals(find([b, c]), undefined);
  assertEquals(find([b, c], [[a], [c]]), undefined);
  assertEquals(find([c, a]), {
    limit: "num_ssts",
    ssts: 2,
    name: 'L0 of segment "a"',
  });
  assertEquals(find([b], [[b!.slice()]])?.ssts, 1);
  assertEquals(find([undefined], [[undefined]]), undefined);
  assertEquals(find([undefined], [[undefined], [undefined]])?.name, "L0");
});

test("Flusher makes one SST for each segment that a memtable touches", async () => {
  const { memory, store, db } = await setUp(SEGMENTED);
  db.write(["c1", "a1", "b1"]);
  db.write(["a2", "c1"]);
  await db.flush();
  db.write(["b2"], { kind: "delete" });
  await db.flush();

  const { manifest } = db.lsm.view;
  assertEquals(shape(manifest), { a: 1, b: 2, c: 1 });
  assertEquals(manifest.tree.l0, []);
  assertEquals(store.count("put", "compacted"), 4);
  for (const { prefix, l0 } of manifest.segments) {
    for (const { info, id, viewId } of l0) {
      assertEquals(info.firstEntry![0], prefix[0]);
      assertEquals(info.lastEntry![0], prefix[0]);
      assertEquals(id, viewId);
    }
  }
  const [, b] = manifest.segments;
  assert(b!.l0[0]!.id > b!.l0[1]!.id, "newest first");
  assertEquals(
    names(await storedRows(memory, manifest)).sort(),
    ["a1@1", "a2@2", "b1@1", "b2@3", "c1@2"],
  );
  assertEquals(manifest.lastL0Seq, 3n);
  await db.crash();
});

test("Flusher makes no SST for a segment of which nothing is worth keeping", async () => {
  const { runtime, store, db } = await setUp(SEGMENTED);
  db.write(["a"], { kind: "merge", expireTs: BigInt(runtime.now()) });
  db.write(["b"]);
  await db.flush();

  assertEquals(shape(db.lsm.view.manifest), { b: 1 });
  assertEquals(store.count("put", "compacted"), 1);
  await db.crash();
});

test("Flusher stores the SSTs of one memtable at the same time, within limits", async () => {
  const { runtime, store, db } = await setUp({
    ...SEGMENTED,
    l0FlushParallelism: 3,
  });
  const puts = store.hold(isSstPut);
  db.write(["a", "b", "c", "d", "e"]);
  db.freeze();
  await db.wal.flush();
  await runtime.settle();
  assertEquals(puts.waiting.length, 3);
  assertEquals(db.lsm.view.manifest.segments.length, 0);
  puts.end();
  await db.flusher.flush();

  assertEquals(shape(db.lsm.view.manifest), { a: 1, b: 1, c: 1, d: 1, e: 1 });
  await db.crash();
});

test("Flusher stores again only the SST that failed", async () => {
  const { runtime, store, db } = await setUp(SEGMENTED);
  store.fail(isSstPut, { kind: "fail-before" }, 1);
  store.fail(isSstPut, { kind: "fail-after" }, 1);
  db.write(["a", "b", "c"]);
  await db.wal.flush();
  db.freeze();
  await runtime.run(db.flusher.flush());

  const puts = store.calls.filter(isSst).map(({ name }) => name);
  assertEquals([puts.length, new Set(puts).size], [5, 3]);
  assertEquals(shape(db.lsm.view.manifest), { a: 1, b: 1, c: 1 });
  await db.crash();
});

test("Flusher waits where a segment is full, and goes on when that one has room", async () => {
  const { memory, runtime, store, db } = await setUp({
    ...SEGMENTED,
    l0MaxSsts: 2,
  });
  const compactor = await openCompactor(memory, runtime);
  for (const keys of [["a", "b"], ["a"], ["b"]]) {
    db.write(keys);
    await db.flush();
  }
  assertEquals(shape(db.lsm.view.manifest), { a: 2, b: 2 });
  db.write(["c"]);
  await db.flush();
  assertEquals(shape(db.lsm.view.manifest), { a: 2, b: 2, c: 1 });

  db.write(["a"]);
  db.freeze();
  // Order is kept, though this one would find room.
  db.write(["c"]);
  db.freeze();
  await db.wal.flush();
  await runtime.advance(MINUTE);
  assert(db.flusher.stalled);
  assertEquals(db.lsm.view.frozen.length, 2);

  await dropAll(compactor, "b");
  await runtime.advance(MINUTE);
  assert(db.flusher.stalled, "another segment's room does not help");

  await dropAll(compactor, "a");
  store.calls.length = 0;
  db.flusher.poke(true);
  await runtime.run(db.flusher.flush());
  assertEquals(shape(db.lsm.view.manifest), { a: 1, c: 2 });
  assertEquals(store.count("put", "compacted"), 2);
  await db.crash();
});

test("Flusher removes segments that a compactor has emptied, and makes them anew", async () => {
  const { memory, runtime, db } = await setUp(SEGMENTED);
  const compactor = await openCompactor(memory, runtime);
  db.write(["a", "b", "c"]);
  await db.flush();

  await dropAll(compactor, "b");
  await runtime.advance(MINUTE);
  assertEquals(shape(db.lsm.view.manifest), { a: 1, b: 0, c: 1 });

  db.write(["a"]);
  await db.flush();
  assertEquals(shape(db.lsm.view.manifest), { a: 2, c: 1 });

  db.write(["b"]);
  await db.flush();
  assertEquals(shape(db.lsm.view.manifest), { a: 2, b: 1, c: 1 });
  const [, b] = db.lsm.view.manifest.segments;
  assertEquals(b!.lastCompactedL0, undefined);
  await db.crash();
});

test("Flusher keeps what it flushes into a segment that is emptied meanwhile", async () => {
  const { memory, runtime, store, db } = await setUp(SEGMENTED);
  const compactor = await openCompactor(memory, runtime);
  db.write(["a", "b"]);
  await db.flush();
  const puts = store.hold(isSstPut);
  db.write(["b"]);
  db.freeze();
  await db.wal.flush();
  await runtime.settle();
  await dropAll(compactor, "b");
  puts.end();
  await db.flusher.flush();

  assertEquals(shape(db.lsm.view.manifest), { a: 1, b: 1 });
  const rows = await storedRows(memory, db.lsm.view.manifest);
  assertEquals(names(rows), ["a@1", "b@2"]);
  await db.crash();
});

test("Flusher ends where the extractor fails", async () => {
  const { runtime, db } = await setUp({
    segmentExtractor: {
      name: "moody",
      prefixLength() {
        throw new Error("no idea");
      },
    },
  });
  db.write(["a"]);
  const error = await assertRejects(() => db.flush()) as DbError;
  await runtime.settle();

  assertEquals(error.kind, "invalid");
  assertEquals(db.failures, [error]);
  await db.crash();
});

import fc from "fast-check";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { type KeyRange, rangeContains } from "../../lib/base/key_range.ts";
import type { Entry } from "../../lib/base/row.ts";
import { Scan } from "../../lib/db/scan.ts";
import type { LsmView } from "../../lib/lsm/lsm_view.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { pointGet, pointValue } from "../../lib/read/point_get.ts";
import { RangeScan } from "../../lib/read/range_scan.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { createWorld, type World } from "../sst/world.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryKey,
  arbitraryRange,
  arbitrarySight,
  arbitraryWritten,
  CONCAT,
  plain,
  type Sight,
  visibleEntries,
} from "./model.ts";
import { createView } from "./view.ts";

const STORES = {
  "a store that answers at once": () => new MemoryStore(),
  "a store that takes time": () => new FaultStore(new MemoryStore()),
};

/** Budgets: nothing is evicted, everything is, nothing stays at all. */
const arbitraryCacheBytes = fc.constantFrom(1 << 24, 3000, 0);

function contextOf(world: World, { hideExpired }: Sight): ReadContext {
  return new ReadContext({
    kernel: world.kernel,
    mergeOperator: CONCAT,
    hideExpired,
  });
}

function scanOf(
  context: ReadContext,
  view: LsmView,
  sight: Sight,
  range: KeyRange,
  options: { descending?: boolean; limit?: number } = {},
): Scan {
  const { descending = false, limit = Infinity } = options;
  const source = new RangeScan(context, view, {
    ...sight,
    range,
    descending,
    cacheBlocks: limit % 2 === 0,
    readAheadBytes: 2000,
  });
  const guard = () => {};
  return new Scan({
    source,
    range,
    descending,
    limit,
    signal: undefined,
    guard,
  });
}

for (const [name, createStore] of Object.entries(STORES)) {
  test(`property: gets over memtables, L0 and runs see what the model sees, with ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryWritten,
        arbitrarySight,
        arbitraryCacheBytes,
        fc.array(arbitraryKey, { maxLength: 5 }),
        async ({ rows, layers }, sight, cacheBytes, others) => {
          const world = createWorld({ store: createStore(), cacheBytes });
          const view = await createView(world, layers);
          const context = contextOf(world, sight);
          const expected = new Map(
            visibleEntries(rows, sight).map((
              entry,
            ) => [toHex(entry.key), entry]),
          );
          const read = { ...sight, cacheBlocks: cacheBytes !== 3000 };

          const keys = [...rows.map(({ key }) => key), ...others];
          const found = await Promise.all(
            keys.map((key) => pointGet(context, view, key, read)),
          );
          const values = await Promise.all(
            keys.map((key) => pointValue(context, view, key, read)),
          );

          keys.forEach((key, i) => {
            const entry = expected.get(toHex(key));
            assertEquals(values[i], entry?.value);
            assertEquals(
              found[i] === undefined ? undefined : { key, ...found[i] },
              entry,
            );
          });
          view.release();
          assertEquals(world.budget.cacheUsed, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test(`property: scans over memtables, L0 and runs see what the model sees, with ${name}`, async () => {
    await fc.assert(
      fc.asyncProperty(
        arbitraryWritten,
        arbitrarySight,
        arbitraryCacheBytes,
        arbitraryRange,
        fc.boolean(),
        fc.constantFrom(Infinity, 0, 1, 7, 30),
        async (
          { rows, layers },
          sight,
          cacheBytes,
          range,
          descending,
          limit,
        ) => {
          const world = createWorld({ store: createStore(), cacheBytes });
          const view = await createView(world, layers);
          const context = contextOf(world, sight);
          const scan = () =>
            scanOf(context, view, sight, range, { descending, limit });
          const inside = visibleEntries(rows, sight).filter(({ key }) =>
            rangeContains(range, key)
          );
          const expected = (descending ? inside.reverse() : inside)
            .slice(0, limit);

          const byRow: Entry[] = [];
          for await (const entry of scan()) byRow.push(plain(entry));
          assertEquals(byRow, expected);

          const byBatch: Entry[] = [];
          for await (const batch of scan().batches()) {
            byBatch.push(...batch.map(plain));
          }
          assertEquals(byBatch, expected);
          assertEquals(await scan().count(), expected.length);

          view.release();
          assertEquals(world.budget.cacheUsed, 0);
        },
      ),
      { numRuns: 150 },
    );
  });

  test(`property: Scan.seek() goes where the model goes, with ${name}`, async () => {
    const arbitraryStep = fc.oneof(
      fc.constant("next" as const),
      fc.constant("next" as const),
      arbitraryKey,
    );
    await fc.assert(
      fc.asyncProperty(
        arbitraryWritten,
        arbitrarySight,
        arbitraryRange,
        fc.boolean(),
        fc.array(arbitraryStep, { maxLength: 30 }),
        async ({ rows, layers }, sight, range, descending, steps) => {
          const world = createWorld({ store: createStore() });
          const view = await createView(world, layers);
          const scan = scanOf(contextOf(world, sight), view, sight, range, {
            descending,
          });
          const order = (a: Uint8Array, b: Uint8Array) =>
            (descending ? -1 : 1) * compareBytes(a, b);
          let left = visibleEntries(rows, sight).filter(({ key }) =>
            rangeContains(range, key)
          );
          if (descending) left = left.reverse();
          let last: Uint8Array | undefined;

          for (const step of steps) {
            if (step === "next") {
              const entry = await scan.next();
              const expected = left.shift();
              assertEquals(entry && plain(entry), expected);
              last = expected?.key ?? last;
              continue;
            }
            const allowed = rangeContains(range, step) &&
              (last === undefined || order(step, last) > 0);
            const outcome = await scan.seek(step).then(
              () => true,
              (error) => error.kind,
            );
            assertEquals(outcome, allowed ? true : "invalid");
            if (allowed) left = left.filter(({ key }) => order(key, step) >= 0);
          }

          await scan.close();
          view.release();
          assertEquals(world.budget.cacheUsed, 0);
        },
      ),
      { numRuns: 150 },
    );
  });
}

test("a view's memory is free once its readers are", async () => {
  const world = createWorld();
  const before = world.kernel.exports.memory_used();
  const view = await createView(world, {
    active: [{
      key: new Uint8Array([1]),
      value: new Uint8Array(9),
      seq: 1n,
      kind: "put",
    }],
  });
  const scan = scanOf(
    new ReadContext({ kernel: world.kernel, hideExpired: true }),
    view,
    { seqMax: 9n, nowMs: 0, hideExpired: true },
    {},
  );

  view.release();
  assertEquals((await scan.next())?.value, new Uint8Array(9));
  assert(world.kernel.exports.memory_used() > before);
  await scan.close();

  // The context's few bytes are the kernel's, once and for all.
  assert(world.kernel.exports.memory_used() - before < 256);
});

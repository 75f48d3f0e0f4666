/**
 * Every database that the real engines wrote reads as those engines read it.
 *
 * @module
 */
import { compareBytes, concatBytes, toHex } from "../../lib/base/bytes.ts";
import { MAX_SEQ } from "../../lib/base/row.ts";
import type { LsmView } from "../../lib/lsm/lsm_view.ts";
import type { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { pointGet } from "../../lib/read/point_get.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type ExpectedRow,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { openFixture } from "./fixture_view.ts";
import { CONCAT } from "./model.ts";
import { scanView } from "./view.ts";

const STORES = {
  "at once": (store: MemoryStore) => store,
  "with waiting": (store: MemoryStore) => new FaultStore(store),
};

for (const { engine, name } of listFixtures()) {
  for (const [how, wrap] of Object.entries(STORES)) {
    test(`${engine}/${name} reads ${how} as its engine reads it`, async () => {
      const fixture = await loadFixture(engine, name);
      const { world, view } = await openFixture(fixture, wrap);
      const context = new ReadContext({
        kernel: world.kernel,
        mergeOperator: CONCAT,
        hideExpired: false,
      });
      const { expected } = fixture;

      assertEquals(await scanAll(context, view, false), expected);
      assertEquals(
        await scanAll(context, view, true),
        expected.toReversed(),
      );
      await checkGets(context, view, expected);
      await checkPrefixes(context, view, expected);

      view.release();
      assertEquals(world.budget.cacheUsed, 0);
    });
  }
}

async function scanAll(
  context: ReadContext,
  view: LsmView,
  reverse: boolean,
): Promise<ExpectedRow[]> {
  const rows: ExpectedRow[] = [];
  for await (const entry of scanView(context, view, { reverse })) {
    const { key, value, seq, createTs, expireTs } = entry;
    rows.push({ key, value, seq, createTs, expireTs });
  }
  return rows;
}

async function checkGets(
  context: ReadContext,
  view: LsmView,
  expected: readonly ExpectedRow[],
): Promise<void> {
  const read = { seqMax: MAX_SEQ, nowMs: 0, cacheBlocks: true };
  const known = new Set(expected.map(({ key }) => toHex(key)));
  for (const { key, value, seq, createTs, expireTs } of expected) {
    const found = await pointGet(context, view, key, read);
    assert(found !== undefined, toHex(key));
    assertEquals({ ...found }, { value, seq, createTs, expireTs });

    const absent = concatBytes([key, new Uint8Array([0])]);
    if (absent.length > 65_535 || known.has(toHex(absent))) continue;
    assertEquals(await pointGet(context, view, absent, read), undefined);
  }
}

async function checkPrefixes(
  context: ReadContext,
  view: LsmView,
  expected: readonly ExpectedRow[],
): Promise<void> {
  const prefixes = new Map(
    expected.map(({ key }) => [toHex(key.subarray(0, 8)), key.subarray(0, 8)]),
  );
  for (const prefix of [...prefixes.values()].slice(0, 40)) {
    const keys: Uint8Array[] = [];
    for await (const { key } of scanView(context, view, { prefix })) {
      keys.push(key);
    }
    assertEquals(
      keys,
      expected.map(({ key }) => key).filter((key) =>
        compareBytes(key.subarray(0, prefix.length), prefix) === 0
      ),
    );
  }
}

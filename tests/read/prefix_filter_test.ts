import { concatBytes, toBytes } from "../../lib/base/bytes.ts";
import { MAX_SEQ } from "../../lib/base/row.ts";
import { pointGet } from "../../lib/read/point_get.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { filterName } from "../../lib/sst/filter_policy.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { loadFixture } from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { openFixture } from "./fixture_view.ts";
import { scanView } from "./view.ts";

/** A database of 0.15 with filters over prefixes of 8 bytes, and its requests. */
async function openFiltered(name: string, policies: boolean) {
  const fixture = await loadFixture("slatedb-0.15", name);
  if (!policies) delete fixture.info.filters;
  let store: FaultStore | undefined;
  const { world, view } = await openFixture(
    fixture,
    (memory) => store = new FaultStore(memory),
  );
  const context = new ReadContext({ kernel: world.kernel, hideExpired: false });
  for (const table of view.l0) await table.load();
  store!.calls.length = 0;
  return { fixture, view, context, store: store! };
}

/** Prefixes that no key has, between those that keys have. */
function absentPrefixes(keys: readonly Uint8Array[]): Uint8Array[] {
  return keys.filter((_, i) => i % 7 === 0).map((key) =>
    concatBytes([key.subarray(0, 7), toBytes("~")])
  );
}

for (const name of ["filter_prefix", "filter_only_prefix"]) {
  test(`a prefix scan of ${name} reads no block where the filter rules it out`, async () => {
    const { fixture, view, context, store } = await openFiltered(name, true);
    assert(view.l0.every(({ prefixFilters }) => prefixFilters.length > 0));
    const prefixes = absentPrefixes(fixture.expected.map(({ key }) => key));

    for (const prefix of prefixes) {
      const keys = scanView(context, view, { prefix });
      assertEquals(await keys.next(), undefined);
    }

    assert(store.count("get") <= prefixes.length / 20, "requests");
    view.release();
  });

  test(`a prefix scan of ${name} reads what it must where the policy is not known`, async () => {
    const { fixture, view, context } = await openFiltered(name, false);

    let count = 0;
    for await (
      const _ of scanView(context, view, { prefix: new Uint8Array(0) })
    ) {
      count++;
    }

    assertEquals(count, fixture.expected.length);
    view.release();
  });
}

test("a get asks a filter that holds prefixes alone about the key's prefix", async () => {
  const { fixture, view, context, store } = await openFiltered(
    "filter_only_prefix",
    true,
  );
  assert(view.l0.every(({ wholeKeyFilter }) => wholeKeyFilter === undefined));
  const prefixes = absentPrefixes(fixture.expected.map(({ key }) => key));
  const read = { seqMax: MAX_SEQ, nowMs: 0, cacheBlocks: true };

  for (const prefix of prefixes) {
    const key = concatBytes([prefix, toBytes("tail")]);
    assertEquals(await pointGet(context, view, key, read), undefined);
  }

  assert(store.count("get") <= prefixes.length / 20, "requests");
  view.release();
});

test("filterName() is SlateDB's name of a policy", () => {
  const prefixExtractor = { name: "fixed8", prefixLength: () => 8 };

  assertEquals(filterName({}), "_bf");
  assertEquals(filterName({ prefixExtractor }), "_bf:p=fixed8");
  assertEquals(filterName({ wholeKeys: false }), "_bf:wh=0");
  assertEquals(
    filterName({ prefixExtractor, wholeKeys: false }),
    "_bf:p=fixed8:wh=0",
  );
});

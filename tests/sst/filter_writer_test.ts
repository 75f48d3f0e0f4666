/**
 * Filters as they are written, and as they are asked afterwards.
 *
 * @module
 */
import fc from "fast-check";
import { compareBytes, fromHex, toBytes, toHex } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { passesFilters } from "../../lib/read/table_lookup.ts";
import {
  checkFilterPolicies,
  type CustomFilterPolicy,
  type FilterPolicy,
} from "../../lib/sst/filter_policy.ts";
import {
  delimiterPrefix,
  fixedPrefix,
} from "../../lib/sst/prefix_extractor.ts";
import type { SstEncoderOptions } from "../../lib/sst/sst_encoder.ts";
import type { SstTable } from "../../lib/sst/sst_table.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  createWorld,
  encode,
  plainRows,
  storeTable,
  type World,
} from "./world.ts";

const COMPOSITE: Partial<SstEncoderOptions> = {
  filterFormat: "composite",
  minFilterKeys: 1,
};

const READ = { seqMax: MAX_SEQ, nowMs: 0, cacheBlocks: false };

function rowsOf(keys: readonly Uint8Array[]): Row[] {
  return keys.toSorted(compareBytes).map((key, i): Row => ({
    key,
    value: new Uint8Array(0),
    kind: "put",
    seq: BigInt(i + 1),
    createTs: 1n,
  }));
}

/** An SST with filters, read by a world that knows the same policies. */
async function filtered(
  policies: readonly FilterPolicy[],
  rows: readonly Row[],
  readBy: readonly FilterPolicy[] = policies,
): Promise<
  { world: World; table: SstTable; mayGet: (key: string) => boolean }
> {
  const world = createWorld({ filterPolicies: readBy });
  const options = { ...COMPOSITE, filterPolicies: policies };
  const table = await storeTable(world, rows, options);
  await table.load();
  const context = new ReadContext({ kernel: world.kernel, hideExpired: true });
  const mayGet = (text: string) => {
    const key = fromHex(text)!;
    context.probe.set(key);
    return passesFilters(context, table, key, READ);
  };
  return { world, table, mayGet };
}

/** Remembers the lengths of keys, one byte each. */
function lengths(more: Partial<CustomFilterPolicy> = {}): CustomFilterPolicy {
  return {
    name: "lengths",
    newBuilder() {
      const seen = new Set<number>();
      return {
        add: ({ key }) => void seen.add(key.length),
        finish: () => Uint8Array.from(seen),
      };
    },
    decode: (bytes) => ({
      mayContain: ({ length }, kind) =>
        kind === "key"
          ? bytes.includes(length)
          : bytes.some((n) => n >= length),
    }),
    ...more,
  };
}

const byte = fc.constantFrom("00", "2f", "61", "62", "ff");
const keyText = fc.array(byte, { minLength: 1, maxLength: 7 })
  .map((bytes) => bytes.join(""));
const extractor = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map(fixedPrefix),
  fc.constant(delimiterPrefix("/")),
  // Allowed, though it can tell nothing of a scan's prefix.
  fc.constant({
    name: "last slash",
    prefixLength: (bytes: Uint8Array, kind: "key" | "prefix") =>
      kind === "key" ? bytes.lastIndexOf(0x2f) + 1 : undefined,
  }),
);
const bits = fc.integer({ min: 1, max: 20 });
const policy: fc.Arbitrary<FilterPolicy> = fc.oneof(
  fc.record({ bitsPerKey: bits }),
  fc.record({
    wholeKeys: fc.boolean(),
    prefixExtractor: extractor,
    bitsPerKey: bits,
  }),
  fc.constant(lengths()),
);

test("property: no filter rules out what is there", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(keyText, { minLength: 1, maxLength: 60 }),
      fc.array(policy, { maxLength: 4 }),
      async (texts, policies) => {
        try {
          checkFilterPolicies(policies);
        } catch {
          fc.pre(false);
        }
        const rows = rowsOf(texts.map((text) => fromHex(text)!));
        const { table, mayGet } = await filtered(policies, rows);
        for (const { key } of rows) {
          assert(mayGet(toHex(key)), `get of ${toHex(key)}`);
          for (let end = 0; end <= key.length; end++) {
            const prefix = key.subarray(0, end);
            assert(table.mayContainPrefix(prefix), `scan of ${toHex(prefix)}`);
          }
        }
        table.release();
      },
    ),
    { numRuns: 150 },
  );
});

test("filters of each kind rule out nearly everything that is not there", async () => {
  const keys = Array.from(
    { length: 2000 },
    (_, i) => toBytes(`p${String(i % 40).padStart(3, "0")}/${i}`),
  );
  const gets = keys.map((key) => `${toHex(key)}78`);
  const scans = keys.map((_, i) => toBytes(`q${String(i).padStart(3, "0")}/`));
  const rate = (answers: readonly boolean[]) =>
    answers.filter((answer) => answer).length / answers.length;
  const prefixExtractor = delimiterPrefix("/");
  const cases: [FilterPolicy, get: number, scan: number][] = [
    [{}, 0.02, 1],
    [{ prefixExtractor }, 0.02, 0.02],
    // All those gets have prefixes that keys have.
    [{ prefixExtractor, wholeKeys: false, bitsPerKey: 20 }, 1, 0.02],
  ];
  for (const [policy, get, scan] of cases) {
    const { table, mayGet } = await filtered([policy], rowsOf(keys));
    const got = rate(gets.map(mayGet));
    const scanned = rate(scans.map((prefix) => table.mayContainPrefix(prefix)));
    assert(got <= get, `${got} of the gets pass`);
    assert(scanned <= scan, `${scanned} of the scans pass`);
    table.release();
  }
});

test("SstEncoder writes no filter that has nothing to remember", async () => {
  const world = createWorld();
  const rows = plainRows(20);
  const none: (readonly FilterPolicy[])[] = [
    [],
    [{ wholeKeys: false, prefixExtractor: fixedPrefix(99) }],
    [lengths({
      newBuilder: () => ({ add: () => {}, finish: () => undefined }),
    })],
  ];
  for (const filterPolicies of none) {
    const { info } = await encode(world, rows, {
      ...COMPOSITE,
      filterPolicies,
    });
    assertEquals(info.filterBytes, 0);
  }
  const legacy = await encode(world, rows, { filterPolicies: [] });
  assertEquals(legacy.info.filterBytes, 0);
});

test("SstEncoder remembers a prefix once, however many keys have it", async () => {
  const world = createWorld();
  const rows = plainRows(1000);
  const sizes: number[] = [];
  for (const length of [5, 11]) {
    const { info } = await encode(world, rows, {
      ...COMPOSITE,
      filterPolicies: [
        { wholeKeys: false, prefixExtractor: fixedPrefix(length) },
      ],
    });
    sizes.push(info.filterBytes);
  }
  const name = "_bf:p=fixed5:wh=0".length;
  const frame = 2 + 2 + name + 8 + 2 + 4;
  assertEquals(sizes, [frame + Math.ceil(10 / 8), frame + 1 + 125]);
});

test("SstEncoder refuses filters that the legacy layout has no room for", async () => {
  const world = createWorld();
  const refused: (readonly FilterPolicy[])[] = [
    [{ prefixExtractor: fixedPrefix(2) }],
    [{}, { prefixExtractor: fixedPrefix(2) }],
    [lengths()],
  ];
  for (const filterPolicies of refused) {
    const error = await assertRejects(() =>
      encode(world, plainRows(5), { filterPolicies })
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("a table passes over filters of policies that its reader does not know", async () => {
  const prefixExtractor = fixedPrefix(3);
  const { table, mayGet } = await filtered(
    [lengths(), { wholeKeys: false, prefixExtractor }],
    rowsOf([toBytes("abc")]),
    [{ wholeKeys: false, prefixExtractor: fixedPrefix(2) }],
  );

  assert(mayGet(toHex(toBytes("anything"))));
  assert(table.mayContainPrefix(toBytes("zzz")));
  table.release();
});

test("a policy of one's own decides gets and prefix scans", async () => {
  const { table, mayGet } = await filtered(
    [{}, lengths()],
    rowsOf([toBytes("abc"), toBytes("abcde")]),
  );

  assert(mayGet(toHex(toBytes("abc"))));
  assert(!mayGet(toHex(toBytes("abcd"))));
  assert(table.mayContainPrefix(toBytes("zzzzz")));
  assert(!table.mayContainPrefix(toBytes("abcdef")));
  table.release();
});

test("failures of a policy of one's own are told with their cause", async () => {
  const cause = new Error("no idea");
  const fail = () => {
    throw cause;
  };
  const finish = () => new Uint8Array(1);
  const rows = plainRows(3);
  const failing: CustomFilterPolicy[] = [
    lengths({ newBuilder: fail }),
    lengths({ newBuilder: () => ({ add: fail, finish }) }),
    lengths({ newBuilder: () => ({ add: () => {}, finish: fail }) }),
    lengths({ decode: fail }),
  ];
  for (const policy of failing) {
    const error = await assertRejects(() => filtered([policy], rows));
    assertEquals([(error as DbError).kind, (error as DbError).cause], [
      "invalid",
      cause,
    ]);
  }
  const { table, mayGet } = await filtered(
    [lengths({ decode: () => ({ mayContain: fail }) })],
    rows,
  );
  for (
    const ask of [
      () => mayGet("61"),
      () => table.mayContainPrefix(rows[0]!.key),
    ]
  ) {
    assertEquals((assertThrows(ask) as DbError).kind, "invalid");
  }
  table.release();
});

test("checkFilterPolicies() refuses what means nothing", () => {
  const prefixExtractor = fixedPrefix(2);
  const refused: unknown[][] = [
    [{ wholeKeys: false }],
    [{ whole_keys: false }],
    [{}, {}],
    [{ prefixExtractor }, { prefixExtractor, bitsPerKey: 3 }],
    [{ bitsPerKey: 0 }],
    [{ bitsPerKey: 1.5 }],
    [lengths(), lengths()],
    [{ ...lengths(), name: "_bf" }],
    [{ ...lengths(), name: "_bf:p=x" }],
    [{ ...lengths(), name: "" }],
    [{ ...lengths(), name: "é".repeat(40_000) }],
    [{ ...lengths(), decode: undefined }],
  ];
  for (const policies of refused) {
    const error = assertThrows(() =>
      checkFilterPolicies(policies as FilterPolicy[])
    ) as DbError;
    assertEquals(error.kind, "invalid", JSON.stringify(policies));
  }
  checkFilterPolicies([
    {},
    { prefixExtractor },
    { prefixExtractor, wholeKeys: false },
    lengths(),
  ]);
});

/** What a read tells the filters of custom policies. */
import {
  type CustomFilterPolicy,
  Db,
  DbReader,
  MemoryStore,
  type ReadOptions,
} from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { test } from "../support/test.ts";

/**
 * Remembers the largest value of each SST; a read that is after larger ones says
 * so. It tells what it was asked, too.
 */
function largestValue(asked: unknown[] = []): CustomFilterPolicy {
  return {
    name: "largest-value",
    newBuilder() {
      let largest = 0;
      return {
        add({ value }) {
          largest = Math.max(largest, value[0] ?? 0);
        },
        finish: () => Uint8Array.of(largest),
      };
    },
    decode: ([largest]) => ({
      mayContain(_bytes, kind, context) {
        asked.push([kind, context]);
        const { above = 0 } = (context ?? {}) as { above?: number };
        return largest! > above;
      },
    }),
  };
}

/** Three SSTs of L0, with the values 1, 2 and 3 under keys of one prefix. */
async function setUp(asked?: unknown[]) {
  const options = {
    store: new MemoryStore(),
    formatTarget: "0.15",
    filterPolicies: [largestValue(asked)],
    mergeOperator: concatOperator,
    settings: { min_filter_keys: 1 },
  } as const;
  const db = await Db.open("db", { ...options, compactor: "off" });
  for (const value of [1, 2, 3]) {
    await db.put(`k/${value}`, Uint8Array.of(value), { awaitDurable: false });
    await db.merge("k/sum", Uint8Array.of(value), { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  return { db, options };
}

const ABOVE_1: ReadOptions = { filterContext: { above: 1 } };

test("filterContext reaches the custom filters that a get asks, and no get without it", async () => {
  const asked: unknown[] = [];
  const { db } = await setUp(asked);
  assertEquals(await db.get("k/1", ABOVE_1), undefined);
  assertEquals(await db.getEntry("k/1", ABOVE_1), undefined);
  assertEquals(await db.get("k/2", ABOVE_1), Uint8Array.of(2));
  assertEquals(await db.getMany(["k/1", "k/2"], ABOVE_1), [
    undefined,
    Uint8Array.of(2),
  ]);
  asked.length = 0;
  assertEquals(await db.get("k/1"), Uint8Array.of(1));
  assertEquals(await db.get("k/1", {}), Uint8Array.of(1));
  assertEquals(new Set(asked.map(String)), new Set(["key,"]));
  await db.close();
});

test("filterContext reaches the filters asked for merge operands, and explain() says so", async () => {
  const { db } = await setUp();
  assertEquals(await db.get("k/sum"), Uint8Array.of(1, 2, 3));
  assertEquals(await db.get("k/sum", ABOVE_1), Uint8Array.of(2, 3));
  const { sources } = await db.explain("k/1", ABOVE_1);
  assertEquals(sources.at(-1)!.answer, "filtered out");
  await db.close();
});

test("filterContext reaches the filters that a prefix scan asks; other scans ask none", async () => {
  const asked: unknown[] = [];
  const { db } = await setUp(asked);
  const values = async (options: Parameters<Db["scan"]>[0]) =>
    (await Array.fromAsync(db.values(options))).map(String);
  const all = ["1", "2", "3", "1,2,3"];
  const some = ["2", "3", "2,3"];
  assertEquals(await values({ prefix: "k/" }), all);
  for (const reverse of [false, true]) {
    const expected = reverse ? some.toReversed() : some;
    assertEquals(await values({ prefix: "k/", reverse, ...ABOVE_1 }), expected);
  }
  assertEquals(await db.count({ prefix: "k/", ...ABOVE_1 }), 3);
  asked.length = 0;
  assertEquals(await values({ gte: "k/", lt: "l", ...ABOVE_1 }), all);
  assertEquals(asked, []);
  await db.close();
});

test("filterContext reaches the filters from snapshots, transactions and readers", async () => {
  const { db, options } = await setUp();
  using snapshot = db.snapshot();
  const txn = await db.begin();
  const { settings: _, ...components } = options;
  await using reader = await DbReader.open("db", components);
  for (const view of [snapshot, txn, reader]) {
    assertEquals(await view.get("k/1", ABOVE_1), undefined);
    assertEquals(await view.getEntry("k/1", ABOVE_1), undefined);
    assertEquals(await view.getMany(["k/1"], ABOVE_1), [undefined]);
    const scan = view.scan({ prefix: "k/", ...ABOVE_1 });
    assertEquals((await Array.fromAsync(scan)).length, 3);
    assertEquals(await view.get("k/1"), Uint8Array.of(1));
  }
  txn.rollback();
  await db.close();
});

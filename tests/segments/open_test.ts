/**
 * What a segmented database is opened with, and what is refused.
 *
 * @module
 */
import {
  Db,
  type DbOptions,
  DbReader,
  delimiterPrefix,
  type FilterPolicy,
  fixedPrefix,
  MemoryStore,
  type PrefixExtractor,
  WriteBatch,
} from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  prefixesOf,
  readerOf,
  refusal,
  segmented,
  storedManifest,
} from "./segmented.ts";

test("Db.open() refuses segments and newer filters for a fleet that has 0.12 in it", async () => {
  const store = new MemoryStore();
  const newer: Partial<DbOptions>[] = [
    { segmentExtractor: fixedPrefix(2) },
    { filterPolicies: [{}, { prefixExtractor: fixedPrefix(2) }] },
    {
      filterPolicies: [{ wholeKeys: false, prefixExtractor: fixedPrefix(2) }],
    },
    {
      filterPolicies: [{
        name: "mine",
        newBuilder: () => ({ add: () => {}, finish: () => undefined }),
        decode: () => ({ mayContain: () => true }),
      }],
    },
  ];
  for (const options of newer) {
    const message = await refusal(() => Db.open("db", { store, ...options }));
    assert(message.includes('formatTarget: "0.15"'), message);
  }
  const known: FilterPolicy[][] = [[], [{}], [{ bitsPerKey: 12 }]];
  for (const filterPolicies of known) {
    await (await Db.open("db", { store, filterPolicies })).close();
  }
});

test("Db.open() refuses formats, extractors and policies that are none", async () => {
  const store = new MemoryStore();
  const bad: Record<string, unknown>[] = [
    { formatTarget: "0.14" },
    { formatTarget: null },
    { segmentExtractor: {}, formatTarget: "0.15" },
    { segmentExtractor: "fixed2", formatTarget: "0.15" },
    { segmentExtractor: { name: "", prefixLength: () => 1 } },
    { filterPolicies: [{ wholeKeys: false }], formatTarget: "0.15" },
    { filterPolicies: [{}, {}] },
  ];
  for (const options of bad) {
    const all = { store, ...options } as DbOptions;
    await refusal(() => Db.open("db", all));
    await refusal(() => DbReader.open("db", all));
  }
});

test("a segmented database is opened with its own extractor alone", async () => {
  const store = new MemoryStore();
  await (await Db.open("db", segmented(store))).close();
  assertEquals((await storedManifest(store)).segmentExtractorName, "fixed2");

  const others = [undefined, fixedPrefix(3), delimiterPrefix("/")];
  for (const extractor of others) {
    const { segmentExtractor: _, ...options } = segmented(store);
    const all = extractor === undefined
      ? options
      : { ...options, segmentExtractor: extractor };
    const message = await refusal(() => Db.open("db", all));
    assert(message.includes('"fixed2"'), message);
    await refusal(() => DbReader.open("db", readerOf(all)));
  }
  await (await Db.open("db", segmented(store))).close();
});

test("a database without segments gets none later", async () => {
  const store = new MemoryStore();
  await (await Db.open("db", { store })).close();

  await refusal(() => Db.open("db", segmented(store)));
  await refusal(() =>
    DbReader.open("db", { store, segmentExtractor: fixedPrefix(2) })
  );
  await (await Db.open("db", { store, formatTarget: "0.15" })).close();
});

test("an extractor must find the segments that are stored", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", segmented(store));
  await db.put("ab1", "x");
  await db.close();
  const forgetful: PrefixExtractor = { name: "fixed2", prefixLength: () => 1 };

  const message = await refusal(() =>
    Db.open("db", segmented(store, forgetful))
  );

  assert(message.includes('"ab"'), message);
});

test("keys without a segment are refused, by every kind of write", async () => {
  const store = new MemoryStore();
  await using db = await Db.open("db", {
    ...segmented(store, delimiterPrefix("/")),
    mergeOperator: { merge: (_key, _existing, operand) => operand },
  });
  await db.put("a/1", "x");
  const before = db.status();

  await refusal(() => db.put("a", "x"));
  await refusal(() => db.delete("a"));
  await refusal(() => db.merge("a", "x"));
  await refusal(() => db.write(new WriteBatch().put("b/1", "y").put("a", "")));
  await refusal(() =>
    db.transact((txn) => {
      txn.put("a", "x");
      return Promise.resolve();
    })
  );
  await refusal(async () => {
    const writer = db.writable().getWriter();
    await writer.write({ key: "a", value: "x" });
    await writer.close();
  });

  assertEquals(db.status().committedSeq, before.committedSeq);
  assertEquals(prefixesOf(db), ["a/"]);
  await db.put("b/1", "y");
  assertEquals(await db.count({}), 2);
});

test("segments inside each other are refused before anything is written", async () => {
  const lastSlash: PrefixExtractor = {
    name: "last slash",
    prefixLength: (bytes) => bytes.lastIndexOf(0x2f) + 1,
  };
  const store = new MemoryStore();
  const open = () => Db.open("db", segmented(store, lastSlash));
  // In memory, in the log, in L0: wherever the other one is.
  let db = await open();
  await db.put("a/1", "x");
  await refusal(() => db.put("a/b/1", "y"));
  await db.close({ flush: "wal" });
  db = await open();
  await refusal(() => db.put("a/b/1", "y"));
  await db.flush({ target: "memtable" });
  await refusal(() => db.put("a/b/1", "y"));
  await refusal(() =>
    db.write(new WriteBatch().put("c/d/1", "").put("c/1", ""))
  );
  await db.put("c/1", "z");
  assertEquals(prefixesOf(db), ["a/", "c/"]);
  await db.close();

  db = await open();
  await refusal(() => db.put("a/b/1", "y"));
  assertEquals(await db.count({}), 2);
  await db.close();
});

test("status() shows each segment, also those that are in memory alone", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", segmented(store));
  assertEquals(prefixesOf(db), []);
  await db.put("bb1", "x");
  await db.flush({ target: "memtable" });
  await db.put("aa1", "y");
  await db.delete("bb2");

  const { tree } = db.status();
  assertEquals(prefixesOf(db), ["aa", "bb"]);
  assertEquals(tree.segments.map(({ l0 }) => l0.length), [0, 1]);
  assertEquals(tree.l0, tree.segments[1]!.l0);
  await db.close({ flush: "wal" });
  assertEquals(prefixesOf(db), ["aa", "bb"], "as it was when it was closed");

  const reader = await DbReader.open("db", readerOf(segmented(store)));
  assertEquals(prefixesOf(reader), ["aa", "bb"]);
  await reader.close();
  assertEquals(prefixesOf(reader), ["aa", "bb"]);
});

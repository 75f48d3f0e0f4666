/**
 * Files of several format targets in one database, and databases of SlateDB 0.15
 * that Shale goes on with.
 *
 * @module
 */
import { toText } from "../../lib/base/bytes.ts";
import { manifestName, sstName, walName } from "../../lib/format/paths.ts";
import { handlesOf } from "../../lib/manifest/tree_edit.ts";
import {
  Db,
  type DbOptions,
  DbReader,
  type FilterPolicy,
  fixedPrefix,
  type FormatTarget,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { readSstFile } from "../format/sst_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { type Fixture, loadFixture } from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { QUIET, readerOf, segmented, storedManifest } from "./segmented.ts";

const PREFIXES: readonly FilterPolicy[] = [
  {},
  { prefixExtractor: fixedPrefix(3) },
];

/** The filters of every SST in the tree, oldest SST last. */
async function filtersOf(store: ObjectStore): Promise<string[]> {
  const shown: string[] = [];
  for (const { id } of handlesOf(await storedManifest(store))) {
    const object = (await store.get(sstName("db", id)))!;
    const { info, filters } = readSstFile(object.bytes);
    const names = filters.map(({ name }) => name).join(" ");
    shown.push(`${info.filterFormat}: ${names}`);
  }
  return shown;
}

/** The version of the newest manifest's file. */
async function manifestVersion(store: ObjectStore): Promise<number> {
  const { id } = await storedManifest(store);
  const object = (await store.get(manifestName("db", id)))!;
  return object.bytes[0]! * 256 + object.bytes[1]!;
}

test("each target has its own fence", async () => {
  const sizes: [FormatTarget, number][] = [["interop", 114], ["0.15", 0]];
  for (const [formatTarget, size] of sizes) {
    const store = new MemoryStore();
    const db = await Db.open("db", { store, formatTarget, settings: QUIET });
    const fence = await store.get(walName("db", 1));
    assertEquals(fence!.bytes.length, size);
    await db.put("a", "1");
    await db.close({ flush: "none" });
    const next = await Db.open("db", { store, settings: QUIET });
    assertEquals(toText((await next.get("a"))!), "1");
    await next.close();
  }
});

test("manifests have version 2 only where there are segments", async () => {
  const store = new MemoryStore();
  const options: DbOptions = { store, formatTarget: "0.15", settings: QUIET };
  await (await Db.open("db", options)).close();
  assertEquals(await manifestVersion(store), 1);

  const other = new MemoryStore();
  await (await Db.open("db", segmented(other))).close();
  assertEquals(await manifestVersion(other), 2);
});

test("a segmented database may have a WAL store of its own", async () => {
  const store = new MemoryStore();
  const walStore = new MemoryStore();
  const options = { ...segmented(store), walStore };
  const db = await Db.open("db", options);
  await db.put("aa1", "x");
  await db.close({ flush: "wal" });
  for await (const { name } of store.list("db/wal/")) assert(false, name);

  const again = await Db.open("db", options);
  assertEquals(toText((await again.get("aa1"))!), "x");
  await again.close({ flush: "none" });
  await using reader = await DbReader.open("db", readerOf(options));
  assertEquals(await reader.get("aa1").then((value) => value?.length), 1);
});

test("a database reads the files of every target, whichever it writes", async () => {
  const store = new MemoryStore();
  const settings = { ...QUIET, min_filter_keys: 1 };
  const writers: Partial<DbOptions>[] = [
    {},
    { formatTarget: "0.15" },
    { formatTarget: "0.15", filterPolicies: PREFIXES },
    { filterPolicies: [] },
    { formatTarget: "0.15", filterPolicies: [PREFIXES[1]!] },
    { filterPolicies: [{ bitsPerKey: 20 }] },
  ];
  for (const [i, writer] of writers.entries()) {
    await using db = await Db.open("db", { store, settings, ...writer });
    for (let n = 0; n < 30; n++) {
      await db.put(`k${n}/${i}`, `${i}`, { awaitDurable: false });
      await db.put(`last/${n}`, `${i}`, { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
    await db.put(`in the log/${i}`, `${i}`);
    await db.close({ flush: "none" });
    for (const filterPolicies of [[], PREFIXES, writer.filterPolicies ?? []]) {
      await using reader = await DbReader.open("db", { store, filterPolicies });
      await assertLayers(reader, i);
    }
  }
  assertEquals(await filtersOf(store), [
    "legacy: _bf",
    "composite: _bf:p=fixed3",
    "legacy: ",
    "composite: _bf _bf:p=fixed3",
    "composite: _bf",
    "legacy: _bf",
  ]);

  for (const writer of writers) {
    const { compactor_options: _, ...more } = settings;
    await using db = await Db.open("db", { store, settings: more, ...writer });
    await db.compact();
    await assertLayers(db, writers.length - 1);
  }
});

async function assertLayers(db: Db | DbReader, last: number): Promise<void> {
  let rows = 0;
  for await (const { key, value } of db.scan()) {
    const name = toText(key);
    const text = toText(value);
    assertEquals(text, name.startsWith("last/") ? `${last}` : name.slice(-1));
    assertEquals(toText((await db.get(key))!), text, name);
    rows++;
  }
  assertEquals(rows, 31 * (last + 1) + 30);
  for (let n = 0; n < 30; n++) {
    const found: string[] = [];
    for await (const { key } of db.scan({ prefix: `k${n}/` })) {
      found.push(toText(key));
    }
    assertEquals(found.length, last + 1, `k${n}/`);
  }
}

/** How a database of SlateDB is opened. */
function optionsOf(store: ObjectStore, { info }: Fixture): DbOptions {
  const { segment_prefix_bytes: segment, filters } = info;
  return {
    store,
    formatTarget: "0.15",
    mergeOperator: concatOperator,
    expiredReads: "return",
    settings: { min_filter_keys: 1, garbage_collector_options: null },
    ...(segment === undefined
      ? {}
      : { segmentExtractor: fixedPrefix(segment) }),
    ...(filters === undefined ? {} : {
      filterPolicies: filters.split(",").map((text): FilterPolicy => {
        const [kind, number] = text.split(":");
        if (kind === "bloom") return { bitsPerKey: Number(number) };
        return {
          prefixExtractor: fixedPrefix(Number(number)),
          wholeKeys: kind === "prefix",
        };
      }),
    }),
  };
}

for (
  const name of [
    "segments",
    "filter_prefix",
    "filter_only_prefix",
    "filter_default",
  ]
) {
  test(`Shale goes on with what SlateDB 0.15 wrote: ${name}`, async () => {
    const fixture = await loadFixture("slatedb-0.15", name);
    const store = new MemoryStore();
    for (const [file, bytes] of fixture.files) await store.put(file, bytes);
    const expected = new Map(
      fixture.expected.map(({ key, value }) => [toText(key), value]),
    );
    const assertSame = async (db: Db) => {
      let rows = 0;
      for await (const { key, value } of db.scan()) {
        assertEquals(value, expected.get(toText(key)), toText(key));
        assertEquals(await db.get(key), value);
        rows++;
      }
      assertEquals(rows, expected.size);
    };
    const options = optionsOf(store, fixture);
    const keys = [...expected.keys()];

    const db = await Db.open("db", options);
    await assertSame(db);
    for (const [i, key] of keys.entries()) {
      if (i % 3 > 0) continue;
      const added = `${key}+`;
      await db.put(added, "new", { awaitDurable: false });
      expected.set(added, new TextEncoder().encode("new"));
      await db.delete(key, { awaitDurable: false });
      expected.delete(key);
    }
    await db.flush({ target: "memtable" });
    await assertSame(db);
    await db.compact();
    await assertSame(db);
    await db.close();

    const again = await Db.open("db", options);
    await assertSame(again);
    for (const { l0 } of (await storedManifest(store)).segments) {
      assertEquals(l0, []);
    }
    await again.close();
  });
}

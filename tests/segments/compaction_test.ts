/**
 * Segments and filters through compactions: each segment by itself, in the event
 * loop and in threads.
 *
 * @module
 */
import { toText } from "../../lib/base/bytes.ts";
import {
  Db,
  type DbOptions,
  DbReader,
  type DbSettings,
  delimiterPrefix,
  FileStore,
  type FilterPolicy,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { sstName } from "../../lib/format/paths.ts";
import { readSstFile } from "../format/sst_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { readerOf, segmented, storedManifest } from "./segmented.ts";

const FILTERS: readonly FilterPolicy[] = [
  {},
  { prefixExtractor: delimiterPrefix("/"), wholeKeys: false },
];

function optionsOf(store: ObjectStore, more: Partial<DbOptions>): DbOptions {
  const settings: DbSettings = {
    min_filter_keys: 1,
    garbage_collector_options: null,
    compactor_options: { poll_interval: "1h" },
  };
  return {
    ...segmented(store, delimiterPrefix("/")),
    filterPolicies: FILTERS,
    settings,
    ...more,
  };
}

async function fill(db: Db): Promise<void> {
  for (let layer = 0; layer < 3; layer++) {
    for (const user of ["ann", "bob", "cy"]) {
      for (let n = 0; n < 50; n++) {
        await db.put(`${user}/${n}`, `${layer}`, { awaitDurable: false });
      }
    }
    await db.delete(`bob/${layer}`);
    await db.flush({ target: "memtable" });
  }
}

async function assertAll(db: Db | DbReader): Promise<void> {
  let rows = 0;
  for await (const { key, value } of db.scan()) {
    assertEquals(toText(value), "2");
    assertEquals(toText((await db.get(key))!), "2", toText(key));
    rows++;
  }
  assertEquals(rows, 149);
}

/** Names of the filters of every SST in the tree. */
async function filtersOf(store: ObjectStore): Promise<string[][]> {
  const names: string[][] = [];
  for (const { l0, runs } of (await storedManifest(store)).segments) {
    for (const { id } of [...l0, ...runs.flatMap(({ ssts }) => ssts)]) {
      const object = (await store.get(sstName("db", id)))!;
      const { filters } = readSstFile(object.bytes);
      names.push(filters.map(({ name }) => name));
    }
  }
  return names;
}

async function compactAll(
  store: ObjectStore,
  more: Partial<DbOptions> = {},
): Promise<string[]> {
  const warnings: string[] = [];
  const options = optionsOf(store, {
    ...more,
    logger: {
      debug: () => {},
      info: () => {},
      warn: (message) => void warnings.push(message),
      error: (message) => void warnings.push(message),
    },
  });
  await using db = await Db.open("db", options);
  await fill(db);
  await db.compact();
  await assertAll(db);
  const { segments } = db.status().tree;
  assertEquals(
    segments.map(({ prefix, l0, runs }) => [
      toText(prefix),
      l0.length,
      runs.length,
    ]),
    [["ann/", 0, 1], ["bob/", 0, 1], ["cy/", 0, 1]],
  );
  const runIds = segments.flatMap(({ runs }) => runs.map(({ id }) => id));
  assertEquals(new Set(runIds).size, 3, "run ids are never shared");
  await using reader = await DbReader.open("db", readerOf(options));
  await assertAll(reader);
  return warnings;
}

const NAMES = ["_bf", "_bf:p=delimiter2f:wh=0"];

test("db.compact() makes one run of each segment, with the filters of L0", async () => {
  const store = new MemoryStore();

  assertEquals(await compactAll(store), []);

  assertEquals(await filtersOf(store), [NAMES, NAMES, NAMES]);
});

test("threads write the filters of ready-made extractors by themselves", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);

  assertEquals(await compactAll(store, { compactor: "worker" }), []);

  assertEquals(await filtersOf(store), [NAMES, NAMES, NAMES]);
  await store.close();
});

test("filters of one's own keep compactions out of threads, unless a module has them", async () => {
  const slash = delimiterPrefix("/");
  const filterPolicies: FilterPolicy[] = [{
    prefixExtractor: {
      name: "mine",
      prefixLength: (bytes, kind) => slash.prefixLength(bytes, kind),
    },
  }];
  const modules: [string | undefined, warned: boolean][] = [
    [undefined, true],
    ["own_filters.ts", false],
    // It has no such policy: the work is done in the event loop.
    ["segmented.ts", true],
  ];
  for (const [module, warned] of modules) {
    await using dir = await TempDir.create();
    const store = new FileStore(dir.path);
    const warnings = await compactAll(store, {
      filterPolicies,
      compactor: "worker",
      ...(module === undefined
        ? {}
        : { compactorModule: new URL(module, import.meta.url) }),
    });
    assertEquals(warnings.length > 0, warned, `${module}: ${warnings}`);
    const names = await filtersOf(store);
    assert(names.every(([name]) => name === "_bf:p=mine"), `${names}`);
    await store.close();
  }
});

/**
 * What reads of segments and prefixes ask the store for.
 *
 * @module
 */
import { toBytes } from "../../lib/base/bytes.ts";
import { parseSstId } from "../../lib/format/paths.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import {
  Db,
  type DbOptions,
  delimiterPrefix,
  MemoryBudget,
  MemoryRecorder,
  MemoryStore,
  type ScanOptions,
} from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { QUIET, segmented, storedManifest } from "./segmented.ts";

/** A store that counts, and the SSTs that it was asked for. */
class World {
  readonly memory = new MemoryStore();
  readonly store = new FaultStore(this.memory);

  /** Which SSTs were asked for since the last call. */
  takeSsts(): Set<string> {
    const ids = this.store.calls.filter(({ operation }) => operation === "get")
      .map(({ name }) => parseSstId("db", name)).filter((id) =>
        id !== undefined
      );
    this.store.calls.length = 0;
    return new Set(ids);
  }

  /** The SSTs of each segment, by its prefix. */
  async sstsOf(prefix: string): Promise<Set<string>> {
    const { segments } = await storedManifest(this.memory);
    const key = toBytes(prefix);
    const segment = segments.find((segment) =>
      segment.prefix.every((byte, i) => byte === key[i])
    )!;
    return new Set(segment.l0.map(({ id }) => id));
  }

  open(more: Partial<DbOptions>): Promise<Db> {
    return Db.open("db", {
      ...segmented(this.store, delimiterPrefix("/")),
      budget: new MemoryBudget(),
      ...more,
    });
  }
}

async function keysOf(db: Db, options: ScanOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of db.keys(options)) {
    keys.push(new TextDecoder().decode(key));
  }
  return keys;
}

/** Some layers of rows in many segments. */
async function fill(world: World, segments: number, layers: number) {
  const db = await world.open({});
  for (let layer = 0; layer < layers; layer++) {
    for (let n = 0; n < segments; n++) {
      const name = `s${String(n).padStart(3, "0")}`;
      await db.put(`${name}/${layer}`, "x", { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
  }
  await db.close();
}

test("a get opens the tables of its own segment alone", async () => {
  const world = new World();
  await fill(world, 20, 3);
  await using db = await world.open({});
  world.takeSsts();

  assertEquals(await db.get("s007/absent"), undefined);
  assertEquals(await db.get("s999/absent"), undefined);
  // Outside the range of every table.
  assertEquals(world.takeSsts(), new Set());

  assertEquals((await db.get("s007/1"))?.length, 1);
  const asked = world.takeSsts();
  assertEquals(asked.size, 1);
  assert([...asked].every(async (id) => (await world.sstsOf("s007/")).has(id)));
});

test("a scan inside one segment opens its tables alone", async () => {
  const world = new World();
  await fill(world, 20, 3);
  await using db = await world.open({});
  const own = await world.sstsOf("s007/");
  const keys = ["s007/0", "s007/1", "s007/2"];
  const scans: ScanOptions[] = [
    { prefix: "s007/" },
    { prefix: "s007" },
    { gte: "s007/", lt: "s008" },
    { gt: "s006/2", lte: "s007/2" },
    { gte: "s006/3", lt: "s008/" },
  ];
  for (const scan of scans) {
    world.takeSsts();
    assertEquals(await keysOf(db, scan), keys);
    const reversed = await keysOf(db, { ...scan, reverse: true });
    assertEquals(reversed.reverse(), keys);
    for (const id of world.takeSsts()) assert(own.has(id), `${id} is read`);
  }
});

test("a scan opens the tables of a segment when it gets there", async () => {
  const world = new World();
  await fill(world, 100, 2);
  for (const reverse of [false, true]) {
    await using db = await world.open({});
    world.takeSsts();

    const first = await keysOf(db, { limit: 3, reverse });
    assertEquals(
      first,
      reverse ? ["s099/1", "s099/0", "s098/1"] : ["s000/0", "s000/1", "s001/0"],
    );
    const { size } = world.takeSsts();
    assert(size <= 12, `${size} of 200 tables were opened`);
    assertEquals(await db.count({}), 200);
  }
});

/** SSTs that all have the same range, each with prefixes of its own. */
async function fillPrefixes(world: World, more: Partial<DbOptions>) {
  const { segmentExtractor: _, ...options } = segmented(world.store);
  const open = () =>
    Db.open("db", {
      ...options,
      ...more,
      settings: { ...QUIET, min_filter_keys: 1 },
    });
  let db = await open();
  for (let sst = 0; sst < 6; sst++) {
    for (const user of ["a", "z"]) {
      for (let n = 0; n < 200; n++) {
        await db.put(`${user}${sst}/${n}`, "x".repeat(50), {
          awaitDurable: false,
        });
      }
    }
    await db.flush({ target: "memtable" });
  }
  await db.close();
  db = await open();
  world.takeSsts();
  return db;
}

for (const wholeKeys of [true, false]) {
  test(`prefix scans skip SSTs by filters ${wholeKeys ? "with" : "without"} whole keys`, async () => {
    const world = new World();
    const recorder = new MemoryRecorder();
    await using db = await fillPrefixes(world, {
      recorder,
      budget: new MemoryBudget(),
      filterPolicies: [{ wholeKeys, prefixExtractor: delimiterPrefix("/") }],
    });
    // Index and filter of each SST are read once.
    assertEquals(await keysOf(db, { prefix: "m/" }), []);
    world.store.calls.length = 0;

    for (let sst = 0; sst < 6; sst++) {
      assertEquals((await keysOf(db, { prefix: `a${sst}/19` })).length, 11);
      // More false positives than this would be bad luck indeed.
      const asked = world.takeSsts();
      assert(asked.size <= 2, `${asked.size} SSTs were asked`);
    }
    const negatives = recorder.numberOf(
      "slatedb.db.sst_filter_negative_count",
      {
        kind: "prefix",
      },
    );
    // Of 6 for the first scan, and 15 whose ranges begin before the prefix.
    assert(negatives! >= 18, `${negatives} tables were passed over`);
    assertEquals((await keysOf(db, { prefix: "a" })).length, 1200);
  });
}

test("gets skip SSTs by filters of prefixes alone", async () => {
  const world = new World();
  await using db = await fillPrefixes(world, {
    budget: new MemoryBudget(),
    filterPolicies: [
      { wholeKeys: false, prefixExtractor: delimiterPrefix("/") },
    ],
  });
  assertEquals(await db.get("m/"), undefined);
  world.store.calls.length = 0;

  assertEquals((await db.get("a3/7"))?.length, 50);
  const asked = world.takeSsts();

  assert(asked.size <= 2, `${asked.size} SSTs were asked`);
});

/**
 * Every database that the real engines wrote reads as its engine reads it: by
 * `get`, `getEntry`, `getMany`, scans in both directions and prefix scans, by a
 * reader and by a writer that takes it over.
 *
 * @module
 */
import { Db, type DbError, DbReader, MemoryStore } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  assertReads,
  concatOperator,
  type Readable,
} from "../support/db_ops.ts";
import {
  type Fixture,
  type FixtureOp,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import type { ModelEntry } from "../support/model_db.ts";
import { hex } from "../support/op.ts";
import { test } from "../support/test.ts";
import { plusOne } from "./shale.ts";

/** The extractor of the judges: the first so many bytes. */
function fixedPrefix(length: number) {
  return {
    name: `fixed${length}`,
    prefixLength: (bytes: Uint8Array) =>
      bytes.length >= length ? length : undefined,
  };
}

async function storeOf(fixture: Fixture): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const [name, bytes] of fixture.files) await store.put(name, bytes);
  return store;
}

function componentsOf({ info }: Fixture) {
  return {
    mergeOperator: concatOperator,
    // The engines return rows past their expiry, and that is what is expected.
    expiredReads: "return" as const,
    ...(info.transform === undefined ? {} : { blockTransformer: plusOne }),
  };
}

function expectedOf(fixture: Fixture): ModelEntry[] {
  return fixture.expected.map(({ key, value, seq, createTs, expireTs }) => ({
    k: hex(key),
    v: hex(value),
    seq,
    createTs,
    expireTs,
  }));
}

/** Every key that was ever written, whether there is a row of it now or not. */
function keysOf(ops: readonly FixtureOp[]): string[] {
  const keys = new Set<string>();
  for (const { k, rows } of ops) {
    if (k !== undefined) keys.add(k);
    for (const row of rows ?? []) keys.add(row.k!);
  }
  return [...keys].sort();
}

async function assertFixture(db: Readable, fixture: Fixture): Promise<void> {
  await assertReads(db, expectedOf(fixture), keysOf(fixture.ops));
}

for (const { engine, name } of listFixtures()) {
  const what = `${engine}/${name}`;
  test(`DbReader reads ${what} as its engine does`, async () => {
    const fixture = await loadFixture(engine, name);
    const { filters = "", segment_prefix_bytes: segment } = fixture.info;
    const prefixed = /(prefix|only):(\d+)/.exec(filters);
    await using db = await DbReader.open("db", {
      store: await storeOf(fixture),
      ...componentsOf(fixture),
      ...(segment === undefined
        ? {}
        : { segmentExtractor: fixedPrefix(Number(segment)) }),
      ...(prefixed === null ? {} : {
        filterPolicies: [{
          wholeKeys: prefixed[1] !== "only",
          prefixExtractor: fixedPrefix(Number(prefixed[2])),
        }],
      }),
    });
    await assertFixture(db as unknown as Readable, fixture);
  });

  test(`Db takes over ${what}, or says why not`, async () => {
    const fixture = await loadFixture(engine, name);
    const store = await storeOf(fixture);
    const open = () => Db.open("db", { store, ...componentsOf(fixture) });
    if (fixture.info.segment_prefix_bytes !== undefined) {
      const error = await assertRejects(open) as DbError;
      assertEquals(error.kind, "invalid");
      assertStringIncludes(error.message, "fixed4");
      return;
    }
    const db = await open();
    await assertFixture(db, fixture);
    await db.put("written by", "Shale");
    await db.close();
    await using again = await open();
    assertEquals(hex((await again.get("written by"))!), hex("Shale"));
    await again.delete("written by");
    if (name !== "expired") await assertFixture(again, fixture);
  });
}

test("there are 41 databases by the real engines", () => {
  const all = listFixtures();
  assertEquals(all.length, 41);
  assertEquals(
    all.filter(({ engine }) => engine === "slatedb-0.12").length,
    17,
  );
});

test("a transformed database is refused without its transformer", async () => {
  const fixture = await loadFixture("slatedb-0.15", "transformed");
  const store = await storeOf(fixture);
  const error = await assertRejects(async () => {
    await using db = await DbReader.open("db", {
      store,
      mergeOperator: concatOperator,
    });
    await db.get("user:000001");
  }) as DbError;
  assertEquals(error.kind, "data");
});

test("a segmented database is refused with another extractor, and by a writer", async () => {
  const fixture = await loadFixture("slatedb-0.15", "segments");
  const store = await storeOf(fixture);
  for (const options of [{}, { segmentExtractor: fixedPrefix(3) }]) {
    const error = await assertRejects(() =>
      DbReader.open("db", { store, ...options })
    ) as DbError;
    assertEquals(error.kind, "invalid");
    assertStringIncludes(error.message, "fixed4");
  }
});

test("expired rows of a database by SlateDB are hidden unless asked for", async () => {
  for (const engine of ["slatedb-0.12", "slatedb-0.15"]) {
    const fixture = await loadFixture(engine, "expired");
    await using db = await DbReader.open("db", {
      store: await storeOf(fixture),
      mergeOperator: concatOperator,
    });
    const now = BigInt(Date.now());
    const alive = expectedOf(fixture).filter(({ expireTs }) =>
      expireTs === undefined || expireTs > now
    ).map(({ k }) => k);
    const seen: string[] = [];
    for await (const { key } of db.scan()) seen.push(hex(key));
    for (const k of alive) assert(seen.includes(k), k);
    assert(!seen.includes(hex("dead2")));
    assertEquals(await db.get("dead2"), undefined);
  }
});

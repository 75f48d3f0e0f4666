/**
 * Damaged files. Everything Shale writes is under a checksum, so whatever is
 * cut off or flipped must be told as kind `"data"`, or make no difference; it
 * must never show as a wrong row, a crash, or a call that does not end.
 *
 * @module
 */
import {
  Db,
  DbError,
  DbReader,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import {
  concatOperator,
  entryOf,
  type Readable,
  scanRows,
} from "../support/db_ops.ts";
import { loadFixture } from "../support/fixtures.ts";
import { copyStore } from "../support/journal_store.ts";
import type { ModelEntry } from "../support/model_db.ts";
import { Random, roundsOf } from "../support/random.ts";
import { test } from "../support/test.ts";

const OPTIONS = { mergeOperator: concatOperator, blockBytes: 1024 };

/** A small database with everything in it: two L0 SSTs and a WAL tail. */
async function makeDatabase(codec: string | null): Promise<MemoryStore> {
  const store = new MemoryStore();
  const db = await Db.open("db", {
    store,
    ...OPTIONS,
    settings: { compression_codec: codec, min_filter_keys: 10 },
  });
  const later = { awaitDurable: false };
  for (let layer = 0; layer < 3; layer++) {
    for (let i = 0; i < 60; i++) {
      await db.put(`k${i % 40}`, `layer ${layer} ${"x".repeat(i)}`, later);
    }
    await db.merge("m", `${layer}`, later);
    await db.delete(`k${layer}`, later);
    if (layer < 2) await db.flush({ target: "memtable" });
  }
  await db.close({ flush: "wal" });
  return store;
}

/** The store with other bytes under one name, or none. */
function damaged(
  store: MemoryStore,
  name: string,
  bytes: Uint8Array | undefined,
): Promise<MemoryStore> {
  return copyStore(store).then(async (copy) => {
    if (bytes === undefined) await copy.delete(name);
    else await copy.put(name, bytes);
    return copy;
  });
}

/** Reads everything there is. */
async function readAll(db: Readable): Promise<(ModelEntry | undefined)[]> {
  const rows: (ModelEntry | undefined)[] = await scanRows(db);
  rows.push(...await scanRows(db, {}, { reverse: true }));
  for (const { k } of rows.slice() as ModelEntry[]) {
    rows.push(await entryOf(db, k));
  }
  return rows;
}

async function readByReader(store: ObjectStore) {
  await using db = await DbReader.open("db", {
    store,
    mergeOperator: concatOperator,
  });
  return await readAll(db as unknown as Readable);
}

async function readByWriter(store: ObjectStore) {
  const db = await Db.open("db", { store, ...OPTIONS });
  try {
    return await readAll(db);
  } finally {
    await db.close({ flush: "none" });
  }
}

/** The rows, or the error that says the file is damaged; anything else fails. */
async function outcome(
  read: (store: ObjectStore) => Promise<unknown[]>,
  store: ObjectStore,
  what: string,
): Promise<unknown[] | DbError> {
  try {
    return await read(store);
  } catch (error) {
    if (error instanceof DbError && error.kind === "data") return error;
    throw new Error(`${what}: ${error}`, { cause: error });
  }
}

/** Where to flip and cut: both ends byte by byte, and some in between. */
function places(length: number, random: Random): number[] {
  const all = new Set<number>();
  const some = 25 * roundsOf(1);
  for (let i = 0; i < length && i < 6; i++) all.add(i).add(length - 1 - i);
  for (let i = 6; i < 40 && i < length; i++) all.add(length - 1 - i);
  for (let i = 0; i < some && length > 0; i++) all.add(random.below(length));
  return [...all];
}

async function namesOf(store: MemoryStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("")) names.push(name);
  return names;
}

/** The names that matter to a reader: all SSTs, the tail, the newest manifest. */
async function liveNames(store: MemoryStore): Promise<string[]> {
  const names = await namesOf(store);
  const manifests = names.filter((name) => name.includes("/manifest/"));
  return [
    ...names.filter((name) => name.includes("/compacted/")),
    names.findLast((name) => name.includes("/wal/"))!,
    manifests.at(-1)!,
  ];
}

for (const codec of [null, "snappy", "zlib", "lz4", "zstd"]) {
  test(`a flipped bit is found, or makes no difference: ${codec ?? "plain"}`, async () => {
    const random = new Random(7);
    const store = await makeDatabase(codec);
    const expected = await readByReader(store);
    let found = 0;
    for (const name of await liveNames(store)) {
      const { bytes } = (await store.get(name))!;
      for (const at of places(bytes.length, random)) {
        const flipped = bytes.slice();
        flipped[at]! ^= 1 << random.below(8);
        const what = `${name}, byte ${at} of ${bytes.length}`;
        const copy = await damaged(store, name, flipped);
        const answer = await outcome(readByReader, copy, what);
        if (answer instanceof DbError) found++;
        else assertEquals(answer, expected, what);
      }
    }
    assert(found > 100, `${found} damages were found`);
  });

  test(`a file that was cut is found: ${codec ?? "plain"}`, async () => {
    const random = new Random(8);
    const store = await makeDatabase(codec);
    const expected = await readByReader(store);
    for (const name of await liveNames(store)) {
      const { bytes } = (await store.get(name))!;
      for (const length of places(bytes.length, random)) {
        const what = `${name} cut to ${length} of ${bytes.length}`;
        const copy = await damaged(store, name, bytes.slice(0, length));
        const answer = await outcome(readByReader, copy, what);
        const isFence = length === 0 && name.includes("/wal/");
        if (answer instanceof DbError) continue;
        // SlateDB's own fences are empty objects: that one cannot be told.
        assert(
          isFence ||
            JSON.stringify(show(answer)) === JSON.stringify(show(expected)),
          what,
        );
      }
    }
  });
}

function show(rows: readonly unknown[]): unknown {
  return JSON.parse(
    JSON.stringify(
      rows,
      (_name, value) => typeof value === "bigint" ? String(value) : value,
    ),
  );
}

test("a writer finds damage as well, and changes nothing it does not understand", async () => {
  const random = new Random(9);
  const store = await makeDatabase(null);
  const expected = await readByWriter(await copyStore(store));
  for (const name of await liveNames(store)) {
    const { bytes } = (await store.get(name))!;
    for (const at of places(bytes.length, random).slice(0, 20)) {
      const flipped = bytes.slice();
      flipped[at]! ^= 0x10;
      const copy = await damaged(store, name, flipped);
      const what = `${name}, byte ${at} of ${bytes.length}`;
      const answer = await outcome(readByWriter, copy, what);
      if (!(answer instanceof DbError)) assertEquals(answer, expected, what);
      assertEquals((await copy.get(name))!.bytes, flipped, what);
      await copy.put(name, bytes);
      assertEquals(await readByWriter(copy), expected, `${what}, repaired`);
    }
  }
});

test("files of SlateDB that are damaged end in rows or kind 'data', soon", async () => {
  const random = new Random(10);
  for (const name of ["kinds_layers", "runs", "codec_lz4", "segments"]) {
    const fixture = await loadFixture("slatedb-0.15", name);
    const store = new MemoryStore();
    for (const [file, bytes] of fixture.files) await store.put(file, bytes);
    const segmentExtractor = {
      name: "fixed4",
      prefixLength: (key: Uint8Array) => key.length >= 4 ? 4 : undefined,
    };
    const read = async (copy: ObjectStore) => {
      await using db = await DbReader.open("db", {
        store: copy,
        mergeOperator: concatOperator,
        ...(name === "segments" ? { segmentExtractor } : {}),
      });
      return await readAll(db as unknown as Readable);
    };
    for (const file of (await liveNames(store)).slice(-4)) {
      const { bytes } = (await store.get(file))!;
      for (const at of places(bytes.length, random)) {
        const changed = bytes.slice();
        changed[at] = random.below(256);
        const copy = await damaged(store, file, changed);
        try {
          await read(copy);
        } catch (error) {
          const what = `${name} ${file}, byte ${at}: ${error}`;
          const kind = error instanceof DbError ? error.kind : "none";
          assert(["data", "invalid"].includes(kind), what);
        }
      }
    }
  }
});

test("a manifest of SlateDB that lies ends in rows or kind 'data', soon, for readers and writers", async () => {
  const random = new Random(11);
  for (const name of ["slatedb-0.12/kinds_layers", "slatedb-0.15/runs"]) {
    const [engine, database] = name.split("/") as [string, string];
    const fixture = await loadFixture(engine, database);
    const store = new MemoryStore();
    for (const [file, bytes] of fixture.files) await store.put(file, bytes);
    const file = (await liveNames(store)).at(-1)!;
    const { bytes } = (await store.get(file))!;
    const lies = [2n ** 64n - 1n, 2n ** 63n - 1n, 2n ** 53n - 1n, 2n ** 40n];
    for (let i = 0; i < 120 * roundsOf(1); i++) {
      const at = random.below(bytes.length - 8);
      const lie = random.pick(lies);
      const changed = bytes.slice();
      const view = new DataView(changed.buffer);
      if (random.chance(0.5)) view.setBigUint64(at, lie, true);
      else view.setUint32(at, Number(lie & 0xffff_ffffn), true);
      const what = `${name}, byte ${at} of ${bytes.length}: ${lie}`;
      const copy = await damaged(store, file, changed);
      await outcome(readByReader, copy, what);
      await outcome(readByWriter, copy, what);
    }
  }
});

test("the error of damage names the file and says what is wrong", async () => {
  const store = await makeDatabase(null);
  for (const name of await liveNames(store)) {
    const { bytes } = (await store.get(name))!;
    const flipped = bytes.slice();
    flipped[bytes.length >> 1]! ^= 1;
    const copy = await damaged(store, name, flipped);
    const error = await assertRejects(
      () => readByReader(copy),
      name,
    ) as DbError;
    assertEquals([error.kind, error.retryable], ["data", false], name);
    assertStringIncludes(error.message, numberOf(name));
  }
});

test("a missing SST or WAL file is kind 'data', and named", async () => {
  const store = await makeDatabase(null);
  const db = await Db.open("db", { store, ...OPTIONS });
  for (let i = 0; i < 6; i++) {
    await db.put(`tail${i}`, "1", { awaitDurable: false });
    await db.flush();
  }
  await db.close({ flush: "wal" });
  const names = await namesOf(store);
  const ssts = names.filter((name) => name.includes("/compacted/"));
  const tail = names.filter((name) => name.includes("/wal/")).slice(-6, -1);
  for (const name of [...ssts, ...tail]) {
    for (const read of [readByReader, readByWriter]) {
      const copy = await damaged(store, name, undefined);
      const error = await assertRejects(() => read(copy), name) as DbError;
      assertEquals([error.name, error.kind], ["DbError", "data"], name);
      assertStringIncludes(error.message, numberOf(name));
    }
  }
});

/** What a message calls a file: its ULID, or its number. */
function numberOf(name: string): string {
  return name.split("/").at(-1)!.split(".")[0]!.replace(/^0+(?=\d)/, "");
}

test("a reader of what is no database says so", async () => {
  const store = new MemoryStore();
  for (const name of ["", "db/notes.txt", "db/manifest/readme.md"]) {
    if (name !== "") await store.put(name, new Uint8Array([1, 2, 3]));
    const error = await assertRejects(() =>
      DbReader.open("db", { store })
    ) as DbError;
    assertEquals(error.kind, "data");
    assertStringIncludes(error.message, '"db"');
  }
});

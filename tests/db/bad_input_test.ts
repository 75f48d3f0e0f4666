/**
 * What a caller may get wrong, and what it is told: kind `"invalid"`, before
 * anything happened.
 *
 * @module
 */
import { Db, type DbError, MemoryStore, WriteBatch } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { loadSettings } from "../support/fixtures.ts";
import { test } from "../support/test.ts";

async function rejection(call: () => unknown): Promise<DbError> {
  return await assertRejects(async () => await call()) as DbError;
}

async function assertInvalid(call: () => unknown, said = ""): Promise<void> {
  const error = await rejection(call);
  assertEquals([error.name, error.kind], ["DbError", "invalid"], String(call));
  assertStringIncludes(error.message, said);
}

const open = (options: Record<string, unknown>, path = "db") =>
  Db.open(path, { store: new MemoryStore(), ...options });

test("keys of 1 to 65,535 bytes are taken, others refused", async () => {
  await using db = await open({ mergeOperator: concatOperator });
  const longest = "z".repeat(65_535);
  await db.put(longest, "1", { awaitDurable: false });
  assert(await db.get(longest) !== undefined);
  for (const key of ["", "z".repeat(65_536), "я".repeat(32_768)]) {
    const said = key === "" ? "key cannot be empty" : "u16::MAX";
    await assertInvalid(() => db.put(key, "1"), said);
    await assertInvalid(() => db.delete(key), said);
    await assertInvalid(() => db.merge(key, "1"), said);
    await assertInvalid(() => new WriteBatch().put(key, "1"), said);
    await assertInvalid(() => new WriteBatch().delete(key), said);
    await assertInvalid(() => new WriteBatch().merge(key, "1"), said);
  }
  assertEquals(db.status().lastSeq, 1n);
});

test("reads of keys that no row can have are refused or find nothing", async () => {
  await using db = await open({});
  for (const key of ["", "z".repeat(65_536)]) {
    const reads: (() => Promise<unknown>)[] = [
      () => db.get(key),
      () => db.getMany(["a", key]),
    ];
    for (const read of reads) {
      try {
        assertEquals([await read()].flat().at(-1), undefined);
      } catch (error) {
        assertEquals((error as DbError).kind, "invalid");
      }
    }
  }
});

test("keys and values that are neither bytes nor text are refused", async () => {
  await using db = await open({});
  for (
    const wrong of [null, undefined, 7, 7n, {}, [1, 2], new ArrayBuffer(3)]
  ) {
    const value = wrong as unknown as string;
    await assertInvalid(() => db.put(value, "1"), "key");
    await assertInvalid(() => db.put("a", value), "value");
    await assertInvalid(() => db.get(value), "key");
    await assertInvalid(() => new WriteBatch().put("a", value), "value");
  }
  assertEquals(db.status().lastSeq, 0n);
});

test("a value that is too large is refused before it is copied", async () => {
  await using db = await open({});
  // As large as the format forbids, and nothing behind it.
  const huge = Object.create(Uint8Array.prototype, {
    length: { value: 2 ** 32 },
    byteLength: { value: 2 ** 32 },
  }) as Uint8Array;
  await assertInvalid(() => db.put("a", huge), "u32::MAX");
  assertEquals(await db.get("a"), undefined);
});

test("ranges that are reversed, empty or contradictory are refused", async () => {
  await using db = await open({});
  const wrong = [
    [{ gte: "b", lt: "a" }, "range start must not be greater than range end"],
    [{ gt: "b", lte: "a" }, "range start must not be greater than range end"],
    [{ gte: "a", lt: "a" }, "range must be non-empty"],
    [{ gt: "a", lte: "a" }, "range must be non-empty"],
    [{ gt: "a", gte: "a" }, "gte"],
    [{ lt: "a", lte: "a" }, "lte"],
    [{ prefix: "p", gte: "b", lt: "a" }, "range start"],
  ] as const;
  for (const [range, said] of wrong) {
    await assertInvalid(() => db.scan(range), said);
    await assertInvalid(() => db.count(range), said);
  }
});

test("scan options out of range are refused", async () => {
  await using db = await open({});
  for (
    const options of [
      { limit: -1 },
      { limit: 1.5 },
      { limit: NaN },
      { readAheadBytes: -1 },
      { maxFetchTasks: 0 },
      { durabilityFilter: "disk" },
      { readLevel: "dirty" },
    ]
  ) {
    await assertInvalid(
      () => db.scan(options as Record<string, unknown>).next(),
      Object.keys(options)[0]!,
    );
  }
});

test("DESIGN 7.21: unknown settings are named, with the nearest known one", async () => {
  await assertInvalid(
    () => open({ settings: { flush_intervall: "1s" } }),
    "unknown setting 'flush_intervall': did you mean 'flush_interval'?",
  );
  await assertInvalid(
    () => open({ settings: { compactor_options: { pol_interval: "1s" } } }),
    "'compactor_options.pol_interval'",
  );
  await assertInvalid(() => open({ storre: new MemoryStore() }), "'storre'");
});

test("settings out of range are refused, and named", async () => {
  const wrong: Record<string, unknown> = {
    flush_interval: "100 parsecs",
    manifest_poll_interval: -1,
    wal_enabled: "yes",
    min_filter_keys: 1.5,
    l0_sst_size_bytes: 0,
    l0_max_ssts: 0,
    l0_max_ssts_per_key: 0,
    l0_flush_parallelism: 0,
    max_unflushed_bytes: 1,
    max_unflushed_memtable: 0,
    compression_codec: "brotli",
    default_ttl: -5,
    max_wal_flushes_before_l0_flush: 0,
    filter_bits_per_key: -1,
    compactor_options: 7,
    manifest_update_timeout: null,
  };
  for (const [name, value] of Object.entries(wrong)) {
    await assertInvalid(() => open({ settings: { [name]: value } }), name);
  }
});

test("DESIGN 7.22: SlateDB's own settings are taken as they are", async () => {
  for (const version of ["0.12", "0.15"]) {
    await using db = await open({ settings: loadSettings(version) });
    assertEquals(db.status().state, "open");
  }
});

test("options out of range are refused, and named", async () => {
  await assertInvalid(() => Db.open("db", {} as never), "store");
  await assertInvalid(() => Db.open("db", undefined as never));
  await assertInvalid(() => open({ store: "file:///data" }), "store");
  await assertInvalid(() => open({ blockBytes: 5000 }), "blockBytes");
  await assertInvalid(() => open({ expiredReads: "maybe" }), "expiredReads");
  for (const path of ["a//b", "../up", "a/./b", "a\0b"]) {
    await assertInvalid(() => open({}, path), "path");
  }
  await assertInvalid(() => open({}, 7 as never), "path");
});

test("expiry that makes no sense is refused", async () => {
  await using db = await open({});
  for (
    const expiry of [
      { ttlMs: -1 },
      { ttlMs: NaN },
      { expiresAtMs: 0.5 },
      { expiresAtMs: 2n ** 70n },
      { ttlMs: 1, expiresAtMs: 1 },
    ]
  ) {
    await assertInvalid(() => db.put("a", "1", expiry));
    await assertInvalid(() => new WriteBatch().put("a", "1", expiry));
  }
  await db.put("a", "1", { ttlMs: Infinity, awaitDurable: false });
  assertEquals((await db.getEntry("a"))!.expireTs, undefined);
  await db.put("b", "1", {
    ttlMs: Number.MAX_SAFE_INTEGER,
    awaitDurable: false,
  });
  assert(await db.get("b") !== undefined);
});

test("a merge operator that throws fails reads, batches and flushes, and loses nothing", async () => {
  const mergeOperator = {
    merge(): Uint8Array {
      throw new Error("cannot add apples");
    },
  };
  const store = new MemoryStore();
  const db = await open({ store, mergeOperator });
  const later = { awaitDurable: false };
  await db.put("a", "1", later);
  await db.merge("a", "2", later);
  const error = await rejection(() => db.get("a"));
  assertEquals(error.kind, "invalid");
  const batch = new WriteBatch().put("b", "1").merge("b", "2");
  assertEquals((await rejection(() => db.write(batch))).kind, "invalid");
  assertEquals(await db.get("b"), undefined);
  await db.put("c", "1", later);
  assert(await db.get("c") !== undefined);
  const flush = await rejection(() => db.flush({ target: "memtable" }));
  assertStringIncludes(flush.message, "cannot add apples");
  await db.close();
  await using again = await open({ store, mergeOperator: concatOperator });
  assertEquals((await again.get("a"))!.length, 2);
  assert(await again.get("c") !== undefined);
});

test("a WAL store can neither be added, removed nor forgotten", async () => {
  const store = new MemoryStore();
  const walStore = new MemoryStore();
  const db = await Db.open("db", { store, walStore });
  await db.put("a", "1");
  await db.close();
  await assertInvalid(
    () => Db.open("db", { store }),
    "wal store reconfiguration unsupported",
  );
  const plain = new MemoryStore();
  await (await Db.open("db", { store: plain })).close();
  await assertInvalid(
    () => Db.open("db", { store: plain, walStore }),
    "wal store reconfiguration unsupported",
  );
  await using again = await Db.open("db", { store, walStore });
  assert(await again.get("a") !== undefined);
});

test("what is wrong with flush() and close() is refused", async () => {
  await using db = await open({});
  await assertInvalid(() => db.flush({ target: "disk" } as never), "disk");
  await assertInvalid(() => db.close({ flush: "all" } as never), "all");
  assertEquals(db.status().state, "open");
});

test("Db.writable() refuses a batch of no rows", async () => {
  await using db = await open({});
  for (const batchRows of [0, -1, 1.5, NaN]) {
    await assertInvalid(() => db.writable({ batchRows }), "batchRows");
  }
});

/** SlateDB's names, as an open database counts. */
import {
  Admin,
  Db,
  type DbOptions,
  DbReader,
  type DbSettings,
  MemoryRecorder,
  MemoryStore,
  type Metric,
  startCompactor,
  toPrometheusText,
  WriteBatch,
} from "../../mod.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { test } from "../support/test.ts";

async function setUp(
  settings: DbSettings = {},
  options: Partial<DbOptions> = { mergeOperator: concatOperator },
) {
  const runtime = new ManualRuntime();
  const recorder = new MemoryRecorder();
  const stores = {
    store: new MemoryStore({ runtime }),
    walStore: new MemoryStore({ runtime }),
  };
  const db = await Db.open("db", {
    ...stores,
    runtime,
    recorder,
    ...options,
    settings: { flush_interval: null, compactor_options: null, ...settings },
  });
  const of = (name: string, labels?: Record<string, string>) =>
    recorder.numberOf(`slatedb.${name}`, labels);
  return { runtime, recorder, stores, db, of };
}

test("a database counts calls and rows", async () => {
  const { db, of } = await setUp();
  const soon = { awaitDurable: false };
  await db.put("a", "1", soon);
  await db.delete("b", soon);
  const batch = new WriteBatch();
  for (const key of ["c", "d", "e"]) batch.put(key, "2");
  await db.write(batch, soon);
  assertEquals(of("db.write_batch_count"), 3);
  assertEquals(of("db.write_ops"), 5);
  assert(of("db.memtable_write_bytes")! > 0);

  await db.get("a");
  await db.getEntry("a");
  await db.getMany(["a", "b"]);
  using snapshot = db.snapshot();
  await snapshot.get("a");
  assertEquals(of("db.request_count", { op: "get" }), 5);
  await db.count();
  for await (const _ of snapshot.scan()) { /* Counted by the call. */ }
  assertEquals(of("db.request_count", { op: "scan" }), 2);
  await db.flush();
  assertEquals(of("db.request_count", { op: "flush" }), 1);
  await db.createCheckpoint();
  assertEquals(of("memtable_flush.checkpoint_request_count"), 1);
  await db.close();
});

test("a database shows its tree and its memory", async () => {
  const { db, of } = await setUp();
  assertEquals(of("db.l0_sst_count"), 0);
  const soon = { awaitDurable: false };
  await db.put("a", "1".repeat(1000), soon);
  await db.flush();
  assertEquals(of("wal.wal_buffer_estimated_bytes"), 0);
  assertEquals(of("wal.wal_buffer_flushes"), 1);
  await db.flush({ target: "memtable" });
  assertEquals(of("db.l0_sst_count"), 1);
  assertEquals(of("db.segment_max_l0_sst_count"), 1);
  assertEquals(of("db.sst_count"), 1);
  assertEquals(of("db.sst_view_count"), 1);
  assertEquals(of("db.sorted_run_count"), 0);
  assertEquals(of("db.external_db_count"), 0);
  assertEquals(of("db.immutable_memtable_flushes"), 1);
  assertEquals(of("memtable_flush.l0_flush_count"), 1);
  assertEquals(of("memtable_flush.memtable_freeze_count"), 1);
  assertEquals(of("memtable_flush.l0_upload_count"), 1);
  assert(of("db.l0_flush_bytes")! > 1000);
  assert(of("db.total_mem_size_bytes")! > 0);
  await db.close();
});

test("a database counts merge operands by who combines them", async () => {
  const { db, of } = await setUp();
  for (const operand of ["1", "2", "3"]) {
    await db.merge("a", operand, { awaitDurable: false });
  }
  await db.get("a");
  const read = of("merge_operator_operands", { path: "read" })!;
  assert(read >= 2, String(read));
  await db.flush({ target: "memtable" });
  const flush = of("merge_operator_operands", { path: "flush" })!;
  assert(flush >= 2, String(flush));
  await db.close();
});

for (const operator of [true, false]) {
  const way = operator ? "with" : "without";
  test(`a compactor ${way} an operator counts what it merges and what expired`, async () => {
    let bytes: number | undefined = 0;
    const { runtime, db, of } = await setUp({ compactor_options: {} }, {
      compactionFilter: () => {
        bytes = of("compactor.total_bytes_being_compacted");
        return { filter: () => "keep" };
      },
      ...(operator ? { mergeOperator: concatOperator } : {}),
    });
    const soon = { awaitDurable: false };
    for (let i = 0; i < 3; i++) {
      await db.put(`put ${i}`, "1", { ...soon, ttlMs: 1000 });
      if (operator) {
        await db.merge("lasting", "1", soon);
        await db.merge(`short ${i}`, "1", { ...soon, ttlMs: 1000 });
      }
      await db.flush({ target: "memtable" });
    }
    await runtime.advance(2000);
    await db.put("newest", "1", soon);
    await runtime.run(db.compact());
    const purged = (entry_type: string) =>
      of("compactor.expired_entries_purged", { entry_type });
    assertEquals(purged("value"), 3);
    assertEquals(purged("merge"), operator ? 3 : 0);
    const operands = of("merge_operator_operands", { path: "compact" })!;
    assert(operator ? operands >= 3 : operands === 0, String(operands));
    assert(bytes! > 0, "bytes while it ran");
    assertEquals(of("compactor.total_bytes_being_compacted"), 0);
    assert(of("compactor.bytes_compacted")! > 0);
    assertEquals(of("compactor.ssts_written"), 1);
    assertEquals(of("compactor.running_compactions"), 0);
    assert(of("compactor.last_compaction_timestamp_sec")! > 0);
    await db.close();
  });
}

test("a database counts what its reads find in memory, by kind", async () => {
  const { db, of } = await setUp();
  for (let i = 0; i < 1000; i++) {
    await db.put(`key${i}`, "1", { awaitDurable: false });
  }
  await db.flush({ target: "memtable" });
  const kinds = ["index", "filter", "data_block"];
  const counts = (result: string) =>
    kinds.map((entry_kind) =>
      of("db_cache.access_count", { entry_kind, result })
    );
  assertEquals([counts("hit"), counts("miss")], [[0, 0, 0], [0, 0, 0]]);
  await db.get("key7");
  assertEquals([counts("hit"), counts("miss")], [[0, 0, 0], [1, 1, 1]]);
  await db.get("key7");
  await db.getEntry("key7");
  assertEquals([counts("hit"), counts("miss")], [[2, 2, 2], [1, 1, 1]]);
  await db.get("key7 and more");
  const [indexes, filters] = counts("hit");
  assertEquals([indexes, filters], [3, 3]);
  assertEquals(await db.count({ gte: "key7", lte: "key7" }), 1);
  const [scanned] = counts("hit");
  assertEquals(scanned, 4);
  await db.close();
});

test("a database counts the requests to both stores", async () => {
  const { db, recorder } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.close();
  const puts = recorder.byName("slatedb.object_store.request_count").filter(
    ({ labels }) => labels.api === "put",
  );
  assertEquals(
    puts.map(({ labels }) => labels.store_type).sort(),
    ["main", "wal"],
  );
  const valueOf = ({ value }: Metric) =>
    value.kind === "histogram" ? value.count : value.value;
  for (const metric of puts) assert(valueOf(metric) > 0);
  const seconds = recorder.byName(
    "slatedb.object_store.request_duration_seconds",
  );
  assert(seconds.some((metric) => valueOf(metric) > 0));
});

test("who asks a store is told apart: writer, collector, compactor, reader", async () => {
  const { runtime, stores, db, recorder, of } = await setUp({
    compactor_options: {},
  });
  const asked = (component: string, api: string, store_type = "main") => {
    const op = api === "get_range" ? "get" : api === "list" ? "get" : api;
    return of("object_store.request_count", {
      component,
      store_type,
      op,
      api,
    }) ?? 0;
  };
  for (let i = 0; i < 3; i++) {
    await db.put("a", String(i), { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  assert(asked("db", "put") > 0);
  assertEquals([asked("gc", "list"), asked("gc", "delete")], [0, 0]);
  await runtime.run(db.compact());
  assert(asked("compactor", "put") > 0);
  assertEquals(asked("db", "delete"), 0);
  await runtime.advance(30 * 60_000);
  assert(asked("gc", "delete") > 0);
  assert(asked("gc", "list", "wal") > 0);

  const reader = await DbReader.open("db", { ...stores, runtime, recorder });
  const gets = of("db.request_count", { op: "get" })!;
  await reader.get("a");
  assertEquals(of("db.request_count", { op: "get" }), gets + 1);
  assert(asked("reader", "get") > 0);
  await reader.close();
  const before = asked("gc", "list");
  await Admin.open("db", { ...stores, runtime, recorder }).runGc();
  assert(asked("gc", "list") > before);
  await db.close();
  const epochPuts = asked("compactor", "put");
  await using compactor = await startCompactor("db", {
    ...stores,
    runtime,
    recorder,
    mergeOperator: concatOperator,
  });
  await runtime.run(compactor.compactNow({ full: true }));
  assert(asked("compactor", "put") > epochPuts);
});

test("the collector of a database counts in its recorder", async () => {
  const { runtime, db, of } = await setUp();
  for (let i = 0; i < 3; i++) {
    await db.put("a", String(i), { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  await runtime.advance(30 * 60_000);
  assert(of("gc.count")! > 0);
  assert(of("gc.deleted_count", { resource: "manifest" })! > 0);
  assert(of("gc.deleted_count", { resource: "wal" })! > 0);
  assertEquals(of("gc.version_count", { resource: "manifest" }), 1);
  await db.close();
});

test("every metric of a database has a name of SlateDB's, and shows as text", async () => {
  const { db, recorder } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  await db.get("a");
  await db.close();
  for (const { name, description } of recorder.snapshot()) {
    assertMatch(
      name,
      /^slatedb\.(db|wal|db_cache|gc|memtable_flush|object_store|compactor|merge_operator_operands)/,
    );
    assert(description.length > 0, name);
  }
  const text = toPrometheusText(recorder.snapshot());
  assert(text.includes('slatedb_db_request_count{op="get"} 1\n'));
  assert(text.includes("slatedb_db_write_ops 1\n"));
});

/** SlateDB's names, and the labels of those that have some. */
const NAMES: Record<string, Record<string, string>[]> = {
  "db.request_count": [{ op: "get" }, { op: "scan" }, { op: "flush" }],
  "db.write_ops": [],
  "db.write_batch_count": [],
  "db.backpressure_count": [],
  "db.l0_stall_count": [{ type: "num_ssts" }, { type: "num_ssts_per_key" }],
  "db.immutable_memtable_flushes": [],
  "db.total_mem_size_bytes": [],
  "db.l0_sst_count": [],
  "db.segment_max_l0_sst_count": [],
  "db.sorted_run_count": [],
  "db.sst_view_count": [],
  "db.sst_count": [],
  "db.external_db_count": [],
  "db.l0_flush_bytes": [],
  "db.memtable_write_bytes": [],
  "db.sst_filter_positive_count": [{ kind: "point" }, { kind: "prefix" }],
  "db.sst_filter_negative_count": [{ kind: "point" }, { kind: "prefix" }],
  // Not of prefixes: what a scan finds in which table is not known.
  "db.sst_filter_false_positive_count": [{ kind: "point" }],
  "wal.wal_buffer_flushes": [],
  "wal.wal_buffer_flush_requests": [],
  "wal.wal_buffer_estimated_bytes": [],
  "wal.wal_flush_bytes": [],
  // No stats, which come along with the index; nor db_cache.error_count, since
  // memory has no errors.
  "db_cache.access_count": ["index", "filter", "data_block"].flatMap((
    entry_kind,
  ) => [{ entry_kind, result: "hit" }, { entry_kind, result: "miss" }]),
  "compactor.bytes_compacted": [],
  "compactor.epoch": [],
  "compactor.last_compaction_timestamp_sec": [],
  "compactor.running_compactions": [],
  "compactor.ssts_written": [],
  "compactor.jobs_claimed": [],
  "compactor.jobs_reclaimed": [],
  "compactor.total_bytes_being_compacted": [],
  "compactor.total_throughput_bytes_per_sec": [],
  "compactor.expired_entries_purged": [
    { entry_type: "value" },
    { entry_type: "merge" },
  ],
  "merge_operator_operands": [
    { path: "read" },
    { path: "flush" },
    { path: "compact" },
  ],
  "gc.count": [],
  "gc.deleted_count": [
    ...["manifest", "wal", "wal_fence", "compacted", "compactions"].map((
      resource,
    ) => ({ resource })),
  ],
  "gc.version_count": [{ resource: "manifest" }, { resource: "compactions" }],
  "memtable_flush.memtable_freeze_count": [],
  "memtable_flush.checkpoint_request_count": [],
  "memtable_flush.flush_request_count": [],
  "memtable_flush.l0_upload_count": [],
  "memtable_flush.l0_flush_count": [],
  "memtable_flush.manifest_refresh_count": [],
};

test("a database has SlateDB's metrics from the beginning, each under its labels", async () => {
  const { recorder, db } = await setUp({ compactor_options: {} });
  for (const [name, labels] of Object.entries(NAMES)) {
    for (const each of labels.length === 0 ? [{}] : labels) {
      const metric = recorder.find(`slatedb.${name}`, each);
      assert(metric !== undefined, `${name} ${JSON.stringify(each)}`);
    }
  }
  const known = new Set(Object.keys(NAMES).map((name) => `slatedb.${name}`));
  const others = recorder.snapshot().map(({ name }) => name)
    .filter((name) => !known.has(name));
  for (const name of others) assertMatch(name, /^slatedb\.object_store\./);
  await db.close();
});

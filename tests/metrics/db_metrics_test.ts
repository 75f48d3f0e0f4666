/** SlateDB's names, as an open database counts. */
import {
  Admin,
  Db,
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

async function setUp(settings: DbSettings = {}) {
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
    mergeOperator: concatOperator,
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
  await reader.get("a");
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

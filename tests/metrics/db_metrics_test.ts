/** SlateDB's names, as an open database counts. */
import {
  Db,
  MemoryRecorder,
  MemoryStore,
  type Metric,
  toPrometheusText,
  WriteBatch,
} from "../../mod.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { test } from "../support/test.ts";

async function setUp() {
  const runtime = new ManualRuntime();
  const recorder = new MemoryRecorder();
  const db = await Db.open("db", {
    store: new MemoryStore({ runtime }),
    walStore: new MemoryStore({ runtime }),
    runtime,
    recorder,
    mergeOperator: concatOperator,
    settings: { flush_interval: null, compactor_options: null },
  });
  const of = (name: string, labels?: Record<string, string>) =>
    recorder.numberOf(`slatedb.${name}`, labels);
  return { runtime, recorder, db, of };
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

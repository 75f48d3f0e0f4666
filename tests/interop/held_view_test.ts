/**
 * A reader of Shale beside a collector of SlateDB 0.12.1: what it reads stays.
 *
 * @module
 */
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { Admin, DbReader, FileStore } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { hex, type Op } from "../support/op.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { type Judge, startUniffiJudge } from "./judge.ts";
import { MEM, put, ROOMY } from "./layouts.ts";
import { openShale } from "./shale.ts";

const MINUTE = 60_000;
const AT_ONCE = { interval: "50ms", min_age: "0ms" };
/** SlateDB compacts and collects whatever it may, at once. */
const RUTHLESS = {
  flush_interval: "5ms",
  manifest_poll_interval: "20ms",
  compactor_options: { poll_interval: "20ms" },
  garbage_collector_options: {
    manifest_options: AT_ONCE,
    wal_options: AT_ONCE,
    compacted_options: AT_ONCE,
  },
};

const keys = (value: string): Op[] => [
  ...Array.from({ length: 50 }, (_, i) => put(`k${i}`, value.repeat(20))),
  MEM,
];

async function sstsOf(store: FileStore): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list("db/compacted/")) names.push(name);
  return names;
}

/** Layers until SlateDB has compacted, and its collector has deleted something. */
async function churn(judge: Judge, store: FileStore): Promise<void> {
  const before = await sstsOf(store);
  for (let round = 0; round < 60; round++) {
    await judge.apply([...keys(`new ${round}`), { op: "sleep", ms: 50 }]);
    const left = new Set(await sstsOf(store));
    if (round > 8 && before.some((name) => !left.has(name))) return;
    await dropTheirCheckpoints(store);
  }
  throw new Error("SlateDB's collector never deleted anything");
}

/** SlateDB's own checkpoints would keep everything for a quarter of an hour. */
async function dropTheirCheckpoints(store: FileStore): Promise<void> {
  const admin = Admin.open("db", { store });
  for (const { id, name } of await admin.listCheckpoints()) {
    if (name !== "open view") await admin.deleteCheckpoint(id);
  }
}

test("DESIGN 7.8: a reader's files stay though SlateDB 0.12.1 compacts and collects at once", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  const db = await openShale({
    dir: dir.path,
    compactor: "off",
    settings: { ...ROOMY, garbage_collector_options: null },
  });
  for (let layer = 0; layer < 4; layer++) {
    for (let i = 0; i < 50; i++) {
      await db.put(`k${i}`, "old".repeat(20), { awaitDurable: false });
    }
    await db.flush({ target: "memtable" });
  }
  await db.close();
  await sharedKernel();
  const runtime = new ManualRuntime({ now: Date.now() });
  const reader = await DbReader.open("db", {
    store,
    runtime,
    mergeOperator: concatOperator,
  });
  const needed = await sstsOf(store);
  assertEquals(needed.length, 4);
  const admin = Admin.open("db", { store });
  const views = () => admin.listCheckpoints("open view");
  // The reader's clock is moved; its requests take real time.
  for (let i = 0; i < 100 && (await views()).length === 0; i++) {
    await runtime.advance(MINUTE / 4);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assertEquals((await views()).length, 1);

  await using judge = await startUniffiJudge();
  const place = { store: dir.path, path: "db" };
  await judge.open({ ...place, settings: RUTHLESS });
  await judge.apply(keys("newer"));
  await churn(judge, store);

  const { tree } = (await admin.readManifest())!;
  assert(tree.runs.length > 0, "SlateDB has not compacted");
  const live = new Set([
    ...tree.l0,
    ...tree.runs.flatMap(({ ssts }) => ssts),
  ].map(({ id }) => `db/compacted/${id}.sst`));
  const left = new Set(await sstsOf(store));
  for (const name of needed) {
    assert(!live.has(name), `${name} is still part of the tree`);
    assert(left.has(name), `${name} is gone`);
  }
  let rows = 0;
  for await (const { value } of reader.scan()) {
    assertEquals(hex(value), hex("old".repeat(20)));
    rows++;
  }
  assertEquals(rows, 50);
  await reader.close();
  assertEquals(runtime.timers, 0);

  // Nothing keeps them any more.
  await churn(judge, store);
  const later = new Set(await sstsOf(store));
  assertEquals(needed.filter((name) => later.has(name)), []);
  await judge.close();
  await store.close();
});

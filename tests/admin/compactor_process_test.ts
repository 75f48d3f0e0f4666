/**
 * A compactor and workers that a program of one's own runs, by what the package
 * exports.
 *
 * @module
 */
import {
  Admin,
  type CompactionModule,
  Db,
  type DbError,
  FileStore,
  MemoryStore,
  startCompactionWorker,
  startCompactor,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import * as operators from "../compactor/operators.ts";

const MODULE = new URL("../compactor/operators.ts", import.meta.url);
const QUICK = {
  poll_interval: "20ms",
  commit_compacted_interval: "20ms",
  worker: { compactions_poll_interval: "20ms", heartbeat_interval: "50ms" },
};

/** Merges into one key, an SST of L0 each time. */
async function mergeInto(db: Db, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    await db.merge("log", `${i};`, { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
}

test("startCompactor() compacts what a writer without a compactor wrote", async () => {
  const store = new MemoryStore();
  const mergeOperator = concatOperator;
  await using db = await Db.open("db", {
    store,
    mergeOperator,
    compactor: "off",
  });
  await mergeInto(db, 3);
  await using compactor = await startCompactor("db", { store, mergeOperator });
  await compactor.compactNow({ full: true });
  const manifest = await Admin.open("db", { store }).readManifest();
  assertEquals(manifest!.tree.l0.length, 0);
  assertEquals(manifest!.tree.runs.length, 1);
  assertEquals(
    new TextDecoder().decode(await db.get("log")),
    "0;1;2;",
  );
});

test("startCompactor() ends with what ended it: a newer compactor", async () => {
  const store = new MemoryStore();
  await (await Db.open("db", { store, compactor: "off" })).close();
  const settings = { compactor_options: QUICK };
  await using first = await startCompactor("db", { store, settings });
  await first.compactNow();
  await using second = await startCompactor("db", { store, settings });
  await second.compactNow();
  const error = await assertRejects(() => first.ended) as DbError;
  assertEquals([error.kind, error.reason], ["closed", "fenced"]);
  await second.stop();
  await second.ended;
});

test("startCompactor() refuses options that mean nothing", async () => {
  const store = new MemoryStore();
  for (
    const options of [
      { store, compactor: "off" },
      { store, thread: 2 },
      { store, compactorThreads: 0 },
      { store, settings: { compactor_options: { poll: 1 } } },
    ]
  ) {
    const error = await assertRejects(() =>
      startCompactor("db", options as { store: MemoryStore })
    ) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("startCompactionWorker() runs what a compactor without a worker schedules, in threads with the user's module", async () => {
  const module: CompactionModule = operators;
  assertEquals(module.mergeOperator, concatOperator);
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  const shared = {
    store,
    mergeOperator: concatOperator,
    formatTarget: "0.15",
  } as const;
  await using db = await Db.open("db", {
    ...shared,
    compactor: "off",
    settings: { manifest_poll_interval: "20ms" },
  });
  await using _compactor = await startCompactor("db", {
    ...shared,
    settings: { compactor_options: { ...QUICK, worker: null } },
  });
  const warnings: string[] = [];
  const ignore = () => {};
  await using worker = await startCompactionWorker("db", {
    ...shared,
    compactor: "worker",
    compactorThreads: 1,
    compactorModule: MODULE,
    settings: { compactor_options: { worker: QUICK.worker } },
    logger: {
      debug: ignore,
      info: ignore,
      warn: (message) => warnings.push(message),
      error: (message) => warnings.push(message),
    },
  });
  await mergeInto(db, 4);
  const admin = Admin.open("db", { store });
  while ((await admin.readManifest())!.tree.runs.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert(worker.id !== "");
  assertEquals(warnings, []);
  assertEquals(
    new TextDecoder().decode(await db.get("log")),
    "0;1;2;3;",
  );
});

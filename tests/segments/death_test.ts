/**
 * A compactor that dies at any moment in a database of segments: one segment is
 * rewritten, one moved as it is, one drained.
 *
 * @module
 */
import {
  Admin,
  Db,
  delimiterPrefix,
  type MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { toBytes, toText } from "../../lib/base/bytes.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import {
  assertWhole,
  compactorOf,
  manifestOf,
} from "../compactor/compactors.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { JournalStore } from "../support/journal_store.ts";
import { test } from "../support/test.ts";

const LATER = { awaitDurable: false };
const TARGET = { formatTarget: "0.15" } as const;
const SETTINGS = {
  enable_trivial_move: true,
  worker_heartbeat_timeout: 0,
  poll_interval: "2ms",
  worker: { max_sst_size: 2000 },
} as const;

function open(store: ObjectStore): Promise<Db> {
  return Db.open("db", {
    store,
    ...TARGET,
    compactor: "off",
    segmentExtractor: delimiterPrefix("/"),
    settings: { garbage_collector_options: null },
  });
}

/** Layers over one another, side by side, and some to be drained. */
async function fill(store: ObjectStore): Promise<void> {
  await using db = await open(store);
  for (let layer = 0; layer < 4; layer++) {
    for (let i = 0; i < 50; i++) {
      await db.put(`over/${i}`, `${layer}`.repeat(20), LATER);
      await db.put(`side/${layer}-${i}`, "x", LATER);
      await db.put(`gone/${i}`, `${layer}`, LATER);
    }
    await db.flush({ target: "memtable" });
  }
}

/** Keys and values, those of the drained segment apart. */
async function contentOf(store: ObjectStore) {
  await using db = await open(store);
  const content = { kept: [] as string[], drained: 0 };
  for await (const { key, value } of db.scan()) {
    if (toText(key).startsWith("gone/")) content.drained++;
    else content.kept.push(`${toText(key)}=${toText(value)}`);
  }
  return content;
}

/** Asks for the draining of a segment. */
async function drain(store: ObjectStore): Promise<void> {
  const admin = Admin.open("db", { store });
  const segment = (await admin.readManifest())!.segments.find(({ prefix }) =>
    toText(prefix) === "gone/"
  )!;
  await admin.submitCompaction({
    kind: "drain",
    segment: toBytes("gone/"),
    l0ViewIds: segment.l0.map(({ viewId }) => viewId),
    runIds: segment.runs.map(({ id }) => id),
  });
}

async function collectLater(store: MemoryStore): Promise<void> {
  const runtime = new ManualRuntime({ now: Date.now() + 3_600_000 });
  const report = await Admin.open("db", { store, runtime }).runGc();
  assertEquals(report.failures, []);
}

test("Compactor may die after every change of the store while segments are rewritten, moved and drained", async () => {
  const store = new JournalStore();
  await fill(store);
  const from = store.length;
  const options = { ...TARGET, settings: SETTINGS };
  await using made = compactorOf(store, options);
  await made.compactor.compactNow({ full: false });
  await drain(store);
  await made.compactor.compactNow({ full: false });
  await made.compactor.stop();
  const end = store.length;
  const { kept, drained } = await contentOf(store);
  assertEquals([kept.length, drained], [250, 0]);
  const { segments } = await manifestOf(store);
  const shape = segments.map(({ prefix, l0, runs }) =>
    `${toText(prefix)} ${l0.length} ${runs.map(({ ssts }) => ssts.length)}`
  );
  assert(shape.includes("side/ 0 4"), `${shape}: not moved`);

  for (let changes = from; changes <= end; changes++) {
    const what = `after ${store.describe(changes - 1)}`;
    const left = await store.at(changes);
    await assertWhole(left);
    await collectLater(left);
    const found = await contentOf(left);
    assertEquals(found.kept, kept, what);
    assert([0, 50].includes(found.drained), `${found.drained} ${what}`);
    await using next = compactorOf(left, options);
    await next.compactor.compactNow({ full: false });
    await next.compactor.compactNow();
    await next.compactor.stop();
    await collectLater(left);
    await assertWhole(left);
    const after = await contentOf(left);
    assertEquals(after.kept, kept, what);
    assert(after.drained <= found.drained, what);
    for (const { l0, runs } of (await manifestOf(left)).segments) {
      assert(l0.length === 0 && runs.length <= 1, what);
    }
  }
});

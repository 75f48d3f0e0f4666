/** Readers that show what a checkpoint keeps. */
import {
  Admin,
  Db,
  type DbError,
  DbReader,
  type DbReaderOptions,
  MemoryStore,
} from "../../mod.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const ABSENT = "c0ffee00-0000-4000-8000-000000000001";
const MINUTE = 60_000;
const QUIET = { flush_interval: null, garbage_collector_options: null };

async function setUp() {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore({ runtime });
  const store = new FaultStore(memory, { runtime });
  const db = await Db.open("db", { store: memory, runtime, settings: QUIET });
  const admin = Admin.open("db", { store: memory, runtime });
  const openAt = (checkpoint: string, more: Partial<DbReaderOptions> = {}) =>
    DbReader.open("db", { store, runtime, mode: { checkpoint }, ...more });
  return { runtime, memory, store, db, admin, openAt };
}

async function contentOf(reader: DbReader): Promise<Record<string, string>> {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const entries = await Array.fromAsync(reader.scan());
  return Object.fromEntries(
    entries.map(({ key, value }) => [text(key), text(value)]),
  );
}

/** Writes as many SSTs of L0 as rows, then makes one run of everything. */
async function rewrite(
  { db, runtime }: Awaited<ReturnType<typeof setUp>>,
  value: string,
): Promise<void> {
  for (const key of ["a", "b", "c"]) {
    await db.put(key, value, { awaitDurable: false });
    await db.flush({ target: "memtable" });
  }
  await runtime.run(db.compact());
}

test("DbReader.open() at a checkpoint shows its rows and no later ones, however often the tree changed", async () => {
  const world = await setUp();
  const { db, admin, openAt, store, runtime } = world;
  await rewrite(world, "old");
  const { id } = await db.createCheckpoint({ lifetimeMs: 600 * MINUTE });
  await rewrite(world, "new");
  await runtime.advance(60 * MINUTE);
  await admin.runGc();
  const reader = await openAt(id.toUpperCase());
  assertEquals(await contentOf(reader), { a: "old", b: "old", c: "old" });
  assertEquals(reader.seq, 3n);
  assertEquals(store.count("put"), 0);
  await reader.close();
  await db.close();
});

test("DbReader.open() at a checkpoint replays the log up to where it was made", async () => {
  const { db, openAt, memory } = await setUp();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  await db.put("b", "2", { awaitDurable: false });
  await db.flush({ target: "wal" });
  const { id } = await db.createCheckpoint({ scope: "durable" });
  await db.put("c", "3", { awaitDurable: false });
  await db.flush({ target: "wal" });
  const reader = await openAt(id);
  assertEquals(await contentOf(reader), { a: "1", b: "2" });
  await reader.close();
  const belowLog = await openAt(id, { skipWalReplay: true });
  assertEquals(await contentOf(belowLog), { a: "1" });
  await belowLog.close();
  // What the checkpoint keeps is no longer all there.
  const files = await Array.fromAsync(memory.list("db/wal/"));
  await memory.delete(files.at(-2)!.name);
  const error = await assertRejects(() => openAt(id)) as DbError;
  assertEquals(error.kind, "data");
  await db.close();
});

test("DbReader.open() says which checkpoint is missing, or no checkpoint at all", async () => {
  const { db, memory, openAt } = await setUp();
  const kindOf = async (open: () => Promise<unknown>) => {
    const { kind, message } = await assertRejects(open) as DbError;
    return [kind, message.split(/[.:]/)[0]!];
  };
  assertEquals(await kindOf(() => openAt(ABSENT)), [
    "data",
    "checkpoint missing",
  ]);
  assertEquals(await kindOf(() => openAt("latest")), [
    "invalid",
    "invalid checkpoint_id UUID",
  ]);
  for (const mode of ["follow", null, {}, { checkpoint: ABSENT, at: 1 }]) {
    const options = { mode } as unknown as Partial<DbReaderOptions>;
    const [kind, message] = await kindOf(() => openAt(ABSENT, options));
    assertEquals([kind, message], [
      "invalid",
      "option 'mode' must be { checkpoint",
    ]);
  }
  const { id, manifestId } = await db.createCheckpoint();
  await db.put("a", "1", { awaitDurable: false });
  await db.flush({ target: "memtable" });
  const name = `db/manifest/${String(manifestId).padStart(20, "0")}.manifest`;
  await memory.delete(name);
  const [kind, message] = await kindOf(() => openAt(id));
  assertEquals(kind, "data");
  assert(message!.includes("is missing"));
  await db.close();
});

for (
  const [how, lifetimeMs] of [
    ["is deleted", undefined],
    ["ends", 4 * MINUTE],
  ] as const
) {
  test(`a reader at a checkpoint keeps its files when the checkpoint ${how}`, async () => {
    const world = await setUp();
    const { db, admin, runtime, openAt } = world;
    await rewrite(world, "old");
    const { id } = await db.createCheckpoint(
      lifetimeMs === undefined ? {} : { lifetimeMs },
    );
    await rewrite(world, "new");
    // Only the checkpoint keeps the files of its run from now on.
    await runtime.advance(lifetimeMs === undefined ? 60 * MINUTE : 3 * MINUTE);
    const reader = await openAt(id);
    await runtime.advance(2 * MINUTE);
    if (lifetimeMs === undefined) await admin.deleteCheckpoint(id);
    for (let hour = 0; hour < 3; hour++) {
      await runtime.advance(60 * MINUTE);
      assertEquals((await admin.runGc()).failures, []);
    }
    assertEquals(
      (await admin.listCheckpoints()).some((each) => each.id === id),
      false,
    );
    assertEquals(await contentOf(reader), { a: "old", b: "old", c: "old" });
    await reader.close();
    assertEquals(await admin.listCheckpoints("open view"), []);
    await db.close();
    assertEquals(runtime.timers, 0);
  });
}

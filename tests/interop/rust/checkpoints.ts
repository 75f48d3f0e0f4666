/**
 * Checkpoints that one engine makes and the other lists, changes, reads, deletes.
 *
 * @module
 */
import { assert, assertEquals } from "../../support/assert.ts";
import { withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import { fromLines, type StartJudge } from "../cases.ts";
import type { Judge } from "../judge.ts";
import { load, MEM } from "../layouts.ts";
import { COMPACTS, SharedDb } from "./shared_db.ts";

const HOUR_MS = 3_600_000;
const GREEDY = Object.fromEntries(
  ["manifest", "wal", "compacted"].map((kind) => [
    `${kind}_options`,
    { min_age: "0s", interval: "1h" },
  ]),
);

/** A checkpoint as SlateDB prints it. */
interface Line {
  readonly id: string;
  readonly manifest_id: number;
  readonly expire_time: string | null;
  readonly create_time: string;
  readonly name: string | null;
}

async function listByJudge(judge: Judge, db: SharedDb): Promise<Line[]> {
  return await judge.ask({ do: "checkpoints", ...db.place }) as Line[];
}

/** What both see of every checkpoint. */
async function assertSameList(judge: Judge, db: SharedDb): Promise<void> {
  const theirs = (await listByJudge(judge, db)).map((line) => [
    line.id,
    line.manifest_id,
    line.name,
    Math.floor(Date.parse(line.create_time) / 1000),
    line.expire_time === null
      ? null
      : Math.floor(Date.parse(line.expire_time) / 1000),
  ]);
  const ours = (await db.admin.listCheckpoints()).map((checkpoint) => [
    checkpoint.id,
    checkpoint.manifestId,
    checkpoint.name ?? null,
    checkpoint.createTimeS,
    checkpoint.expireTimeS ?? null,
  ]);
  assertEquals(theirs, ours);
}

/** Seconds until a checkpoint expires; `undefined`: never. */
async function lifetimeOf(
  db: SharedDb,
  id: string,
): Promise<number | undefined> {
  const found = (await db.admin.listCheckpoints()).find((c) => c.id === id)!;
  if (found.expireTimeS === undefined) return undefined;
  return found.expireTimeS - Date.now() / 1000;
}

function near(seconds: number | undefined, expected: number): void {
  assert(Math.abs(seconds! - expected) < 60, `${seconds} is not ${expected}`);
}

/** Made by ours; read, refreshed and deleted by theirs. */
async function madeByShale(start: StartJudge): Promise<void> {
  await withSeed(81, async (random) => {
    await using db = await SharedDb.create();
    await using judge = await start();
    const ours = await db.openShale(COMPACTS);
    await db.applyShale(ours, load(random, 100));
    const { id } = await ours.createCheckpoint({
      lifetimeMs: HOUR_MS,
      name: "ours",
    });
    const then = db.model.rows();
    const forever = await db.admin.createCheckpoint();
    const copy = await db.admin.createCheckpoint({ source: id, name: "copy" });
    await assertSameList(judge, db);
    await db.applyShale(ours, [...load(random, 100), MEM]);
    await ours.compact();

    await judge.ask({
      do: "refreshCheckpoint",
      id,
      lifetimeMs: 2 * HOUR_MS,
      ...db.place,
    });
    near(await lifetimeOf(db, id), 7200);
    await judge.ask({ do: "refreshCheckpoint", id: copy.id, ...db.place });
    assertEquals(await lifetimeOf(db, copy.id), undefined);
    await judge.ask({ do: "gc", options: GREEDY, ...db.place });
    for (const each of [id, copy.id]) {
      const read = { do: "read", checkpoint: each, ...db.place } as const;
      const rows = fromLines(await judge.ask(read) as never);
      assertEquals(rows, then);
    }
    const { id: derived } = await judge.ask({
      do: "checkpoint",
      source: id,
      name: "theirs of ours",
      ...db.place,
    }) as { id: string };
    const made = (await db.admin.listCheckpoints("theirs of ours"))[0]!;
    assertEquals([made.id, made.manifestId], [derived, copy.manifestId]);
    await assertSameList(judge, db);
    for (const each of [id, forever.id, copy.id, derived]) {
      await judge.ask({ do: "deleteCheckpoint", id: each, ...db.place });
    }
    const names = (await db.admin.listCheckpoints()).map(({ id }) => id);
    assertEquals(names.includes(id) || names.includes(derived), false);
    // The writer meets what others did to its manifest.
    await db.applyShale(ours, [...load(random, 20), MEM]);
    await ours.close();
    await db.assertRows(judge, "after the checkpoints");
  });
}

/** Made by theirs; refreshed, kept and deleted by ours. */
async function madeByThem(start: StartJudge): Promise<void> {
  await withSeed(82, async (random) => {
    await using db = await SharedDb.create();
    await using judge = await start();
    await db.openJudge(judge);
    await db.applyJudge(judge, load(random, 100));
    const { id, manifest_id } = await judge.ask({
      do: "writerCheckpoint",
      lifetimeMs: HOUR_MS,
      name: "theirs",
    }) as { id: string; manifest_id: number };
    const then = await judge.rows();
    const detached = await judge.ask({ do: "checkpoint", ...db.place }) as {
      id: string;
    };
    await assertSameList(judge, db);
    near(await lifetimeOf(db, id), 3600);
    await db.admin.refreshCheckpoint(id, { lifetimeMs: 3 * HOUR_MS });
    near(await lifetimeOf(db, id), 10_800);
    await db.admin.refreshCheckpoint(detached.id, { lifetimeMs: HOUR_MS });
    const copy = await db.admin.createCheckpoint({ source: id });
    assertEquals(copy.manifestId, manifest_id);
    await assertSameList(judge, db);
    await db.applyJudge(judge, [...load(random, 100), MEM]);
    await judge.close();

    const ours = await db.openShale(COMPACTS);
    await db.applyShale(ours, [...load(random, 100), MEM]);
    await ours.compact();
    await ours.close();
    const { failures } = await db.admin.runGc({ settings: GREEDY });
    assertEquals(failures, []);
    for (const each of [id, copy.id]) {
      const read = { do: "read", checkpoint: each, ...db.place } as const;
      assertEquals(await judge.ask(read), then);
    }
    for (const each of [id, detached.id, copy.id]) {
      await db.admin.deleteCheckpoint(each);
    }
    await assertSameList(judge, db);
    const left = await listByJudge(judge, db);
    assertEquals(left.filter(({ name }) => name === "theirs"), []);
    await db.assertRows(judge, "after their checkpoints");
  });
}

/** Registers the cases. */
export function testCheckpoints(start: StartJudge): void {
  test("SlateDB 0.15.0 lists, reads, refreshes and deletes Shale's checkpoints", () => {
    return madeByShale(start);
  });
  test("Shale lists, keeps, refreshes and deletes SlateDB 0.15.0's checkpoints", () => {
    return madeByThem(start);
  });
}

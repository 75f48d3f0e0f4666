/**
 * What Shale and SlateDB must be able to do to each other's databases, for
 * whichever judge speaks for SlateDB.
 *
 * @module
 */
import type { Db, DbError } from "../../mod.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import {
  applyOp,
  assertReads,
  assertSame,
  scanRows,
} from "../support/db_ops.ts";
import { latestManifest } from "../support/manifests.ts";
import { ModelDb, type ModelEntry } from "../support/model_db.ts";
import { hex, type Op, type RowLine, unhex } from "../support/op.ts";
import { OpSource } from "../support/op_source.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { TempDir } from "../support/temp_dir.ts";
import type { Judge, JudgeError, JudgeOpen, JudgeStore } from "./judge.ts";
import {
  COMPACTING,
  judgeOpen,
  lastFlushOf,
  layers,
  type Layout,
  load,
  MEM,
  placeOf,
  put,
  QUIET,
  WAL,
} from "./layouts.ts";
import { openShale, type ShaleOpen } from "./shale.ts";

/** Starts a judge; each case disposes of its own. */
export type StartJudge = () => Promise<Judge>;

/** Has a judge do operations, and the model with it. */
export async function applyJudge(
  judge: Judge,
  model: ModelDb,
  ops: readonly Op[],
): Promise<void> {
  const seqs = await judge.apply(ops);
  for (const [i, op] of ops.entries()) {
    const seq = seqs[i] ?? null;
    if (seq !== null) model.apply(op, BigInt(seq));
  }
}

/** Has Shale do operations, and the model with it. */
export async function applyShale(
  db: Db,
  model: ModelDb,
  ops: readonly Op[],
): Promise<void> {
  for (const op of ops) {
    const written = await applyOp(db, op);
    if (written !== undefined) model.apply(op, written.seq, written.createTs);
  }
}

/** Compares what a judge printed with the model; its clock is not modelled. */
export function assertJudged(
  rows: readonly RowLine[],
  model: ModelDb,
  what: string,
): void {
  assertEquals(
    rows.map(({ k, v, seq }) => ({ k, v, seq: BigInt(seq) })),
    model.rows().map(({ k, v, seq }) => ({ k, v, seq })),
    what,
  );
}

/** A judge's rows as Shale must read them, timestamps included. */
export function fromLines(rows: readonly RowLine[]): ModelEntry[] {
  return rows.map(({ k, v, seq, create_ts, expire_ts }) => ({
    k,
    v,
    seq: BigInt(seq),
    createTs: BigInt(create_ts),
    expireTs: expire_ts === null ? undefined : BigInt(expire_ts),
  }));
}

/** Opens with Shale and compares, by every way to read. */
async function assertShaleReads(
  open: ShaleOpen,
  rows: readonly RowLine[],
  keys: readonly string[],
): Promise<void> {
  const db = await openShale(open);
  try {
    await assertReads(db, fromLines(rows), keys);
  } finally {
    await db.close({ flush: "none" });
  }
}

/** Layers enough for the judge's compactor, which then is waited for. */
async function compactByJudge(
  judge: Judge,
  model: ModelDb,
  random: Random,
  place: JudgeStore,
): Promise<void> {
  for (let layer = 0; layer < 5; layer++) {
    await applyJudge(judge, model, [...load(random, 100), MEM]);
  }
  for (let waits = 0; waits < 300; waits++) {
    const manifest = await latestManifest(place.store, place.path);
    const trees = [manifest.tree, ...manifest.segments];
    if (trees.some(({ runs }) => runs.length > 0)) return;
    await judge.apply([{ op: "sleep", ms: 50 }]);
  }
  throw new Error(`${judge.name} did not compact`);
}

/** SlateDB wrote everything; Shale reads WAL, L0 and, later, sorted runs. */
export async function shaleReadsTheirs(
  start: StartJudge,
  layout: Layout,
): Promise<void> {
  await withSeed(11, async (random) => {
    await using dir = await TempDir.create();
    await using judge = await start();
    const place = placeOf(dir, layout);
    const model = new ModelDb();

    await judge.open(judgeOpen(place.judge, layout, QUIET));
    await applyJudge(judge, model, [...layers(random), lastFlushOf(layout)]);
    const layered = await judge.rows();

    assertJudged(layered, model, "their own rows");
    await assertShaleReads(place.shale, layered, model.keys);

    await judge.open(judgeOpen(place.judge, layout, COMPACTING));
    await compactByJudge(judge, model, random, place.judge);
    const compacted = await judge.rows();
    await judge.close();

    assertJudged(compacted, model, "their own rows, compacted");
    await assertShaleReads(place.shale, compacted, model.keys);
  });
}

/** Shale wrote everything; SlateDB reads it, compacts it, writes on. */
export async function theyReadShales(
  start: StartJudge,
  layout: Layout,
): Promise<void> {
  await withSeed(12, async (random) => {
    await using dir = await TempDir.create();
    await using judge = await start();
    const place = placeOf(dir, layout);
    const model = new ModelDb();

    const db = await openShale(place.shale);
    await applyShale(db, model, [...layers(random), lastFlushOf(layout)]);
    await assertSame(db, model);
    await db.close({ flush: "none" });

    assertEquals(fromLines(await judge.read(place.judge)), model.rows());
    await judge.open(judgeOpen(place.judge, layout, COMPACTING));
    assertEquals(fromLines(await judge.rows()), model.rows());
    await compactByJudge(judge, model, random, place.judge);
    const compacted = await judge.rows();
    await judge.close();

    assertJudged(compacted, model, "after their compaction");
    await assertShaleReads(place.shale, compacted, model.keys);
  });
}

/** The two take turns as writer on one directory. */
export async function alternateAsWriters(
  start: StartJudge,
  layout: Layout = { name: "defaults" },
): Promise<void> {
  await withSeed(13, async (random) => {
    await using dir = await TempDir.create();
    const place = placeOf(dir, layout);
    const model = new ModelDb();
    const source = new OpSource(random.fork(), {
      keys: 300,
      valueBytes: 200,
      merges: true,
      huge: true,
    });
    let judge = await start();
    try {
      for (let round = 0; round < roundsOf(50); round++) {
        const ops = Array.from({ length: random.between(5, 60) }, () => {
          return random.chance(0.03) ? MEM : source.write();
        });
        const crash = random.chance(0.4);
        if (round % 2 === 0) await shaleTurn(place.shale, model, ops, crash);
        else {
          const open = judgeOpen(place.judge, layout, COMPACTING);
          await judgeTurn(judge, open, model, ops, crash);
          if (!crash) continue;
          await judge[Symbol.asyncDispose]();
          judge = await start();
        }
      }
    } finally {
      await judge[Symbol.asyncDispose]();
    }
  });
}

async function shaleTurn(
  open: ShaleOpen,
  model: ModelDb,
  ops: readonly Op[],
  crash: boolean,
): Promise<void> {
  const db = await openShale(open);
  assertEquals((await scanRows(db)).map(bare), model.rows().map(bare));
  await applyShale(db, model, ops);
  const entry = model.rows()[0];
  if (entry !== undefined) {
    assertEquals(hex((await db.get(unhex(entry.k)))!), entry.v);
  }
  await db.flush({ target: "wal" });
  await db.close({ flush: crash ? "none" : "memtable" });
}

async function judgeTurn(
  judge: Judge,
  open: JudgeOpen,
  model: ModelDb,
  ops: readonly Op[],
  crash: boolean,
): Promise<void> {
  await judge.open(open);
  assertJudged(await judge.rows(), model, `rows by ${judge.name}`);
  await applyJudge(judge, model, ops);
  await judge.apply([WAL]);
  if (!crash) await judge.close();
}

function bare({ k, v, seq }: ModelEntry) {
  return { k, v, seq };
}

/** A live SlateDB writer is fenced when Shale opens, and loses nothing. */
export async function shaleFencesThem(start: StartJudge): Promise<void> {
  await using dir = await TempDir.create();
  await using judge = await start();
  const model = new ModelDb();
  await judge.open({ store: dir.path, path: "db", settings: QUIET });
  await applyJudge(judge, model, [put("theirs", "1"), WAL]);

  await using db = await openShale({ dir: dir.path });
  await applyShale(db, model, [put("ours", "2"), WAL]);
  const refused = await assertRejects(() =>
    judge.apply([put("late", "3"), WAL])
  ) as JudgeError;

  assertEquals([refused.kind, refused.reason], ["closed", "fenced"]);
  assertEquals((await scanRows(db)).map(bare), model.rows().map(bare));
}

/** A live Shale writer is fenced when SlateDB opens, and loses nothing. */
export async function theyFenceShale(start: StartJudge): Promise<void> {
  await using dir = await TempDir.create();
  await using judge = await start();
  const model = new ModelDb();
  const db = await openShale({ dir: dir.path });
  await applyShale(db, model, [put("ours", "1"), WAL]);

  await judge.open({ store: dir.path, path: "db", settings: QUIET });
  await applyJudge(judge, model, [put("theirs", "2"), WAL]);
  const refused = await assertRejects(() => db.put("late", "3")) as DbError;

  assertEquals([refused.kind, refused.reason], ["closed", "fenced"]);
  assertEquals(db.status().closeReason, "fenced");
  assertJudged(await judge.rows(), model, "rows after fencing");
  await db.close();
}

/**
 * Files that one engine's collector deletes, and what the other needs.
 *
 * @module
 */
import type { GcReport } from "../../../mod.ts";
import { toText } from "../../../lib/base/bytes.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import type { Op } from "../../support/op.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import type { StartJudge } from "../cases.ts";
import type { Judge } from "../judge.ts";
import { load, MEM, WAL } from "../layouts.ts";
import { COMPACTS, QUICK, SharedDb, until } from "./shared_db.ts";

const TARGETS = ["interop", "0.15"] as const;
type Target = typeof TARGETS[number];
const KINDS = ["manifest", "wal", "wal_fence", "compacted", "compactions"];
/** A collector that takes whatever it may. */
const GREEDY = Object.fromEntries(
  KINDS.map((kind) => [
    `${kind}_options`,
    { min_age: "0s", interval: "1h", dry_run: false },
  ]),
);

const layer = (random: Random): Op[] => [...load(random, 150), MEM];

/** Collects with Shale. */
async function collect(db: SharedDb): Promise<GcReport> {
  const report = await db.admin.runGc({ settings: GREEDY });
  assertEquals(report.failures, []);
  return report;
}

/** Collects with SlateDB. */
async function collectByJudge(judge: Judge, db: SharedDb): Promise<void> {
  await judge.ask({ do: "gc", options: GREEDY, ...db.place });
}

/** Names of the files of a kind. */
async function namesOf(db: SharedDb, kind: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const { name } of db.store.list(`db/${kind}/`)) names.add(name);
  return names;
}

/** The number below which files of a kind may be gone. */
async function boundaryOf(db: SharedDb, kind: string): Promise<number> {
  const found = await db.store.get(`db/gc/${kind}.boundary`);
  return found === undefined ? -1 : Number(toText(found.bytes));
}

/** Ours collects while theirs writes, compacts, and holds what is old. */
async function oursBesideTheirs(
  start: StartJudge,
  target: Target,
): Promise<void> {
  await withSeed(71, async (random) => {
    await using db = await SharedDb.create({ formatTarget: target });
    await using writer = await start();
    await using reader = await start();
    const gone = new Map<string, number>();
    for (let life = 0; life < 2; life++) {
      await db.openJudge(writer, { compactor_options: QUICK });
      await db.applyJudge(writer, layer(random));
      const { id } = await writer.ask({
        do: "writerCheckpoint",
        lifetimeMs: 3_600_000,
        name: "hour",
      }) as { id: string };
      await writer.ask({ do: "snapshot" });
      await reader.ask({ do: "openReader", ...db.place });
      const then = await writer.rows();
      for (let round = 0; round < 8; round++) {
        await db.applyJudge(writer, [
          ...layer(random),
          ...load(random, 5),
          WAL,
        ]);
        const { deleted } = await collect(db);
        for (const [kind, count] of Object.entries(deleted)) {
          gone.set(kind, (gone.get(kind) ?? 0) + count);
        }
      }
      await until(
        "their compactor",
        async () => (await db.manifest()).tree.runs.length > 0,
      );
      await collect(db);
      assertEquals(await reader.ask({ do: "rows", of: "reader" }), then);
      assertEquals(await writer.ask({ do: "rows", of: "snapshot" }), then);
      const read = { do: "read", checkpoint: id, ...db.place } as const;
      assertEquals(await reader.ask(read), then);
      await db.assertRows(reader, "after Shale collected");
      await db.admin.deleteCheckpoint(id);
      await writer.close();
    }
    for (const kind of ["manifest", "wal", "compactions"]) {
      assert(gone.get(kind)! > 0, `no ${kind} was deleted`);
    }
    await dropCheckpoints(db);
    const { deleted } = await collect(db);
    assert(deleted.compacted > 0, "no SST was deleted");
    // Both must pass over what the boundaries say is gone.
    assert(await boundaryOf(db, "manifest") >= 0);
    await goOn(db, reader, random);
  });
}

/** Checkpoints would keep replaced SSTs for a quarter of an hour. */
async function dropCheckpoints(db: SharedDb, but = ""): Promise<void> {
  for (const { id, name } of await db.admin.listCheckpoints()) {
    if (name !== but) await db.admin.deleteCheckpoint(id);
  }
}

/** Each opens as writer, crashes, and opens again. */
async function goOn(
  db: SharedDb,
  judge: Judge,
  random: Random,
): Promise<void> {
  for (let turn = 0; turn < 2; turn++) {
    const ours = await db.openShale();
    await db.applyShale(ours, [...load(random, 20), WAL]);
    await ours.close({ flush: "none" });
    await db.openJudge(judge);
    await db.applyJudge(judge, load(random, 20));
    await judge.close();
    await db.assertRows(judge, "going on");
    if (turn === 0) await collectByJudge(judge, db);
    else await collect(db);
    await db.assertRows(judge, "collected once more");
  }
}

/** Theirs collects while ours writes, compacts, and holds what is old. */
async function theirsBesideOurs(
  start: StartJudge,
  target: Target,
): Promise<void> {
  await withSeed(72, async (random) => {
    await using db = await SharedDb.create({ formatTarget: target });
    await using judge = await start();
    const dryRun = { min_age: "800ms", interval: "1h", dry_run: true };
    const ours = await db.openShale({
      ...COMPACTS,
      settings: {
        compactor_options: {},
        garbage_collector_options: {
          manifest_options: dryRun,
          wal_options: dryRun,
          compacted_options: dryRun,
        },
      },
    });
    await db.applyShale(ours, [...layer(random), ...layer(random)]);
    await ours.compact();
    const then = db.model.rows().map(({ seq }) => seq);
    const snapshot = ours.snapshot();
    const scan = ours.scan();
    const seqs = [(await scan.next())!.seq];
    const { id } = await ours.createCheckpoint({ name: "kept" });
    const old = await namesOf(db, "compacted");

    for (let round = 0; round < 4; round++) {
      await db.applyShale(ours, [...layer(random), ...load(random, 5), WAL]);
      await ours.compact();
      await collectByJudge(judge, db);
    }
    // From now on nothing but the lease keeps what the two views read.
    await until(
      "the lease",
      async () => (await db.admin.listCheckpoints("open view")).length > 0,
    );
    await dropCheckpoints(db, "open view");
    await collectByJudge(judge, db);
    for await (const { seq } of scan) seqs.push(seq);
    assertEquals(seqs, then);
    const seen = [];
    for await (const { seq } of snapshot.scan()) seen.push(seq);
    assertEquals(seen, then);
    await db.assertRows(judge, "after SlateDB collected");
    assertEquals(
      (await db.admin.listCheckpoints()).some((c) => c.id === id),
      false,
    );

    snapshot.close();
    await ours.compact();
    await until("the end of the lease", async () => {
      await dropCheckpoints(db);
      await collectByJudge(judge, db);
      const left = await namesOf(db, "compacted");
      return [...old].every((name) => !left.has(name));
    });
    await db.assertRows(judge, "after the lease");
    await ours.close();
    assert(await boundaryOf(db, "manifest") >= 0);
    await goOn(db, judge, random);
  });
}

/** Registers the cases. */
export function testCollections(start: StartJudge): void {
  for (const target of TARGETS) {
    test(`Shale collects beside a live SlateDB 0.15.0, its snapshot, reader and checkpoint (${target})`, () => {
      return oursBesideTheirs(start, target);
    });
    test(`SlateDB 0.15.0 collects beside a live Shale, its snapshot and scan (${target})`, () => {
      return theirsBesideOurs(start, target);
    });
  }
}

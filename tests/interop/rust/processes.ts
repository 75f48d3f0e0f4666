/**
 * Compactors and workers in processes of their own, beside a writer of the other
 * engine.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { DbReader } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { Child } from "../../support/child.ts";
import { concatOperator } from "../../support/db_ops.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import type { StartJudge } from "../cases.ts";
import type { Judge } from "../judge.ts";
import { load, MEM } from "../layouts.ts";
import { QUICK, SharedDb, until } from "./shared_db.ts";

const CLI = "scripts/cli.ts";
/** One job at a time, so that no worker takes all of them. */
const MODEST = {
  ...QUICK,
  worker: { ...QUICK.worker, max_concurrent_compactions: 1 },
};
const COORDINATOR = { ...MODEST, worker: null };

/** `deno task cli compactor` on the database. */
function cliCompactor(db: SharedDb, ...more: string[]): Child {
  const settings = JSON.stringify({
    min_filter_keys: 10,
    compactor_options: MODEST,
  });
  const args = ["--store", db.place.store, "--path", "db", "--merge", "concat"];
  return new Child(CLI, [
    "compactor",
    ...args,
    "--settings",
    settings,
    ...more,
  ]);
}

async function isShallow(db: SharedDb): Promise<boolean> {
  const { tree } = await db.manifest();
  return tree.l0.length < 4 && tree.runs.length > 0;
}

/** Layers that somebody else compacts meanwhile. */
async function writeRounds(
  rounds: number,
  db: SharedDb,
  write: () => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 5; i++) await write();
    await until("their layers", () => isShallow(db));
  }
}

/** Our compactor beside their writer. */
async function besideTheirWriter(
  start: StartJudge,
  formatTarget: "interop" | "0.15",
): Promise<void> {
  await withSeed(61, async (random) => {
    await using db = await SharedDb.create({ formatTarget });
    await using judge = await start();
    await db.openJudge(judge);
    await using compactor = cliCompactor(db, "--target", formatTarget);
    await writeRounds(
      3,
      db,
      () => db.applyJudge(judge, [...load(random, 200), MEM]),
    );
    await db.assertRows(judge, "beside their writer");
    // Its own view of the tree is the compactor's by now.
    const seen = await judge.rows();
    assertEquals(
      seen.map(({ k, v }) => [k, v]),
      db.model.rows().map(({ k, v }) => [k, v]),
    );
    await judge.close();
    const { stderr } = await compactor.kill();
    assert(/compaction \w+ begins/.test(stderr), stderr);
  });
}

/** Their compactor and worker beside our writer. */
async function besideOurWriter(start: StartJudge): Promise<void> {
  await withSeed(62, async (random) => {
    await using db = await SharedDb.create({ formatTarget: "0.15" });
    await using coordinator = await start();
    await using worker = await start();
    const ours = await db.openShale();
    await coordinator.ask({
      do: "compactor",
      options: COORDINATOR,
      ...db.place,
    });
    await worker.ask({ do: "worker", options: MODEST.worker, ...db.place });
    using snapshot = ours.snapshot();
    await writeRounds(
      3,
      db,
      () => db.applyShale(ours, [...load(random, 200), MEM]),
    );
    assertEquals(await Array.fromAsync(snapshot.scan()), []);
    const seen = [];
    for await (const { seq } of ours.scan()) seen.push(seq);
    assertEquals(seen, db.model.rows().map(({ seq }) => seq));
    await worker.ask({ do: "stop" });
    await coordinator.ask({ do: "stop" });
    await ours.close();
    await db.assertRows(worker, "beside our writer");
  });
}

/** Workers of both engines share the jobs of one compactor, and survive deaths. */
async function shared(
  start: StartJudge,
  whose: "Shale" | "SlateDB",
): Promise<void> {
  await withSeed(63, async (random) => {
    await using db = await SharedDb.create({ formatTarget: "0.15" });
    await using judge = await start();
    await using theirWorker = await start();
    await using theirSecond = await start();
    await using ourCompactor = whose === "Shale"
      ? cliCompactor(db, "--no-worker", "--target", "0.15")
      : undefined;
    const writer = await openWriter(db, judge, whose, random);
    if (ourCompactor === undefined) {
      await theirSecond.ask({
        do: "compactor",
        options: COORDINATOR,
        ...db.place,
      });
    } else {
      await theirSecond.ask({
        do: "worker",
        options: MODEST.worker,
        ...db.place,
      });
    }
    await theirWorker.ask({
      do: "worker",
      options: MODEST.worker,
      ...db.place,
    });
    await using ourWorker = cliCompactor(db, "--worker", "--target", "0.15");
    await using ourSecond = cliCompactor(db, "--worker", "--target", "0.15");

    const ours = () => idsOf(ourWorker, ourSecond);
    const workers = new Set<string>();
    const watch = async () => {
      for (const { worker } of (await db.compactions())?.compactions ?? []) {
        if (worker !== undefined) workers.add(worker.id);
      }
    };
    const isMixed = () => {
      const known = ours();
      const own = [...workers].filter((id) => known.has(id)).length;
      return known.size === 2 && own > 0 && own < workers.size;
    };
    for (let round = 0; round < 60 && !isMixed(); round++) {
      for (let i = 0; i < 5; i++) {
        await writer.write();
        await watch();
      }
      await until("the layers", async () => {
        await watch();
        return await isShallow(db);
      });
    }
    assert(isMixed(), `${[...workers]} but ours are ${[...ours()]}`);
    // One of each goes without a word; what they ran is taken back.
    await ourWorker.kill();
    await theirWorker[Symbol.asyncDispose]();
    await writeRounds(2, db, writer.write);
    await writer.close();
    await db.assertRows(judge, `workers for ${whose}`);
  });
}

/** The writer is of the engine that the compactor is not. */
async function openWriter(
  db: SharedDb,
  judge: Judge,
  whose: "Shale" | "SlateDB",
  random: Random,
) {
  if (whose === "Shale") {
    await db.openJudge(judge);
    return {
      write: () => db.applyJudge(judge, [...load(random, 120), MEM]),
      close: () => judge.close(),
    };
  }
  const ours = await db.openShale();
  return {
    write: () => db.applyShale(ours, [...load(random, 120), MEM]),
    close: () => ours.close(),
  };
}

/** Names of our workers, which they say when they start. */
function idsOf(...workers: readonly Child[]): Set<string> {
  const ids = workers.flatMap(({ stderr }) =>
    /worker (\w+) waits/.exec(stderr)?.slice(1, 2) ?? []
  );
  return new Set(ids);
}

/** A reader of ours, opened before, reads what their compactor replaced. */
async function readerBeside(start: StartJudge): Promise<void> {
  await withSeed(64, async (random) => {
    await using db = await SharedDb.create();
    await using judge = await start();
    await db.openJudge(judge, { compactor_options: QUICK });
    await db.applyJudge(judge, [...load(random, 300), MEM]);
    await using reader = await DbReader.open("db", {
      store: db.store,
      mergeOperator: concatOperator,
    });
    const scan = reader.scan();
    const first = await scan.next();
    const expected = db.model.rows();
    await writeRounds(
      2,
      db,
      () => db.applyJudge(judge, [...load(random, 100), MEM]),
    );
    const seqs = [first!.seq];
    for await (const { seq } of scan) seqs.push(seq);
    assertEquals(seqs, expected.map(({ seq }) => seq));
  });
}

/** A writer whose L0 is full waits for the other engine's compactor. */
async function stalled(
  start: StartJudge,
  whose: "Shale" | "SlateDB",
): Promise<void> {
  await withSeed(65, async (random) => {
    await using db = await SharedDb.create();
    await using judge = await start();
    await using compactor = await start();
    const full = { l0_max_ssts: 4, l0_max_ssts_per_key: 4 };
    const ours = whose === "Shale"
      ? await db.openShale({ settings: full })
      : undefined;
    if (ours === undefined) await db.openJudge(judge, full);
    const write = () =>
      ours === undefined
        ? db.applyJudge(judge, [...load(random, 100), MEM])
        : db.applyShale(ours, [...load(random, 100), MEM]);
    for (let i = 0; i < 4; i++) await write();
    let waits = true;
    const fifth = write().then(() => {
      waits = false;
    });
    // It has its reason by now, and nothing but the compactor removes that.
    await pause(500);
    assert(waits, "a full L0 took one SST more");
    assertEquals((await db.manifest()).tree.l0.length, 4);
    await using beside = whose === "SlateDB" ? cliCompactor(db) : undefined;
    if (beside === undefined) {
      await compactor.ask({ do: "compactor", options: QUICK, ...db.place });
    }
    await fifth;
    await writeRounds(1, db, write);
    await db.assertRows(compactor, "after the stall");
    await ours?.close();
  });
}

/** Registers the cases. */
export function testProcesses(start: StartJudge): void {
  for (const target of ["interop", "0.15"] as const) {
    test(`cli compactor works beside a live SlateDB 0.15.0 writer (${target})`, () => {
      return besideTheirWriter(start, target);
    });
  }
  test("a compactor and a worker of SlateDB 0.15.0 work beside a live Shale writer", () => {
    return besideOurWriter(start);
  });
  test("workers of both engines share the jobs of a Shale compactor", () => {
    return shared(start, "Shale");
  });
  test("workers of both engines share the jobs of a SlateDB 0.15.0 compactor", () => {
    return shared(start, "SlateDB");
  });
  for (const whose of ["Shale", "SlateDB"] as const) {
    test(`a writer of ${whose} with a full L0 goes on when the other engine compacts it`, () => {
      return stalled(start, whose);
    });
  }
  test("a Shale reader goes on while SlateDB 0.15.0 writes and compacts", () => {
    return readerBeside(start);
  });
}

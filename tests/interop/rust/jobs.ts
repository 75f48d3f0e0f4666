/**
 * Compactions that one engine begins and the other ends, and which of two
 * compactors is fenced.
 *
 * @module
 */
import {
  type Compactions,
  type DbError,
  startCompactionWorker,
  startCompactor,
} from "../../../mod.ts";
import { FaultStore } from "../../../lib/testing/mod.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import type { Op } from "../../support/op.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import type { StartJudge } from "../cases.ts";
import type { JudgeError } from "../judge.ts";
import { load, MEM, put } from "../layouts.ts";
import { compactByJudge, tiered } from "./compactions.ts";
import { COMPACTS, QUICK, shapeOf, SharedDb, until } from "./shared_db.ts";

const TARGETS = ["interop", "0.15"] as const;
type Target = typeof TARGETS[number];
/** Proposes nothing by itself. */
const IDLE = {
  ...QUICK,
  scheduler_options: { min_compaction_sources: "100" },
};

const layer = (random: Random): Op[] => [...load(random, 200), MEM];
const isStored = ({ operation, name }: { operation: string; name: string }) =>
  operation === "put" && name.includes("compacted/");

/** A tree with one run and three SSTs of L0, closed. */
async function grown(formatTarget: Target, random: Random): Promise<SharedDb> {
  const db = await SharedDb.create({ formatTarget });
  const ours = await db.openShale(COMPACTS);
  await db.applyShale(ours, layer(random));
  await ours.compact();
  for (let i = 0; i < 3; i++) await db.applyShale(ours, layer(random));
  await ours.close();
  assertEquals(shapeOf(await db.manifest()), "l0 3, runs 0");
  return db;
}

async function isDone(db: SharedDb): Promise<boolean> {
  const { compactions } = (await db.compactions())!;
  return compactions.every(({ status }) => status === "completed");
}

/** `Admin.submitCompaction()`, run by their compactor. */
async function theyRunOurs(start: StartJudge, target: Target): Promise<void> {
  await withSeed(51, async (random) => {
    await using db = await grown(target, random);
    await using judge = await start();
    // A file of version 1 does not say which run L0 alone goes to.
    await db.admin.submitCompaction(
      tiered(await db.manifest(), { l0: true, runs: [0] }),
    );
    await judge.ask({ do: "compactor", options: IDLE, ...db.place });
    await until("their compactor", () => isDone(db));
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "submitted by Shale");
    await judge.ask({ do: "stop" });
  });
}

/** Their `submit_compaction`, run by our compactor. */
async function weRunTheirs(start: StartJudge, target: Target): Promise<void> {
  await withSeed(52, async (random) => {
    await using db = await grown(target, random);
    await using judge = await start();
    await using compactor = await startCompactor("db", {
      ...db.compactorOptions(IDLE),
    });
    await until("our compactor", () => compactor.status.epoch !== undefined);
    await compactByJudge(judge, db, tiered(await db.manifest(), { l0: true }));
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 1 0");
    await db.assertRows(judge, "submitted by SlateDB");
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { runs: [1, 0] }),
    );
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "submitted again");
  });
}

/** Our compactor is gone in the middle of a job; theirs goes on. */
async function theyGoOnWithOurs(
  start: StartJudge,
  target: Target,
): Promise<void> {
  await withSeed(53, async (random) => {
    await using db = await grown(target, random);
    await using judge = await start();
    const store = new FaultStore(db.store);
    let stored = 0;
    store.plan = (call) =>
      isStored(call) && ++stored > 2 ? { kind: "lost-reply" } : undefined;
    const ours = await startCompactor("db", {
      ...db.compactorOptions(COMPACT_SMALL),
      store,
    });
    ours.compactNow().catch(() => {});
    await until("our job", () => stored > 2);
    if (target === "0.15") {
      await until("our progress", async () => {
        const [job] = (await db.compactions())!.compactions.filter(isRunning);
        return (job?.context?.subcompactions ?? [])
          .some(({ outputs }) => outputs.length > 0);
      });
    }
    store.plan = () => ({ kind: "lost-reply" });
    await judge.ask({ do: "compactor", options: IDLE, ...db.place });
    await until("their compactor", () => isDone(db));
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "begun by Shale");
    await judge.ask({ do: "stop" });
    await ours.stop();
  });
}

const COMPACT_SMALL = {
  ...QUICK,
  worker: { ...QUICK.worker, max_sst_size: 4000 },
};
const isRunning = ({ status }: Compactions["compactions"][number]) =>
  status === "running";

/**
 * Files of version 1 do not say which run L0 alone becomes: SlateDB takes run 0,
 * and would begin two compactions into it at once.
 */
async function theyGoOnWithTwoOfOurs(start: StartJudge): Promise<void> {
  await withSeed(54, async (random) => {
    await using db = await grown("interop", random);
    await using judge = await start();
    const store = new FaultStore(db.store);
    const ours = await startCompactor("db", {
      ...db.compactorOptions(IDLE),
      store,
    });
    await ours.compactNow({ full: false });
    const writer = await db.openShale();
    await db.applyShale(writer, layer(random));
    await compactNow(db, { l0: true });
    await db.applyShale(writer, layer(random));
    await writer.close();
    assertEquals(shapeOf(await db.manifest()), "l0 1, runs 1 0");
    store.plan = (call) => isStored(call) ? { kind: "lost-reply" } : undefined;
    await db.admin.submitCompaction(
      tiered(await db.manifest(), { runs: [1, 0] }),
    );
    await db.admin.submitCompaction(tiered(await db.manifest(), { l0: true }));
    await until("our jobs", () => ours.status.jobs.length === 2);
    store.plan = () => ({ kind: "lost-reply" });

    await judge.ask({ do: "compactor", options: IDLE, ...db.place });
    await until("their compactor", async () => {
      const { compactions } = (await db.compactions())!;
      return compactions.every(({ status }) =>
        status === "completed" || status === "failed"
      );
    });
    await judge.ask({ do: "stop" });
    assert(/runs (1 )?0$/.test(shapeOf(await db.manifest())));
    await db.assertRows(judge, "two begun by Shale");
    await ours.stop();
  });

  async function compactNow(db: SharedDb, part: { l0: boolean }) {
    const { id } = await db.admin.submitCompaction(
      tiered(await db.manifest(), part),
    );
    await until("our compaction", async () => {
      const found = await db.admin.readCompaction(id);
      return found?.status === "completed";
    });
  }
}

/** Their worker is killed in the middle of a job; ours goes on. */
async function weGoOnWithTheirs(
  start: StartJudge,
  target: Target,
): Promise<void> {
  await withSeed(55, async (random) => {
    await using db = await SharedDb.create({ formatTarget: target });
    await using judge = await start();
    const running = async () =>
      (await db.compactions())?.compactions.filter(isRunning) ?? [];
    for (let attempt = 0; (await running()).length === 0; attempt++) {
      assert(attempt < 10, "whenever it is killed nothing runs");
      await db.openJudge(judge);
      for (let i = 0; i < 5; i++) {
        await db.applyJudge(judge, [...load(random, 2500), MEM]);
      }
      await judge.close();
      await using theirs = await start();
      await theirs.ask({
        do: "compactor",
        options: COMPACT_SMALL,
        ...db.place,
      });
      // Where it was done before anybody looked, it gets another one.
      await until("their job", async () =>
        (await running()).length > 0 ||
        (await db.manifest()).tree.l0.length < 4);
    }
    await using compactor = await startCompactor("db", db.compactorOptions());
    await compactor.compactNow({ full: false });
    assert(await isDone(db));
    await db.assertRows(judge, "begun by SlateDB");
    await compactor.compactNow();
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "and then in one run");
  });
}

/** One epoch counts, whoever has it. */
async function fencing(start: StartJudge, target: Target): Promise<void> {
  await withSeed(56, async (random) => {
    await using db = await grown(target, random);
    await using judge = await start();
    const epoch = async () => (await db.manifest()).compactorEpoch;
    const before = await epoch();
    await judge.ask({ do: "compactor", options: IDLE, ...db.place });
    await until("their epoch", async () =>
      await epoch() === before + 1 &&
      (await db.compactions())!.compactorEpoch === before + 1);

    const ours = await startCompactor("db", db.compactorOptions(IDLE));
    await ours.compactNow({ full: false });
    assertEquals(await epoch(), before + 2);
    const theirEnd = await assertRejects(() => judge.ask({ do: "end" }));
    const { kind, reason } = theirEnd as JudgeError;
    assertEquals([kind, reason], ["closed", "fenced"]);

    await judge.ask({ do: "compactor", options: IDLE, ...db.place });
    const ourEnd = await assertRejects(() => ours.ended) as DbError;
    assertEquals([ourEnd.kind, ourEnd.reason], ["closed", "fenced"]);
    assertEquals(await epoch(), before + 3);
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { l0: true, runs: [0] }),
    );
    await db.assertRows(judge, "after fencing");
    await judge.ask({ do: "stop" });
    await ours.stop();
  });
}

/** A job that their worker does for our compactor, and the reverse. */
async function workers(start: StartJudge): Promise<void> {
  await withSeed(57, async (random) => {
    await using db = await grown("0.15", random);
    await using judge = await start();
    const noWorker = { ...IDLE, worker: null };
    await judge.ask({ do: "worker", options: QUICK.worker, ...db.place });
    await using ours = await startCompactor(
      "db",
      db.compactorOptions(noWorker),
    );
    await ours.compactNow();
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "their worker for our compactor");
    await ours.stop();
    await judge.ask({ do: "stop" });

    const writer = await db.openShale();
    await db.applyShale(writer, [...layer(random), put("more", "1"), MEM]);
    await writer.close();
    await using worker = await startCompactionWorker(
      "db",
      db.compactorOptions(),
    );
    await judge.ask({ do: "compactor", options: noWorker, ...db.place });
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { l0: true, runs: [0] }),
    );
    assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
    await db.assertRows(judge, "our worker for their compactor");
    await judge.ask({ do: "stop" });
    await worker.stop();
  });
}

/** Registers the cases. */
export function testJobs(start: StartJudge): void {
  for (const target of TARGETS) {
    test(`SlateDB 0.15.0 runs what Shale's Admin submits (${target})`, () => {
      return theyRunOurs(start, target);
    });
    test(`Shale runs what SlateDB 0.15.0 submits (${target})`, () => {
      return weRunTheirs(start, target);
    });
    test(`SlateDB 0.15.0 goes on with a compaction that Shale died in (${target})`, () => {
      return theyGoOnWithOurs(start, target);
    });
    test(`Shale goes on with a compaction that SlateDB 0.15.0 died in (${target})`, () => {
      return weGoOnWithTheirs(start, target);
    });
    test(`compactors of Shale and SlateDB 0.15.0 fence one another (${target})`, () => {
      return fencing(start, target);
    });
  }
  test("SlateDB 0.15.0 goes on with two compactions that Shale died in", () => {
    return theyGoOnWithTwoOfOurs(start);
  });
  test("workers of each engine work for the other's compactor", () => {
    return workers(start);
  });
}

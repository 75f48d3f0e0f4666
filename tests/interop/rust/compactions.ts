/**
 * Trees that one engine compacts and the other reads and compacts further.
 *
 * @module
 */
import {
  type CompactionFilterSupplier,
  type Manifest,
  startCompactor,
  type TieredSpec,
} from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { hex, type Op } from "../../support/op.ts";
import { OpSource } from "../../support/op_source.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import { fromLines, type StartJudge } from "../cases.ts";
import type { Judge, JudgeOpen } from "../judge.ts";
import { load, MEM, put } from "../layouts.ts";
import {
  ALONE,
  COMPACTS,
  QUICK,
  shapeOf,
  SharedDb,
  specLine,
  until,
} from "./shared_db.ts";

const ROOT = new Uint8Array(0);
const TARGETS = ["interop", "0.15"] as const;

/** A compaction of some of a tree. */
export function tiered(
  { tree }: Manifest,
  part: { l0?: boolean; runs?: number[] },
): TieredSpec & { readonly destination: number } {
  const runIds = part.runs ?? [];
  const newest = tree.runs[0]?.id ?? -1;
  return {
    kind: "tiered",
    segment: ROOT,
    l0ViewIds: part.l0 === true ? tree.l0.map(({ viewId }) => viewId) : [],
    runIds,
    destination: runIds.at(-1) ?? newest + 1,
  };
}

/** Layers of rows that hide, merge into and delete one another. */
function layer(random: Random): Op[] {
  return [...load(random, 250), MEM];
}

/** Submits to the judge's compactor, and waits. */
export async function compactByJudge(
  judge: Judge,
  db: SharedDb,
  spec: TieredSpec,
): Promise<void> {
  const { id } = await judge.ask({
    do: "submit",
    ...db.place,
    spec: specLine(spec),
  }) as { id: string };
  await until("their compaction", async () => {
    const state = await db.compactions();
    const found = state?.compactions.find((each) => each.id === id);
    if (found?.status === "failed") throw new Error("their compaction failed");
    return found === undefined || found.status === "completed";
  });
}

/** Every compaction of theirs, then every one of ours on what they left. */
async function inTurns(start: StartJudge): Promise<void> {
  await withSeed(41, async (random) => {
    await using db = await SharedDb.create({ formatTarget: "0.15" });
    await using judge = await start();
    await db.openJudge(judge, {
      // Only what is submitted: the scheduler never has enough.
      compactor_options: {
        ...QUICK,
        scheduler_options: { min_compaction_sources: "100" },
      },
    });
    const shape = async () => shapeOf(await db.manifest());
    for (let run = 0; run < 4; run++) {
      await db.applyJudge(judge, layer(random));
      await db.applyJudge(judge, layer(random));
      await compactByJudge(
        judge,
        db,
        tiered(await db.manifest(), { l0: true }),
      );
      await db.assertRows(judge, `their run ${run}`);
    }
    assertEquals(await shape(), "l0 0, runs 3 2 1 0");
    await judge.ask({ do: "snapshot" });
    const then = await judge.ask({ do: "rows", of: "snapshot" });
    await db.applyJudge(judge, layer(random));
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { runs: [3, 2] }),
    );
    assertEquals(await shape(), "l0 1, runs 2 1 0");
    await db.assertRows(judge, "their upper runs");
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { runs: [1, 0] }),
    );
    assertEquals(await shape(), "l0 1, runs 2 0");
    await db.assertRows(judge, "their lower runs");
    await compactByJudge(
      judge,
      db,
      tiered(await db.manifest(), { l0: true, runs: [2, 0] }),
    );
    assertEquals(await shape(), "l0 0, runs 0");
    await db.assertRows(judge, "their one run");
    assertEquals(await judge.ask({ do: "rows", of: "snapshot" }), then);
    await judge.close();

    const ours = await db.openShale(COMPACTS);
    for (let run = 0; run < 2; run++) {
      await db.applyShale(ours, layer(random));
      await using compactor = await startCompactor("db", db.compactorOptions());
      await compactor.compactNow({ full: run > 0 });
      await db.assertRows(judge, "our compaction of theirs");
    }
    assertEquals(await shape(), "l0 0, runs 0");
    await ours.close();
    await db.openJudge(judge, { compactor_options: QUICK });
    for (let i = 0; i < 5; i++) await db.applyJudge(judge, layer(random));
    await until("their compactor", async () => /runs 1/.test(await shape()));
    await db.assertRows(judge, "their compaction of ours");
  });
}

/** Versions that a snapshot needs, tombstones above and at the bottom. */
async function retention(
  start: StartJudge,
  formatTarget: "interop" | "0.15",
): Promise<void> {
  await withSeed(42, async (random) => {
    await using db = await SharedDb.create({ formatTarget });
    await using judge = await start();
    const source = new OpSource(random, {
      keys: 60,
      valueBytes: 300,
      merges: true,
    });
    const rows = () => Array.from({ length: 300 }, () => source.row());
    const ours = await db.openShale({
      compactor: "inline",
      settings: {
        compactor_options: { worker: { max_sst_size: 3000 } },
      },
    });
    await db.applyShale(ours, [...rows(), MEM]);
    using snapshot = ours.snapshot();
    const held = [];
    for await (const row of snapshot.scan()) held.push(row);
    await db.applyShale(ours, [...rows(), MEM]);
    await ours.compact();
    // Keys go on from one SST to the next: there are versions for the snapshot.
    await db.assertRows(judge, "versions kept for a snapshot");
    const seen = [];
    for await (const row of snapshot.scan()) seen.push(row);
    assertEquals(seen, held);
    snapshot.close();
    const all = db.model.keys.map((k): Op => ({ op: "delete", k }));
    await db.applyShale(ours, [...rows(), MEM]);
    await ours.compact();
    await db.assertRows(judge, "versions dropped");
    // Tombstones over a run, then alone with it: an empty run, or none.
    await db.applyShale(ours, [...all, MEM]);
    await ours.compact();
    await db.assertRows(judge, "everything deleted");
    assertEquals(db.model.rows(), []);
    await ours.close();
    await db.openJudge(judge, { compactor_options: QUICK });
    for (let i = 0; i < 5; i++) {
      await db.applyJudge(judge, [...rows().slice(0, 40), MEM]);
    }
    await until(
      "their compactor",
      async () => (await db.manifest()).tree.l0.length < 5,
    );
    await db.assertRows(judge, "written anew");
    const count = db.model.rows().length;
    assert(count > 0);
  });
}

/** Rows that expire while compacting, in either engine. */
async function expiry(start: StartJudge): Promise<void> {
  await using db = await SharedDb.create({ formatTarget: "0.15" });
  await using judge = await start();
  const keys = (prefix: string, more: object): Op[] =>
    Array.from(
      { length: 40 },
      (_, i) => put(`${prefix}${i % 20}`, `${i}`, more),
    );
  const shown = async () =>
    fromLines(await judge.read(db.place)).map(({ k, v }) => [k, v]);

  const ours = await db.openShale(COMPACTS);
  await db.applyShale(ours, [...keys("stays", {}), ...keys("goes", {}), MEM]);
  await ours.compact();
  await db.applyShale(ours, [...keys("goes", { ttl: 1 }), MEM]);
  await db.applyShale(ours, [{ op: "sleep", ms: 20 }, put("z", "later"), MEM]);
  // The lowest run keeps what is under an expired row from coming back.
  await using above = await startCompactor("db", {
    ...db.compactorOptions(),
    compactionScheduler: { propose: () => [] },
  });
  await above.stop();
  await db.admin.submitCompaction(tiered(await db.manifest(), { l0: true }));
  await using compactor = await startCompactor("db", db.compactorOptions());
  await compactor.compactNow({ full: false });
  assertEquals(shapeOf(await db.manifest()), "l0 0, runs 1 0");
  const left = db.model.rows().filter(({ expireTs }) => expireTs === undefined)
    .map(({ k, v }) => [k, v]);
  assertEquals(await shown(), left);
  await compactor.compactNow();
  assertEquals(shapeOf(await db.manifest()), "l0 0, runs 0");
  assertEquals(await shown(), left);
  await compactor.stop();
  await ours.close();

  await db.openJudge(judge, { compactor_options: QUICK });
  await db.applyJudge(judge, [...keys("stays", { ttl: 1 }), MEM]);
  await db.applyJudge(judge, [{ op: "sleep", ms: 20 }, put("z", "last"), MEM]);
  await compactByJudge(judge, db, tiered(await db.manifest(), { l0: true }));
  await judge.close();
  await using again = await db.openShale();
  const rows = [];
  for await (const { key, value } of again.scan()) {
    rows.push([hex(key), hex(value)]);
  }
  assertEquals(rows, [[hex("z"), hex("last")]]);
}

/** Drops, deletes and rewrites rows by the ends of their keys. */
const byLastDigit: CompactionFilterSupplier = () => ({
  filter: ({ key }) => {
    const digit = key.at(-1)! - 0x30;
    if (digit < 3) return "drop";
    if (digit < 6) return "delete";
    return digit < 8 ? { put: key.slice() } : "keep";
  },
});

async function filtered(
  start: StartJudge,
  formatTarget: "interop" | "0.15",
): Promise<void> {
  await using db = await SharedDb.create({ formatTarget });
  await using judge = await start();
  const ours = await db.openShale();
  for (let i = 0; i < 3; i++) {
    await db.applyShale(ours, [
      ...Array.from({ length: 50 }, (_, n) => put(`k${n}`, `v${i}`)),
      MEM,
    ]);
  }
  await ours.close();
  await using compactor = await startCompactor("db", {
    ...db.compactorOptions(),
    compactionFilter: byLastDigit,
  });
  await compactor.compactNow();
  const rows = fromLines(await judge.read(db.place)).map(({ k, v }) => [k, v]);
  const expected = db.model.rows().flatMap(({ k, v }) => {
    const digit = Number(k.at(-1));
    if (digit < 6) return [];
    return [[k, digit < 8 ? k : v]];
  });
  assertEquals(rows, expected);
}

/** Inputs that do not overlap become their run as they are; ours goes on. */
async function moved(start: StartJudge): Promise<void> {
  await using db = await SharedDb.create();
  await using judge = await start();
  const open: JudgeOpen = {
    ...db.place,
    settings: {
      ...ALONE,
      compactor_options: { ...QUICK, enable_trivial_move: true },
    },
  };
  await judge.open(open);
  for (const letter of "dacb") {
    await db.applyJudge(judge, [
      put(`${letter}1`, "1"),
      put(`${letter}2`, "2"),
      MEM,
    ]);
  }
  await until(
    "their move",
    async () => /^l0 0, runs 0$/.test(shapeOf(await db.manifest())),
  );
  assertEquals((await db.manifest()).tree.runs[0]!.ssts.length, 4);
  await db.assertRows(judge, "moved");
  await judge.close();
  const ours = await db.openShale(COMPACTS);
  await db.applyShale(ours, [put("b15", "between"), MEM]);
  await ours.compact();
  await ours.close();
  await db.assertRows(judge, "compacted after the move");
}

/** Registers the cases. */
export function testCompactions(start: StartJudge): void {
  test("Shale reads and compacts what SlateDB 0.15.0 compacted in every way, and the reverse", () => {
    return inTurns(start);
  });
  for (const target of TARGETS) {
    test(`SlateDB 0.15.0 reads versions, tombstones and empty runs that Shale's compactions leave (${target})`, () => {
      return retention(start, target);
    });
    test(`SlateDB 0.15.0 reads what a compaction filter of Shale leaves (${target})`, () => {
      return filtered(start, target);
    });
  }
  test("rows that expired in one engine's compaction are gone for the other", () => {
    return expiry(start);
  });
  test("Shale reads and compacts a run that SlateDB 0.15.0 moved", () => {
    return moved(start);
  });
}

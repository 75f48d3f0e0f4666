/**
 * Segments that one engine compacts, drops and fills anew, and what marks a
 * database of format target 0.15 on disk.
 *
 * @module
 */
import {
  type Admin,
  type CompactionSpec,
  type Manifest,
  startCompactor,
} from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { hex, type Op, type RowOp, unhex } from "../../support/op.ts";
import { type Random, withSeed } from "../../support/random.ts";
import { test } from "../../support/test.ts";
import type { StartJudge } from "../cases.ts";
import type { Judge } from "../judge.ts";
import { MEM, put, WAL } from "../layouts.ts";
import { COMPACTS, QUICK, SharedDb, specLine, until } from "./shared_db.ts";

const IDLE = {
  ...QUICK,
  scheduler_options: { min_compaction_sources: "100" },
};
const encode = (text: string) => new TextEncoder().encode(text);

/** Rows of three segments, or of one. */
function rows(random: Random, segments = "abc"): Op[] {
  const ops = Array.from({ length: 150 }, (): Op => {
    const key = random.pick([...segments]) + random.below(60);
    return random.chance(0.2)
      ? { op: "delete", k: hex(key) }
      : random.chance(0.2)
      ? { op: "merge", k: hex(key), v: hex("+") }
      : put(key, `${random.next()}`);
  });
  return [...ops, MEM];
}

/** `a:2/1 b:0/1`: SSTs of L0 and runs of each segment. */
function shapeOf({ segments }: Manifest): string {
  return segments.map(({ prefix, l0, runs }) =>
    `${new TextDecoder().decode(prefix)}:${l0.length}/${runs.length}`
  ).join(" ");
}

/** All of a segment, to be dropped or made one run. */
async function allOf(
  db: SharedDb,
  kind: "drain" | "tiered",
  prefix: string,
): Promise<CompactionSpec> {
  const { segments } = await db.manifest();
  const segment = encode(prefix);
  const tree = segments.find((each) => hex(each.prefix) === hex(prefix))!;
  const ids = segments.flatMap(({ runs }) => runs.map(({ id }) => id));
  const spec = {
    segment,
    l0ViewIds: tree.l0.map(({ viewId }) => viewId),
    runIds: tree.runs.map(({ id }) => id),
  };
  if (kind === "drain") return { kind, ...spec };
  const destination = spec.runIds.at(-1) ?? Math.max(-1, ...ids) + 1;
  return { kind, ...spec, destination };
}

/** Writes a row, with which all that the model knows of a segment is gone. */
async function forget(
  db: SharedDb,
  prefix: string,
  write: (op: RowOp) => Promise<bigint>,
): Promise<void> {
  const op = put("b-forgets", prefix) as RowOp;
  const gone = db.model.rows({ prefix: hex(prefix) }).map(({ k }): RowOp => (
    { op: "delete", k }
  ));
  db.model.apply({ op: "batch", rows: [...gone, op] }, await write(op));
}

async function done(admin: Admin, id: string): Promise<void> {
  await until("the compaction", async () => {
    const found = await admin.readCompaction(id);
    if (found?.status === "failed") throw new Error("the compaction failed");
    return found === undefined || found.status === "completed";
  });
}

async function submit(
  db: SharedDb,
  spec: CompactionSpec,
  judge?: Judge,
): Promise<void> {
  if (judge === undefined) {
    const { id } = await db.admin.submitCompaction(spec as never);
    return await done(db.admin, id);
  }
  const line = specLine(spec);
  const { id } = await judge.ask({ do: "submit", spec: line, ...db.place }) as {
    id: string;
  };
  await done(db.admin, id);
}

/** Each engine compacts everything that both have left. */
async function compactAll(
  db: SharedDb,
  theirs: Judge,
  random: Random,
): Promise<void> {
  const again = await db.openShale(COMPACTS);
  await again.compact();
  await again.close();
  assertEquals(shapeOf(await db.manifest()), "a:0/1 b:0/1 c:0/1");
  await db.assertRows(theirs, "all compacted");
  await db.openJudge(theirs, { compactor_options: QUICK });
  for (let i = 0; i < 5; i++) await db.applyJudge(theirs, rows(random));
  await until(
    "their compactor",
    async () => (await db.manifest()).segments.every(({ l0 }) => l0.length < 4),
  );
  await theirs.close();
  await db.assertRows(theirs, "all compacted by SlateDB");
}

/**
 * Each engine compacts and drains single segments while the other one writes.
 *
 * @param start Starts a judge.
 * @param whose Whose the compactor is.
 */
async function perSegment(
  start: StartJudge,
  whose: "Shale" | "SlateDB",
): Promise<void> {
  await withSeed(101, async (random) => {
    await using db = await SharedDb.create({
      formatTarget: "0.15",
      segment: 1,
    });
    await using judge = await start();
    await using theirs = await start();
    const ours = whose === "SlateDB" ? await db.openShale() : undefined;
    if (ours === undefined) await db.openJudge(judge);
    const write = (ops: Op[]) =>
      ours === undefined ? db.applyJudge(judge, ops) : db.applyShale(ours, ops);
    const writeOne = async (op: RowOp) => {
      const written = ours === undefined
        ? (await judge.apply([op, WAL]))[0]!
        : (await ours.put(unhex(op.k), unhex(op.v!))).seq;
      return BigInt(written);
    };
    await write(rows(random));
    await using compactor = whose === "Shale"
      ? await startCompactor("db", db.compactorOptions(IDLE))
      : undefined;
    if (compactor === undefined) {
      await theirs.ask({ do: "compactor", options: IDLE, ...db.place });
    }
    await until(
      "the compactor",
      async () => await db.compactions() !== undefined,
    );
    const submitter = whose === "Shale" ? undefined : theirs;

    await write(rows(random));
    await submit(db, await allOf(db, "tiered", "b"), submitter);
    assertEquals(shapeOf(await db.manifest()), "a:2/0 b:0/1 c:2/0");
    await db.assertRows(theirs, "one segment compacted");
    await write(rows(random, "ab"));
    await submit(db, await allOf(db, "tiered", "a"), submitter);
    await submit(db, await allOf(db, "tiered", "b"), submitter);
    assertEquals(shapeOf(await db.manifest()), "a:0/1 b:0/1 c:2/0");
    await db.assertRows(theirs, "two segments compacted");

    await submit(db, await allOf(db, "drain", "a"), submitter);
    await forget(db, "a", writeOne);
    await db.assertRows(theirs, "a segment with runs alone drained");
    await submit(db, await allOf(db, "drain", "c"), submitter);
    await forget(db, "c", writeOne);
    await db.assertRows(theirs, "a segment with L0 alone drained");
    // The writer meets the marks, and removes them.
    await write(rows(random, "bc"));
    await db.assertRows(theirs, "drained, and one of them filled again");
    await until("the writer's own look", async () => {
      await write([put("b-", "x"), MEM]);
      return !/a/.test(shapeOf(await db.manifest()));
    });
    await write(rows(random));
    await db.assertRows(theirs, "both filled again");
    const seen = ours === undefined
      ? (await judge.rows()).map(({ k }) => k)
      : (await Array.fromAsync(ours.scan())).map(({ key }) => hex(key));
    assertEquals(seen, db.model.rows().map(({ k }) => k));

    if (compactor === undefined) await theirs.ask({ do: "stop" });
    await ours?.close();
    if (ours === undefined) await judge.close();
    await compactAll(db, theirs, random);
  });
}

/** What the format targets look like on disk; SlateDB opens both. */
async function onDisk(
  start: StartJudge,
  formatTarget: "interop" | "0.15",
  segment?: number,
): Promise<void> {
  await using db = await SharedDb.create({
    formatTarget,
    ...(segment === undefined ? {} : { segment }),
  });
  await using judge = await start();
  const ours = await db.openShale(COMPACTS);
  await db.applyShale(ours, [put("a", "1"), MEM, put("b", "2"), MEM]);
  await ours.compact();
  await db.applyShale(ours, [put("c", "3"), WAL]);
  await ours.close({ flush: "none" });

  const isNew = formatTarget === "0.15";
  const fence = (await db.store.head("db/wal/00000000000000000001.sst"))!;
  assertEquals(fence.size === 0, isNew);
  const versionOf = async (folder: string) => {
    let last = "";
    for await (const { name } of db.store.list(`db/${folder}/`)) {
      if (name > last) last = name;
    }
    const { bytes } = (await db.store.get(last))!;
    return bytes[1];
  };
  assertEquals(await versionOf("compactions"), isNew ? 2 : 1);
  assertEquals(await versionOf("manifest"), segment === undefined ? 1 : 2);
  await db.assertRows(judge, "as Shale left it");
  await db.openJudge(judge);
  await db.applyJudge(judge, [put("d", "4"), WAL]);
  await judge[Symbol.asyncDispose]();
  await using later = await start();
  // Now the fences are theirs, and the last one is of a writer that died.
  const again = await db.openShale();
  await db.applyShale(again, [put("e", "5"), WAL]);
  await again.close({ flush: "none" });
  await db.assertRows(later, "with the fences of both");
  assert(db.model.rows().length === 5);
}

/** Registers the cases. */
export function testSegments(start: StartJudge): void {
  test("Shale compacts and drains segments while SlateDB 0.15.0 writes them", () => {
    return perSegment(start, "Shale");
  });
  test("SlateDB 0.15.0 compacts and drains segments while Shale writes them", () => {
    return perSegment(start, "SlateDB");
  });
  for (
    const [target, segment] of [["interop"], ["0.15"], ["0.15", 1]] as const
  ) {
    const kind = segment === undefined ? target : `${target}, segments`;
    test(`SlateDB 0.15.0 goes on with the fences and state files of Shale (${kind})`, () => {
      return onDisk(start, target, segment);
    });
  }
}

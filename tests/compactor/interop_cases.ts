/**
 * What SlateDB must make of trees that Shale compacted, for whichever judge
 * speaks for SlateDB.
 *
 * @module
 */
import { type DbOptions, FileStore } from "../../mod.ts";
import type { TieredSpec } from "../../lib/format/compactions.ts";
import type { JudgeStore } from "../interop/judge.ts";
import {
  applyJudge,
  applyShale,
  assertJudged,
  fromLines,
  type StartJudge,
} from "../interop/cases.ts";
import {
  COMPACTING,
  layers,
  load,
  MEM,
  put,
  QUIET,
  ROOMY,
} from "../interop/layouts.ts";
import { nextRunId } from "../../lib/manifest/run_edit.ts";
import { openShale } from "../interop/shale.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ModelDb } from "../support/model_db.ts";
import { type Random, withSeed } from "../support/random.ts";
import { TempDir } from "../support/temp_dir.ts";
import { compactorOf, manifestOf, shapeOf } from "./compactors.ts";

type FormatTarget = "interop" | "0.15";

/** A way to compact. */
export interface CompactionKind {
  /** What it is called. */
  readonly name: string;
  /** Settings of Shale's compactor. */
  readonly settings?: Record<string, unknown>;
  /** Compacts the tree of a closed database, layers of L0 above some runs. */
  readonly compact: (
    store: FileStore,
    formatTarget: FormatTarget,
  ) => Promise<void>;
  /** What the tree looks like then. */
  readonly shape: RegExp;
}

const OPERATORS = new URL("operators.ts", import.meta.url);
const SMALL = { worker: { max_sst_size: 20_000 } };

/** Submits one compaction and waits for it. */
async function submit(
  store: FileStore,
  formatTarget: FormatTarget,
  choose: (spec: TieredSpec) => Partial<TieredSpec>,
): Promise<void> {
  const { tree } = await manifestOf(store);
  const all: TieredSpec = {
    kind: "tiered",
    segment: new Uint8Array(0),
    l0ViewIds: tree.l0.map(({ viewId }) => viewId),
    runIds: tree.runs.map(({ id }) => id),
    destination: undefined,
  };
  await using made = compactorOf(store, { settings: SMALL, formatTarget });
  const spec = { ...all, ...choose(all) };
  const destination = spec.runIds.at(-1) ?? nextRunId(await manifestOf(store));
  const { done } = await made.compactor.submit({ ...spec, destination });
  await done;
}

/** Every kind of compaction; the tree has 3 SSTs in L0 and 3 runs. */
export const KINDS: readonly CompactionKind[] = [
  {
    name: "L0 into a run above the others",
    compact: (store, target) => submit(store, target, () => ({ runIds: [] })),
    shape: /^l0 0, runs 3:\d+ 2:\d+ 1:\d+ 0:\d+$/,
  },
  {
    name: "runs above the lowest",
    compact: (store, target) =>
      submit(store, target, ({ runIds }) => ({
        l0ViewIds: [],
        runIds: runIds.slice(0, -1),
      })),
    shape: /^l0 3, runs 1:\d+ 0:\d+$/,
  },
  {
    name: "the lowest runs",
    compact: (store, target) =>
      submit(store, target, ({ runIds }) => ({
        l0ViewIds: [],
        runIds: runIds.slice(1),
      })),
    shape: /^l0 3, runs 2:\d+ 0:\d+$/,
  },
  {
    name: "L0 and the newest run",
    compact: (store, target) =>
      submit(store, target, ({ runIds }) => ({ runIds: runIds.slice(0, 1) })),
    shape: /^l0 0, runs 2:\d+ 1:\d+ 0:\d+$/,
  },
  {
    name: "everything",
    compact: async (store, formatTarget) => {
      await using made = compactorOf(store, { settings: SMALL, formatTarget });
      await made.compactor.compactNow();
    },
    shape: /^l0 0, runs 0:\d+$/,
  },
  {
    name: "everything, in threads",
    compact: async (store, formatTarget) => {
      await using made = compactorOf(store, {
        formatTarget,
        settings: SMALL,
        execution: "worker",
        threads: 2,
        module: OPERATORS,
      });
      await made.compactor.compactNow();
    },
    shape: /^l0 0, runs 0:\d+$/,
  },
];

/** Options of Shale in these cases. */
const OPEN: Partial<DbOptions> = { compactor: "off", settings: ROOMY };

/** Three runs and three SSTs of L0, with every kind of row. */
async function grow(
  dir: string,
  model: ModelDb,
  random: Random,
  formatTarget: FormatTarget,
): Promise<FileStore> {
  for (let run = 0; run < 3; run++) {
    const db = await openShale({ dir, ...OPEN });
    await applyShale(db, model, [...layers(random), MEM]);
    await db.close();
    const store = new FileStore(dir);
    await submit(store, formatTarget, () => ({ runIds: [] }));
    await store.close();
  }
  const db = await openShale({ dir, ...OPEN });
  await applyShale(db, model, [...layers(random), MEM]);
  await db.close();
  return new FileStore(dir);
}

/**
 * Shale writes and compacts; SlateDB reads, takes over, compacts, writes on; and
 * Shale compacts and reads what it left.
 */
export async function theyReadCompacted(
  start: StartJudge,
  kind: CompactionKind,
  formatTarget: FormatTarget = "interop",
): Promise<void> {
  await withSeed(21, async (random) => {
    await using dir = await TempDir.create();
    await using judge = await start();
    const model = new ModelDb();
    const place: JudgeStore = { store: dir.path, path: "db" };
    const store = await grow(dir.path, model, random, formatTarget);
    assertEquals(
      shapeOf(await manifestOf(store)).replace(/:\d+/g, ""),
      "l0 3, runs 2 1 0",
    );
    await kind.compact(store, formatTarget);
    const shape = shapeOf(await manifestOf(store));
    assert(kind.shape.test(shape), shape);
    await store.close();

    assertEquals(fromLines(await judge.read(place)), model.rows());
    // Quiet first: their rows are those of this tree and not of a newer one.
    await judge.open({ ...place, settings: QUIET });
    assertEquals(fromLines(await judge.rows()), model.rows());
    await judge.open({ ...place, settings: COMPACTING });
    const ops = [...load(random, 100), MEM];
    await applyJudge(judge, model, ops);
    const rows = await judge.rows();
    assertJudged(rows, model, "after they wrote on");
    await judge.close();

    const db = await openShale({
      dir: dir.path,
      settings: ROOMY,
      formatTarget,
    });
    await db.compact();
    await db.close();
    assertEquals(await judge.read(place), rows);
  });
}

/** Shale makes a run of SSTs that do not overlap, unread; SlateDB reads it. */
export async function theyReadMoved(start: StartJudge): Promise<void> {
  await using dir = await TempDir.create();
  await using judge = await start();
  const model = new ModelDb();
  const db = await openShale({ dir: dir.path, ...OPEN });
  for (const letter of "dacb") {
    await applyShale(db, model, [
      put(`${letter}1`, "1"),
      put(`${letter}2`, "2"),
      MEM,
    ]);
  }
  await db.close();
  const store = new FileStore(dir.path);
  const settings = { enable_trivial_move: true };
  await using made = compactorOf(store, { settings });
  await made.compactor.compactNow({ full: false });
  await made.compactor.stop();
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:4");
  await store.close();
  const place: JudgeStore = { store: dir.path, path: "db" };
  assertEquals(fromLines(await judge.read(place)), model.rows());
}

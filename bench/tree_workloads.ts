/**
 * The workloads that watch the tree at work: compactions, gets beside them, and
 * an ingest that has to be compacted as it goes.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { setImmediate } from "node:timers";
import { createRandom, makeData, makeRandomBatches } from "./data.ts";
import type { Place, TreeControl } from "./engine.ts";
import {
  type Context,
  expectValue,
  type Extras,
  microseconds,
  WINDOW,
  writeBatches,
} from "./workload.ts";

/** A compaction's rows, by those of the read workloads: about 100 MB of SSTs. */
const COMPACTION_SHARE = 8;
/** About seven L0 SSTs, whose keys all overlap. */
const L0_BYTES_A_ROW = 168;
/** Rows of the ingest, by those of the read workloads. */
const INGEST_SHARE = 20;
/** Compactions that gets are timed beside; of each a new database. */
const ROUNDS = 3;
/** From one get to the next, on average. */
const PERIOD_MS = 2;
const TIMER_SLACK_MS = 2;
/** Rows that are read again and again: their blocks are cached. */
const WARM_ROWS = 1000;

/** A database whose L0 waits to be compacted, and what is in it. */
interface HeldDatabase {
  readonly tree: TreeControl;
  readonly rows: number;
  /** Some keys that are in L0. */
  readonly keys: readonly Uint8Array[];
}

/**
 * Compacts L0 SSTs into one run. Input bytes are those of the SSTs that go in.
 *
 * @param context What to work with.
 * @param place Where compactions run.
 */
export async function compaction(
  context: Context,
  place: Place,
): Promise<void> {
  const { engine, directory, report } = context;
  const held = await openHeld(context, directory, place);
  if (held === undefined) return;
  const { inputBytes, ms } = await held.tree.compact();
  report(
    place === "inline" ? "compaction" : "compaction-worker",
    ms * 1000 / held.rows,
    held.rows,
    { mb_per_s: inputBytes / 1000 / ms },
  );
  await engine.close();
}

/**
 * Times gets of cached rows while a compaction runs. They are due at random
 * times, whatever became of those before, as requests would be; the latency is
 * from when one is due until its value is there. So it includes how long the
 * event loop was busy with something else.
 *
 * @param context What to work with.
 * @param place Where compactions run.
 */
export async function getsBesideCompaction(
  context: Context,
  place: Place,
): Promise<void> {
  const { engine, directory, report } = context;
  const { tree } = engine;
  // Peers compact in threads of their own: only Shale could be in its own way.
  if (tree?.settled === undefined || !tree.places.includes(place)) return;
  const latencies: number[] = [];
  let longestWaitMs = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const folder = `${directory}/${round}`;
    mkdirSync(folder);
    const held = await openHeld(context, folder, place);
    const warm = held!.keys.slice(0, WARM_ROWS);
    await engine.settle();
    for (const key of [...warm, ...warm]) {
      expectValue(await engine.get(key), true);
    }
    const wait = await getsDuring(
      () => tree.compact(),
      context,
      warm,
      latencies,
    );
    longestWaitMs = Math.max(longestWaitMs, wait);
    await engine.close();
  }
  latencies.sort((a, b) => a - b);
  const at = (share: number) =>
    1000 * latencies[Math.floor(share * (latencies.length - 1))]!;
  report(
    place === "inline" ? "get-p99-inline" : "get-p99-worker",
    at(0.5),
    latencies.length,
    { p99_us: at(0.99), longest_wait_ms: longestWaitMs },
  );
}

/**
 * Writes L0 SSTs with the compactor held back. Where an engine compiles as it
 * goes, an eighth as much was compacted before, so that the compactor, or its
 * thread, has worked already; the run that this left is part of the next input.
 *
 * @returns The database, open; `undefined` where the engine cannot compact there.
 */
async function openHeld(
  { engine, scale }: Context,
  directory: string,
  place: Place,
): Promise<HeldDatabase | undefined> {
  const { tree } = engine;
  if (tree === undefined || !tree.places.includes(place)) return undefined;
  const warmRows = tree.warmsUp ? scale.rows : 0;
  const rows = warmRows + COMPACTION_SHARE * scale.rows;
  const { keys, values } = makeData(rows);
  const write = (start: number, end: number) =>
    writeBatches(
      engine,
      keys.slice(start, end),
      values.slice(start, end),
      Infinity,
    );
  await tree.openHeld(directory, L0_BYTES_A_ROW * scale.rows, place);
  if (warmRows > 0) {
    await write(0, warmRows);
    await tree.compact();
  }
  await write(warmRows, rows);
  return { tree, rows, keys: keys.slice(warmRows) };
}

/**
 * Gets, each when it is due, while something runs.
 *
 * @returns The longest that the event loop was late for one, in milliseconds.
 */
async function getsDuring(
  compact: () => Promise<unknown>,
  { engine }: Context,
  keys: readonly Uint8Array[],
  latencies: number[],
): Promise<number> {
  const random = createRandom(5);
  let isOver = false;
  const compacting = compact().finally(() => isOver = true);
  let longestWaitMs = 0;
  for (let due = performance.now();;) {
    due += 2 * PERIOD_MS * random() / 2 ** 32;
    await untilDue(due);
    if (isOver) break;
    longestWaitMs = Math.max(longestWaitMs, performance.now() - due);
    const value = await engine.get(keys[random() % keys.length]!);
    latencies.push(performance.now() - due);
    expectValue(value, true);
  }
  await compacting;
  return longestWaitMs;
}

/** Timers are late by a millisecond or two: the last of the way is made in turns. */
async function untilDue(due: number): Promise<void> {
  const sleepMs = due - performance.now() - TIMER_SLACK_MS;
  if (sleepMs >= 1) {
    await new Promise((resolve) => setTimeout(resolve, sleepMs));
  }
  while (performance.now() < due) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/**
 * Writes random keys, as many as there are different ones, so that about a third
 * of the rows is replaced, with the compactor at its defaults. Timed are the
 * writes alone; the longest of them is what backpressure or a compaction cost.
 *
 * @param context What to work with.
 */
export async function ingest(context: Context): Promise<void> {
  const { engine, directory, scale, report } = context;
  const { tree } = engine;
  if (tree?.settled === undefined) return;
  const rows = INGEST_SHARE * scale.rows;
  const batches = makeRandomBatches(rows, WINDOW);
  await engine.open(directory, "write");
  let writtenUs = 0;
  let stallUs = 0;
  for (const { keys, values } of batches) {
    const start = performance.now();
    await engine.writeBatch(keys, values, 0, keys.length);
    const us = microseconds(start);
    writtenUs += us;
    stallUs = Math.max(stallUs, us);
  }
  const flushing = performance.now();
  await engine.flush();
  writtenUs += microseconds(flushing);
  const extras: Extras = {
    max_stall_ms: stallUs / 1000,
    space_amplification: await spaceAmplification(context),
  };
  report("ingest", writtenUs / rows, rows, extras);
  await engine.close();
}

/** What the tree takes once nothing is left to do, by what its rows need. */
async function spaceAmplification({ engine }: Context): Promise<number> {
  await engine.settle();
  const settledBytes = await engine.tree!.settled!();
  const { outputBytes } = await engine.tree!.compact();
  return settledBytes / outputBytes;
}

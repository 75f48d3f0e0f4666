/**
 * The workloads that watch the tree at work: compactions, gets beside them, and
 * an ingest that has to be compacted as it goes.
 *
 * @module
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
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
/** Rows that are written between two compactions which gets are timed beside. */
const ROUND_SHARE = 4;
/** Compactions of one database, and how many of them gets are not timed beside. */
const ROUNDS = 5;
const WARM_UP_ROUNDS = 2;
/** Between a get and the next there are 1 to so many milliseconds. */
const LONGEST_PAUSE_MS = 7;
/** Rows that are read again and again: their blocks are cached. */
const WARM_ROWS = 1000;

/** How long one get took: of itself, and since its timer was due. */
interface Latency {
  readonly ownMs: number;
  readonly dueMs: number;
}

/** A database whose L0 waits to be compacted, and what is in it. */
interface HeldDatabase {
  readonly tree: TreeControl;
  readonly rows: number;
}

/**
 * Compacts L0 SSTs, whose keys all overlap, into one run. Input bytes are those
 * of the SSTs that go in.
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
    place === "inline" ? "compaction-inline" : "compaction",
    ms * 1000 / held.rows,
    held.rows,
    { mb_per_s: inputBytes / 1000 / ms },
  );
  await engine.close();
}

/**
 * Times gets of cached rows while a compaction runs, each after a timer of random
 * length. The latency is from asking for a turn of the event loop until the value
 * is there: what a request that just came in waits for. From when the timer was
 * due it is more, as it was late itself: by a millisecond where nothing else runs,
 * and where more threads than cores do, until the thread has one.
 *
 * All rows are written again before each compaction, so about 100 MB go into it.
 * The first ones are not measured: a thread that has just begun has its compiler
 * at work beside it.
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
  const { keys, values } = makeData(ROUND_SHARE * context.scale.rows);
  const warm = keys.slice(0, WARM_ROWS);
  const latencies: Latency[] = [];
  await tree.openHeld(directory, L0_BYTES_A_ROW * context.scale.rows, place);
  for (let round = 0; round < ROUNDS; round++) {
    await writeBatches(engine, keys, values, Infinity);
    await engine.settle();
    for (const key of [...warm, ...warm]) {
      expectValue(await engine.get(key), true);
    }
    const compact = () => tree.compact();
    if (round < WARM_UP_ROUNDS) await compact();
    else latencies.push(...await getsDuring(compact, context, warm));
  }
  await engine.close();
  const own = latencies.map(({ ownMs }) => ownMs);
  report(
    place === "inline" ? "get-p99-inline" : "get-p99-worker",
    microsecondsAt(own, 0.5),
    latencies.length,
    {
      p99_us: microsecondsAt(own, 0.99),
      p99_due_us: microsecondsAt(latencies.map(({ dueMs }) => dueMs), 0.99),
    },
  );
}

function microsecondsAt(latenciesMs: readonly number[], share: number): number {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return 1000 * sorted[Math.floor(share * (sorted.length - 1))]!;
}

/**
 * Writes L0 SSTs with the compactor held back. Where an engine compiles as it
 * goes, the compactor, or its threads, have worked on the same rows before.
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
  const rows = COMPACTION_SHARE * scale.rows;
  const { keys, values } = makeData(rows);
  await tree.openHeld(directory, L0_BYTES_A_ROW * scale.rows, place);
  await tree.warmUp?.(keys, values);
  await writeBatches(engine, keys, values, Infinity);
  useMemory(directory, 2 * L0_BYTES_A_ROW * rows);
  return { tree, rows };
}

/**
 * Leaves the system so many bytes of memory for files that were in use just now.
 * In a virtual machine other memory may have to come from the host first, page by
 * page, which takes longer than a compaction and says nothing of it.
 */
function useMemory(directory: string, bytes: number): void {
  const path = `${directory}/memory`;
  const piece = new Uint8Array(1024 * 1024);
  const file = openSync(path, "wx");
  for (let at = 0; at < bytes; at += piece.length) writeSync(file, piece);
  closeSync(file);
  rmSync(path);
}

/** Gets, one after another, while something runs. */
async function getsDuring(
  compact: () => Promise<unknown>,
  { engine }: Context,
  keys: readonly Uint8Array[],
): Promise<Latency[]> {
  const random = createRandom(5);
  const latencies: Latency[] = [];
  let isOver = false;
  const compacting = compact().finally(() => isOver = true);
  for (;;) {
    const pauseMs = 1 + random() % LONGEST_PAUSE_MS;
    const due = performance.now() + pauseMs;
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    if (isOver) break;
    const start = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    const value = await engine.get(keys[random() % keys.length]!);
    const end = performance.now();
    expectValue(value, true);
    latencies.push({ ownMs: end - start, dueMs: end - due });
  }
  await compacting;
  return latencies;
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

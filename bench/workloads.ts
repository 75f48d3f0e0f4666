/**
 * The named workloads: what each does to an engine, and what it counts.
 *
 * A slow engine is not run to the end: the timed part of a workload stops after
 * {@linkcode Scale.capMs}, the bulk load after {@linkcode LOAD_CAPS} times as
 * long, and its figure is that of the operations done. Rows
 * are made before a clock starts. What an engine returns is checked, so that no
 * engine is fast by being wrong.
 *
 * Before a clock starts each engine does the same for a moment unmeasured, in a
 * folder of its own where it writes: a process that has just begun measures its
 * compiler. The bulk load and what follows it begin cold.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { createRandom, makeData, makePrefix } from "./data.ts";
import type { BenchEngine } from "./engine.ts";
import { compaction, getsBesideCompaction, ingest } from "./tree_workloads.ts";
import {
  type Context,
  expectValue,
  inWindows,
  type Measurement,
  microseconds,
  type Scale,
  WINDOW,
  type Workload,
  writeBatches,
} from "./workload.ts";

/** How much longer than other timed parts the bulk load may take. */
const LOAD_CAPS = 20;
/** How long an engine warms up for a workload, at least once through. */
const WARM_UP_MS = 400;
/** Scans are repeated for so long, as one may be over too soon to be measured. */
const SCANS_MS = 200;
const DURABLE_OPS = 3000;
const PREFIX_SCANS = 3000;
const PREFIX_ROWS = 100;

/**
 * Runs the wanted workloads one after the other, each group in a fresh folder.
 *
 * @param engine A closed engine; closed again afterwards.
 * @param directory An empty folder.
 * @param scale How much is done.
 * @param wanted Which workloads.
 * @param report Takes each figure as it is known.
 */
export async function runWorkloads(
  engine: BenchEngine,
  directory: string,
  scale: Scale,
  wanted: ReadonlySet<Workload>,
  report: (measurement: Measurement) => void,
): Promise<void> {
  const groups: [readonly Workload[], (context: Context) => Promise<void>][] = [
    [["pipelined-put"], (context) => writes(context, "pipelined-put")],
    [["batch-row"], (context) => writes(context, "batch-row")],
    [["durable-put"], durablePut],
    [["warm-get", "absent-get", "scan-row", "prefix-100"], reads],
    [["bulk-load-row", "reopen"], bulkLoad],
    [["compaction"], (context) => compaction(context, "threads")],
    [["compaction-inline"], (context) => compaction(context, "inline")],
    [["get-p99-inline"], (context) => getsBesideCompaction(context, "inline")],
    [["get-p99-worker"], (context) => getsBesideCompaction(context, "worker")],
    [["ingest"], ingest],
  ];
  for (const [workloads, run] of groups) {
    if (!workloads.some((workload) => wanted.has(workload))) continue;
    const folder = `${directory}/${workloads[0]}`;
    mkdirSync(folder, { recursive: true });
    const start = performance.now();
    await run({
      engine,
      directory: folder,
      scale,
      wanted,
      report(workload, us, ops, extras = {}) {
        if (!wanted.has(workload)) return;
        const wallMs = performance.now() - start;
        report({ workload, us, ops, ...extras, wallMs });
      },
    });
  }
}

async function writes(
  { engine, directory, scale, report }: Context,
  workload: "pipelined-put" | "batch-row",
): Promise<void> {
  const { keys, values } = makeData(2 * scale.rows);
  const write = workload === "batch-row" ? writeBatches : putAndFlush;
  for (const round of ["warm-up", "timed"]) {
    const folder = `${directory}/${round}`;
    mkdirSync(folder);
    await engine.open(folder, "write");
    const timed = round === "timed";
    const start = performance.now();
    const deadline = start + (timed ? scale.capMs : WARM_UP_MS);
    const done = await write(engine, keys, values, deadline);
    if (timed) report(workload, microseconds(start) / done, done);
    await engine.close();
  }
}

async function putAndFlush(
  engine: BenchEngine,
  keys: readonly Uint8Array[],
  values: readonly Uint8Array[],
  deadline: number,
): Promise<number> {
  const done = await inWindows(keys.length, deadline, (start, end) => {
    const window: Promise<unknown>[] = [];
    for (let i = start; i < end; i++) {
      const pending = engine.put(keys[i]!, values[i]!);
      if (pending !== undefined) window.push(pending);
    }
    return Promise.all(window);
  });
  await engine.flush();
  return done;
}

async function durablePut(context: Context): Promise<void> {
  const { engine, directory, scale, report } = context;
  const { keys, values } = makeData(Math.min(DURABLE_OPS, scale.rows));
  await engine.open(directory, "durable");
  const start = performance.now();
  const latencies: number[] = [];
  for (let i = 0; i < keys.length; i++) {
    const before = performance.now();
    if (before - start > scale.capMs) break;
    await engine.putDurable(keys[i]!, values[i]!);
    latencies.push(performance.now() - before);
  }
  latencies.sort((a, b) => a - b);
  const median = latencies[latencies.length >> 1]!;
  report("durable-put", median * 1000, latencies.length);
  await engine.close();
}

async function reads(context: Context): Promise<void> {
  const { engine, directory, scale, report } = context;
  const { keys, values } = makeData(scale.rows);
  await engine.open(directory, "write");
  await writeBatches(engine, keys, values, Infinity);
  await engine.flush();
  await engine.settle();
  await engine.close();
  await engine.open(directory, "read");

  if (context.wanted.has("warm-get")) {
    const order = randomOrder(scale.rows);
    await timedGets(engine, keys, order, scale.capMs, true);
    const gets = await timedGets(engine, keys, order, scale.capMs, true);
    report("warm-get", gets.us, gets.ops);
  }
  if (context.wanted.has("absent-get")) {
    const absent = makeData(scale.rows, "1").keys;
    const order = randomOrder(scale.rows);
    await timedGets(engine, absent, order, WARM_UP_MS, false);
    const gets = await timedGets(engine, absent, order, scale.capMs, false);
    report("absent-get", gets.us, gets.ops);
  }
  if (context.wanted.has("scan-row")) {
    await timedScans(engine, scale.rows, WARM_UP_MS);
    const scans = await timedScans(engine, scale.rows, SCANS_MS);
    report("scan-row", scans.us, scans.ops);
  }
  if (context.wanted.has("prefix-100")) await prefixScans(context);
  await engine.close();
}

async function prefixScans(context: Context): Promise<void> {
  const { engine, scale, report } = context;
  const groups = Math.floor(scale.rows / PREFIX_ROWS);
  const random = createRandom(7);
  const prefixes = Array.from(
    { length: PREFIX_SCANS },
    () => makePrefix(random() % groups),
  );
  const warm = performance.now() + WARM_UP_MS;
  for (let i = 0; i < PREFIX_SCANS && performance.now() < warm; i++) {
    await engine.scan(prefixes[i]!);
  }
  const start = performance.now();
  let done = 0;
  while (done < PREFIX_SCANS && performance.now() - start < scale.capMs) {
    await expectRows(engine.scan(prefixes[done]!), PREFIX_ROWS);
    done++;
  }
  report("prefix-100", microseconds(start) / done, done);
}

async function bulkLoad(context: Context): Promise<void> {
  const { engine, directory, scale, report } = context;
  const { keys, values } = makeData(10 * scale.rows);
  await engine.open(directory, "write");
  const start = performance.now();
  const deadline = start + LOAD_CAPS * scale.capMs;
  const done = await writeBatches(engine, keys, values, deadline);
  await engine.flush();
  await engine.close();
  report("bulk-load-row", microseconds(start) / done, done);

  const reopened = performance.now();
  await engine.open(directory, "write");
  const value = await engine.get(keys[0]!);
  const us = microseconds(reopened);
  expectValue(value, true);
  report("reopen", us, 1);
  await engine.close();
}

async function timedGets(
  engine: BenchEngine,
  keys: readonly Uint8Array[],
  order: Uint32Array,
  capMs: number,
  present: boolean,
): Promise<{ us: number; ops: number }> {
  const start = performance.now();
  let done = 0;
  while (done < order.length && performance.now() - start < capMs) {
    const end = Math.min(done + WINDOW, order.length);
    for (; done < end; done++) {
      const answer = engine.get(keys[order[done]!]!);
      const value = answer instanceof Promise ? await answer : answer;
      expectValue(value, present);
    }
  }
  return { us: microseconds(start) / done, ops: done };
}

async function timedScans(
  engine: BenchEngine,
  rows: number,
  leastMs: number,
): Promise<{ us: number; ops: number }> {
  const start = performance.now();
  let done = 0;
  do {
    await expectRows(engine.scan(), rows);
    done += rows;
  } while (performance.now() - start < leastMs);
  return { us: microseconds(start) / done, ops: done };
}

function randomOrder(rows: number): Uint32Array {
  const random = createRandom(3);
  return Uint32Array.from({ length: rows }, () => random() % rows);
}

async function expectRows(rows: Promise<number>, count: number): Promise<void> {
  const found = await rows;
  if (found === count) return;
  throw new Error(`Cannot trust the engine: ${found} rows instead of ${count}`);
}

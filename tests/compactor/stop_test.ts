/**
 * Compactors and workers that are stopped, or end, whatever they are doing: they
 * come to their end, and nothing of them goes on.
 *
 * @module
 */
import { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { Compactor } from "../../lib/compactor/compactor.ts";
import type { JobExecutor } from "../../lib/compactor/executor.ts";
import type { PartHooks, PartResult } from "../../lib/compactor/part.ts";
import { resolveCompactorOptions } from "../../lib/compactor/options.ts";
import { sizeTieredScheduler } from "../../lib/compactor/size_tiered.ts";
import { planRanges } from "../../lib/compactor/subcompactions.ts";
import { openCompactionSsts } from "../../lib/compactor/part.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { type CallMatcher, FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { createWorld, plainRows } from "../sst/world.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  compactionsOf,
  compactorOf,
  fill,
  manifestOf,
  manifestsOf,
  stateOf,
  workerOf,
} from "./compactors.ts";
import { requestOf, toolsOf } from "./parts.ts";

const NEW = { formatTarget: "0.15" } as const;
const OLD = { formatTarget: "interop" } as const;
const isPut = (what: string): CallMatcher => ({ operation, name }) =>
  operation === "put" && name.includes(what);

/** A database with something to compact, and a store that may be down. */
async function setUp() {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore();
  await fill(memory, 5);
  const faults = new FaultStore(memory, { runtime });
  const store = new RetryingStore(faults, { runtime });
  return { runtime, memory, faults, store };
}

/** Whether nothing is set and nothing asked any more. */
async function assertAtRest(runtime: ManualRuntime, faults: FaultStore) {
  await runtime.settle();
  const { length } = faults.calls;
  assertEquals(runtime.timers, 0);
  await runtime.advance(60_000);
  assertEquals(faults.calls.length, length);
}

/** Lets time pass until something holds. */
async function until(
  runtime: ManualRuntime,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let i = 0; !await holds(); i++) {
    assert(i < 2000, "it never came to hold");
    await runtime.advance(50);
  }
}

const DOWN = { kind: "fail-before" } as const;

test("Compactor.stop() comes to its end at whichever request the store goes down", async () => {
  // As many requests as a whole compaction has, and some more.
  for (let requests = 0; requests < 60; requests++) {
    const { runtime, memory, faults, store } = await setUp();
    // The one before died with a job under way, in a time that stands still.
    const dying = new FaultStore(memory);
    const past = new ManualRuntime();
    dying.hold(isPut("compacted/"));
    const first = compactorOf(dying, { ...OLD, runtime: past });
    first.compactor.compactNow().catch(() => {});
    await until(past, () => dying.count("put", "compacted/") > 0);
    // Version 1 does not say of L0 alone that it runs.
    assertEquals((await stateOf(memory))?.compactions[0]?.status, "submitted");

    faults.plan = () => faults.calls.length > requests ? DOWN : undefined;
    const made = compactorOf(store, { ...NEW, runtime });
    const done = made.compactor.compactNow();
    done.catch(() => {});
    await runtime.advance(5000);
    await runtime.run(made.compactor.stop(), 10_000);

    await assertAtRest(runtime, faults);
  }
});

test("CompactionWorker.stop() comes to its end at whichever request the store goes down", async () => {
  for (let requests = 0; requests < 30; requests++) {
    const { runtime, memory, faults, store } = await setUp();
    const alone = { ...NEW, settings: { worker: null } };
    const made = compactorOf(memory, { ...alone, runtime });
    made.compactor.compactNow().catch(() => {});
    await until(
      runtime,
      async () => (await stateOf(memory))?.compactions[0] !== undefined,
    );
    faults.plan = () => faults.calls.length > requests ? DOWN : undefined;
    const worker = workerOf(store, { runtime });
    worker.start();
    await until(runtime, () => faults.calls.length > requests);
    await runtime.run(made.compactor.stop());
    await runtime.run(worker.stop(), 10_000);

    await assertAtRest(runtime, faults);
  }
});

test("planRanges() ends with its signal, though the store is down", async () => {
  const runtime = new ManualRuntime();
  const memory = new MemoryStore();
  const world = createWorld({ store: memory });
  const rows = plainRows(400);
  const request = await requestOf(world, [rows, rows]);
  const faults = new FaultStore(memory, { plan: () => DOWN });
  const store = new RetryingStore(faults, { runtime });
  const abort = new AbortController();
  const plan = planRanges({
    kernel: world.kernel,
    ssts: openCompactionSsts({ ...toolsOf(world), store }),
    inputs: request.l0,
    externalDbs: [],
    maxParts: 2,
    signal: abort.signal,
  });
  plan.catch(() => {});
  await runtime.advance(5000);

  abort.abort(new Error("enough"));

  await assertRejects(() => plan);
  await assertAtRest(runtime, faults);
});

/** A compactor whose parts run until they are let go, however often they are ended. */
async function stubborn() {
  const { runtime, memory, faults } = await setUp();
  const gate = Promise.withResolvers<void>();
  const seen = { parts: 0, running: 0, closed: 0 };
  const executor: JobExecutor = {
    parallelism: 1,
    close: () => {
      seen.closed++;
      return Promise.resolve();
    },
    runPart: async (_, { signal }: PartHooks): Promise<PartResult> => {
      seen.parts++;
      seen.running++;
      await gate.promise;
      seen.running--;
      signal.throwIfAborted();
      throw new DbError("internal", "not ended");
    },
  };
  const failures: DbError[] = [];
  const compactor = new Compactor({
    runtime,
    logger: silentLogger,
    recorder: noRecorder,
    manifests: manifestsOf(faults),
    compactions: compactionsOf(faults),
    options: resolveCompactorOptions({}, silentLogger),
    scheduler: sizeTieredScheduler(),
    version: 2,
    tools: { executor, plan: () => Promise.resolve([{}]) },
    onFailure: (error) => failures.push(error),
  });
  return { runtime, memory, faults, compactor, seen, gate, failures };
}

test("a Compactor that is fenced ends its threads, and stop() waits for what still runs", async () => {
  const { runtime, memory, compactor, seen, gate, failures } = await stubborn();
  const done = compactor.compactNow();
  done.catch(() => {});
  await until(runtime, () => seen.parts === 1);
  await using young = compactorOf(memory, { ...NEW, runtime });
  await runtime.run(young.compactor.compactNow());
  await until(runtime, () => failures.length > 0);
  assertEquals(compactor.status.state, "fenced");

  let isStopped = false;
  const stopping = compactor.stop().then(() => isStopped = true);
  await runtime.settle();
  assertEquals([seen.running, isStopped], [1, false]);
  gate.resolve();
  await runtime.run(stopping);

  assertEquals(seen.running, 0);
  assert(seen.closed >= 1);
  const error = await assertRejects(() => done) as DbError;
  assertEquals(error.reason, "fenced");
});

test("a Compactor that is fenced lets its threads go, though nobody stops it", async () => {
  const { runtime, memory, compactor, seen, gate } = await stubborn();
  compactor.compactNow().catch(() => {});
  await until(runtime, () => seen.parts === 1);
  gate.resolve();
  await using young = compactorOf(memory, { ...NEW, runtime });
  await runtime.run(young.compactor.compactNow());
  await until(runtime, () => seen.closed === 1);
});

test("Compactor.submit() keeps nobody waiting for a compactor that was stopped meanwhile", async () => {
  const { runtime, memory, faults, store } = await setUp();
  // A job runs: giving it back comes after the submission, and before the end.
  faults.hold(isPut("compacted/"));
  const made = compactorOf(store, { ...NEW, runtime });
  made.compactor.compactNow().catch(() => {});
  await until(runtime, () => faults.count("put", "compacted/") > 0);
  const { tree } = await manifestOf(memory);
  const hold = faults.hold(isPut("/compactions/"), "reply");
  const submitting = made.compactor.submit({
    kind: "tiered",
    segment: new Uint8Array(0),
    l0ViewIds: tree.l0.map(({ viewId }) => viewId),
    runIds: [],
    destination: 7,
  });
  const outcome = submitting.then(({ done }) => done).catch((error) => error);
  await hold.arrived(1);
  const stopping = made.compactor.stop();
  hold.end();
  await runtime.run(stopping);

  await assertAtRest(runtime, faults);
  assertEquals((await outcome as DbError).kind, "closed");
});

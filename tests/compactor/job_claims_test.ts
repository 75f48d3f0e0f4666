import { toBytes } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import type { Row } from "../../lib/base/row.ts";
import { Compactor } from "../../lib/compactor/compactor.ts";
import type { JobExecutor } from "../../lib/compactor/executor.ts";
import { InlineExecutor } from "../../lib/compactor/inline_executor.ts";
import { resolveCompactorOptions } from "../../lib/compactor/options.ts";
import type { PartRequest } from "../../lib/compactor/part.ts";
import { sizeTieredScheduler } from "../../lib/compactor/size_tiered.ts";
import { initialManifest, type Segment } from "../../lib/format/manifest.ts";
import { handlesOf } from "../../lib/manifest/tree_edit.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { createWorld, storeRows } from "../sst/world.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  compactionsOf,
  compactorOf,
  contentOf,
  fill,
  manifestOf,
  manifestsOf,
  shapeOf,
  stateOf,
  workerOf,
} from "./compactors.ts";
import { readOutputs, toolsOf } from "./parts.ts";

const NEW = { formatTarget: "0.15" } as const;
/** The compactor runs nothing itself. */
const ALONE = { ...NEW, settings: { worker: null } };

/** A database with segments, four SSTs of L0 in each. */
async function segmented(
  store: ObjectStore,
  segments: number,
): Promise<void> {
  const world = createWorld({ store });
  const trees: Segment[] = [];
  for (let s = 0; s < segments; s++) {
    const l0 = [];
    for (let round = 0; round < 4; round++) {
      l0.unshift(await storeRows(world, rowsOf(s, round)));
    }
    trees.push({ prefix: toBytes(`s${s}/`), l0, runs: [] });
  }
  const held = await manifestsOf(store).open("writer", {
    create: initialManifest(),
    timeoutMs: 1000,
  });
  await held.update((manifest) => ({
    ...manifest,
    segments: trees,
    segmentExtractorName: "two",
    lastL0Seq: 1000n,
    recentSnapshotMinSeq: 1000n,
  }));
}

function rowsOf(segment: number, round: number): Row[] {
  return Array.from({ length: 40 }, (_, i) => ({
    key: toBytes(`s${segment}/key${String(i).padStart(3, "0")}`),
    value: toBytes(`value ${round}`),
    seq: BigInt(100 * round + i + 1),
    kind: "put",
    createTs: 1000n,
  }));
}

test("two workers do every compaction once", async () => {
  const memory = new MemoryStore();
  await segmented(memory, 6);
  const store = new FaultStore(memory);
  const runtime = new ManualRuntime();
  const world = createWorld({ store: memory });
  await using made = compactorOf(memory, { ...ALONE, runtime });
  const settings = { max_concurrent_compactions: 2 };
  await using one = workerOf(store, { runtime, settings });
  await using two = workerOf(store, { runtime, settings });
  const done = made.compactor.compactNow();
  // Nobody finishes before both have something.
  const hold = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("compacted/")
  );
  one.start();
  two.start();
  const claimed = new Map<string, string>();
  const watch = async () => {
    for (const { id, worker } of (await stateOf(memory))?.compactions ?? []) {
      if (worker === undefined) continue;
      assertEquals(claimed.get(id) ?? worker.id, worker.id);
      claimed.set(id, worker.id);
    }
  };
  await until(runtime, async () => {
    await watch();
    return hold.waiting.length === 4;
  });
  assertEquals(claimed.size, 4);
  assertEquals(new Set(claimed.values()), new Set([one.id, two.id]));
  hold.end();
  await runtime.run(done);
  const manifest = await manifestOf(memory);
  const live = new Set([...handlesOf(manifest)].map(({ id }) => id));
  assertEquals(live.size, 6);
  assertEquals(store.count("put", "compacted/"), 6);
  for (const { l0, runs } of manifest.segments) {
    assertEquals(l0, []);
    const rows = (await readOutputs(world, runs[0]!.ssts)).flat();
    assertEquals(rows.length, 40);
    assert(rows.every(({ seq }) => seq > 300n));
  }
  const state = (await stateOf(memory))!;
  assertEquals(state.version, 2);
  assertEquals(state.compactions.map(({ status }) => status), ["completed"]);
  assertEquals([...one.failures, ...two.failures, ...made.failures], []);
});

test("a worker that is silent loses its claim, and another goes on", async () => {
  const memory = new MemoryStore();
  await fill(memory, 5, 200, { keys: 500 });
  const before = await contentOf(memory);
  const runtime = new ManualRuntime();
  await using made = compactorOf(memory, { ...ALONE, runtime });
  const settings = { max_sst_size: 2000 };
  // The first worker's store stops after a few SSTs, and hears of nothing more.
  const store = new FaultStore(memory, { runtime });
  let stored = 0;
  store.plan = ({ operation, name }) =>
    operation === "put" && name.includes("compacted/") && ++stored > 2
      ? { kind: "lost-reply" }
      : undefined;
  const first = workerOf(store, { runtime, settings });
  first.start();
  const done = made.compactor.compactNow();
  await until(runtime, async () => {
    const [job] = (await stateOf(memory))?.compactions ?? [];
    return (job?.context?.subcompactions[0]?.outputs.length ?? 0) > 0;
  });
  // Now it cannot even say that it lives.
  const gone = store.hold(() => true);
  await using second = workerOf(memory, { runtime, settings });
  second.start();
  await runtime.run(done, 600_000);
  assertEquals((await manifestOf(memory)).tree.l0.length, 0);
  assertEquals(await contentOf(memory), before);
  const { tree } = await manifestOf(memory);
  assert(tree.runs[0]!.ssts.length > 3);
  // The first worker finds out, and changes nothing.
  gone.end();
  const { id } = await manifestOf(memory);
  await runtime.advance(30_000);
  assertEquals((await manifestOf(memory)).id, id);
  assertEquals(first.jobs.length, 0);
  await first.stop();
});

/** Lets time pass until something holds. */
async function until(
  runtime: ManualRuntime,
  holds: () => Promise<boolean>,
): Promise<void> {
  for (let i = 0; !await holds(); i++) {
    assert(i < 2000, "it never came to hold");
    await runtime.advance(500);
  }
}

test("a worker that is stopped gives its claims back at once", async () => {
  const memory = new MemoryStore();
  await fill(memory, 5);
  const before = await contentOf(memory);
  const runtime = new ManualRuntime();
  const store = new FaultStore(memory, { runtime });
  const hold = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("compacted/")
  );
  await using made = compactorOf(memory, { ...ALONE, runtime });
  const first = workerOf(store, { runtime });
  const done = made.compactor.compactNow();
  first.start();
  await until(runtime, () => Promise.resolve(hold.waiting.length > 0));
  const stopping = first.stop();
  hold.release();
  await stopping;
  const [job] = (await stateOf(memory))!.compactions;
  assertEquals([job!.status, job!.worker], ["scheduled", undefined]);
  await using second = workerOf(memory, { runtime });
  second.start();
  await runtime.run(done, 60_000);
  assertEquals(shapeOf(await manifestOf(memory)), "l0 0, runs 0:1");
  assertEquals(await contentOf(memory), before);
});

test("a worker leaves what failed to others for a while", async () => {
  const memory = new MemoryStore();
  await fill(memory, 4);
  const runtime = new ManualRuntime();
  const { tree } = await manifestOf(memory);
  const name = `db/compacted/${tree.l0[0]!.id}.sst`;
  const { bytes } = (await memory.get(name))!;
  const damaged = bytes.slice();
  damaged[20]! ^= 1;
  await memory.put(name, damaged);
  await using made = compactorOf(memory, { ...ALONE, runtime });
  const store = new FaultStore(memory);
  await using worker = workerOf(store, { runtime });
  worker.start();
  const done = made.compactor.compactNow();
  done.catch(() => {});
  await until(runtime, async () => {
    const [job] = (await stateOf(memory))?.compactions ?? [];
    return store.count("get", name) > 0 && job?.status === "scheduled";
  });
  const { id } = (await stateOf(memory))!;
  await runtime.advance(20_000);
  assertEquals((await stateOf(memory))!.id, id, "it was claimed again");
  await memory.put(name, bytes);
  await runtime.run(done);
  assertEquals(shapeOf(await manifestOf(memory)), "l0 0, runs 0:1");
});

test("a worker waits where there never was a compactor", async () => {
  const memory = new MemoryStore();
  await fill(memory, 1);
  const runtime = new ManualRuntime();
  await using worker = workerOf(memory, { runtime });
  worker.start();
  await runtime.advance(20_000);
  assertEquals(worker.failures, []);
  assertEquals(await stateOf(memory), undefined);
});

test("a Compactor without a worker needs files that can say who runs what", async () => {
  const error = await assertRejects(async () => {
    await using _ = compactorOf(new MemoryStore(), {
      settings: { worker: null },
    });
  }) as DbError;
  assertEquals(error.kind, "invalid");
  assert(error.message.includes("0.15"));
});

test("a Compactor that dies is followed by one that goes on with its jobs", async () => {
  const memory = new MemoryStore();
  await fill(memory, 5, 200, { keys: 500 });
  const before = await contentOf(memory);
  const runtime = new ManualRuntime();
  const store = new FaultStore(memory, { runtime });
  let stored = 0;
  store.plan = ({ operation, name }) =>
    operation === "put" && name.includes("compacted/") && ++stored > 2
      ? { kind: "lost-reply" }
      : undefined;
  const settings = { worker: { max_sst_size: 2000 } };
  const first = compactorOf(store, { ...NEW, runtime, settings });
  first.compactor.compactNow().catch(() => {});
  await until(runtime, async () => {
    const [job] = (await stateOf(memory))?.compactions ?? [];
    return (job?.context?.subcompactions[0]?.outputs.length ?? 0) > 0;
  });
  const [job] = (await stateOf(memory))!.compactions;
  const done = job!.context!.subcompactions[0]!.outputs.map(({ id }) => id);
  store.plan = () => ({ kind: "lost-reply" });
  await using second = compactorOf(memory, { ...NEW, runtime, settings });
  await runtime.run(second.compactor.compactNow({ full: false }), 120_000);
  const { tree } = await manifestOf(memory);
  assertEquals(tree.l0.length, 0);
  const ids = tree.runs[0]!.ssts.map(({ id }) => id);
  assertEquals(ids.slice(0, done.length), done);
  assertEquals(await contentOf(memory), before);
  await runtime.run(first.compactor.stop());
});

test("a Compactor runs a job again whose thread died, and goes on where it was", async () => {
  const memory = new MemoryStore();
  await fill(memory, 5, 200, { keys: 500 });
  const before = await contentOf(memory);
  const runtime = new ManualRuntime();
  const world = createWorld({ store: memory });
  const inline = new InlineExecutor(toolsOf(world, { maxSstBytes: 2000 }));
  const requests: PartRequest[] = [];
  const executor: JobExecutor = {
    parallelism: 1,
    close: () => inline.close(),
    runPart: async (request, hooks) => {
      requests.push(request);
      const dies = requests.length <= 2;
      const death = new AbortController();
      try {
        return await inline.runPart(request, {
          signal: AbortSignal.any([hooks.signal, death.signal]),
          onProgress: (progress) => {
            hooks.onProgress(progress);
            const fresh = progress.outputs.length - request.written.length;
            if (dies && fresh >= 2) death.abort();
          },
        });
      } catch (error) {
        if (!death.signal.aborted) throw error;
        throw new DbError("unavailable", "a compaction worker died");
      }
    },
  };
  const options = resolveCompactorOptions({}, silentLogger);
  await using compactor = new Compactor({
    runtime,
    logger: silentLogger,
    recorder: noRecorder,
    manifests: manifestsOf(memory),
    compactions: compactionsOf(memory),
    options,
    scheduler: sizeTieredScheduler(),
    version: 1,
    tools: { executor, plan: () => Promise.resolve([{}]) },
    onFailure: () => {},
  });
  await runtime.run(compactor.compactNow());
  assert(requests.length >= 3, `${requests.length}`);
  assert(requests.at(-1)!.written.length >= 2);
  assertEquals((await manifestOf(memory)).tree.l0.length, 0);
  assertEquals(await contentOf(memory), before);
});

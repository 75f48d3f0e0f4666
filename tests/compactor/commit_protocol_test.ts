import { toBytes } from "../../lib/base/bytes.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import {
  commitFinished,
  trivialMove,
} from "../../lib/compactor/commit_protocol.ts";
import type { Compaction, TieredSpec } from "../../lib/format/compactions.ts";
import { initialManifest, type SstHandle } from "../../lib/format/manifest.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { compactionsOf, compactorOf, manifestsOf } from "./compactors.ts";
import { handleOf, parseSpec } from "./trees.ts";

const ULID = (n: number) => String(n).padStart(26, "0");
const ROOT = new Uint8Array(0);

/** An SST over some keys, which exists nowhere. */
function sst(n: number, first = "a", last = "z"): SstHandle {
  const handle = handleOf(ULID(n), 100);
  return {
    ...handle,
    info: {
      ...handle.info,
      firstEntry: toBytes(first),
      lastEntry: toBytes(last),
    },
  };
}

/** A tree of SSTs 4 to 1 in L0 and runs 1 and 0, held by a compactor. */
async function setUp() {
  const store = new FaultStore(new MemoryStore());
  const writer = await manifestsOf(store).open("writer", {
    create: initialManifest(),
    timeoutMs: 1000,
  });
  const runs = [
    { id: 1, ssts: [sst(11)] },
    { id: 0, ssts: [sst(10)] },
  ];
  const l0 = [4, 3, 2, 1].map((n) => sst(n));
  await writer.update((manifest) =>
    manifest.tree.l0.length > 0 ? manifest : {
      ...manifest,
      tree: { l0, runs },
      segments: [{ prefix: toBytes("s/"), l0: [sst(21)], runs: [] }],
    }
  );
  const manifest = await manifestsOf(store).open("compactor", {
    timeoutMs: 1000,
  });
  const compactions = await compactionsOf(store).open({
    epoch: manifest.epoch,
    version: 2,
    timeoutMs: 1000,
  });
  const begin = async (...specs: readonly Compaction["spec"][]) => {
    const added = specs.map((spec, i): Compaction => ({
      id: ULID(100 + i),
      status: spec.kind === "drain" ? "submitted" : "running",
      spec,
      outputs: [],
    }));
    await compactions.update((state) => ({ ...state, compactions: added }));
    return added;
  };
  const tools = { manifest, compactions, runtime: systemRuntime };
  store.calls.length = 0;
  return { store, writer, manifest, compactions, begin, tools };
}

const l0Spec: TieredSpec = {
  kind: "tiered",
  segment: ROOT,
  l0ViewIds: [4, 3, 2, 1].map(ULID),
  runIds: [],
  destination: 2,
};
const runSpec: TieredSpec = {
  ...l0Spec,
  l0ViewIds: [],
  runIds: [1, 0],
  destination: 0,
};

test("commitFinished() writes checkpoint, tree and entries, in that order", async () => {
  const { store, manifest, compactions, begin, tools } = await setUp();
  const [compaction] = await begin(l0Spec);
  const before = manifest.latest;
  store.calls.length = 0;
  const refused = await commitFinished([
    {
      compaction: compaction!,
      outputs: [sst(50, "a", "m"), sst(51, "n", "z")],
    },
  ], tools);
  assertEquals(refused.size, 0);
  const puts = store.calls.filter(({ operation }) => operation === "put")
    .map(({ name }) => name.split("/")[1]);
  assertEquals(puts, ["manifest", "manifest", "compactions"]);
  const checkpointed = (await manifestsOf(store).read(before.id + 1))!;
  assertEquals(checkpointed.tree, before.tree);
  const [checkpoint] = checkpointed.checkpoints;
  assertEquals(checkpoint!.manifestId, before.id + 1);
  assertEquals(
    checkpoint!.expireTimeS! - checkpoint!.createTimeS >= 900,
    true,
  );
  const { tree } = manifest.latest;
  assertEquals(tree.l0, []);
  assertEquals(tree.runs.map(({ id, ssts }) => [id, ssts.length]), [
    [2, 2],
    [1, 1],
    [0, 1],
  ]);
  assertEquals(tree.lastCompactedL0, ULID(4));
  assertEquals(compactions.latest.compactions[0]!.status, "completed");
});

test("commitFinished() commits what fits and fails the rest", async () => {
  const { manifest, compactions, begin, tools } = await setUp();
  const gone: TieredSpec = { ...runSpec, runIds: [9], destination: 9 };
  const other: TieredSpec = { ...l0Spec, segment: toBytes("s/") };
  const all = await begin(
    l0Spec,
    gone,
    runSpec,
    { ...other, l0ViewIds: [ULID(21)], destination: 3 },
    { ...runSpec, runIds: [1], destination: 1 },
  );
  const unordered = [sst(60, "m", "z"), sst(61, "a", "l")];
  const refused = await commitFinished(
    all.map((compaction, i) => ({
      compaction,
      outputs: i === 3 ? unordered : [sst(50 + i)],
    })),
    tools,
  );
  assertEquals([...refused.keys()], [101, 103, 104].map(ULID));
  assertEquals(refused.get(ULID(103))!.kind, "data");
  assertEquals(manifest.latest.tree.runs.map(({ id }) => id), [2, 0]);
  assertEquals(manifest.latest.segments[0]!.l0.length, 1);
  // Of the finished ones the newest is kept.
  assertEquals(compactions.latest.compactions.map(({ status }) => status), [
    "failed",
  ]);
});

test("commitFinished() leaves the tree alone where nothing fits", async () => {
  const { store, manifest, begin, tools } = await setUp();
  const [compaction] = await begin({ ...runSpec, runIds: [9], destination: 9 });
  const { id } = manifest.latest;
  store.calls.length = 0;
  await commitFinished(
    [{ compaction: compaction!, outputs: [sst(50)] }],
    tools,
  );
  assertEquals(manifest.latest.id, id);
  assertEquals(store.count("put", "compactions/"), 1);
  assertEquals(store.count("put", "manifest/"), 0);
});

test("commitFinished() meets its own earlier attempt", async () => {
  const { store, manifest, compactions, begin, tools } = await setUp();
  const finished = (await begin(l0Spec, runSpec)).map((compaction, i) => ({
    compaction,
    outputs: [sst(50 + i)],
  }));
  // The tree's reply is lost, then that of the entries.
  let puts = 0;
  store.plan = ({ operation }) =>
    operation === "put" && [2, 4].includes(++puts)
      ? { kind: "fail-after" }
      : undefined;
  for (let attempt = 0; attempt < 4; attempt++) {
    try {
      await commitFinished(finished, tools);
      break;
    } catch {
      assert(attempt < 3);
    }
  }
  store.plan = () => undefined;
  await manifest.refresh();
  await compactions.refresh();
  assertEquals(manifest.latest.tree.runs.map(({ id }) => id), [2, 0]);
  assertEquals(compactions.latest.compactions.map(({ status }) => status), [
    "completed",
  ]);
});

test("commitFinished() keeps what the writer adds at the same time", async () => {
  const { store, writer, manifest, begin, tools } = await setUp();
  const [compaction] = await begin(l0Spec);
  const hold = store.hold(({ operation, name }) =>
    operation === "put" && name.includes("manifest/")
  );
  const committing = commitFinished([
    { compaction: compaction!, outputs: [sst(50)] },
  ], tools);
  await hold.arrived(1);
  const adding = writer.update((latest) =>
    latest.tree.l0.some(({ id }) => id === ULID(5)) ? latest : {
      ...latest,
      tree: { ...latest.tree, l0: [sst(5), ...latest.tree.l0] },
    }
  );
  hold.end();
  await Promise.all([committing, adding]);
  await manifest.refresh();
  const { tree } = manifest.latest;
  assertEquals(tree.l0.map(({ id }) => id), [ULID(5)]);
  assertEquals(tree.runs.map(({ id }) => id), [2, 1, 0]);
});

test("trivialMove() puts inputs in order, unless they overlap", () => {
  const manifest = (...l0: SstHandle[]) => ({
    ...initialManifest(),
    tree: {
      l0,
      runs: [{ id: 3, ssts: [sst(30, "p", "q"), sst(31, "r", "s")] }],
    },
  });
  const move = (...l0: SstHandle[]) =>
    trivialMove(manifest(...l0), {
      ...l0Spec,
      l0ViewIds: l0.map(({ viewId }) => viewId),
      runIds: [3],
      destination: 3,
    })?.map(({ id }) => id);
  assertEquals(
    move(sst(2, "t", "v"), sst(1, "a", "c")),
    [1, 30, 31, 2].map(ULID),
  );
  assertEquals(move(sst(2, "s", "v"), sst(1, "a", "c")), undefined);
  assertEquals(move(sst(2, "b", "b"), sst(1, "a", "c")), undefined);
  const clipped = {
    ...sst(2, "a", "z"),
    visibleRange: { lower: { key: toBytes("x"), inclusive: true } },
  };
  assertEquals(move(clipped, sst(1, "a", "c")), [1, 30, 31, 2].map(ULID));
  const { lastEntry: _, ...info } = sst(2, "t").info;
  assertEquals(move({ ...sst(2), info }), undefined);
});

test("Compactor drains a segment, and nothing else", async () => {
  const { store, manifest } = await setUp();
  await using made = compactorOf(store, { formatTarget: "0.15" });
  const spec = parseSpec(`s/ l0 ${ULID(21)} -> drain`.split(" "));
  await (await made.compactor.submit(spec)).done;
  const { tree, segments } = (await manifestsOf(store).readLatest())!;
  assertEquals([tree.l0.length, tree.runs.length], [4, 2]);
  assertEquals(segments[0]!.l0, []);
  assertEquals(segments[0]!.lastCompactedL0, ULID(21));
  assert(manifest.epoch < made.compactor.status.epoch);
});

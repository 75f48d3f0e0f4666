import { toBytes } from "../../lib/base/bytes.ts";
import { initialManifest, type Manifest } from "../../lib/format/manifest.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import {
  addL0,
  handlesOf,
  type L0Addition,
  tidy,
} from "../../lib/manifest/tree_edit.ts";
import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { handle } from "./handles.ts";

function addition(
  lastSeq: bigint,
  ssts: L0Addition["ssts"],
  more: Partial<L0Addition> = {},
): L0Addition {
  return {
    lastSeq,
    ssts,
    replayAfterWalId: Number(lastSeq),
    clockTick: 100n * lastSeq,
    tracker: new SeqTracker(),
    ...more,
  };
}

const WRITER = { nextWalId: 9, oldestSnapshotSeq: undefined };

test("addL0() puts the newest SST first and moves every counter", () => {
  const tracker = new SeqTracker();
  tracker.record(2n, 60);
  const manifest = addL0(initialManifest(), [
    addition(2n, [{ handle: handle(1) }], { tracker }),
    addition(5n, [{ handle: handle(2) }]),
  ], WRITER);
  assertEquals(manifest.tree.l0, [handle(2), handle(1)]);
  assertEquals(manifest.lastL0Seq, 5n);
  assertEquals(manifest.replayAfterWalId, 5);
  assertEquals(manifest.lastL0ClockTick, 500n);
  assertEquals(manifest.nextWalId, 9);
  assertEquals(manifest.recentSnapshotMinSeq, 5n);
  const decoded = SeqTracker.decode(manifest.sequenceTracker!);
  assertEquals(decoded.seqAt(60, "down"), 2n);
});

test("addL0() applied to its own result changes nothing", () => {
  const additions = [addition(2n, [{ handle: handle(1) }])];
  const once = addL0(initialManifest(), additions, WRITER);
  assertStrictEquals(addL0(once, additions, WRITER), once);
  // What is new besides is still added.
  const more = [...additions, addition(3n, [{ handle: handle(2) }])];
  assertEquals(addL0(once, more, WRITER).tree.l0, [handle(2), handle(1)]);
});

test("addL0() advances the counters where no row was kept", () => {
  const manifest = addL0(initialManifest(), [addition(4n, [])], WRITER);
  assertEquals(manifest.tree.l0, []);
  assertEquals(manifest.lastL0Seq, 4n);
  assertEquals(manifest.replayAfterWalId, 4);
});

test("addL0() never moves clock, replay point or WAL number back", () => {
  const before: Manifest = {
    ...initialManifest(),
    lastL0ClockTick: 10_000n,
    replayAfterWalId: 7,
    nextWalId: 20,
  };
  const manifest = addL0(before, [addition(4n, [])], {
    nextWalId: 8,
    oldestSnapshotSeq: 3n,
  });
  assertEquals(manifest.lastL0ClockTick, 10_000n);
  assertEquals(manifest.replayAfterWalId, 7);
  assertEquals(manifest.nextWalId, 20);
  assertEquals(manifest.recentSnapshotMinSeq, 3n);
});

test("addL0() replaces a damaged sequence tracker", () => {
  const before = { ...initialManifest(), sequenceTracker: new Uint8Array(3) };
  const manifest = addL0(before, [addition(4n, [])], WRITER);
  assertEquals(SeqTracker.decode(manifest.sequenceTracker!).length, 0);
});

test("addL0() sorts segments by prefix and makes new ones", () => {
  const manifest = addL0(initialManifest(), [
    addition(1n, [
      { prefix: toBytes("m"), handle: handle(1) },
      { prefix: toBytes("c"), handle: handle(2) },
    ]),
    addition(2n, [{ prefix: toBytes("m"), handle: handle(3) }]),
  ], WRITER);
  assertEquals(manifest.segments, [
    { prefix: toBytes("c"), l0: [handle(2)], runs: [] },
    { prefix: toBytes("m"), l0: [handle(3), handle(1)], runs: [] },
  ]);
  assertEquals([...handlesOf(manifest)], [handle(2), handle(3), handle(1)]);
});

test("tidy() cuts L0 at the last compacted SST", () => {
  const manifest: Manifest = {
    ...initialManifest(),
    tree: {
      l0: [handle(3), handle(2), handle(1)],
      runs: [],
      lastCompactedL0: handle(2).viewId,
    },
  };
  assertEquals(tidy(manifest).tree.l0, [handle(3)]);
});

test("tidy() leaves a tidy manifest as it is", () => {
  const manifest: Manifest = {
    ...initialManifest(),
    tree: { l0: [handle(3)], runs: [], lastCompactedL0: handle(2).viewId },
    segments: [{ prefix: toBytes("c"), l0: [handle(4)], runs: [] }],
    externalDbs: [{
      path: "parent",
      sourceCheckpointId: "00000000-0000-0000-0000-000000000000",
      sstIds: [handle(3).id],
    }],
  };
  assertStrictEquals(tidy(manifest), manifest);
});

test("tidy() drops emptied segments and forgotten SSTs of other databases", () => {
  const parent = {
    path: "parent",
    sourceCheckpointId: "00000000-0000-0000-0000-000000000000",
    sstIds: [handle(1).id, handle(2).id],
  };
  const manifest: Manifest = {
    ...initialManifest(),
    tree: { l0: [handle(2)], runs: [] },
    segments: [{ prefix: toBytes("c"), l0: [], runs: [] }],
    externalDbs: [parent],
  };
  const result = tidy(manifest);
  assertEquals(result.segments, []);
  assertEquals(result.externalDbs, [{ ...parent, sstIds: [handle(2).id] }]);
  assert(manifest.segments.length === 1);
});

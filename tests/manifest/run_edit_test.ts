import { toBytes } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { Manifest, SortedRun } from "../../lib/format/manifest.ts";
import {
  drain,
  findTree,
  inputsOf,
  isReplacedByRun,
  keysOf,
  nextRunId,
  prefixedTrees,
  replaceByRun,
} from "../../lib/manifest/run_edit.ts";
import { handleOf, parseView } from "../compactor/trees.ts";
import {
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";

const ROOT = new Uint8Array(0);
const SEGMENT = toBytes("seg/");

const { manifest } = parseView([
  "tree",
  "  l0 d:1 c:1 b:1 a:1",
  "  runs 7:1 5:1 2:1",
  "tree seg/",
  "  l0 s:1 r:1",
  "  runs 9:1",
]);

const run = (id: number, ...ssts: string[]): SortedRun => ({
  id,
  ssts: ssts.map((sst) => handleOf(sst, 1)),
});

function shape({ tree, segments }: Manifest): string[] {
  return [tree, ...segments].map(({ l0, runs, lastCompactedL0 }) =>
    `${l0.map(({ viewId }) => viewId).join("")}|${
      runs.map(({ id }) => id).join(" ")
    }|${lastCompactedL0 ?? ""}`
  );
}

test("replaceByRun() puts a run where its inputs were", () => {
  const root = { segment: ROOT, l0ViewIds: [], runIds: [] };
  const edits: [Parameters<typeof replaceByRun>[1], SortedRun, string][] = [
    [{ ...root, l0ViewIds: ["b", "a"] }, run(10, "x"), "dc|10 7 5 2|b"],
    [{ ...root, runIds: [7, 5] }, run(5, "x"), "dcba|5 2|"],
    [{ ...root, runIds: [5, 2] }, run(2, "x", "y"), "dcba|7 2|"],
    [
      { ...root, l0ViewIds: ["d", "c", "b", "a"], runIds: [7, 5, 2] },
      run(2, "x"),
      "|2|d",
    ],
    // Nothing was left of the rows.
    [{ ...root, runIds: [5, 2] }, run(2), "dcba|7|"],
  ];
  for (const [inputs, output, expected] of edits) {
    const edited = replaceByRun(manifest, inputs, output);
    assertEquals(shape(edited), [expected, "sr|9|"]);
    assertEquals(isReplacedByRun(manifest, inputs, output), false);
    assertEquals(isReplacedByRun(edited, inputs, output), true);
    assertStrictEquals(replaceByRun(edited, inputs, output), edited);
  }
});

test("replaceByRun() keeps L0 SSTs that came meanwhile", () => {
  const inputs = { segment: SEGMENT, l0ViewIds: ["s", "r"], runIds: [9] };
  const grown: Manifest = {
    ...manifest,
    segments: manifest.segments.map((segment) => ({
      ...segment,
      l0: [handleOf("t", 1), ...segment.l0],
    })),
  };
  assertEquals(shape(replaceByRun(grown, inputs, run(9, "x"))), [
    "dcba|7 5 2|",
    "t|9|s",
  ]);
});

test("replaceByRun() refuses what does not fit", () => {
  const root = { segment: ROOT, l0ViewIds: [], runIds: [] };
  const kinds: [Parameters<typeof replaceByRun>[1], SortedRun, string][] = [
    [{ ...root, runIds: [3] }, run(3, "x"), "invalid"],
    [{ ...root, l0ViewIds: ["z"] }, run(10, "x"), "invalid"],
    [{ ...root, l0ViewIds: ["b", "a"] }, run(9, "x"), "invalid"],
    [{ ...root, segment: toBytes("no") }, run(10, "x"), "invalid"],
    // The writer forgets all of L0 from the newest input down.
    [{ ...root, l0ViewIds: ["c", "b"] }, run(10, "x"), "internal"],
  ];
  for (const [inputs, output, kind] of kinds) {
    const error = assertThrows(() =>
      replaceByRun(manifest, inputs, output)
    ) as DbError;
    assertEquals(error.kind, kind, error.message);
  }
});

test("replaceByRun() forgets SSTs of other databases that it consumed", () => {
  const shared: Manifest = {
    ...manifest,
    externalDbs: [{
      path: "parent",
      sourceCheckpointId: "00000000-0000-4000-8000-000000000000",
      sstIds: ["a", "d", "r7s0"],
    }],
  };
  const inputs = { segment: ROOT, l0ViewIds: ["b", "a"], runIds: [] };
  const edited = replaceByRun(shared, inputs, run(10, "x"));
  assertEquals(edited.externalDbs[0]!.sstIds, ["d", "r7s0"]);
});

test("drain() removes a segment's rows, and leaves the segment to the writer", () => {
  const all = { segment: SEGMENT, l0ViewIds: ["s", "r"], runIds: [9] };
  const drained = drain(manifest, all);
  assertEquals(shape(drained), ["dcba|7 5 2|", "||s"]);
  assertStrictEquals(drain(drained, all), drained);
  assertEquals(
    shape(drain(manifest, { ...all, l0ViewIds: ["r"], runIds: [] }))[1],
    "s|9|r",
  );
  assertStrictEquals(
    drain(manifest, { ...all, segment: toBytes("other") }),
    manifest,
  );
});

test("nextRunId() lies above the runs of all trees and what is reserved", () => {
  assertEquals(nextRunId(manifest), 10);
  assertEquals(nextRunId(manifest, [3, 14]), 15);
  assertEquals(nextRunId(parseView(["tree"]).manifest), 0);
});

test("findTree() and inputsOf() look in one tree", () => {
  assertEquals(prefixedTrees(manifest).length, 2);
  assertStrictEquals(findTree(manifest, ROOT), manifest.tree);
  const tree = findTree(manifest, SEGMENT)!;
  assertEquals(findTree(manifest, toBytes("se")), undefined);
  const { l0, runs } = inputsOf(tree, {
    l0ViewIds: ["r", "d"],
    runIds: [7, 9],
  });
  assertEquals([l0.length, runs.length], [1, 1]);
});

test("keysOf() clips an SST's keys to what may be seen", () => {
  const handle = handleOf("x", 1);
  const bound = (key: string, inclusive: boolean) => ({
    key: toBytes(key),
    inclusive,
  });
  assertEquals(keysOf(handle), {
    lower: bound("a", true),
    upper: bound("z", true),
  });
  const visibleRange = { lower: bound("c", false), upper: bound("e", false) };
  assertEquals(keysOf({ ...handle, visibleRange }), visibleRange);
  const none = { lower: bound("zz", true) };
  assertEquals(keysOf({ ...handle, visibleRange: none }), undefined);
  const { lastEntry: _, ...info } = handle.info;
  assertEquals(keysOf({ ...handle, info }), undefined);
});

import type { DbError } from "../../lib/base/errors.ts";
import {
  checkCompacted,
  checkSubmitted,
} from "../../lib/compactor/spec_check.ts";
import type { Compaction } from "../../lib/format/compactions.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { parseSpec, parseView } from "./trees.ts";

const TREE = [
  "tree",
  "  l0 d:1 c:1 b:1 a:1",
  "  runs 7:1 5:1 2:1",
  "tree seg/",
  "  l0 s:1 r:1 q:1",
  "  runs 9:1 8:1",
];

type Check = typeof checkSubmitted;

function verdict(check: Check, spec: string, ...jobs: string[]): string {
  const view = parseView([...TREE, "jobs", ...jobs.map((job) => `  ${job}`)]);
  const compaction: Compaction = {
    id: "new",
    status: "submitted",
    spec: parseSpec(spec.split(" ")),
    outputs: [],
  };
  try {
    check(view, compaction);
    return "";
  } catch (error) {
    assertEquals((error as DbError).kind, "invalid");
    return (error as DbError).message;
  }
}

function accepts(spec: string, ...jobs: string[]): void {
  assertEquals(verdict(checkSubmitted, spec, ...jobs), "");
}

function refuses(why: string, spec: string, ...jobs: string[]): void {
  assertStringIncludes(verdict(checkSubmitted, spec, ...jobs), why);
}

test("checkSubmitted() accepts neighbours whose output stands where they stood", () => {
  accepts("l0 d c b a -> 10");
  accepts("l0 b a -> 12");
  accepts("runs 7 5 -> 5");
  accepts("runs 5 2 -> 2");
  accepts("runs 7 -> 7");
  accepts("l0 d c b a runs 7 -> 7");
  accepts("l0 b a runs 7 5 2 -> 2");
  accepts("seg/ l0 s r q -> 10");
  accepts("seg/ runs 9 8 -> 8");
});

test("checkSubmitted() refuses what would lose or resurrect rows", () => {
  refuses("leaves out a, which is older", "l0 d c b -> 10");
  refuses("neighbours", "l0 d b a -> 10");
  refuses("neighbours", "l0 a b -> 10");
  refuses("neighbours", "runs 7 2 -> 2");
  refuses("neighbours", "runs 5 7 -> 7");
  refuses("neighbours", "l0 d c b a runs 5 -> 5");
  refuses("neighbours", "runs 7 7 -> 7");
  refuses("must be its lowest input run 5", "runs 7 5 -> 7");
  refuses("must be its lowest input run 2", "l0 d c b a runs 7 5 2 -> 10");
  refuses(
    "must be above every run: at least 10",
    "l0 d c b a -> 3",
  );
  refuses("run 7 exists", "l0 d c b a -> 7");
  refuses("run 9 exists", "l0 d c b a -> 9");
});

test("checkSubmitted() refuses what does not exist", () => {
  refuses("L0 has no SST x", "l0 x -> 10");
  refuses("there is no run 3", "runs 3 -> 3");
  refuses("there is no run 9", "runs 9 -> 9");
  refuses('no segment "none/"', "none/ runs 9 -> 9");
  refuses("L0 has no SST d", "seg/ l0 d -> 10");
  refuses("no inputs", "seg/ -> 10");
});

test("checkSubmitted() refuses what another compaction works on", () => {
  refuses("of the same L0", "l0 d c b a -> 11", "running l0 b a -> 10");
  refuses("input run 5", "runs 5 2 -> 2", "scheduled runs 7 5 -> 5");
  refuses(
    "same destination",
    "l0 d c b a -> 10",
    "running seg/ l0 s r q -> 10",
  );
  accepts("runs 5 2 -> 2", "running l0 b a -> 10");
  accepts("l0 d c b a -> 11", "running seg/ l0 s r q -> 10");
  accepts("runs 5 2 -> 2", "completed runs 7 5 -> 5", "failed runs 2 -> 2");
  // Those that were only submitted are judged in their turn.
  accepts("runs 5 2 -> 2", "submitted runs 7 5 -> 5");
});

test("checkSubmitted() lets segments be drained from the newest named L0 down", () => {
  accepts("seg/ l0 s r q runs 9 8 -> drain");
  accepts("seg/ l0 r q -> drain");
  accepts("seg/ runs 8 -> drain");
  refuses("leaves out q, which is older", "seg/ l0 s r -> drain");
  refuses("cannot be drained", "l0 d c b a -> drain");
});

test("checkCompacted() allows for what other segments did meanwhile", () => {
  const late = (spec: string) => verdict(checkCompacted, spec);
  assertEquals(late("l0 d c b a -> 12"), "");
  assertEquals(late("seg/ l0 s r q -> 12"), "");
  // Run 9 of the other tree came after this compaction began.
  assertStringIncludes(late("l0 d c b a -> 8"), "run 8 exists");
  assertEquals(late("l0 d c b a -> 10"), "");
  assertStringIncludes(late("seg/ l0 s r q -> 6"), "above run 9");
  assertStringIncludes(late("l0 d c b x -> 10"), "L0 has no SST x");
  assertEquals(late("runs 7 5 -> 5"), "");
});

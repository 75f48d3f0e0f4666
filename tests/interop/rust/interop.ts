/**
 * Shale and SlateDB's published crate 0.15.0 on the same databases. Not part of
 * the ordinary tests, since it needs cargo: `deno task test:rust` runs it.
 *
 * @module
 */
import {
  KINDS,
  theyReadCompacted,
  theyReadMoved,
} from "../../compactor/interop_cases.ts";
import { test } from "../../support/test.ts";
import {
  alternateAsWriters,
  shaleFencesThem,
  shaleReadsTheirs,
  theyFenceShale,
  theyReadShales,
} from "../cases.ts";
import { LAYOUTS, NEWER_LAYOUTS } from "../layouts.ts";
import { buildRustJudge } from "./build.ts";
import { testCheckpoints } from "./checkpoints.ts";
import { testCollections } from "./collections.ts";
import { testCompactions } from "./compactions.ts";
import { testJobs } from "./jobs.ts";
import { testProcesses } from "./processes.ts";
import { testSegments } from "./segments.ts";
import { testTakeovers } from "./takeovers.ts";
import { testTransactions } from "./transactions.ts";

const start = await buildRustJudge();

for (const layout of [...LAYOUTS, ...NEWER_LAYOUTS]) {
  test(`Shale reads what SlateDB 0.15.0 wrote: ${layout.name}`, () => {
    return shaleReadsTheirs(start, layout);
  });
  test(`SlateDB 0.15.0 reads, compacts and goes on with what Shale wrote: ${layout.name}`, () => {
    return theyReadShales(start, layout);
  });
}

test("Shale and SlateDB 0.15.0 take turns as writers of one database", () => {
  return alternateAsWriters(start);
});

for (const layout of NEWER_LAYOUTS) {
  test(`Shale and SlateDB 0.15.0 take turns as writers: ${layout.name}`, () => {
    return alternateAsWriters(start, layout);
  });
}

test("Shale fences a live SlateDB 0.15.0 writer", () => {
  return shaleFencesThem(start);
});

test("SlateDB 0.15.0 fences a live Shale writer", () => {
  return theyFenceShale(start);
});

for (const kind of KINDS) {
  for (const formatTarget of ["interop", "0.15"] as const) {
    test(`SlateDB 0.15.0 reads and goes on after Shale compacted ${kind.name} (${formatTarget})`, () => {
      return theyReadCompacted(start, kind, formatTarget);
    });
  }
}

test("SlateDB 0.15.0 reads a run that Shale made of SSTs as they were", () => {
  return theyReadMoved(start);
});

testCompactions(start);
testJobs(start);
testProcesses(start);
testCollections(start);
testCheckpoints(start);

testTransactions(start);
testSegments(start);
testTakeovers(start);

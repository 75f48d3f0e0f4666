/**
 * Shale and SlateDB's published crate 0.15.0 on the same databases. Not part of
 * the ordinary tests, since it needs cargo: `deno task test:rust` runs it.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { DbError } from "../../../mod.ts";
import {
  KINDS,
  theyReadCompacted,
  theyReadMoved,
} from "../../compactor/interop_cases.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { listFixtures, loadFixture } from "../../support/fixtures.ts";
import { hex, type RowLine } from "../../support/op.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { test } from "../../support/test.ts";
import {
  alternateAsWriters,
  shaleFencesThem,
  shaleReadsTheirs,
  theyFenceShale,
  theyReadShales,
} from "../cases.ts";
import { LAYOUTS, NEWER_LAYOUTS } from "../layouts.ts";
import { openShale, plusOne } from "../shale.ts";
import { buildRustJudge } from "./build.ts";
import { testCheckpoints } from "./checkpoints.ts";
import { testCollections } from "./collections.ts";
import { testCompactions } from "./compactions.ts";
import { testJobs } from "./jobs.ts";
import { testProcesses } from "./processes.ts";

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

/** What a row says, without when it was written. */
const bare = ({ k, v, seq, expire_ts }: RowLine) => ({ k, v, seq, expire_ts });

for (const { engine, name } of listFixtures()) {
  test(`SlateDB 0.15.0 reads ${engine}/${name} after Shale took it over`, async () => {
    const { files, expected, info } = await loadFixture(engine, name);
    await using dir = await TempDir.create();
    for (const [file, bytes] of files) {
      await mkdir(dirname(dir.at(file)), { recursive: true });
      await writeFile(dir.at(file), bytes);
    }
    const transform = info.transform !== undefined;
    const open = () =>
      openShale({
        dir: dir.path,
        ...(transform ? { blockTransformer: plusOne } : {}),
      });
    if (info.segment_prefix_bytes !== undefined) {
      const refused = await assertRejects(open) as DbError;
      assertEquals(refused.kind, "invalid");
      return;
    }

    const db = await open();
    const seqs: number[] = [];
    for (const key of ["~1", "~2"]) {
      seqs.push(Number((await db.put(key, "by Shale")).seq));
      if (key === "~1") await db.flush({ target: "memtable" });
    }
    await db.close({ flush: "none" });

    await using judge = await start();
    const rows = (await judge.read({
      store: dir.path,
      path: "db",
      ...(transform ? { transform } : {}),
      ...(info.filters === undefined ? {} : { filters: info.filters }),
    })).map(bare);
    const theirs = expected
      .filter(({ expireTs }) => expireTs === undefined || expireTs > Date.now())
      .map(({ key, value, seq, expireTs }) => ({
        k: hex(key),
        v: hex(value),
        seq: Number(seq),
        expire_ts: expireTs === undefined ? null : Number(expireTs),
      }));
    const ours = ["~1", "~2"].map((key, i) => (
      { k: hex(key), v: hex("by Shale"), seq: seqs[i]!, expire_ts: null }
    ));
    const all = [...theirs, ...ours].sort((a, b) => a.k < b.k ? -1 : 1);
    const keys = new Set(all.map(({ k }) => k));
    // SlateDB shows rows past their expiry until a flush meets them.
    assertEquals(rows.filter(({ k }) => keys.has(k)), all);
    if (name !== "expired") assertEquals(rows.length, all.length);
  });
}

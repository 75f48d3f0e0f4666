/**
 * Shale and the published npm binding of SlateDB on the same databases.
 *
 * @module
 */
import { assertEquals } from "../support/assert.ts";
import { hex } from "../support/op.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import {
  alternateAsWriters,
  shaleFencesThem,
  shaleReadsTheirs,
  theyFenceShale,
  theyReadShales,
} from "./cases.ts";
import { startUniffiJudge } from "./judge.ts";
import { LAYOUTS, QUIET, WAL } from "./layouts.ts";
import { openShale } from "./shale.ts";

for (const layout of LAYOUTS) {
  test(`Shale reads what SlateDB 0.12.1 wrote: ${layout.name}`, () => {
    return shaleReadsTheirs(startUniffiJudge, layout);
  });
  test(`SlateDB 0.12.1 reads, compacts and goes on with what Shale wrote: ${layout.name}`, () => {
    return theyReadShales(startUniffiJudge, layout);
  });
}

test("Shale and SlateDB 0.12.1 take turns as writers of one database", () => {
  return alternateAsWriters(startUniffiJudge);
});

test("Shale fences a live SlateDB 0.12.1 writer", () => {
  return shaleFencesThem(startUniffiJudge);
});

test("SlateDB 0.12.1 fences a live Shale writer", () => {
  return theyFenceShale(startUniffiJudge);
});

test("DESIGN 7.20: operands of one batch that 0.12.1 logs under one number are folded in file order", async () => {
  await using dir = await TempDir.create();
  await using judge = await startUniffiJudge();
  await judge.open({ store: dir.path, path: "db", settings: QUIET });
  const merge = { op: "merge", k: hex("m") } as const;
  await judge.apply([
    { op: "put", k: hex("m"), v: hex("base") },
    {
      op: "batch",
      rows: [
        { ...merge, v: hex("a"), ttl: 3_000_000_000 },
        { ...merge, v: hex("b"), ttl: 4_000_000_000 },
      ],
    },
    WAL,
  ]);

  // 0.12.1 logs the later operand first, and itself keeps only the second row.
  await using db = await openShale({ dir: dir.path });
  assertEquals(hex((await db.get("m"))!), hex("baseba"));
  await db.flush({ target: "memtable" });
  assertEquals(hex((await db.get("m"))!), hex("baseba"));
});

import { makeData, makePrefix } from "../../bench/data.ts";
import { renderTable, renderTree, summarize } from "../../bench/table.ts";
import type { Measurement } from "../../bench/workload.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("makeData() makes distinct keys, of which a hundred share each prefix", () => {
  const decoder = new TextDecoder();
  const { keys, values } = makeData(1000);
  const texts = keys.map((key) => decoder.decode(key));
  const prefix = decoder.decode(makePrefix(3));

  assertEquals(new Set(texts).size, 1000);
  assertEquals(texts.filter((text) => text.startsWith(prefix)).length, 100);
  assert(texts.every((text) => /^k\d{14}0$/.test(text)));
  assert(values.every((value) => value.length === 100));
});

test("summarize() and renderTable() show medians and ratios", () => {
  const figure = (us: number): Measurement => ({
    workload: "warm-get",
    us,
    ops: 10,
    wallMs: 1,
  });
  const figures = summarize(
    new Map([
      ["shale", [figure(3), figure(1), figure(2)]],
      ["lmdb", [figure(30), figure(20)]],
    ]),
    new Map(),
  );

  assertEquals(
    figures.map(({ engine, median_us, min_us, runs }) => [
      engine,
      median_us,
      min_us,
      runs,
    ]),
    [["shale", 2, 1, 3], ["lmdb", 25, 20, 2]],
  );
  assertEquals(
    renderTable(figures, ["shale", "lmdb"]),
    "workload  shale        lmdb\nwarm-get   2.00  25.0 (13×)",
  );
});

test("summarize() and renderTree() show what the tree does", () => {
  const ingest = (stall: number, space: number): Measurement => ({
    workload: "ingest",
    us: 2,
    ops: 10,
    wallMs: 1,
    max_stall_ms: stall,
    space_amplification: space,
  });
  const compaction = (mbPerS: number): Measurement => ({
    workload: "compaction",
    us: 1,
    ops: 10,
    wallMs: 1,
    mb_per_s: mbPerS,
  });
  const figures = summarize(
    new Map([
      ["shale", [compaction(200), ingest(30, 1.2), ingest(20, 1.4)]],
      ["slatedb-uniffi", [compaction(50)]],
      ["lmdb", []],
    ]),
    new Map(),
  );

  const [, , ingested] = figures;
  assertEquals(ingested!.max_stall_ms, 30);
  assertEquals(ingested!.space_amplification, 1.3);
  assertEquals("mb_per_s" in ingested!, false);
  assertEquals(renderTable(figures, ["shale", "slatedb-uniffi", "lmdb"]), "");
  assertEquals(
    renderTree(figures, ["shale", "slatedb-uniffi", "lmdb"]).split("\n"),
    [
      "tree                                shale  slatedb-uniffi",
      "compaction, MB/s                      200     50.0 (4.0×)",
      "ingest, µs a row                     2.00               –",
      "… longest batch, ms                  30.0               –",
      "… space amplification once settled   1.30               –",
    ],
  );
});

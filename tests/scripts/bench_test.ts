import { makeData, makePrefix } from "../../bench/data.ts";
import { renderTable, summarize } from "../../bench/table.ts";
import type { Measurement } from "../../bench/workloads.ts";
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

import { readFileSync } from "node:fs";
import { assert, assertEquals } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

test("db_bench says what it knows, and refuses what it does not", async () => {
  const help = await runScript("bench/db_bench.ts", ["--help"]);
  const wrong = await runScript("bench/db_bench.ts", ["--only", "compactoin"]);

  assertEquals(help.code, 0);
  assert(help.stdout.includes("get-p99-worker"), help.stdout);
  assertEquals(wrong.code, 2);
  assert(wrong.stderr.includes('no "compactoin"'), wrong.stderr);
});

test("db_bench writes what the tree does as JSON", async () => {
  await using dir = await TempDir.create();
  const file = `${dir.path}/figures.json`;
  const { code, stdout, stderr } = await runScript("bench/db_bench.ts", [
    ...["--only", "compaction,ingest", "--engines", "shale", "--rows", "2000"],
    ...["--runs", "1", "--dir", dir.path, "--json", file],
  ]);

  assertEquals(code, 0, stderr);
  assert(stdout.includes("compaction, MB/s"), stdout);
  const [compaction, ingest, ...others] = JSON.parse(
    readFileSync(file, "utf8"),
  );
  assertEquals(others, []);
  for (const figure of [compaction, ingest]) {
    assertEquals(figure.engine, "shale");
    assertEquals(figure.runs, 1);
    assert(figure.median_us > 0);
  }
  assertEquals(compaction.workload, "compaction");
  assertEquals(compaction.ops, 16_000);
  assert(compaction.mb_per_s > 0);
  assertEquals(ingest.workload, "ingest");
  assertEquals(ingest.ops, 40_000);
  assert(ingest.max_stall_ms > 0);
  assert(ingest.space_amplification > 0);
});

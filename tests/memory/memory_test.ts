/**
 * How much memory a large load and full scans take, each in a process of its
 * own.
 *
 * @module
 */
import { assert, assertEquals } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const MIB = 1024 * 1024;
const ROWS = 1_000_000;
/** What the collector of the runtime may leave lying about of spent batches. */
const SLACK_BYTES = 160 * MIB;

async function run(task: "load" | "scan", dir: string) {
  const args = [task, dir, `${ROWS}`];
  const { code, stdout, stderr } = await runScript(
    "tests/memory/load.ts",
    args,
  );
  assertEquals([code, stderr], [0, ""]);
  const { rows, before, peaks } = JSON.parse(stdout);
  assertEquals(rows, ROWS);
  return { before: before as number, peaks: peaks as number[] };
}

test("a million rows load within 400 MiB, and scans take no more than their batches", async () => {
  await using dir = await TempDir.create();
  const load = await run("load", dir.path);
  const loaded = Math.max(...load.peaks);
  assert(loaded < 400 * MIB, `loading took ${Math.round(loaded / MIB)} MiB`);

  // The data is 128 MiB and read three times; what is read is not kept.
  const { before, peaks } = await run("scan", dir.path);
  for (const peak of peaks) {
    const taken = peak - before;
    assert(taken < SLACK_BYTES, `scanning took ${Math.round(taken / MIB)} MiB`);
  }
});

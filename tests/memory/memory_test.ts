/**
 * How much memory a large load and a full scan take, in a process of their own.
 *
 * @module
 */
import { assert, assertEquals } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const MIB = 1024 * 1024;
const ROWS = 1_000_000;

test("a million rows load and scan within 400 MiB", async () => {
  await using dir = await TempDir.create();
  const { code, stdout, stderr } = await runScript("tests/memory/load.ts", [
    dir.path,
    `${ROWS}`,
  ]);
  assertEquals([code, stderr], [0, ""]);
  const { loadRss, scanRss, rows } = JSON.parse(stdout);
  assertEquals(rows, ROWS);
  assert(loadRss < 400 * MIB, `loading took ${Math.round(loadRss / MIB)} MiB`);
  // What the scan adds is its batches and the blocks it reads ahead.
  assert(
    scanRss < Math.max(loadRss, 250 * MIB) + 64 * MIB,
    `scanning took ${Math.round(scanRss / MIB)} MiB, loading ${
      Math.round(loadRss / MIB)
    } MiB`,
  );
});

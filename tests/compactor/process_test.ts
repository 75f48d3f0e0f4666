/**
 * A compactor and workers in processes of their own, beside a writer in this
 * one.
 *
 * @module
 */
import { FileStore } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { Child, runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import {
  assertWhole,
  contentOf,
  fill,
  manifestOf,
  openDb,
  shapeOf,
} from "./compactors.ts";

const CLI = "scripts/cli.ts";
const SETTINGS = JSON.stringify({
  compactor_options: {
    poll_interval: "50ms",
    commit_compacted_interval: "50ms",
    worker_heartbeat_timeout: "2s",
    worker: {
      compactions_poll_interval: "100ms",
      heartbeat_interval: "200ms",
      max_sst_size: 4000,
    },
  },
});

function args(dir: TempDir, ...more: string[]): string[] {
  return ["compactor", "--store", dir.path, "--merge", "concat", ...more];
}

test("cli compactor --full makes one run, and --once what is worth it", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  await fill(store, 5);
  const once = await runScript(CLI, args(dir, "--once"));
  assertEquals([once.code, once.stdout], [0, ""]);
  assertStringIncludes(once.stderr, "compactor epoch 1 begins");
  assertStringIncludes(once.stderr, "5 SSTs of L0 and 0 runs to run 0");
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
  await fill(store, 2);
  const more = await contentOf(store);
  const full = await runScript(CLI, args(dir, "--full"));
  assertEquals(full.code, 0);
  assertEquals(shapeOf(await manifestOf(store)), "l0 0, runs 0:1");
  assertEquals(await contentOf(store), more);
  await store.close();
});

test("cli compactor says why it cannot start", async () => {
  await using dir = await TempDir.create();
  const nothing = await runScript(CLI, args(dir, "--once"));
  assert(nothing.code !== 0);
  assertStringIncludes(nothing.stderr, "no database");
  const settings = '{"compactor_options":{"poll":1}}';
  const unknown = await runScript(CLI, args(dir, "--settings", settings));
  assert(unknown.code !== 0);
  assertStringIncludes(unknown.stderr, "compactor_options.poll");
});

test("a compactor and workers in other processes share the work of a writer, and survive one another", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  await using db = await openDb(store, { formatTarget: "0.15" });
  const start = (...more: string[]) =>
    new Child(CLI, args(dir, "--settings", SETTINGS, ...more));
  await using _compactor = start("--no-worker");
  await using first = start("--worker");
  await using second = start("--worker");
  const write = async (round: number) => {
    for (let i = 0; i < 300; i++) {
      const key = `key${String((i * 7) % 300).padStart(3, "0")}`;
      await db.put(key, `value ${round} of ${i}`.repeat(5), {
        awaitDurable: false,
      });
    }
    await db.flush({ target: "memtable" });
  };
  const compacted = async (l0: number) => {
    while ((await manifestOf(store)).tree.l0.length > l0) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  for (let round = 0; round < 4; round++) await write(round);
  await compacted(3);
  // The one that claims next may be the one that is gone.
  await first.kill();
  for (let round = 4; round < 12; round++) await write(round);
  await compacted(3);
  for (let i = 0; i < 300; i++) {
    const key = `key${String((i * 7) % 300).padStart(3, "0")}`;
    assertEquals(
      new TextDecoder().decode(await db.get(key)),
      `value 11 of ${i}`.repeat(5),
    );
  }
  await assertWhole(store);
  await second.kill();
});

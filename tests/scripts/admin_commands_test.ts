/** The commands that look after a database's files. */
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { Db, FileStore } from "../../mod.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { cli } from "./run_cli.ts";

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/;

/** A closed database of some age. */
async function oldDatabase(dir: TempDir): Promise<string[]> {
  for (const key of ["a", "b"]) {
    const db = await Db.open("db", {
      store: new FileStore(dir.path),
      settings: { compactor_options: null, garbage_collector_options: null },
    });
    await db.put(key, "1");
    await db.close();
  }
  const files = await filesIn(dir, "manifest");
  for (const folder of ["manifest", "wal"]) {
    for (const name of await filesIn(dir, folder)) {
      const old = Date.now() / 1000 - 3600;
      await utimes(join(dir.path, "db", folder, name), old, old);
    }
  }
  return files;
}

async function filesIn(dir: TempDir, folder: string): Promise<string[]> {
  return (await readdir(join(dir.path, "db", folder))).sort();
}

test("cli checkpoints makes, lists, refreshes and deletes them", async () => {
  await using dir = await TempDir.create();
  await oldDatabase(dir);
  const at = ["--store", dir.path];
  const run = (...args: string[]) => cli(["checkpoints", ...args, ...at]);

  assertEquals(await run(), { status: 0, output: "", notes: [] });
  const made = await run("create", "--lifetime", "15m", "--name", "nightly");
  assertEquals(made.status, 0);
  assertMatch(made.output, /manifest \d+, made .*Z, ends .*Z {2}nightly\n$/);
  const id = UUID.exec(made.output)![0];

  const copy = await run("create", "--source", id, "--json");
  const copied = JSON.parse(copy.output);
  assertEquals([copied.name, copied.expire_time_s], [null, null]);
  const listed = await run("--json");
  const all = listed.output.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(all.map((each) => each.id), [id, copied.id]);
  assertEquals(all[0].manifest_id, copied.manifest_id);
  // Whole seconds, and never shorter than asked.
  const lifetime = all[0].expire_time_s - all[0].create_time_s;
  assert([900, 901].includes(lifetime), `${lifetime}`);
  assertEquals((await run("--name", "")).output.includes(id), false);

  assertMatch((await run("refresh", id)).output, /never ends {2}nightly/);
  assertEquals((await run("delete", id)).status, 0);
  assertEquals((await run("delete", id)).status, 0);
  assertEquals((await run()).output.includes(id), false);
});

test("cli checkpoints says what is wrong", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  const run = (...args: string[]) => cli(["checkpoints", ...args, ...at]);
  assertEquals((await run()).status, 3);
  await oldDatabase(dir);
  assertEquals((await run("destroy")).status, 2);
  assertEquals((await run("delete")).status, 2);
  assertEquals((await run("delete", "x")).status, 2);
  assertEquals((await run("create", "--lifetime", "soon")).status, 2);
  const absent = "c0ffee00-0000-4000-8000-000000000001";
  assertEquals((await run("refresh", absent)).status, 3);
  assertEquals((await run("create", "--source", absent)).status, 3);
});

test("cli gc --dry-run says why each file stays, and deletes nothing", async () => {
  await using dir = await TempDir.create();
  const manifests = await oldDatabase(dir);
  const planned = await cli(["gc", "--store", dir.path, "--dry-run"]);
  assertEquals(planned.status, 0);
  assertMatch(
    planned.output,
    /would-delete db\/manifest\/0{19}1\.manifest {2}there is a newer one/,
  );
  assertMatch(
    planned.output,
    /kept +db\/manifest\/\d+\.manifest {2}the latest/,
  );
  assertMatch(planned.output, /kept +db\/wal\/0{19}1\.sst {2}fence: /);
  assertMatch(
    planned.output,
    /kept +db\/compacted\/\w+\.sst {2}the latest man/,
  );
  assertMatch(planned.notes[0]!, /^would delete \d+, .*; \d+ kept$/);
  assertEquals(await filesIn(dir, "manifest"), manifests);
});

test("cli gc deletes what nothing needs, and shows that alone", async () => {
  await using dir = await TempDir.create();
  await oldDatabase(dir);
  const run = (...args: string[]) => cli(["gc", "--store", dir.path, ...args]);
  const wal = await filesIn(dir, "wal");
  const only = await run("--only", "manifest", "--json");
  const verdicts = only.output.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assert(verdicts.every(({ fate }) => fate === "deleted"));
  assertEquals((await filesIn(dir, "manifest")).length, 1);
  assertEquals(await filesIn(dir, "wal"), wal);

  await run("--fences");
  assert((await filesIn(dir, "wal")).length < wal.length);
  const again = await run();
  assertEquals([again.output, again.status], ["", 0]);
  assertMatch((await run("--all")).output, /^kept /);
  // What is left is a database.
  const scan = await cli(["scan", "--store", dir.path]);
  assertEquals(scan.status, 0);
  assertEquals(scan.output.trim().split("\n").length, 2);
});

test("cli gc says what is wrong", async () => {
  await using dir = await TempDir.create();
  const run = (...args: string[]) => cli(["gc", "--store", dir.path, ...args]);
  assertEquals((await run()).status, 3);
  await oldDatabase(dir);
  assertEquals((await run("--only", "everything")).status, 2);
  assertEquals((await run("--min-age", "old")).status, 2);
  const help = await run("--help");
  assertEquals(help.status, 0);
  assert(help.output.includes("--dry-run"));
});

test("cli gc --every goes on until it is interrupted", async () => {
  await using dir = await TempDir.create();
  await oldDatabase(dir);
  const running = cli(["gc", "--store", dir.path, "--every", "5ms"]);
  while ((await filesIn(dir, "manifest")).length > 1);
  process.emit("SIGINT");
  const { status, notes } = await running;
  assertEquals(status, 0);
  assertMatch(notes[0]!, /^deleted \d+/);
});

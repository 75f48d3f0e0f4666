/** `cli compactor`: which of its flags reach the compactor, and which it refuses. */
import { Admin, FileStore } from "../../mod.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { cli } from "./run_cli.ts";

const OPS = ["6161", "6162", "6261"].map((k) =>
  `{"op":"put","k":"${k}","v":"00"}\n` +
  `{"op":"merge","k":"${k}","v":"01"}\n{"op":"flush_mem"}`
).join("\n");
const MERGE = ["--merge", "concat"];
const NO_COMPACTOR = `{"compactor_options":null,"min_filter_keys":1}`;

async function fill(dir: TempDir, ...flags: string[]): Promise<void> {
  const settings = ["--settings", NO_COMPACTOR];
  const words = ["apply", "--store", dir.path, ...MERGE, ...flags, ...settings];
  const { status, notes } = await cli(words, OPS);
  assertEquals(status, 0, notes.join("\n"));
}

/** The SSTs of all sorted runs. */
async function ssts(dir: TempDir) {
  const store = new FileStore(dir.path);
  const manifest = await Admin.open("db", { store }).readManifest();
  await store.close();
  return [manifest!.tree, ...manifest!.segments]
    .flatMap(({ runs }) => runs.flatMap(({ ssts }) => ssts));
}

test("cli compactor writes with the components and settings that its flags name", async () => {
  await using dir = await TempDir.create();
  const flags = [
    ...["--filters", "bloom:10,prefix:2", "--segment", "1"],
    ...["--transform", "plus-one", "--target", "0.15"],
  ];
  await fill(dir, ...flags);
  const settings = JSON.stringify({
    compactor_options: {
      worker: { compression_codec: "zlib", min_filter_keys: 1 },
    },
  });
  const at = ["--store", dir.path];
  const { status, output, notes } = await cli([
    ...["compactor", ...at, "--full", "--json", "--settings", settings],
    ...["--block-kib", "1", ...MERGE, ...flags],
  ]);
  assertEquals(status, 0, notes.join("\n"));
  const { manifest_id, ...shape } = JSON.parse(output);
  assert(manifest_id > 1);
  assertEquals(shape, { l0: 0, runs: 2, run_ssts: 2 });
  const written = await ssts(dir);
  assertEquals(written.map(({ info }) => info.compression), ["zlib", "zlib"]);
  assert(written.every(({ info }) => info.filterFormat === "composite"));
  const scan = await cli([
    ...["scan", ...at, "--hex", ...MERGE, ...flags],
  ]);
  assertEquals(scan.output, "6161\t0001\n6162\t0001\n6261\t0001\n");
});

test("cli compactor runs in threads with a module's code", async () => {
  await using dir = await TempDir.create();
  await fill(dir);
  const module = new URL("../compactor/operators.ts", import.meta.url).href;
  const { status, notes } = await cli([
    ...["compactor", "--store", dir.path, "--full", ...MERGE],
    ...["--threads", "1", "--module", module],
  ]);
  assertEquals(status, 0, notes.join("\n"));
  assertEquals(notes.filter((line) => line.includes("event loop")), []);
  assertEquals((await ssts(dir)).length, 1);
});

test("cli compactor refuses flags that contradict each other, the database or sense", async () => {
  await using dir = await TempDir.create();
  await fill(dir);
  const wrong: [words: string[], why: string][] = [
    [["--worker", "--full"], "--worker and --full exclude each other"],
    [["--worker", "--once"], "--worker and --once exclude each other"],
    [["--worker", "--no-worker"], "exclude each other"],
    [["--no-worker", "--threads", "1"], "exclude each other"],
    [["--once", "--full"], "exclude each other"],
    [["--once", "--threads", "0"], "--threads must be at least 1"],
    [["--once", "--segment", "2"], "has no segments"],
    [["--once", "--settings", "5"], "--settings must be an object"],
    [["--once", "--settings", "[]"], "--settings must be an object"],
    [["--once", "--settings", "{"], "--settings is no JSON"],
    [["--once", "--settings", `{"compactor_options":{"poll":1}}`], "poll"],
    [["--once", "--target", "0.14"], "--target knows"],
    [["--once", "--filters", "prefix:2", "--target", "interop"], "0.15"],
    [["--once", "--block-kib", "3"], "blockBytes"],
    [["--once", "--slow"], "--slow"],
    [["--once", "now"], "takes no words"],
  ];
  for (const [words, why] of wrong) {
    const { status, output, notes } = await cli([
      ...["compactor", "--store", dir.path, ...words],
    ]);
    assertEquals([status, output], [2, ""], words.join(" "));
    assertStringIncludes(notes.join("\n"), why);
  }
});

test("cli get and scan read a checkpoint", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  await cli(["put", "a", "old", ...at]);
  const created = await cli(["checkpoints", "create", "--json", ...at]);
  const { id } = JSON.parse(created.output);
  await cli(["put", "a", "new", ...at]);
  const read = async (...words: string[]) =>
    (await cli([...words, ...at])).output;
  assertEquals(await read("get", "a"), "new");
  assertEquals(await read("get", "a", "--checkpoint", id), "old");
  assertEquals(await read("scan", "--checkpoint", id), "a\told\n");
  const absent = "c0ffee00-0000-4000-8000-000000000001";
  const statuses = [absent, "latest"].map(async (id) =>
    (await cli(["get", "a", "--checkpoint", id, ...at])).status
  );
  assertEquals(await Promise.all(statuses), [3, 2]);
});

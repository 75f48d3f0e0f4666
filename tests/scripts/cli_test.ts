import { readFile, writeFile } from "node:fs/promises";
import { DbError, type ErrorKind } from "../../mod.ts";
import { COMMANDS } from "../../scripts/cli/run.ts";
import { describeFailure } from "../../scripts/cli/failure.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { cli } from "./run_cli.ts";

test("cli put, get and delete work on one row", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];

  const put = await cli(["put", ...at, "sku/7", "blue", "--json"]);
  const got = await cli(["get", ...at, "sku/7"]);
  const asHex = await cli(["get", ...at, "--hex", "736b752f37"]);
  const deleted = await cli(["delete", ...at, "sku/7"]);
  const gone = await cli(["get", ...at, "sku/7"]);
  const goneJson = await cli(["get", ...at, "sku/7", "--json"]);

  assertEquals(put.status, 0);
  assertMatch(put.output, /^\{"seq":1,"create_ts":\d+\}\n$/);
  assertEquals(got.output, "blue");
  assertEquals(asHex.output, "626c7565\n");
  assertEquals(deleted, { status: 0, output: "", notes: [] });
  assertEquals(gone, {
    status: 0,
    output: "",
    notes: ['no value at "sku/7"'],
  });
  assertEquals(goneJson.output, "null\n");
});

test("cli put - takes the value's bytes from standard input", async () => {
  await using dir = await TempDir.create();
  const value = Uint8Array.of(0, 255, 10, 13, 0x80);

  await cli(["put", "--store", dir.path, "k", "-"], value);
  const hex = await cli(["get", "--store", dir.path, "6b", "--hex"]);

  assertEquals(hex.output, "00ff0a0d80\n");
});

test("cli load takes what scan --json prints", async () => {
  await using dir = await TempDir.create();
  const from = ["--store", dir.path, "--path", "a"];
  const to = ["--store", dir.path, "--path", "b"];
  const ops = Array.from(
    { length: 3000 },
    (_, i) => `{"op":"put","k":"${(4096 + i).toString(16)}","v":"00ff"}`,
  ).join("\n");

  await cli(["apply", ...from], ops);
  const rows = await cli(["scan", ...from, "--json", "--hex"]);
  const loaded = await cli(["load", ...to, "--hex", "--json"], rows.output);
  const copied = await cli(["scan", ...to, "--hex"]);

  assertEquals(loaded.output, '{"rows":3000}\n');
  assertEquals(copied.output.split("\n").length, 3001);
  assert(copied.output.startsWith("1000\t00ff\n"));
});

test("cli tree, manifest and sst show what is stored", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  await cli(["apply", ...at], `{"op":"put","k":"6b","v":"76"}`);

  const tree = await cli(["tree", ...at]);
  const leaves = await cli(["tree", ...at, "--json"]);
  const manifest = await cli(["manifest", ...at, "--json"]);
  const ssts = await cli(["sst", ...at]);
  const leaf = JSON.parse(leaves.output);
  const dump = await cli(["sst", ...at, leaf.id]);

  assertMatch(tree.output, /L0: 1 SST/);
  assertEquals([leaf.run, leaf.first, leaf.last], [null, "k", "k"]);
  const { manifest_id, l0 } = JSON.parse(manifest.output);
  assert(manifest_id > 1);
  assertEquals(l0.map(({ id }: { id: string }) => id), [leaf.id]);
  assertEquals(JSON.parse(ssts.output), { id: leaf.id, bytes: leaf.bytes });
  assertEquals(JSON.parse(dump.output.trim().split("\n").at(-1)!).v, "v");
});

test("cli reading commands leave the store as it is", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  await cli(["apply", ...at], `{"op":"put","k":"6b","v":"76"}`);
  const before = await cli(["manifest", ...at]);

  for (const command of ["scan", "tree", "wal", "sst"]) {
    assertEquals((await cli([command, ...at])).status, 0);
  }
  await cli(["get", ...at, "k"]);

  assertEquals((await cli(["manifest", ...at])).output, before.output);
});

test("cli explains itself", async () => {
  const overview = await cli([]);
  assertEquals(overview.status, 0);
  assertEquals((await cli(["--help"])).output, overview.output);
  assertEquals((await cli(["-h"])).output, overview.output);
  for (const { name } of COMMANDS) {
    assertMatch(overview.output, new RegExp(`\n  ${name} `));
    const help = await cli([name, "--help"]);
    assertEquals(await cli([name, "-h"]), help);
    assertEquals(help.status, 0);
    assertMatch(help.output, new RegExp(`deno task cli ${name} `));
    assertMatch(help.output, /--store URL/);
  }
});

test("cli answers invalid use with status 2 and one line", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  const cases: [string[], RegExp][] = [
    [["fly"], /no command "fly"; there are put, get/],
    [["get"], /get takes KEY; see: deno task cli get --help/],
    [["get", "a", "b"], /get takes KEY/],
    [["scan", "--colour"], /--colour.*see: deno task cli scan --help/],
    [["scan", ...at, "--limit", "many"], /--limit must be a whole number/],
    [["get", ...at, "--hex", "xyz"], /KEY must be hexadecimal, not xyz/],
    [["put", ...at, "", "v"], /key/],
    [["put", ...at, "k", "v", "--settings", "{"], /--settings is no JSON/],
    [
      ["put", ...at, "k", "v", "--settings", '{"flush_intervall":1}'],
      /flush_intervall.*flush_interval/,
    ],
    [["put", ...at, "k", "v", "--merge", "max"], /--merge knows concat/],
    [["scan", "--store", "s3://bucket"], /S3/],
    [["scan", "--store", ""], /--store takes memory:, file:/],
    [["scan", "--store", "file:data"], /a folder such as \.\/data/],
    [["scan", ...at, "--path", "../db"], /"\.\."/],
    [["put", ...at, "k", "v", "--ttl", "soon"], /--ttl must be a whole/],
    [["put", ...at, "k", "v", "--ttl", "-5"], /^[^;]*--ttl[^;.]*; see:/],
    [["put", ...at, "k", "v", "--expire-at", "1e3"], /--expire-at must be/],
    [["put", ...at, "k", "v", "--ttl", "1", "--expire-at", "1"], /not both/],
    [["put", ...at, "k", "v", "--seq", "x"], /--seq must be a whole/],
    [["put", ...at, "k", "v", "--block-kib", "3"], /blockBytes must be/],
    [["put", ...at, "k", "v", "--segment", "x"], /--segment must be/],
    [["put", ...at, "k", "v", "--filters", "x:1"], /--filters takes/],
    [["put", ...at, "k", "v", "--transform", "x"], /--transform knows/],
    [["put", ...at, "k", "v", "--target", "0.1"], /--target knows/],
    [["put", ...at, "k", "v", "--settings", "[]"], /must be an object/],
    [["load", ...at, "--batch-rows", "0"], /batchRows must be/],
    [["load", ...at, "/no/such/file"], /Cannot read/],
    [["scan", ...at, "--from", "b", "--to", "a"], /range start/],
    [["sst", ...at, "x"], /ID must be a ULID/],
    [["wal", ...at, "x"], /ID must be a whole number/],
    [["manifest", ...at, "x"], /ID must be a whole number/],
  ];
  await cli(["put", ...at, "k", "v"]);
  for (const [args, message] of cases) {
    const { status, output, notes } = await cli(args);
    assertEquals([status, output], [2, ""], args.join(" "));
    assert(notes.length <= 2, notes.join("\n"));
    assertMatch(notes[0]!, message);
  }
});

test("cli takes a path with slashes around it, everywhere alike", async () => {
  await using dir = await TempDir.create();
  const put = ["put", "--store", dir.path, "--path", "/x/y/", "k", "v"];
  assertEquals((await cli(put)).status, 0);
  for (const command of ["scan", "tree", "manifest", "wal", "sst"]) {
    const outputs = await Promise.all(
      ["x/y", "/x/y", "x/y/"].map((path) =>
        cli([command, "--store", dir.path, "--path", path])
      ),
    );
    for (const { status, output, notes } of outputs) {
      assertEquals([status, notes], [0, []], command);
      assert(output !== "", command);
      assertEquals(output, outputs[0]!.output, command);
    }
  }
});

test("cli has an exit status for each kind of error", () => {
  const kinds = {
    internal: 1,
    invalid: 2,
    data: 3,
    unavailable: 4,
    closed: 5,
    transaction: 6,
  } as const;
  for (const [kind, status] of Object.entries(kinds)) {
    const cause = new Error("why");
    const error = new DbError(kind as ErrorKind, "what\nhappened", { cause });
    assertEquals(describeFailure(error, false), {
      status,
      lines: [`error (${kind}): what happened`, "cause: why"],
    });
  }
  assertEquals(describeFailure(new Error("a bug"), false).status, 1);
});

test("cli ends with 3 where data is damaged, in one or two lines", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  await cli(["put", ...at, "k", "v"]);
  const leaf = JSON.parse((await cli(["tree", ...at, "--json"])).output);
  const file = dir.at("db", "compacted", `${leaf.id}.sst`);
  const bytes = await readFile(file);
  bytes[3]! ^= 1;
  await writeFile(file, bytes);

  for (
    const args of [["scan"], ["get", "k"], ["sst", leaf.id]] as [
      string,
      ...string[],
    ][]
  ) {
    const { status, notes } = await cli([args[0], ...at, ...args.slice(1)]);
    assertEquals([status, notes.length <= 2], [3, true], args[0]);
    assertMatch(notes[0]!, /^error \(data\): /);
  }
});

test("cli answers a missing database with status 3", async () => {
  await using dir = await TempDir.create();
  for (const command of ["scan", "tree", "manifest", "sst", "wal"]) {
    const { status, notes } = await cli([command, "--store", dir.path]);
    assertEquals(status, 3);
    assertMatch(notes[0]!, /^error \(data\): .*no database/);
  }
});

test("cli --debug adds the stack", async () => {
  await using dir = await TempDir.create();
  const args = ["scan", "--store", dir.path, "--debug"];
  const { notes } = await cli(args);
  assertMatch(notes.join("\n"), /\n\s+at /);
});

test("cli ends with the status of its error, and keeps standard output clean", async () => {
  await using dir = await TempDir.create();
  const missing = await runScript("scripts/cli.ts", [
    "scan",
    "--store",
    dir.path,
  ]);
  const unknown = await runScript("scripts/cli.ts", ["fly"]);

  assertEquals([missing.code, missing.stdout], [3, ""]);
  assertEquals([unknown.code, unknown.stdout], [2, ""]);
  assertEquals(missing.stderr.trim().split("\n").length, 1);
});

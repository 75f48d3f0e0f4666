import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Child, runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { cli } from "./run_cli.ts";

const OPS = [
  `{"op":"put","k":"61","v":"01"}`,
  `{"op":"put","k":"6162","v":"ff00","expire_at":1}`,
  `{"op":"merge","k":"63","v":"02","seq":9007199254740993}`,
  `{"op":"merge","k":"63","v":"03"}`,
  `{"op":"batch","rows":[{"op":"put","k":"64","v":""},{"op":"delete","k":"61"}]}`,
  `{"op":"flush_wal"}`,
  `{"op":"put","k":"65","v":"05","ttl":null}`,
].join("\n");

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

test("cli apply takes the oracle's operations, and scan prints its rows", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path, "--path", "x/db", "--merge", "concat"];

  // Without --crash the close would turn the expired row into a tombstone.
  const applied = await runScript(
    "scripts/cli.ts",
    ["apply", ...at, "--ack", "--crash"],
    { input: OPS },
  );
  const all = await cli(["scan", ...at, "--json", "--hex", "--expired"]);
  const visible = await cli(["scan", ...at, "--json", "--hex", "--reverse"]);

  assertEquals(applied, { code: 0, stdout: "ok\n".repeat(7), stderr: "" });
  const rows = all.output.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(
    rows.map(({ k, v, seq, expire_ts }) => [k, v, seq, expire_ts]),
    [
      ["6162", "ff00", 2, 1],
      ["63", "0203", "9007199254740994", null],
      ["64", "", "9007199254740995", null],
      ["65", "05", "9007199254740996", null],
    ],
  );
  assertEquals(
    visible.output.trim().split("\n").map((line) => JSON.parse(line).k),
    ["65", "64", "63"],
  );
});

test("cli apply --crash leaves the rows in the WAL, where wal shows them", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];

  const applied = await runScript("scripts/cli.ts", [
    "apply",
    ...at,
    "--crash",
  ], { input: `{"op":"put","k":"6b","v":"76"}\n` });
  const files = await cli(["wal", ...at, "--json"]);
  const ids = files.output.trim().split("\n").map((line) =>
    JSON.parse(line).id
  );
  const dump = await cli(["wal", ...at, String(ids.at(-1)), "--hex"]);
  const scanned = await cli(["scan", ...at]);

  assertEquals(applied.code, 0);
  assertEquals(ids, [1, 2]);
  const [info, row] = dump.output.trim().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals([info.sst_type, row.k, row.v, row.seq, row.kind], [
    "wal",
    "6b",
    "76",
    1,
    "put",
  ]);
  assertEquals(scanned.output, "k\tv\n");
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
  for (const name of ["put", "get", "delete", "scan", "load", "apply"]) {
    assertMatch(overview.output, new RegExp(`\n  ${name} `));
    const help = await cli([name, "--help"]);
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
  ];
  for (const [args, message] of cases) {
    const { status, output, notes } = await cli(args);
    assertEquals([status, output], [2, ""], args.join(" "));
    assert(notes.length <= 2, notes.join("\n"));
    assertMatch(notes[0]!, message);
  }
});

test("cli apply names an operation it does not know", async () => {
  await using dir = await TempDir.create();
  const lines = `{"op":"put","k":"61","v":""}\n{"op":"checkpoint"}\n`;

  const { status, notes } = await cli(["apply", "--store", dir.path], lines);
  const rows = await cli(["scan", "--store", dir.path, "--hex"]);

  assertEquals(status, 2);
  assertMatch(notes[0]!, /line 2: unknown op "checkpoint"/);
  assertEquals(rows.output, "61\t\n");
});

test("cli answers a missing database with status 3", async () => {
  await using dir = await TempDir.create();
  for (const command of ["scan", "tree", "manifest"]) {
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

test("cli apply ends with status 5 once a newer writer has taken over", async () => {
  await using dir = await TempDir.create();
  const args = ["apply", "--store", dir.path, "--ack"];
  await using first = new Child("scripts/cli.ts", args);
  first.write(`{"op":"put","k":"61","v":""}\n{"op":"flush_wal"}\n`);
  await first.output((stdout) => stdout === "ok\nok\n");

  const second = await cli(["put", "--store", dir.path, "b", ""]);
  first.write(`{"op":"put","k":"63","v":""}\n{"op":"flush_wal"}\n`);
  const { code, stderr } = await first.end();
  const rows = await cli(["scan", "--store", dir.path, "--hex"]);

  assertEquals(second.status, 0);
  assertEquals(code, 5, stderr);
  assertMatch(stderr, /^error \(closed\): /);
  assertEquals(rows.output, "61\t\n62\t\n");
});

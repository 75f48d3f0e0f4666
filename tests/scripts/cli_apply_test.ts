/** `apply`, the test door for writers in any language, and what `scan` then shows. */
import { assertEquals, assertMatch } from "../support/assert.ts";
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

test("cli apply names an operation it does not know", async () => {
  await using dir = await TempDir.create();
  const lines = `{"op":"put","k":"61","v":""}\n{"op":"checkpoint"}\n`;

  const { status, notes } = await cli(["apply", "--store", dir.path], lines);
  const rows = await cli(["scan", "--store", dir.path, "--hex"]);

  assertEquals(status, 2);
  assertMatch(notes[0]!, /line 2: unknown op "checkpoint"/);
  assertEquals(rows.output, "61\t\n");
});

test("cli apply says which line is wrong, and applies nothing of it", async () => {
  await using dir = await TempDir.create();
  const cases: [string, RegExp][] = [
    ["{", /line 2: /],
    ["[]", /line 2: not a JSON object/],
    ["{}", /line 2: unknown op undefined/],
    [`{"op":"put","v":"00"}`, /line 2: key cannot be empty/],
    [`{"op":"put","k":"0g"}`, /line 2: "k" must be hexadecimal/],
    [`{"op":"put","k":"62","ttl":1.5}`, /line 2: "ttl" must be a whole/],
    [`{"op":"put","k":"62","v":"","seq":1}`, /line 2: invalid sequence number/],
    [`{"op":"merge","k":"62","v":""}`, /line 2: merge operator missing/],
    [`{"op":"batch"}`, /line 2: a batch needs "rows"/],
    [`{"op":"batch","rows":[]}`, /line 2: empty write batch/],
    [`{"op":"batch","rows":[null]}`, /line 2: a row of a batch must be/],
    [`{"op":"batch","rows":[{"op":"put","k":"62"},7]}`, /must be an object/],
    [`{"op":"batch","rows":[{"op":"sleep","k":"62"}]}`, /unknown op "sleep"/],
    [`{"op":"sleep"}`, /line 2: "ms" must be a whole number from 0/],
    [`{"op":"sleep","ms":-1}`, /line 2: "ms" must be/],
    [`{"op":"sleep","ms":99999999999}`, /line 2: "ms" must be/],
  ];
  for (const [i, [line, message]] of cases.entries()) {
    const at = ["--store", dir.path, "--path", `db${i}`];
    const lines = `{"op":"put","k":"61","v":""}\n${line}\n`;
    const { status, notes } = await cli(["apply", ...at], lines);
    assertEquals([status, notes.length], [2, 1], line);
    assertMatch(notes[0]!, message);
    assertEquals((await cli(["scan", ...at, "--hex"])).output, "61\t\n", line);
  }
});

test("cli apply takes SlateDB's settings, durations and nulls", async () => {
  await using dir = await TempDir.create();
  const settings = JSON.stringify({
    flush_interval: null,
    manifest_poll_interval: "1s+500ms",
    compression_codec: "zstd",
    l0_sst_size_bytes: 1_048_576,
    compactor_options: null,
    garbage_collector_options: null,
  });
  const at = ["--store", dir.path];
  const codec = ["--block-kib", "1", "--transform", "plus-one"];
  const lines = [0, 1].map((i) =>
    `{"op":"put","k":"6${i}","v":"${"00".repeat(3000)}"}\n{"op":"flush_mem"}`
  ).join("\n");

  const applied = await cli(
    ["apply", ...at, ...codec, "--settings", settings, "--ack"],
    lines,
  );
  const leaf = JSON.parse(
    (await cli(["tree", ...at, "--json"])).output.split("\n")[0]!,
  );
  const dump = await cli(["sst", ...at, leaf.id, "--transform", "plus-one"]);
  const read = await cli(["scan", ...at, "--hex", "--transform", "plus-one"]);
  const without = await cli(["scan", ...at, "--hex"]);

  assertEquals(applied, { status: 0, output: "ok\n".repeat(4), notes: [] });
  assertEquals(
    JSON.parse(dump.output.split("\n")[0]!).compression_format,
    "zstd",
  );
  assertEquals(read.output.split("\n").length, 3);
  assertEquals([without.status, without.output], [3, ""]);
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

/** The README's first command. */
import { join } from "node:path";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { Child, runScript } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const START = "scripts/start.ts";

test("start loads, reads back and shows the tree; a second run begins anew", async () => {
  await using dir = await TempDir.create();
  const folder = dir.at("a b 'é' 日");
  await mkdir(join(folder, "other"), { recursive: true });
  await writeFile(join(folder, "other", "mine"), "kept");
  const args = ["--store", folder, "--rows", "3000"];

  const first = await runScript(START, args);
  const second = await runScript(START, args);

  for (const { code, stdout, stderr } of [first, second]) {
    assertEquals([code, stderr], [0, ""]);
    for (
      const said of [
        "3,000 cities",
        "a second",
        "prefix FR/Brittany/",
        "in reverse",
        "all 3,000 equal to the data set",
        "cities in the snapshot         3,000",
        "cities now                     2,250",
        "L0, ",
        "sorted runs",
      ]
    ) assert(stdout.includes(said), said);
    // What is proposed can be pasted into a shell.
    assertMatch(stdout, /tree --path start-cities --store \S+\n/);
  }
  assert(!first.stdout.includes("earlier run"));
  assertMatch(second.stdout, /removed the \d+ objects of an earlier run/);
  assertEquals(await readdir(join(folder, "other")), ["mine"]);
});

test("start can be interrupted at any moment and run again", async () => {
  await using dir = await TempDir.create();
  const args = ["--store", dir.path, "--rows", "20000"];
  for (const moment of ["Load", "written and durable", "Scans"]) {
    await using child = new Child(START, args);
    await child.output((stdout) => stdout.includes(moment));
    await child.kill();
  }
  const { code, stdout, stderr } = await runScript(START, args);
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.includes("all 20,000 equal"));
});

test("start --json prints the figures alone, of a store in memory, too", async () => {
  const { code, stdout, stderr } = await runScript(START, [
    "--json",
    "--rows",
    "100",
    "--store",
    "memory:",
  ]);
  assertEquals([code, stderr], [0, ""]);
  const figures = JSON.parse(stdout);
  assertEquals(figures.rows, 100);
  for (const name of ["load_us", "get_us", "scan_us", "reopen_ms"]) {
    assert(figures[name] > 0, name);
  }
});

test("start explains itself, and says what is wrong without a stack", async () => {
  const help = await runScript(START, ["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  for (const flag of ["--store URL", "--rows N", "--json", "--debug"]) {
    assert(help.stdout.includes(flag), flag);
  }
  const wrong: [string[], number, RegExp][] = [
    [["--store", "s3://me:secret@b"], 2, /"s3:\/\/\*\*\*@b": .*no S3 store/],
    [["--store", ""], 2, /--store takes memory:/],
    [["--store", "file:here"], 2, /--store takes .* folder such as \.\/data/],
    [["--rows", "1e12"], 2, /--rows must be/],
    [["--colour"], 2, /--colour.*see: deno task start --help/],
  ];
  for (const [args, status, message] of wrong) {
    const { code, stdout, stderr } = await runScript(START, args);
    assertEquals([code, stdout], [status, ""], args.join(" "));
    assertMatch(stderr, message);
    assertEquals(stderr.trim().split("\n").length, 1, stderr);
  }
});

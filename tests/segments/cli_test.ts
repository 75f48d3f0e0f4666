import { assert, assertEquals } from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { cli } from "../scripts/run_cli.ts";

const OPS = [
  ...["6161", "6162", "6261", "6363"].map((k, i) =>
    `{"op":"put","k":"${k}${i}0","v":"0${i}"}`
  ),
  `{"op":"flush_mem"}`,
  `{"op":"put","k":"616199","v":"09"}`,
].join("\n");

async function keysOf(words: readonly string[]): Promise<string[]> {
  const { status, output } = await cli([
    "scan",
    ...words,
    "--json",
    "--hex",
  ]);
  assertEquals(status, 0);
  return output.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line).k);
}

test("cli apply and scan take segments and filters", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  const segment = ["--segment", "2", "--filters", "bloom:10,prefix:2,only:1"];
  const settings = ["--settings", `{"min_filter_keys":1}`];

  const applied = await cli(["apply", ...at, ...segment, ...settings], OPS);
  assertEquals(applied.status, 0, applied.notes.join("\n"));

  const all = ["616100", "616199", "616210", "626120", "636330"];
  assertEquals(await keysOf([...at, ...segment]), all);
  assertEquals(
    await keysOf([...at, ...segment, "--prefix", "6161"]),
    ["616100", "616199"],
  );
  assertEquals(await keysOf([...at, "--segment", "2"]), all);
  const tree = await cli(["tree", ...at, "--json", "--hex"]);
  const segments = tree.output.trim().split("\n")
    .map((line) => JSON.parse(line).segment);
  assertEquals([...new Set(segments)], ["6161", "6162", "6261", "6363"]);
});

test("cli refuses what does not fit the database", async () => {
  await using dir = await TempDir.create();
  const at = ["--store", dir.path];
  await cli(["apply", ...at, "--segment", "2"], OPS);
  const wrong = [
    ["scan", ...at],
    ["scan", ...at, "--segment", "3"],
    ["apply", ...at, "--segment", "3"],
    ["apply", ...at, "--segment", "0"],
    ["apply", ...at, "--segment", "2", "--target", "interop"],
    ["apply", ...at, "--segment", "2", "--target", "0.14"],
    ["apply", ...at, "--segment", "2", "--filters", "ribbon:2"],
  ];
  for (const words of wrong) {
    const { status, notes } = await cli(words);
    assertEquals(status === 0, false, words.join(" "));
    assert(notes.join("\n").includes("invalid"), notes.join("\n"));
  }
});

test("cli apply writes what 0.12 reads unless it is told otherwise", async () => {
  const cases: [words: string[], format: string][] = [
    [[], "legacy"],
    [["--filters", "bloom:12"], "legacy"],
    [["--target", "0.15"], "composite"],
    [["--filters", "only:2"], "composite"],
  ];
  for (const [words, format] of cases) {
    await using dir = await TempDir.create();
    const at = ["--store", dir.path];
    const settings = ["--settings", `{"min_filter_keys":1}`];
    await cli(["apply", ...at, ...words, ...settings], OPS);
    const ssts = await cli(["tree", ...at, "--json"]);
    const { id } = JSON.parse(ssts.output.split("\n")[0]!);
    const sst = await cli(["sst", ...at, id, "--json"]);
    assert(sst.output.includes(format), `${words}: ${sst.output}`);
  }
});

/**
 * `kill -9` of a real process over a real directory, again and again.
 *
 * @module
 */
import { Db, FileStore } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Child } from "../support/child.ts";
import { roundsOf, withSeed } from "../support/random.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

/** The number in the last line that begins with `word`. */
function lastNumber(lines: string, word: string): number {
  const numbers = [...lines.matchAll(new RegExp(`^${word} (\\d+)\n`, "gm"))];
  return Number(numbers.at(-1)?.[1] ?? 0);
}

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

test("kill -9 of a writer loses no durable batch, and halves none", () => {
  return withSeed(71, async (random, seed) => {
    await using dir = await TempDir.create();
    let durable = 0;
    for (let round = 0; round < roundsOf(5); round++) {
      await using child = new Child("tests/sim/writer.ts", [
        dir.path,
        `${seed + round}`,
      ]);
      const lines = random.between(3, 40);
      await child.output((stdout) => stdout.split("\n").length > lines);
      const { stdout } = await child.kill();
      const found = lastNumber(stdout, "open");
      assert(found >= durable, `opened at ${found}, ${durable} was durable`);
      durable = Math.max(durable, lastNumber(stdout, "durable"));
    }
    await using db = await Db.open("db", { store: new FileStore(dir.path) });
    const last = Number(text(await db.get("last")));
    assert(last >= durable, `${last} is there, ${durable} was durable`);
    const keys: string[] = [];
    for await (const { key, value } of db.scan({ prefix: "k" })) {
      keys.push(text(key));
      assertEquals(text(value), `value ${Number(text(key).slice(1))}`);
    }
    const expected = Array.from(
      { length: last },
      (_, i) => `k${String(i + 1).padStart(9, "0")}`,
    );
    assertEquals(keys, expected);
    await db.close({ flush: "none" });
  });
});

test("a second process fences the first, which then writes nothing more", async () => {
  await using dir = await TempDir.create();
  await using first = new Child("tests/sim/writer.ts", [dir.path, "1"]);
  await first.output((stdout) => stdout.includes("durable"));
  await using second = new Child("tests/sim/writer.ts", [dir.path, "2"]);
  const { code, stderr, stdout } = await first.end();
  assert(code !== 0, "the first writer went on");
  assert(stderr.includes("fenced") || stderr.includes("newer"), stderr);
  await second.output((output) => output.includes("durable"));
  const opened = lastNumber(second.stdout, "open");
  assert(opened >= lastNumber(stdout, "durable"), "a durable row was lost");
});

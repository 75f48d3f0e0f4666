import { toBytes, toText } from "../../lib/base/bytes.ts";
import { sleep, systemRuntime } from "../../lib/base/runtime.ts";
import { FileStore } from "../../lib/object_store/file_store.ts";
import {
  bytesOf,
  listNames,
  sampleBytes,
} from "../../lib/testing/store_samples.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { Child } from "../support/child.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const SCRIPT = "tests/object_store/file_store_worker.ts";

function linesOf(text: string): string[] {
  // What follows the last line break was not written whole.
  return text.split("\n").slice(0, -1);
}

test("two processes: every object has one creator, and is whole", async () => {
  await using directory = await TempDir.create();
  const root = directory.path;
  await using one = new Child(SCRIPT, ["race", root, "one", "300"]);
  await using two = new Child(SCRIPT, ["race", root, "two", "300"]);

  const ends = await Promise.all([one.end(), two.end()]);

  assertEquals(ends.map(({ stderr }) => stderr), ["", ""]);
  const [ones, twos] = ends.map(({ stdout }) => linesOf(stdout));
  assertEquals(new Set([...ones!, ...twos!]).size, 300);
  assertEquals(ones!.length + twos!.length, 300);
  const store = new FileStore(root);
  for (const [name, wins] of [["one", ones], ["two", twos]] as const) {
    for (const i of wins!) {
      const bytes = await bytesOf(store, `race/${i}`);
      assertEquals(toText(bytes!), `${name} `.repeat(1000));
    }
  }
  assertEquals((await listNames(store)).length, 300);
});

test("three processes, one of them killed: no increment is lost", async () => {
  await using directory = await TempDir.create();
  const root = directory.path;
  const store = new FileStore(root);
  await store.put("counter", toBytes("0"));
  await using killed = new Child(SCRIPT, ["count", root, "k", "1000000"]);
  await using one = new Child(SCRIPT, ["count", root, "o", "300"]);
  await using two = new Child(SCRIPT, ["count", root, "t", "300"]);

  await killed.output((text) => linesOf(text).length >= 20);
  const { stdout } = await killed.kill();
  const ends = await Promise.all([one.end(), two.end()]);

  assertEquals(ends.map(({ stderr }) => stderr), ["", ""]);
  const total = Number(toText((await bytesOf(store, "counter"))!));
  const known = linesOf(stdout).length + 600;
  // The one in flight when it was killed may have happened.
  assert(total === known || total === known + 1, `${total} of ${known}`);
});

test("a process stopped before any call of its put undoes no update of others", async () => {
  await using directory = await TempDir.create();
  const root = directory.path;
  // Patience runs out fifty times as fast.
  const monotonicMs = () => 50 * systemRuntime.monotonicMs();
  const store = new FileStore(root, {
    runtime: { ...systemRuntime, monotonicMs },
  });
  await store.put("log", toBytes("start"));
  await using child = new Child(SCRIPT, ["stop", root]);
  const stops = () =>
    linesOf(child.stdout).filter((line) => /^stop/.test(line));
  const written = ["start"];
  let ended = false;
  child.end().then(() => ended = true);

  for (let round = 0;; round++) {
    while (stops().length <= round && !ended) {
      // The last one came to nothing if it came before the stop.
      if (round > 0) child.resume();
      await sleep(systemRuntime, 10);
    }
    if (ended) break;
    for (const token of [`parent-${round}`, `parent-${round}-again`]) {
      for (let isWritten = false; !isWritten;) {
        const { meta, bytes } = (await store.get("log"))!;
        const next = toBytes(`${toText(bytes)} ${token}`);
        const mode = { ifMatch: meta.etag };
        isWritten = (await store.put("log", next, { mode })).ok;
      }
      written.push(token);
    }
  }

  const { stdout, stderr } = await child.end();
  assertEquals(stderr, "");
  assert(stdout.includes("before rename"), stdout);
  for (const line of linesOf(stdout)) {
    if (line.startsWith("wrote ")) written.push(line.slice(6));
  }
  const log = toText((await bytesOf(store, "log"))!).split(" ");
  assertEquals(log.toSorted(), written.toSorted());
});

test("a killed process leaves what it acknowledged, and nothing torn", async () => {
  await using directory = await TempDir.create();
  const root = directory.path;
  for (const me of ["a", "b"]) {
    await using child = new Child(SCRIPT, ["put", root, me]);
    const count = me === "a" ? 30 : 57;
    await child.output((text) => linesOf(text).length >= count);
    const acknowledged = linesOf((await child.kill()).stdout);

    const store = new FileStore(root);
    const present = new Set(await listNames(store, `objects/${me}/`));
    for (const name of acknowledged) assert(present.has(name), name);
    assert(present.size <= acknowledged.length + 1, "one in flight at most");
    for (const name of present) {
      const i = Number(name.split("/").at(-1));
      assertEquals(await bytesOf(store, name), sampleBytes(20_000 + i, i + 1));
    }
    assertEquals((await store.put("another", sampleBytes(9))).ok, true);
  }
});

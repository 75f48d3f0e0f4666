import { FileStore } from "../../lib/object_store/file_store.ts";
import { listNames, sampleBytes } from "../../lib/testing/store_samples.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/test.ts";
import { failureOf, LoggedDisk } from "./logged_disk.ts";

const BODY = sampleBytes(100);
const MINUTE_MS = 60_000;

test("names in .tmp/ are refused, and not listed", async () => {
  const vfs = new MemoryVfs();
  const store = new FileStore("/data", { vfs });
  await store.put("a", BODY);
  vfs.open("/data/.tmp/left", "create").close();

  for (const name of [".tmp", ".tmp/left"]) {
    assertEquals((await failureOf(() => store.get(name))).kind, "invalid");
    assertEquals(
      (await failureOf(() => store.put(name, BODY))).kind,
      "invalid",
    );
  }
  assertEquals(await listNames(store), ["a"]);
  assertEquals(await listNames(store, ".t"), []);
  assertEquals(await listNames(store, ".tmp/"), []);
});

test("the first put removes old leftovers of killed processes, and only those", async () => {
  const runtime = new ManualClock();
  const vfs = new MemoryVfs({ runtime });
  const first = new FileStore("/data", { vfs, runtime });
  await first.put("a", BODY);
  const { etag } = (await first.head("a"))!;
  const leave = (name: string, ageMs: number, text = "") => {
    const file = vfs.open(`/data/.tmp/${name}`, "create");
    file.append(new TextEncoder().encode(text));
    file.close();
    vfs.setModified(`/data/.tmp/${name}`, runtime.now() - ageMs);
  };
  leave("0000000000000001", 11 * MINUTE_MS);
  leave("0000000000000001.0", 11 * MINUTE_MS);
  leave("0000000000000002", 9 * MINUTE_MS);
  // Tickets go by whether their version is still there, not by age.
  leave("old-etag-1.0.ticket", 0, "/data/.tmp/x\n/data/a");
  leave("gone-etag-1.0.ticket", 0, "/data/.tmp/x\n/data/none");
  leave(`${etag}.0.ticket`, 60 * MINUTE_MS, "/data/.tmp/x\n/data/a");

  await new FileStore("/data", { vfs, runtime }).put("b", BODY);

  const left = vfs.list("/data/.tmp")!.map(({ name }) => name).sort();
  assertEquals(left, ["0000000000000002", `${etag}.0.ticket`].sort());
});

test("a put whose temporary file was removed under it can be tried again", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  await store.put("a", BODY);
  disk.fails = (operation, path) => {
    if (operation !== "link") return undefined;
    disk.fails = () => undefined;
    for (const { name } of disk.vfs.list("/data/.tmp")!) {
      disk.vfs.remove(`/data/.tmp/${name}`);
    }
    return path === "" ? "EIO" : undefined;
  };

  const error = await failureOf(() => store.put("b", BODY));

  assertEquals([error.kind, error.retryable], ["unavailable", true]);
  assertEquals((await store.put("b", BODY)).ok, true);
});

test("an etag does not come back, though inodes and times do", async () => {
  const runtime = new ManualClock();
  const vfs = new MemoryVfs({ runtime });
  const store = new FileStore("/data", { vfs, runtime });
  const etags = new Set<string>();
  for (let i = 0; i < 20; i++) {
    for (const step of ["create", "overwrite", "overwrite"] as const) {
      const result = await store.put("a", sampleBytes(9), { mode: step });
      assert(result.ok);
      etags.add(result.ok ? result.etag : "");
    }
    await store.delete("a");
  }

  assertEquals(etags.size, 60);
  runtime.ms += 1000;
  await store.put("a", BODY);
  assertEquals(vfs.openFiles, 0);
});

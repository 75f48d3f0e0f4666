import { FileStore } from "../../lib/object_store/file_store.ts";
import { listNames, sampleBytes } from "../../lib/testing/store_samples.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/test.ts";
import { failureOf, LoggedDisk } from "./logged_disk.ts";

const BODY = sampleBytes(100);
const MINUTE_MS = 60_000;
/** Long enough for two syncs before the end. */
const LONG_BYTES = 20 * 1024 * 1024;

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

test("what is long is synced while it is written, a stream as well", async () => {
  for (const isStream of [false, true]) {
    const disk = new LoggedDisk();
    const store = new FileStore("/data", { vfs: disk.vfs });
    const bytes = new Uint8Array(LONG_BYTES);

    await store.put("a", isStream ? new Blob([bytes]).stream() : bytes);

    const syncs = disk.log.filter((line) => /sync .*#/.test(line));
    assertEquals(syncs, [
      "datasync /data/.tmp/#",
      "datasync /data/.tmp/#",
      "sync /data/.tmp/#",
    ]);
    assertEquals((await store.head("a"))?.size, LONG_BYTES);
  }
});

test("a put whose early sync failed fails, though the last one works", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  let syncs = 0;
  disk.fails = (operation) =>
    operation === "datasync" && ++syncs === 1 ? "EIO" : undefined;

  const error = await failureOf(() =>
    store.put("a", new Uint8Array(LONG_BYTES))
  );

  assertEquals([error.kind, syncs > 1], ["unavailable", true]);
  assertEquals(await store.head("a"), undefined);
  assertEquals([disk.vfs.list("/data/.tmp"), disk.vfs.openFiles], [[], 0]);
});

test("a file stays open until its early sync is over, also where writing fails", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  const { open } = disk.vfs;
  const synced = Promise.withResolvers<void>();
  const events: string[] = [];
  disk.vfs.open = (path, mode) => {
    const file = open.call(disk.vfs, path, mode);
    const { close } = file;
    file.datasync = () => synced.promise.then(() => void events.push("synced"));
    file.close = () => {
      events.push("closed");
      close.call(file);
    };
    return file;
  };
  let pieces = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (++pieces < 12) controller.enqueue(new Uint8Array(1024 * 1024));
      else controller.error(new Error("no more"));
    },
  });

  const put = failureOf(() => store.put("a", stream)).catch(() => {});
  while (pieces < 12) await new Promise((resolve) => setTimeout(resolve, 1));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(events, []);
  synced.resolve();
  await put;

  assertEquals(events, ["synced", "closed"]);
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

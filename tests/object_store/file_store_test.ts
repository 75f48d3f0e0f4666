import { rm } from "node:fs/promises";
import type { DbError } from "../../lib/base/errors.ts";
import { FileStore } from "../../lib/object_store/file_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import {
  bytesOf,
  listNames,
  sampleBytes,
} from "../../lib/testing/store_samples.ts";
import { MemoryVfs, type VfsOperation } from "../../lib/vfs/memory_vfs.ts";
import { VfsError } from "../../lib/vfs/vfs.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { failureOf, LoggedDisk } from "./logged_disk.ts";

const BODY = sampleBytes(100);

test("put() syncs the file, then gives it its name, then syncs the name", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  await store.put("wal/1", BODY, { mode: "create" });
  disk.log.length = 0;

  await store.put("wal/2", BODY, { mode: "create" });

  const order = ["append", "sync", "link", "remove", "syncDirectory"];
  assertEquals(
    disk.log.filter((line) => order.includes(line.split(" ")[0]!)),
    [
      "append /data/.tmp/#",
      "sync /data/.tmp/#",
      "link /data/wal/2",
      "remove /data/.tmp/#",
      "syncDirectory /data/wal",
    ],
  );
});

test("put() makes every directory on the way survive", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/some/where/data", { vfs: disk.vfs });

  await store.put("a/b/c", BODY);

  assertEquals(
    disk.log.filter((line) => line.startsWith("syncDirectory")),
    [
      "syncDirectory /",
      "syncDirectory /some",
      "syncDirectory /some/where",
      "syncDirectory /some/where/data",
      "syncDirectory /some/where/data/a",
      // For .tmp/.
      "syncDirectory /some/where/data",
      "syncDirectory /some/where/data/a/b",
    ],
  );
});

test("put() does not trust a directory another process may not have synced", async () => {
  const disk = new LoggedDisk();
  disk.vfs.makeDirectory("/data");
  disk.vfs.makeDirectory("/data/wal");

  await new FileStore("/data", { vfs: disk.vfs }).put("wal/1", BODY);
  disk.vfs.crash();

  const store = new FileStore("/data", { vfs: disk.vfs });
  assertEquals(await listNames(store), ["wal/1"]);
});

test("put() works again after somebody removed its directories", async () => {
  await using directory = await TempDir.create();
  const store = new FileStore(directory.at("data"));
  await store.put("wal/1", BODY);
  await rm(directory.at("data"), { recursive: true });

  await store.put("wal/1", BODY, { mode: "create" });
  await store.put("wal/1", sampleBytes(5));

  assertEquals(await bytesOf(store, "wal/1"), sampleBytes(5));
  await store.close();
});

test("put() without fsync syncs nothing", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs, fsync: false });

  await store.put("a/b", BODY);
  await store.put("a/b", BODY);
  await store.delete("a/b");

  assertEquals(disk.log.filter((line) => /sync/.test(line)), []);
});

test("put() of many megabytes lets others have their turn", async () => {
  const runtime = new ManualClock();
  const store = new FileStore("/data", { vfs: new MemoryVfs(), runtime });

  await store.put("large", new Uint8Array(8 * 1024 * 1024));
  assert(runtime.yields >= 7, `${runtime.yields} yields of a put`);

  runtime.yields = 0;
  await store.get("large");
  assert(runtime.yields >= 7, `${runtime.yields} yields of a get`);
});

test("put() streams a large body through without holding it", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  let made = 0;
  let ahead = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const written = disk.log.filter((line) => line.startsWith("append"));
      ahead = Math.max(ahead, made - written.length);
      if (made++ === 200) controller.close();
      else controller.enqueue(new Uint8Array(100_000));
    },
  }, { highWaterMark: 0 });

  await store.put("large", body);

  assertEquals((await store.head("large"))?.size, 20_000_000);
  assert(ahead <= 2, `${ahead} chunks made before they were written`);
});

const DISK_FAILURES: readonly [
  VfsOperation,
  string,
  DbError["kind"],
  boolean,
  string,
][] = [
  ["append", "ENOSPC", "unavailable", true, "full"],
  ["append", "EDQUOT", "unavailable", true, "quota"],
  ["open", "EROFS", "unavailable", false, "read-only"],
  ["open", "EACCES", "unavailable", false, "permission"],
  ["open", "EMFILE", "unavailable", true, "ulimit"],
  ["link", "ENOSPC", "unavailable", true, "full"],
  ["link", "EXDEV", "invalid", false, "one"],
  ["sync", "EIO", "unavailable", true, "device"],
  ["makeDirectory", "EACCES", "unavailable", false, "permission"],
  ["link", "ENAMETOOLONG", "invalid", false, "longer"],
];
for (const [operation, code, kind, retryable, advice] of DISK_FAILURES) {
  test(`put() that fails with ${code} on ${operation} says what to do and leaves nothing`, async () => {
    const disk = new LoggedDisk();
    const store = new FileStore("/data", { vfs: disk.vfs });
    disk.fails = (other, path) =>
      other === operation && path.startsWith("/data") ? code : undefined;

    const error = await failureOf(() => store.put("a/b", BODY));

    assertEquals([error.kind, error.retryable], [kind, retryable]);
    assertEquals(error.outcome, "none");
    assertStringIncludes(error.message, advice);
    assertStringIncludes(error.message, "/data/a/b");
    assert(error.cause instanceof VfsError);
    disk.fails = () => undefined;
    assertEquals(await listNames(store), []);
    assertEquals(disk.vfs.list("/data/.tmp") ?? [], []);
    assertEquals(disk.vfs.openFiles, 0);
    assertEquals((await store.put("a/b", BODY)).ok, true);
  });
}

test("put() below a file, or over a directory, is invalid", async () => {
  const store = new FileStore("/data", { vfs: new MemoryVfs() });
  await store.put("file", BODY);
  await store.put("directory/file", BODY);

  for (const mode of ["overwrite", "create", { ifMatch: "x" }] as const) {
    for (const name of ["file/below", "file/far/below", "directory"]) {
      if (typeof mode === "object" && name !== "directory") continue;
      const error = await failureOf(() => store.put(name, BODY, { mode }));
      assertEquals([error.kind, error.retryable], ["invalid", false], name);
    }
  }
  assertEquals(await listNames(store), ["directory/file", "file"]);
});

test("a root that is a file is invalid to write and empty to read", async () => {
  const vfs = new MemoryVfs();
  await new FileStore("/", { vfs }).put("file", BODY);
  const store = new FileStore("/file", { vfs });

  const error = await failureOf(() => store.put("a", BODY));

  assertEquals(error.kind, "invalid");
  assertEquals(await store.get("a"), undefined);
  assertEquals(await listNames(store), []);
});

test("get(), head(), list() and delete() fail as unavailable when the disk does", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs });
  await store.put("a", BODY);
  const calls: [VfsOperation, () => Promise<unknown>][] = [
    ["open", () => store.get("a")],
    ["readAt", () => store.get("a")],
    ["stat", () => store.head("a")],
    ["list", () => listNames(store)],
    ["remove", () => store.delete("a")],
    [
      "readAt",
      () => Promise.try(() => store.readSync("a", { start: 0, end: 9 })),
    ],
  ];
  for (const [operation, call] of calls) {
    disk.fails = (other) => other === operation ? "EIO" : undefined;
    assertEquals((await failureOf(call)).kind, "unavailable", operation);
  }
  disk.fails = () => undefined;
  await store.close();
  assertEquals(disk.vfs.openFiles, 0);
});

test("put() whose name could not be synced is of unknown outcome, and its repetition succeeds", async () => {
  for (const mode of ["create", "ifMatch"] as const) {
    const runtime = new ManualRuntime();
    const disk = new LoggedDisk();
    const files = new FileStore("/data", { vfs: disk.vfs });
    await files.put("dir/a", BODY);
    const { etag } = (await files.head("dir/a"))!;
    let failures = 0;
    disk.fails = (operation, path) =>
      operation === "syncDirectory" && path === "/data/dir" && failures++ < 2
        ? "EIO"
        : undefined;
    const name = mode === "create" ? "dir/b" : "dir/a";
    const options = { mode: mode === "create" ? mode : { ifMatch: etag } };

    const plain = new RetryingStore(files, { runtime, maxRetries: 0 });
    const error = await failureOf(() => plain.put(name, BODY, options));
    assertEquals(error.outcome, "unknown");
    // Somebody else's put of the same name has lost all the same.
    const other = await files.put(name, sampleBytes(3), options);
    assertEquals(other.ok, false);

    failures = 0;
    const second = mode === "create" ? "dir/c" : name;
    const now = (await files.head(name))!.etag;
    const patient = new RetryingStore(files, { runtime });
    const result = await runtime.run(patient.put(second, BODY, {
      mode: mode === "create" ? mode : { ifMatch: now },
    }));

    assertEquals(result, {
      ok: true,
      etag: (await files.head(second))!.etag,
    });
    assertEquals(failures, 3);
  }
});

test("the options and the root are checked, and nothing is touched before a call", async () => {
  const error = await failureOf(() =>
    Promise.try(() => new FileStore("/data", { maxOpenFiles: 0 }))
  );
  assertEquals(error.kind, "invalid");

  const disk = new LoggedDisk();
  const store = new FileStore("/x/../data/./", { vfs: disk.vfs });
  assertEquals([store.root, disk.log], ["/data", []]);
  assertEquals(await listNames(store), []);
  assertEquals(await store.get("a"), undefined);
  assertEquals(disk.vfs.list("/data"), undefined);
});

import { DbError } from "../../lib/base/errors.ts";
import { FileStore } from "../../lib/object_store/file_store.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { storeUrl, syncReadsOf } from "../../lib/object_store/object_store.ts";
import { PrefixStore } from "../../lib/object_store/prefix_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { openStore } from "../../lib/object_store/store_url.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import {
  bytesOf,
  listNames,
  sampleBytes,
} from "../../lib/testing/store_samples.ts";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const BODY = sampleBytes(10);

test("openStore() of memory: is a fresh store every time", async () => {
  for (const url of ["memory:", "memory:/", "memory://", "memory:///"]) {
    const first = await openStore(url);
    await first.put("a", BODY);
    assert(first instanceof MemoryStore);
    assertEquals(await listNames(await openStore(url)), []);
    assertEquals(storeUrl(first), undefined);
  }
  const below = await openStore("memory:///some/d%20b");
  await below.put("a", BODY);
  assert(below instanceof PrefixStore);
});

test("openStore() of a file URL is that directory, odd characters and all", async () => {
  await using directory = await TempDir.create();
  const path = directory.at("a b", "ü%41", "c#d?e");
  const files = new FileStore(path, { fsync: false });
  await files.put("x", BODY);

  const url = storeUrl(files)!;
  const opened = await openStore(url);
  const host = await openStore(url.replace("file://", "FILE://localhost"));

  assert(!url.includes("#") && !url.includes(" ") && !url.includes("?"));
  assertEquals(await bytesOf(opened, "x"), BODY);
  assertEquals(await bytesOf(host, "x"), BODY);
  assertEquals((opened as FileStore).root, path);
  assertEquals(storeUrl(opened), url);
  const encoded = await openStore(`file://${directory.path}/a%20b`);
  assertEquals((await listNames(encoded)).length, 1);
});

test("openStore() refuses what it cannot open, and says what it can", async () => {
  const refused: readonly (readonly [string, string])[] = [
    ["./data", 'new FileStore("./data")'],
    ["/var/data", "file:///"],
    ["", "file:///"],
    ["file:./data", "new FileStore"],
    ["file:data", "three slashes"],
    ["file:/data", "three slashes"],
    ["file://host/data", "three slashes"],
    ["file:///data?fsync=false", "no query"],
    ["file:///data#x", "no query"],
    ["file:///da%ZZta", "%ZZ"],
    ["file:///da%00ta", "%00"],
    ["file:///da%2Fta", "slash"],
    ["s3://bucket/prefix", "S3"],
    ["gs://bucket/prefix", '"memory:"'],
    ["redis://localhost", '"s3://bucket/prefix"'],
  ];
  for (const [url, advice] of refused) {
    const error = await assertRejects(() => openStore(url));
    assert(error instanceof DbError, url);
    const { kind, message } = error as DbError;
    assertEquals(kind, "invalid", url);
    assertStringIncludes(message, advice, url);
    assertStringIncludes(message, url.replace("=false", "=***"));
  }
});

test("openStore() repeats no secret of a URL it refuses", async () => {
  const refused: readonly (readonly [string, string])[] = [
    ["s3://key:se/cr@et@bucket/prefix", "s3://***@bucket/prefix"],
    ["s3://bucket?access=key&token=secret#x", "s3://bucket?access=***&token"],
    ["https://me:secret@host/a?b", "https://***@host/a?b"],
    ["redis:me:secret@host", "redis:***@host"],
    ["file://me:secret@host/data", "file://***@host/data"],
    ["file:///home/me@host/da?ta", "file:///home/me@host/da?ta"],
  ];
  for (const [url, shown] of refused) {
    const { message, stack } = await assertRejects(() =>
      openStore(url)
    ) as DbError;
    assertStringIncludes(message, shown);
    assert(!message.includes("secret") && !stack!.includes("secret"), message);
    assert(!message.includes("se/cr"), message);
  }
});

test("storeUrl() goes through prefixes and retries", async () => {
  await using directory = await TempDir.create();
  const files = new FileStore(directory.path, { fsync: false });
  const store = new PrefixStore(new RetryingStore(files), "some/d b");
  await store.put("x", BODY);

  const url = storeUrl(store);
  assertEquals(url, `file://${directory.path}/some/d%20b`);
  assertEquals(await bytesOf(await openStore(url!), "x"), BODY);
  assertEquals(new PrefixStore(new FileStore("/"), "a").url, "file:///a");
  assertEquals(storeUrl(new FaultStore(files)), undefined);
});

test("PrefixStore keeps to its prefix", async () => {
  const memory = new MemoryStore();
  const store = new PrefixStore(memory, "db");
  for (const name of ["db", "dbx/a", "d", "other/a"]) {
    await memory.put(name, BODY);
  }
  await store.put("a/b", BODY);

  assertEquals(await listNames(store), ["a/b"]);
  assertEquals((await store.get("a/b"))?.meta.name, "a/b");
  assertEquals((await memory.head("db/a/b"))?.name, "db/a/b");
  for (const name of ["../dbx/a", "..", ""]) {
    const error = await assertRejects(() => store.get(name));
    assertEquals((error as DbError).kind, "invalid");
  }
  for (const prefix of ["", "/", "a/", "/a", "a//b", ".."]) {
    await assertRejects(() =>
      Promise.try(() => new PrefixStore(memory, prefix))
    );
  }
  assert(syncReadsOf(store) !== undefined);
  const shut = new PrefixStore(new FaultStore(memory), "db");
  assertEquals(syncReadsOf(shut), undefined);
});

import { FileStore } from "../../lib/object_store/file_store.ts";
import { sampleBytes } from "../../lib/testing/store_samples.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { LoggedDisk } from "./logged_disk.ts";

const BODY = sampleBytes(100);

test("readSync() keeps few descriptors, and close() gives all back", async () => {
  const vfs = new MemoryVfs();
  const store = new FileStore("/data", { vfs, maxOpenFiles: 3 });
  for (let i = 0; i < 10; i++) await store.put(`a/${i}`, sampleBytes(9, i));

  for (let i = 0; i < 30; i++) {
    const bytes = store.readSync(`a/${i % 10}`, { start: 0, end: 9 });
    assertEquals(bytes?.slice(), sampleBytes(9, i % 10));
  }

  assertEquals(vfs.openFiles, 3);
  await store.close();
  assertEquals(vfs.openFiles, 0);
  assert(store.readSync("a/1", { start: 0, end: 9 }) !== undefined);
  await store.close();
  await store.close();
});

test("readSync() keeps the file used last and lets go of removed ones", async () => {
  const disk = new LoggedDisk();
  const store = new FileStore("/data", { vfs: disk.vfs, maxOpenFiles: 3 });
  const range = { start: 0, end: 9 };
  const names = ["a", "b", "c", "d", "e"];
  for (const name of names) await store.put(name, BODY);
  const opened = (name: string) => {
    disk.log.length = 0;
    store.readSync(name, range);
    return disk.log.includes(`open /data/${name}`);
  };
  for (const name of ["a", "b", "c", "a"]) opened(name);

  assertEquals([opened("d"), opened("a"), opened("b")], [true, false, true]);

  // As another process would.
  disk.vfs.remove("/data/a");
  assert(store.readSync("a", range) !== undefined, "still served");
  opened("d");
  opened("b");
  opened("e");
  assertEquals(store.readSync("a", range), undefined);
  await store.delete("d");
  assertEquals(store.readSync("d", range), undefined);
  await store.close();
});

test("readSync() uses one buffer, grown as needed", async () => {
  const store = new FileStore("/data", { vfs: new MemoryVfs() });
  await store.put("a", sampleBytes(50_000));

  const small = store.readSync("a", { start: 0, end: 10 })!;
  const again = store.readSync("a", { start: 10, end: 20 })!;
  assertEquals(small.buffer, again.buffer);
  const large = store.readSync("a", { start: 0, end: 2 ** 50 })!;
  assertEquals(large, sampleBytes(50_000));
  assert(large.buffer.byteLength <= 65_536);
  await store.close();
});

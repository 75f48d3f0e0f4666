/** The real disk and the one in memory answer alike. */
import { type DbError, messageOf } from "../../lib/base/errors.ts";
import { toDiskError } from "../../lib/vfs/disk_error.ts";
import { MemoryVfs } from "../../lib/vfs/memory_vfs.ts";
import { nodeVfs } from "../../lib/vfs/node_vfs.ts";
import { posixCodeOf, type Vfs, VfsError } from "../../lib/vfs/vfs.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const BYTES = Uint8Array.of(1, 2, 3, 4, 5);

/** Runs a test over both disks, in an empty directory. */
function testBoth(
  name: string,
  body: (vfs: Vfs, at: (name: string) => string) => Promise<void> | void,
): void {
  test(`NodeVfs: ${name}`, async () => {
    await using directory = await TempDir.create();
    await body(nodeVfs(), (name) => directory.at(name));
  });
  test(`MemoryVfs: ${name}`, async () => {
    const vfs = new MemoryVfs();
    vfs.makeDirectory("/dir");
    await body(vfs, (name) => `/dir/${name}`);
    assertEquals(vfs.openFiles, 0);
  });
}

function write(vfs: Vfs, path: string, bytes = BYTES): void {
  const file = vfs.open(path, "create");
  file.append(bytes);
  file.close();
}

function read(vfs: Vfs, path: string): Uint8Array {
  const file = vfs.open(path, "read");
  const buffer = new Uint8Array(100);
  const length = file.readAt(buffer, 0);
  file.close();
  return buffer.slice(0, length);
}

function codeOf(body: () => unknown): string | undefined {
  return posixCodeOf(assertThrows(body));
}

testBoth(
  "a file is written, read in parts, cut and measured",
  async (vfs, at) => {
    const file = vfs.open(at("a"), "create");
    file.append(BYTES);
    file.append(BYTES);
    file.writeAt(Uint8Array.of(9, 9), 4);
    await file.datasync();
    await file.sync();

    const buffer = new Uint8Array(4);
    assertEquals([file.readAt(buffer, 3), [...buffer]], [4, [4, 9, 9, 2]]);
    assertEquals(file.readAt(buffer, 8), 2);
    assertEquals(file.readAt(buffer, 10), 0);
    assertEquals(file.readAt(buffer, 99), 0);
    file.truncate(3);
    assertEquals(file.stat().size, 3);
    file.truncate(5);
    file.close();
    file.close();

    assertEquals([...read(vfs, at("a"))], [1, 2, 3, 0, 0]);
    const { kind, size, modifiedMs } = vfs.stat(at("a"))!;
    assertEquals([kind, size, Number.isInteger(modifiedMs)], ["file", 5, true]);
  },
);

testBoth("open() to append makes the file or goes on at its end", (vfs, at) => {
  for (let round = 0; round < 2; round++) {
    const file = vfs.open(at("log"), "append");
    file.append(BYTES);
    const buffer = new Uint8Array(5);
    assertEquals([file.readAt(buffer, 0), [...buffer]], [5, [...BYTES]]);
    file.close();
  }
  assertEquals(vfs.stat(at("log"))?.size, 10);
});

testBoth("failures carry their POSIX names", (vfs, at) => {
  write(vfs, at("file"));
  vfs.makeDirectory(at("directory"));
  assertEquals(codeOf(() => vfs.open(at("none"), "read")), "ENOENT");
  assertEquals(codeOf(() => vfs.open(at("none/a"), "create")), "ENOENT");
  assertEquals(codeOf(() => vfs.open(at("file"), "create")), "EEXIST");
  assertEquals(codeOf(() => vfs.open(at("directory"), "append")), "EISDIR");
  assertEquals(codeOf(() => vfs.open(at("file/a"), "create")), "ENOTDIR");
  assertEquals(codeOf(() => vfs.makeDirectory(at("none/a"))), "ENOENT");
  assertEquals(codeOf(() => vfs.makeDirectory(at("file/a/b"))), "ENOTDIR");
  assertEquals(codeOf(() => vfs.link(at("none"), at("b"))), "ENOENT");
  assertEquals(codeOf(() => vfs.link(at("file"), at("none/b"))), "ENOENT");
  assertEquals(codeOf(() => vfs.rename(at("none"), at("b"))), "ENOENT");
  assertEquals(codeOf(() => vfs.rename(at("file"), at("directory"))), "EISDIR");
});

testBoth("what may well be absent is answered, not thrown", (vfs, at) => {
  write(vfs, at("file"));
  assertEquals(vfs.stat(at("none")), undefined);
  assertEquals(vfs.stat(at("none/a")), undefined);
  assertEquals(vfs.stat(at("file/a")), undefined);
  assertEquals(vfs.list(at("none")), undefined);
  assertEquals(vfs.list(at("file")), undefined);
  assertEquals(vfs.remove(at("none")), false);
  assertEquals(vfs.remove(at("file/a")), false);
  assertEquals([vfs.remove(at("file")), vfs.stat(at("file"))], [
    true,
    undefined,
  ]);
});

testBoth("directories are made once and listed", (vfs, at) => {
  assertEquals(vfs.makeDirectory(at("d")), true);
  assertEquals(vfs.makeDirectory(at("d")), false);
  write(vfs, at("d/file"));
  vfs.makeDirectory(at("d/below"));

  const entries = vfs.list(at("d"))!.sort((a, b) => a.name < b.name ? -1 : 1);
  assertEquals(entries.map(({ name, kind }) => [name, kind]), [
    ["below", "directory"],
    ["file", "file"],
  ]);
  assertEquals(vfs.stat(at("d"))?.kind, "directory");
});

testBoth(
  "link() is exclusive, and gives a second name to one file",
  (vfs, at) => {
    write(vfs, at("a"));
    assertEquals(vfs.link(at("a"), at("b")), true);
    assertEquals(vfs.link(at("a"), at("b")), false);
    assertEquals(vfs.stat(at("a")), vfs.stat(at("b")));
    vfs.remove(at("a"));
    assertEquals(read(vfs, at("b")), BYTES);
  },
);

testBoth(
  "rename() replaces, and a descriptor keeps what it was opened on",
  (vfs, at) => {
    write(vfs, at("old"));
    write(vfs, at("new"), Uint8Array.of(7));
    const file = vfs.open(at("old"), "read");

    vfs.rename(at("new"), at("old"));

    assertEquals(read(vfs, at("old")), Uint8Array.of(7));
    assertEquals(vfs.stat(at("new")), undefined);
    const buffer = new Uint8Array(5);
    assertEquals([file.readAt(buffer, 0), [...buffer]], [5, [...BYTES]]);
    file.close();
  },
);

testBoth("setModified() is exact to the millisecond", (vfs, at) => {
  write(vfs, at("a"));
  for (const ms of [1_700_000_000_000, 1_700_000_000_001, 1_795_243_007_191]) {
    for (let offset = 0; offset < 50; offset++) {
      vfs.setModified(at("a"), ms + 7 * offset);
      assertEquals(vfs.stat(at("a"))?.modifiedMs, ms + 7 * offset);
    }
  }
});

testBoth("inodes of files that exist at one time differ", (vfs, at) => {
  for (const name of ["a", "b", "c"]) write(vfs, at(name));
  vfs.remove(at("b"));
  write(vfs, at("d"));
  const inodes = ["a", "c", "d"].map((name) => vfs.stat(at(name))!.inode);
  assertEquals(new Set(inodes).size, 3);
});

testBoth(
  "syncDirectory() is fine with a directory, and fails without",
  async (vfs, at) => {
    vfs.makeDirectory(at("d"));
    await vfs.syncDirectory(at("d"));
    await vfs.syncDirectory("/");
    let code: string | undefined;
    await vfs.syncDirectory(at("none"))
      .catch((error) => code = posixCodeOf(error));
    assertEquals(code, "ENOENT");
  },
);

test("crash() forgets bytes and names that were not synced, each by itself", async () => {
  const vfs = new MemoryVfs();
  const file = vfs.open("/synced", "create");
  file.append(BYTES);
  await file.datasync();
  file.append(BYTES);
  write(vfs, "/empty");
  await vfs.syncDirectory("/");
  write(vfs, "/nameless");
  vfs.remove("/synced");

  vfs.crash();

  assertEquals(read(vfs, "/synced"), BYTES);
  assertEquals(read(vfs, "/empty"), new Uint8Array(0));
  assertEquals(vfs.stat("/nameless"), undefined);
  assertEquals(posixCodeOf(assertThrows(() => file.append(BYTES))), "EBADF");
});

test("crash() during a sync leaves what was there before it", async () => {
  const vfs = new MemoryVfs();
  const file = vfs.open("/a", "create");
  await vfs.syncDirectory("/");
  file.append(BYTES);
  const syncing = file.sync();

  vfs.crash();

  let code: string | undefined;
  await syncing.catch((error) => code = posixCodeOf(error));
  assertEquals(code, "EBADF");
  assertEquals(read(vfs, "/a"), new Uint8Array(0));
});

test("crash() with a lucky coin loses nothing", () => {
  const vfs = new MemoryVfs();
  write(vfs, "/a");

  vfs.crash(() => true);

  assertEquals(read(vfs, "/a"), BYTES);
});

test("toDiskError() leaves alone what is no failure of the disk", () => {
  const plain = new TypeError("a bug");
  assertEquals(toDiskError(plain, "read"), plain);
  const abort = AbortSignal.abort().reason;
  assertEquals(toDiskError(abort, "read"), abort);
  const error = toDiskError(new VfsError("EWHAT", "x", "/y"), "read /y") as
    & DbError
    & Error;
  assertEquals([error.kind, error.retryable], ["unavailable", true]);
  assert(error.message.includes("EWHAT"), messageOf(error));
  const denied = Object.assign(new Error("no"), { name: "NotCapable" });
  assertEquals((toDiskError(denied, "read") as DbError).retryable, false);
});

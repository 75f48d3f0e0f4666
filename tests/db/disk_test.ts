/**
 * Disks that are full, read-only, or hold something else.
 *
 * With a store down writes stall, as SlateDB's do, until it works again, the
 * caller's signal fires, or `object_store_max_retries` is used up. A local disk
 * is given some seconds, then the database stops with what is the matter.
 *
 * @module
 */
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import process from "node:process";
import { Db, type DbError, DbReader, FileStore } from "../../mod.ts";
import {
  ManualRuntime,
  MemoryVfs,
  VfsError,
  type VfsOperation,
} from "../../lib/testing/mod.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
} from "../support/assert.ts";
import { scanRows } from "../support/db_ops.ts";
import { hex } from "../support/op.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";

const ONE_TRY = { object_store_max_retries: 0 };

async function rejection(call: () => unknown): Promise<DbError> {
  return await assertRejects(async () => await call()) as DbError;
}

/** A disk whose writes fail while it is broken. */
function breakable(code: string) {
  const disk = { broken: false };
  const writes: readonly VfsOperation[] = [
    "append",
    "makeDirectory",
    "link",
    "rename",
  ];
  const vfs = new MemoryVfs({
    onCall(operation, path) {
      if (disk.broken && writes.includes(operation)) {
        throw new VfsError(code, operation, path);
      }
    },
  });
  return { disk, vfs };
}

for (const code of ["ENOSPC", "EROFS", "EACCES", "EIO"]) {
  test(`a disk that fails with ${code} fails the write, clearly, and loses nothing`, async () => {
    const { disk, vfs } = breakable(code);
    const open = () =>
      Db.open("db", {
        store: new FileStore("/data", { vfs }),
        settings: ONE_TRY,
      });
    const db = await open();
    await db.put("a", "1");
    disk.broken = true;
    const error = await rejection(() => db.put("b", "2"));
    assertEquals(error.name, "DbError");
    assert(["closed", "unavailable"].includes(error.kind), error.kind);
    assertMatch(error.message, new RegExp(code));
    assert(error.cause !== undefined, "no cause");
    await db.close().catch((cause) => assertEquals(cause.name, "DbError"));

    const closed = await rejection(open);
    assertEquals(closed.kind, "unavailable");
    assertMatch(closed.message, new RegExp(code));
    disk.broken = false;
    await using again = await open();
    const keys = (await scanRows(again)).map(({ k }) => k);
    assertEquals(keys.filter((k) => k !== hex("b")), [hex("a")]);
  });
}

for (const wal of [true, false]) {
  const how = wal ? "" : ", WAL off";
  test(`a disk that stays full stops the database in some seconds${how}`, async () => {
    const { disk, vfs } = breakable("ENOSPC");
    const runtime = new ManualRuntime();
    const open = () =>
      runtime.run(Db.open("db", {
        store: new FileStore("/data", { vfs }),
        runtime,
        settings: { wal_enabled: wal },
      }));
    const db = await open();
    await runtime.run(db.put("a", "1"));
    disk.broken = true;

    const error = await rejection(() => runtime.run(db.put("b", "2"), 20_000));
    const later = await rejection(() => db.get("a"));

    assert(["closed", "unavailable"].includes(error.kind), error.kind);
    assertMatch(error.message, /the disk is full.*ENOSPC/);
    assert(error.cause !== undefined, "no cause");
    assertEquals([later.kind, later.reason], ["closed", "failed"]);
    assertEquals((later.cause as DbError).kind, "unavailable");
    await runtime.run(db.close());
    assertEquals((await rejection(open)).kind, "unavailable");
    disk.broken = false;
    const again = await open();
    assertEquals(await again.count({ lte: "a" }), 1);
    await runtime.run(again.close());
  });
}

test("a full disk stalls writes until there is room, and says so", async () => {
  const { disk, vfs } = breakable("ENOSPC");
  const warnings: string[] = [];
  const logger = {
    debug() {},
    info() {},
    warn: (message: string) => void warnings.push(message),
    error() {},
  };
  await using db = await Db.open("db", {
    store: new FileStore("/data", { vfs }),
    logger,
    settings: { flush_interval: "1ms" },
  });
  disk.broken = true;
  const put = db.put("a", "1");
  while (warnings.length === 0) {
    await new Promise((turn) => setTimeout(turn, 5));
  }
  assertMatch(warnings[0]!, /disk is full/);
  const impatient = db.put("b", "2", { signal: AbortSignal.timeout(20) });
  assertEquals((await rejection(() => impatient)).name, "TimeoutError");
  disk.broken = false;
  await put;
  assertEquals(await db.count(), 2);
});

test("an opening that meets a broken disk ends with its signal", async () => {
  const { disk, vfs } = breakable("ENOSPC");
  disk.broken = true;
  const error = await rejection(() =>
    Db.open("db", {
      store: new FileStore("/data", { vfs }),
      signal: AbortSignal.timeout(30),
    })
  );
  assertEquals(error.name, "TimeoutError");
});

test("a read-only directory is refused by a writer and read by a reader", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  const db = await Db.open("db", { store });
  await db.put("a", "1");
  await db.close();
  // Root may write anywhere; then only the reader's part can be shown.
  const folders = [
    dir.path,
    ...["manifest", "wal", "compacted"].map((name) => dir.at("db", name)),
  ];
  for (const folder of folders) await chmod(folder, 0o555);
  try {
    if (process.getuid?.() !== 0) {
      const error = await rejection(() =>
        Db.open("db", { store, settings: ONE_TRY })
      );
      assertEquals(error.kind, "unavailable");
      assertMatch(error.message, /permission/);
    }
    await using reader = await DbReader.open("db", { store });
    assertEquals((await reader.get("a"))!.length, 1);
  } finally {
    for (const folder of folders) await chmod(folder, 0o755);
  }
});

test("a directory that is not a database is told apart from an empty one", async () => {
  await using dir = await TempDir.create();
  await mkdir(dir.at("db", "photos"), { recursive: true });
  await writeFile(dir.at("db", "photos", "cat.jpg"), "meow");
  const store = new FileStore(dir.path);
  const error = await rejection(() => DbReader.open("db", { store }));
  assertEquals(error.kind, "data");
  await using db = await Db.open("db", { store });
  await db.put("a", "1");
  assertEquals(await readdir(dir.at("db", "photos")), ["cat.jpg"]);
});

test("a file where the store's directory should be is refused", async () => {
  await using dir = await TempDir.create();
  await writeFile(dir.at("data"), "not a directory");
  const store = new FileStore(dir.at("data"));
  for (const open of [Db.open, DbReader.open]) {
    const error = await rejection(() =>
      (open as typeof Db.open)("db", {
        store,
        ...(open === Db.open ? { settings: ONE_TRY } : {}),
      })
    );
    assertEquals(error.name, "DbError");
    assert(["invalid", "unavailable", "data"].includes(error.kind), error.kind);
  }
});

test("DESIGN 7.5: no temporary file ever lies in a database's folder, and none is left", async () => {
  await using dir = await TempDir.create();
  const store = new FileStore(dir.path);
  // A compaction under way has a temporary file, too.
  await using db = await Db.open("db", { store, compactor: "off" });
  for (let i = 0; i < 5; i++) {
    await db.put(`k${i}`, "1");
    await db.flush({ target: "memtable" });
  }
  await db.close();
  const names = (await readdir(dir.at("db"), { recursive: true })).filter((
    name,
  ) => name.includes("/") || name.includes("\\"));
  const known =
    /^(manifest|wal|compacted|gc|compactions)[/\\][0-9A-Z]+\.(manifest|sst|compactions|boundary)$/;
  assertEquals(names.filter((name) => !known.test(name)), []);
  assertEquals(await readdir(dir.at(".tmp")).catch(() => []), []);
});

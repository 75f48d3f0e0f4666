/**
 * What Shale's collector leaves of a database is all that its engines need:
 * SlateDB 0.12.1, SlateDB 0.15's own marks and checkpoints, and Shale.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import {
  Admin,
  Db,
  DbReader,
  FileStore,
  type GcReport,
  MemoryStore,
  type ObjectStore,
} from "../../mod.ts";
import { toText } from "../../lib/base/bytes.ts";
import { ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  assertReads,
  concatOperator,
  type Readable,
} from "../support/db_ops.ts";
import { type Fixture, loadFixture } from "../support/fixtures.ts";
import type { ModelEntry } from "../support/model_db.ts";
import { hex, type RowLine } from "../support/op.ts";
import { TempDir } from "../support/temp_dir.ts";
import { test } from "../support/test.ts";
import { startUniffiJudge } from "./judge.ts";
import { openShale } from "./shale.ts";

const DAY_MS = 24 * 3_600_000;
const FENCES_TOO = { wal_fence_options: { dry_run: false } };
const NAMES = ["boundaries", "checkpoints"];

/** Collects as if all files were a day older. */
async function collectLater(
  store: ObjectStore,
  settings = {},
): Promise<GcReport> {
  const runtime = new ManualRuntime({ now: Date.now() + DAY_MS });
  const report = await Admin.open("db", { store, runtime }).runGc({ settings });
  assertEquals(report.failures, []);
  for (const { name, reason } of report.verdicts) assert(reason !== "", name);
  return report;
}

async function fill(store: ObjectStore, { files }: Fixture): Promise<void> {
  for (const [name, bytes] of files) await store.put(name, bytes);
}

async function fillDirectory(dir: TempDir, { files }: Fixture) {
  for (const [name, bytes] of files) {
    await mkdir(dirname(dir.at(name)), { recursive: true });
    await writeFile(dir.at(name), bytes);
  }
}

function expectedOf({ expected }: Fixture): ModelEntry[] {
  return expected.map(({ key, value, seq, createTs, expireTs }) => ({
    k: hex(key),
    v: hex(value),
    seq,
    createTs,
    expireTs,
  }));
}

async function assertRows(db: Readable, fixture: Fixture): Promise<void> {
  const rows = expectedOf(fixture);
  await assertReads(db, rows, rows.map(({ k }) => k));
}

function simple(rows: readonly (RowLine | ModelEntry)[]) {
  return rows.map(({ k, v, seq }) => [k, v, BigInt(seq)]);
}

for (const name of NAMES) {
  test(`Shale reads slatedb-0.15/${name} after a collection, and goes on with it`, async () => {
    const fixture = await loadFixture("slatedb-0.15", name);
    const store = new MemoryStore();
    await fill(store, fixture);
    const markOf = async (kind: string) => {
      const found = await store.get(`db/gc/${kind}.boundary`);
      return found === undefined ? 0 : Number(toText(found.bytes));
    };
    const before = await markOf("manifest");
    const report = await collectLater(store, FENCES_TOO);
    assert(report.deleted.manifest > 0);
    const admin = Admin.open("db", { store });
    const latest = (await admin.readManifest())!;
    const mark = await markOf("manifest");
    assert(mark >= before && mark < latest.id, `${before} ${mark}`);
    for (const { manifestId } of latest.checkpoints) {
      assert(await admin.readManifest(manifestId) !== undefined);
    }

    const options = {
      store,
      mergeOperator: concatOperator,
      expiredReads: "return" as const,
    };
    const reader = await DbReader.open("db", options);
    await assertRows(reader as unknown as Readable, fixture);
    await reader.close();
    const db = await Db.open("db", {
      ...options,
      settings: { compactor_options: null, garbage_collector_options: null },
    });
    await assertRows(db, fixture);
    await db.put("written by", "Shale");
    await db.close();
    await collectLater(store, FENCES_TOO);
    const again = await Db.open("db", options);
    assertEquals(
      toText((await again.get("written by"))!),
      "Shale",
    );
    await again.close();
  });

  // It opens neither as a writer: their compactions are of version 2.
  test(`SlateDB 0.12.1 reads slatedb-0.15/${name} after a collection`, async () => {
    const fixture = await loadFixture("slatedb-0.15", name);
    await using dir = await TempDir.create();
    await fillDirectory(dir, fixture);
    const report = await collectLater(new FileStore(dir.path));
    assert(report.deleted.manifest > 0);
    await using judge = await startUniffiJudge();
    const rows = await judge.read({ store: dir.path, path: "db" });
    assertEquals(simple(rows), simple(expectedOf(fixture)));
  });
}

test("SlateDB 0.12.1 opens, reads and writes what Shale's collector left", async () => {
  await using dir = await TempDir.create();
  const model = new Map<string, string>();
  for (let life = 0; life < 3; life++) {
    const db = await openShale({
      dir: dir.path,
      settings: { garbage_collector_options: null },
    });
    for (let layer = 0; layer < 3; layer++) {
      for (let key = 0; key < 20; key++) {
        await db.put(`k${key}`, `${life} ${layer}`, { awaitDurable: false });
        model.set(hex(`k${key}`), hex(`${life} ${layer}`));
      }
      await db.flush({ target: "memtable" });
    }
    await db.compact();
    await db.put(`tail ${life}`, "in the WAL");
    model.set(hex(`tail ${life}`), hex("in the WAL"));
    await db.close({ flush: "wal" });
  }
  const report = await collectLater(new FileStore(dir.path), FENCES_TOO);
  for (const kind of ["manifest", "wal", "wal_fence", "compacted"] as const) {
    assert(report.deleted[kind] > 0, `no ${kind} was deleted`);
  }
  const expected = [...model].sort(([a], [b]) => a < b ? -1 : 1);
  const place = { store: dir.path, path: "db" };
  await using judge = await startUniffiJudge();
  const read = await judge.read(place);
  assertEquals(read.map(({ k, v }) => [k, v]), expected);
  await judge.open({ ...place, settings: { flush_interval: "10ms" } });
  await judge.apply([
    { op: "put", k: hex("z"), v: hex("theirs") },
    { op: "flush_mem" },
  ]);
  const rows = await judge.rows();
  assertEquals(rows.map(({ k, v }) => [k, v]), [
    ...expected,
    [hex("z"), hex("theirs")],
  ]);
  await judge.close();

  await collectLater(new FileStore(dir.path), FENCES_TOO);
  await using db = await openShale({ dir: dir.path });
  assertEquals(await db.count(), expected.length + 1);
});

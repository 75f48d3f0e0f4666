/**
 * Databases that SlateDB made long ago, taken over by Shale, and read by 0.15.
 *
 * @module
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type DbError, type DbOptions, fixedPrefix } from "../../../mod.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";
import { scanRows } from "../../support/db_ops.ts";
import {
  type FixtureInfo,
  type FixtureName,
  listFixtures,
  loadFixture,
} from "../../support/fixtures.ts";
import { hex, type RowLine } from "../../support/op.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { test } from "../../support/test.ts";
import type { StartJudge } from "../cases.ts";
import { policiesOf } from "../layouts.ts";
import { openShale, plusOne } from "../shale.ts";

const KEYS = ["~~~~1", "~~~~2", "~~~~3"];

/** What a row says, without when it was written. */
const bare = ({ k, v, seq, expire_ts }: RowLine) => ({ k, v, seq, expire_ts });

/** Components that a database was made with. */
function componentsOf(info: FixtureInfo): Partial<DbOptions> {
  const { filters, transform, segment_prefix_bytes: segment } = info;
  return {
    ...(transform === undefined ? {} : { blockTransformer: plusOne }),
    ...(filters === undefined
      ? {}
      : { filterPolicies: policiesOf(filters), formatTarget: "0.15" }),
    ...(segment === undefined ? {} : {
      segmentExtractor: fixedPrefix(segment),
      formatTarget: "0.15",
    }),
  };
}

/** Writes into the WAL, into L0 and into runs of a database; SlateDB reads all. */
async function takeOver(
  start: StartJudge,
  { engine, name }: FixtureName,
): Promise<void> {
  const { files, expected, info } = await loadFixture(engine, name);
  await using dir = await TempDir.create();
  for (const [file, bytes] of files) {
    await mkdir(dirname(dir.at(file)), { recursive: true });
    await writeFile(dir.at(file), bytes);
  }
  const { segment_prefix_bytes: segment, transform, filters } = info;
  if (segment !== undefined) {
    const refused = await assertRejects(() => openShale({ dir: dir.path }));
    assertEquals((refused as DbError).kind, "invalid");
  }
  const db = await openShale({ dir: dir.path, ...componentsOf(info) });
  const ours = [];
  for (const key of KEYS) {
    const { seq } = await db.put(key, "by Shale");
    ours.push({
      k: hex(key),
      v: hex("by Shale"),
      seq: Number(seq),
      expire_ts: null,
    });
    if (key !== KEYS.at(-1)) await db.flush({ target: "memtable" });
    if (key === KEYS[0]) await db.compact();
  }
  const shown = (await scanRows(db)).map(({ k, v, seq, expireTs }) => ({
    k,
    v,
    seq: Number(seq),
    expire_ts: expireTs === undefined ? null : Number(expireTs),
  }));
  await db.close({ flush: "none" });

  await using judge = await start();
  const rows = (await judge.read({
    store: dir.path,
    path: "db",
    ...(transform === undefined ? {} : { transform: true }),
    ...(segment === undefined ? {} : { segment }),
    ...(filters === undefined ? {} : { filters }),
  })).map(bare);
  assertEquals(rows, shown);
  // An operand that has expired is gone, and what it was merged into is not.
  if (name === "expired") return;
  const theirs = expected
    .filter(({ expireTs }) => expireTs === undefined || expireTs > Date.now())
    .map(({ key, value, seq, expireTs }) => ({
      k: hex(key),
      v: hex(value),
      seq: Number(seq),
      expire_ts: expireTs === undefined ? null : Number(expireTs),
    }));
  const all = [...theirs, ...ours].sort((a, b) => a.k < b.k ? -1 : 1);
  assertEquals(rows, all);
}

/** Registers the cases. */
export function testTakeovers(start: StartJudge): void {
  for (const fixture of listFixtures()) {
    const { engine, name } = fixture;
    test(`SlateDB 0.15.0 reads ${engine}/${name} after Shale took it over`, () => {
      return takeOver(start, fixture);
    });
  }
}

/**
 * The tour of `deno task start`: a data set goes into a database and comes back.
 *
 * @module
 */
import {
  Db,
  DbError,
  type ObjectStore,
  type Snapshot,
  WriteBatch,
} from "../../mod.ts";
import { formatBytes, formatCount, formatDuration } from "../display.ts";
import type { CityRow } from "./cities.ts";
import type { Report } from "./report.ts";

/** The database's path; nothing else is ever written or removed. */
export const TOUR_PATH = "start-cities";

const GETS = 50_000;
const CHANGES = 1000;
const PREFIX = "FR/Brittany/";
const PROGRESS_ROWS = 5000;

/**
 * Removes what an earlier run left, and nothing else.
 *
 * @param store Where it would be.
 * @param report Told what was found.
 */
export async function removeEarlierRun(
  store: ObjectStore,
  report: Report,
): Promise<void> {
  const names: string[] = [];
  for await (const { name } of store.list(`${TOUR_PATH}/`)) names.push(name);
  for (const name of names) await store.delete(name);
  if (names.length > 0) {
    report.note(
      `removed the ${names.length} objects of an earlier run in ${TOUR_PATH}/`,
    );
  }
}

/**
 * Runs the tour.
 *
 * @param store Where the database is made.
 * @param rows What goes in.
 * @param report Shows what happens.
 * @throws {DbError} If anything came back that did not go in.
 */
export async function runTour(
  store: ObjectStore,
  rows: readonly CityRow[],
  report: Report,
): Promise<void> {
  await load(store, rows, report);
  report.part("Open again");
  const opening = performance.now();
  await using db = await Db.open(TOUR_PATH, { store });
  const first = await db.get(rows[0]!.key);
  const openMs = performance.now() - opening;
  expect(first !== undefined, "the first city is missing");
  report.figure("reopen_ms", openMs);
  report.line("open and first read", formatDuration(openMs));
  await readPoints(db, rows, report);
  await scanRanges(db, rows, report);
  await changeUnderSnapshot(db, rows, report);
  await showTree(db, report);
}

async function load(
  store: ObjectStore,
  rows: readonly CityRow[],
  report: Report,
): Promise<void> {
  report.part("Load");
  const db = await Db.open(TOUR_PATH, { store });
  const start = performance.now();
  const writer = db.writable().getWriter();
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    if (writer.desiredSize! <= 0) await writer.ready;
    // A failed write shows in `ready` and `close()`, which are awaited.
    writer.write(row).catch(() => {});
    bytes += row.key.length + row.value.length;
    if (index % PROGRESS_ROWS === 0) report.progress(index, rows.length);
  }
  await writer.close();
  const loadMs = performance.now() - start;
  report.progress(rows.length, rows.length);
  const closing = performance.now();
  await db.close();
  const closeMs = performance.now() - closing;
  report.figure("rows", rows.length);
  report.figure("load_ms", loadMs);
  report.figure("close_ms", closeMs);
  report.line(
    "written and durable",
    `${formatCount(rows.length)} cities, ${formatBytes(bytes)}, ${
      formatDuration(loadMs)
    }`,
  );
  report.rate("load", "through db.writable()", rows.length, loadMs);
  report.line("sorted into the tree, closed", formatDuration(closeMs));
}

async function readPoints(
  db: Db,
  rows: readonly CityRow[],
  report: Report,
): Promise<void> {
  report.part("Point reads");
  for (
    const key of [
      "JP/Tokyo/Tokyo",
      "IS/Capital Region/Reykjavík",
      "XX/Atlantis",
    ]
  ) {
    report.line(key, showCity(await db.get(key)));
  }
  const keys = Array.from(
    { length: GETS },
    (_, i) => rows[(i * 7919 + 13) % rows.length]!.key,
  );
  let found = 0;
  const start = performance.now();
  for (const key of keys) if (await db.get(key) !== undefined) found++;
  const ms = performance.now() - start;
  expect(found === GETS, `${GETS - found} cities are missing`);
  report.rate("get", `${formatCount(GETS)} random gets`, GETS, ms);
}

async function scanRanges(
  db: Db,
  rows: readonly CityRow[],
  report: Report,
): Promise<void> {
  report.part("Scans");
  const start = performance.now();
  const names: string[] = [];
  for await (const { key } of db.scan({ prefix: PREFIX })) {
    names.push(decode(key).slice(PREFIX.length));
  }
  const ms = performance.now() - start;
  const expected = rows.filter(({ key }) => key.startsWith(PREFIX)).length;
  expect(names.length === expected, `${names.length} of ${expected} cities`);
  report.line(
    `prefix ${PREFIX}`,
    `${names.length} cities in ${formatDuration(ms)}${
      names.length === 0 ? "" : `: ${names.slice(0, 3).join(", ")} …`
    }`,
  );

  const last: string[] = [];
  for await (const { key } of db.scan({ reverse: true, limit: 3 })) {
    last.push(decode(key));
  }
  report.line("the last three, in reverse", last.join(", "));

  const values = new Map(rows.map(({ key, value }) => [key, value]));
  let equal = 0;
  let scanMs = 0;
  let before = performance.now();
  for await (const batch of db.scan().batches()) {
    scanMs += performance.now() - before;
    for (const { key, value } of batch) {
      if (values.get(decode(key)) === decode(value)) equal++;
    }
    before = performance.now();
  }
  expect(equal === rows.length, `${rows.length - equal} cities differ`);
  report.line("everything", `all ${formatCount(equal)} equal to the data set`);
  report.rate("scan", "full scan, a row", equal, scanMs);
}

async function changeUnderSnapshot(
  db: Db,
  rows: readonly CityRow[],
  report: Report,
): Promise<void> {
  report.part("A snapshot, deletes, overwrites");
  using snapshot = db.snapshot();
  const changes = Math.min(CHANGES, Math.floor(rows.length / 4));
  const deleted = rows.slice(0, changes);
  const overwritten = rows.slice(-changes);
  const batch = new WriteBatch();
  for (const { key } of deleted) batch.delete(key);
  for (const { key } of overwritten) batch.put(key, '{"name":"visited"}');
  const start = performance.now();
  await db.write(batch);
  const ms = performance.now() - start;
  report.line(
    `${changes} deleted, ${changes} overwritten`,
    `one batch, durable in ${formatDuration(ms)}`,
  );

  const gone = deleted[0]!.key;
  report.line(`${gone}, snapshot`, showCity(await snapshot.get(gone)));
  report.line(`${gone}, now`, showCity(await db.get(gone)));
  const visited = await db.get(overwritten[0]!.key);
  expect(decode(visited) === '{"name":"visited"}', "an overwrite is missing");
  const then = await count(snapshot);
  const now = await db.count();
  expect(then === rows.length, `the snapshot has ${then} cities`);
  expect(now === rows.length - changes, `there are ${now} cities`);
  report.line("cities in the snapshot", formatCount(then));
  report.line("cities now", formatCount(now));
}

async function showTree(db: Db, report: Report): Promise<void> {
  await db.flush({ target: "memtable" });
  const { tree } = db.status();
  report.part(`The tree (manifest ${tree.manifestId})`);
  const total = tree.l0.reduce((sum, bytes) => sum + bytes, 0) +
    tree.runs.reduce((sum, { bytes }) => sum + bytes, 0);
  report.line(
    `L0, ${tree.l0.length} SSTs`,
    tree.l0.map(formatBytes).join(", ") || "empty",
  );
  for (const { id, ssts, bytes } of tree.runs) {
    report.line(`run ${id}, ${ssts} SSTs`, formatBytes(bytes));
  }
  if (tree.runs.length === 0) report.line("sorted runs", "none yet");
  report.line("together", formatBytes(total));
  report.figure("l0_ssts", tree.l0.length);
  report.figure("sorted_runs", tree.runs.length);
  report.figure("tree_bytes", total);
}

async function count(snapshot: Snapshot): Promise<number> {
  let rows = 0;
  for await (const batch of snapshot.scan().batches()) rows += batch.length;
  return rows;
}

function showCity(value: Uint8Array | undefined): string {
  if (value === undefined) return "nothing there";
  const { name, region, lat, lng } = JSON.parse(decode(value));
  return `${name}, ${region}, ${lat}° ${lng}°`;
}

const DECODER = new TextDecoder();

function decode(bytes: Uint8Array | undefined): string {
  return DECODER.decode(bytes);
}

function expect(condition: boolean, problem: string): void {
  if (!condition) throw new DbError("data", `The tour ends here: ${problem}`);
}

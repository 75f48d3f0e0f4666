/**
 * Loads rows, or scans what was loaded, and prints the peaks of resident
 * memory: `load.ts load|scan DIR ROWS` prints `{"rows", "before", "peaks"}`, in
 * bytes.
 *
 * @module
 */
import process from "node:process";
import { Db, FileStore, MemoryBudget } from "../../mod.ts";

const MIB = 1024 * 1024;
const SCANS = 3;
const [task, dir, rowsText] = process.argv.slice(2);
let peak = 0;
const look = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};

const db = await Db.open("db", {
  store: new FileStore(dir!, { fsync: false }),
  budget: new MemoryBudget({ cacheBytes: 64 * MIB }),
  settings: { l0_sst_size_bytes: 64 * MIB },
});
const before = process.memoryUsage.rss();
const peaks = task === "load" ? [await load(Number(rowsText))] : await scan();
const rows = await db.count();
await db.close();
console.log(JSON.stringify({ rows, before, peaks }));

async function load(count: number): Promise<number> {
  const value = new Uint8Array(100);
  const writer = db.writable().getWriter();
  for (let i = 0; i < count; i++) {
    crypto.getRandomValues(value);
    await writer.write({ key: `key${String(i).padStart(13, "0")}`, value });
    if (i % 10_000 === 0) look();
  }
  await writer.close();
  await db.flush({ target: "memtable" });
  look();
  return peak;
}

/** The peak of each of several scans. */
async function scan(): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < SCANS; i++) {
    peak = 0;
    for await (const batch of db.scan().batches()) {
      if (batch.length > 0) look();
    }
    all.push(peak);
  }
  return all;
}

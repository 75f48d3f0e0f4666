/**
 * Loads a million rows and scans them, and prints what it took:
 * `load.ts DIR ROWS` prints `{"loadRss", "scanRss", "rows"}`, peaks in bytes.
 *
 * @module
 */
import process from "node:process";
import { Db, FileStore, MemoryBudget } from "../../mod.ts";

const MIB = 1024 * 1024;
const [dir, rowsText] = process.argv.slice(2);
const rows = Number(rowsText);
let peak = 0;
const look = () => {
  peak = Math.max(peak, process.memoryUsage.rss());
};

const db = await Db.open("db", {
  store: new FileStore(dir!, { fsync: false }),
  budget: new MemoryBudget({ cacheBytes: 64 * MIB }),
  settings: { l0_sst_size_bytes: 64 * MIB, max_unflushed_bytes: 128 * MIB },
});
const value = new Uint8Array(100);
const writer = db.writable().getWriter();
for (let i = 0; i < rows; i++) {
  crypto.getRandomValues(value);
  await writer.write({ key: `key${String(i).padStart(13, "0")}`, value });
  if (i % 10_000 === 0) look();
}
await writer.close();
await db.flush({ target: "memtable" });
look();
const loadRss = peak;

peak = 0;
let scanned = 0;
for await (const batch of db.scan().batches()) {
  scanned += batch.length;
  look();
}
const scanRss = peak;
await db.close();
console.log(JSON.stringify({ loadRss, scanRss, rows: scanned }));

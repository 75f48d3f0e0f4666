/**
 * A program that waits for a database and for nothing else: `waits.ts
 * close|flush`. It must not exit before the wait is over.
 *
 * Not at the top level, where an `await` keeps a process alive by itself.
 *
 * @module
 */
import process from "node:process";
import { FaultStore } from "../../lib/testing/mod.ts";
import { Db, MemoryStore } from "../../mod.ts";

async function main(): Promise<void> {
  const store = new FaultStore(new MemoryStore());
  const db = await Db.open("db", {
    store,
    settings: { object_store_max_retries: 0, manifest_poll_interval: "50ms" },
  });
  await db.put("a", "1");
  // The manifest cannot be written for a while.
  store.fail(
    ({ operation, name }) => operation === "put" && name.includes("/manifest/"),
    { kind: "fail-before" },
    2,
  );
  console.log("waiting");
  if (process.argv[2] === "close") await db.close();
  else await db.flush({ target: "memtable" });
  console.log("done");
}

void main();

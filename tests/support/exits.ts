/**
 * A program that uses a database and comes to its end: `exits.ts DIR
 * closed|forgotten`. It must exit by itself either way.
 *
 * @module
 */
import process from "node:process";
import { Db, FileStore } from "../../mod.ts";

const [dir, end] = process.argv.slice(2);
const db = await Db.open("db", { store: new FileStore(dir!) });
await db.put("a", "1");
if (end === "closed") await db.close();
console.log("done");

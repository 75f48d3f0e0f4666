/**
 * A program that writes until it is killed: `writer.ts DIR SEED`.
 *
 * Prints `durable N` when everything up to number N is durable. Row N is
 * written, in batches of a random size, as key `kN` and as the value of `last`;
 * a batch is one row of `last` and some of the others, so that half a batch
 * would show.
 *
 * @module
 */
import process from "node:process";
import { Db, FileStore, WriteBatch } from "../../mod.ts";
import { Random } from "../support/random.ts";

const [dir, seed] = process.argv.slice(2);
const random = new Random(Number(seed));
const db = await Db.open("db", {
  store: new FileStore(dir!),
  settings: {
    flush_interval: "2ms",
    l0_sst_size_bytes: 20_000,
    l0_max_ssts: 100_000,
    l0_max_ssts_per_key: 100_000,
  },
});
const last = await db.get("last");
let n = last === undefined ? 0 : Number(new TextDecoder().decode(last));
console.log(`open ${n}`);
for (;;) {
  const batch = new WriteBatch();
  for (let rows = random.between(1, 20); rows > 0; rows--) {
    n++;
    batch.put(`k${String(n).padStart(9, "0")}`, `value ${n}`);
  }
  batch.put("last", String(n));
  const handle = await db.write(batch, { awaitDurable: false });
  if (!random.chance(0.2)) continue;
  await handle.durable();
  console.log(`durable ${n}`);
}

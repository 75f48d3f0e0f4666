/**
 * A crash after every single change of the store: each of them must leave a
 * database whose content is the state after some write, none that was reported
 * durable missing.
 *
 * @module
 */
import { Db, type DbSettings } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { applyOp, concatOperator, scanRows } from "../support/db_ops.ts";
import { JournalStore } from "../support/journal_store.ts";
import { ModelDb } from "../support/model_db.ts";
import type { Op } from "../support/op.ts";
import { OpSource } from "../support/op_source.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const CASES: readonly (DbSettings & { name: string })[] = [
  { name: "WAL", l0_sst_size_bytes: 1500 },
  { name: "WAL off", l0_sst_size_bytes: 1500, wal_enabled: false },
];
const ROOMY = { l0_max_ssts: 1000, l0_max_ssts_per_key: 1000 };

/** Writes for a while; says how far it was durable after each change. */
async function live(
  store: JournalStore,
  settings: DbSettings,
  random: Random,
  model: ModelDb,
): Promise<bigint[]> {
  const durable: bigint[] = [];
  const source = new OpSource(random, {
    keys: 30,
    valueBytes: 60,
    merges: true,
  });
  for (let life = 0; life < 3; life++) {
    const db = await Db.open("db", {
      store,
      settings: { ...settings, ...ROOMY, flush_interval: "1ms" },
      mergeOperator: concatOperator,
    });
    for (let i = 0; i < 60; i++) {
      const op: Op = random.chance(0.1)
        ? { op: random.chance(0.5) ? "flush_mem" : "flush_wal" }
        : source.write();
      if (op.op === "flush_wal" && settings.wal_enabled === false) continue;
      const written = await applyOp(db, op);
      if (written !== undefined) model.apply(op, written.seq, written.createTs);
      durable[store.length] = db.status().durableSeq;
    }
    await db.close({ flush: life === 1 ? "memtable" : "wal" }).catch(() => {});
    durable[store.length] = db.status().durableSeq;
  }
  return durable;
}

/** Opens what each change left behind, and compares it with the model. */
async function crashEverywhere(
  settings: DbSettings,
  random: Random,
): Promise<void> {
  const store = new JournalStore();
  const model = new ModelDb();
  const durable = await live(store, settings, random, model);
  assert(store.length > 20, `${store.length} changes`);
  let atLeast = 0n;
  for (let changes = 0; changes <= store.length; changes++) {
    const reported = durable[changes];
    if (reported !== undefined && reported > atLeast) atLeast = reported;
    const what = `after ${changes} changes, the last ${
      store.describe(changes - 1)
    }`;
    const db = await Db.open("db", {
      store: await store.at(changes),
      settings: { ...settings, ...ROOMY },
      mergeOperator: concatOperator,
    });
    const { lastSeq } = db.status();
    assert(lastSeq >= atLeast, `${what}: ${lastSeq} of ${atLeast}`);
    assertEquals(await scanRows(db), model.rows({}, { seq: lastSeq }), what);
    await db.close({ flush: "none" });
  }
  assertEquals(atLeast, model.lastSeq);
}

for (const { name, ...settings } of CASES) {
  test(`a crash after any change leaves the state after some write: ${name}`, async () => {
    for (let round = 0; round < roundsOf(5); round++) {
      await withSeed(31 + 1000 * round, (random) => {
        return crashEverywhere(settings, random);
      });
    }
  });
}

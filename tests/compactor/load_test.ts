/**
 * Writers, transactions, readers, snapshots and long scans, all at once, while
 * SSTs are compacted and collected beneath them: 10,000 operations a seed. Every
 * answer is compared with the model. `SHALE_ROUNDS=10` runs ten times as many
 * seeds.
 *
 * @module
 */
import { Admin, Db, DbError, MemoryStore, type Snapshot } from "../../mod.ts";
import { toHex } from "../../lib/base/bytes.ts";
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import { sleep } from "../../lib/base/runtime.ts";
import { FaultStore, ManualRuntime } from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  applyOp,
  concatOperator,
  rangeOf,
  toModelEntry,
  type Written,
} from "../support/db_ops.ts";
import { ModelDb, type ModelEntry } from "../support/model_db.ts";
import { type Op, unhex } from "../support/op.ts";
import { OpSource } from "../support/op_source.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const OPERATIONS = 10_000;
/** So that the collector's short ages are long against a request. */
const MAX_DELAY_MS = 20;
const TASK = { interval: "300ms", min_age: "1s" };
const SETTINGS = {
  flush_interval: "5ms",
  manifest_poll_interval: "100ms",
  l0_sst_size_bytes: 3000,
  max_unflushed_bytes: 15_000,
  min_filter_keys: 4,
  compactor_options: { poll_interval: "20ms", worker: { max_sst_size: 4000 } },
  garbage_collector_options: {
    manifest_options: TASK,
    wal_options: TASK,
    compacted_options: TASK,
    compactions_options: TASK,
  },
};

/** One seeded database under load. */
class Load {
  readonly #random: Random;
  readonly #source: OpSource;
  readonly #runtime: ManualRuntime;
  readonly #truth: MemoryStore;
  readonly #store: FaultStore;
  readonly #model = new ModelDb();
  /** Writes that the model has not taken over yet, in any order. */
  #noted: { op: Op; written: Written }[] = [];
  #db!: Db;
  /** Operations so far. */
  operations = 0;
  /** Transactions that lost to others, and those that did not. */
  readonly transactions = { lost: 0, won: 0 };

  constructor(random: Random, seed: number) {
    this.#random = random;
    this.#source = new OpSource(random.fork(), {
      keys: 150,
      valueBytes: 60,
      merges: true,
    });
    const runtime = new ManualRuntime({ seed });
    this.#runtime = runtime;
    this.#truth = new MemoryStore({ runtime });
    const late = random.fork();
    this.#store = new FaultStore(this.#truth, {
      runtime,
      plan: () =>
        late.chance(0.5)
          ? { kind: "delay", ms: late.between(1, MAX_DELAY_MS) }
          : undefined,
    });
  }

  /** Runs everything, until there were enough operations. */
  async run(): Promise<void> {
    await sharedKernel();
    await this.#runtime.run((async () => {
      this.#db = await this.#open();
      const loops = [
        ...Array.from({ length: 3 }, () => () => this.#write()),
        ...Array.from({ length: 2 }, () => () => this.#transfer()),
        ...Array.from({ length: 3 }, () => () => this.#get()),
        ...Array.from({ length: 2 }, () => () => this.#holdSnapshot()),
        () => this.#longScan(),
        () => this.#maintain(),
      ];
      await Promise.all(loops.map((body) => this.#again(body)));
      await this.#checkAll();
      await this.#db.close();
      this.#db = await this.#open();
      await this.#checkAll();
      await this.#db.close();
    })());
    assertEquals(this.#runtime.timers, 0);
  }

  /** What was done to the tree meanwhile: all of it must have happened often. */
  async assertBusy(): Promise<void> {
    const admin = Admin.open("db", {
      store: this.#truth,
      runtime: this.#runtime,
    });
    const { compactorEpoch, id } = (await admin.readManifest())!;
    const manifests = await admin.listManifests();
    assertEquals(compactorEpoch, 2);
    assert(id > 80, `${id} manifests`);
    assert(manifests.length < id / 2, `${manifests.length} manifests are left`);
    assert(this.transactions.won > 100, `${this.transactions.won} won`);
    assert(this.transactions.lost > 0, "no transaction ever lost");
  }

  #open(): Promise<Db> {
    return Db.open("db", {
      store: this.#store,
      runtime: this.#runtime,
      mergeOperator: concatOperator,
      settings: SETTINGS,
    });
  }

  async #again(body: () => Promise<void>): Promise<void> {
    while (this.operations < OPERATIONS) {
      await body();
      await sleep(this.#runtime, this.#random.below(4));
    }
  }

  async #write(): Promise<void> {
    this.operations++;
    const op = this.#source.write();
    this.#note(op, await applyOp(this.#db, op));
  }

  /** Adds to a number that others add to as well. */
  async #transfer(): Promise<void> {
    this.operations += 2;
    const key = new Uint8Array([0xc0, this.#random.below(4)]);
    const tx = await this.#db.begin({ isolation: "serializable" });
    const before = await tx.get(key);
    await sleep(this.#runtime, this.#random.below(6));
    const value = new Uint8Array([...before ?? [], this.#random.below(256)])
      .slice(-40);
    tx.put(key, value);
    try {
      const written = await tx.commit({ awaitDurable: false });
      const op = { op: "put", k: toHex(key), v: toHex(value) } as const;
      this.#note(op, written);
      this.transactions.won++;
    } catch (error) {
      if (!(error instanceof DbError) || error.kind !== "transaction") {
        throw error;
      }
      this.transactions.lost++;
    }
  }

  /** A get sees a moment between its beginning and its end. */
  async #get(): Promise<void> {
    this.operations++;
    const k = this.#source.key();
    const from = this.#db.status().committedSeq;
    const entry = await this.#db.getEntry(unhex(k));
    const to = this.#db.status().committedSeq;
    await this.#takeOver();
    const found = entry && toModelEntry(entry);
    for (let seq = from; seq <= to; seq++) {
      const expected = this.#model.entry(k, { seq });
      if (found?.v === expected?.v && found?.seq === expected?.seq) return;
    }
    assertEquals(found, this.#model.entry(k, { seq: from }), k);
  }

  /** A snapshot shows one moment, as long as it is held. */
  async #holdSnapshot(): Promise<void> {
    using snapshot = this.#db.snapshot();
    for (let looks = this.#random.between(1, 6); looks > 0; looks--) {
      await this.#look(snapshot);
      await sleep(this.#runtime, this.#random.pick([0, 5, 100, 1500]));
    }
  }

  async #look(snapshot: Snapshot): Promise<void> {
    this.operations++;
    const random = this.#random;
    const [low, high] = [this.#source.key(), this.#source.key()].sort();
    const range = low === high ? {} : { gte: low!, lt: high! };
    const reverse = random.chance(0.5);
    const rows: ModelEntry[] = [];
    for await (
      const entry of snapshot.scan({ ...rangeOf(range), reverse })
    ) rows.push(toModelEntry(entry));
    await this.#takeOver();
    const expected = this.#model.rows(range, { seq: snapshot.seq });
    assertEquals(reverse ? rows.reverse() : rows, expected);
  }

  /** A scan that takes longer than anything is kept. */
  async #longScan(): Promise<void> {
    const seq = this.#db.status().committedSeq;
    const scan = this.#db.scan({ readAheadBytes: 1 });
    await this.#takeOver();
    const expected = this.#model.rows({}, { seq });
    for (;;) {
      this.operations++;
      const entry = await scan.next();
      assertEquals(entry && toModelEntry(entry), expected.shift());
      if (entry === undefined) return;
      await sleep(this.#runtime, this.#random.pick([1, 20, 200]));
    }
  }

  async #maintain(): Promise<void> {
    this.operations++;
    const what = this.#random.weighted({ flush: 5, compact: 1, rest: 4 });
    if (what === "flush") await this.#db.flush({ target: "memtable" });
    if (what === "compact") await this.#db.compact();
    if (what === "rest") await sleep(this.#runtime, 500);
  }

  async #checkAll(): Promise<void> {
    const rows: ModelEntry[] = [];
    for await (const entry of this.#db.scan()) rows.push(toModelEntry(entry));
    await this.#takeOver();
    assertEquals(rows, this.#model.rows());
  }

  #note(op: Op, written: Written | undefined): void {
    if (written !== undefined) this.#noted.push({ op, written });
  }

  /** Writes are told of a moment after they are visible. */
  async #takeOver(): Promise<void> {
    await this.#runtime.yield();
    const noted = this.#noted.sort((a, b) =>
      a.written.seq < b.written.seq ? -1 : 1
    );
    this.#noted = [];
    for (const { op, written } of noted) {
      this.#model.apply(op, written.seq, written.createTs);
    }
  }
}

for (let seed = 1; seed <= roundsOf(3); seed++) {
  test(`10,000 operations at once are right while all is compacted and collected, seed ${seed}`, () => {
    return withSeed(seed, async (random, seed) => {
      const load = new Load(random, seed);
      await load.run();
      assert(load.operations >= OPERATIONS);
      await load.assertBusy();
    });
  });
}

/**
 * Writers over a store that delays, fails before and after, repeats requests
 * and cuts answers, in a time that only the test moves: everything follows from
 * one seed.
 *
 * Bank: batches move money between accounts, so the sum of every consistent
 * view is the same. Whoever is fenced or crashes is replaced. Nothing reported
 * durable may be lost, and what is recovered is the state after some write.
 *
 * @module
 */
import {
  Db,
  DbError,
  DbReader,
  MemoryStore,
  type Snapshot,
  WriteBatch,
} from "../../mod.ts";
import {
  FaultStore,
  ManualRuntime,
  seededFaults,
} from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const ACCOUNTS = 12;
const TOTAL = ACCOUNTS * 100;
const RATES = {
  failBefore: 0.05,
  failAfter: 0.05,
  duplicate: 0.03,
  delay: 0.25,
  shortBody: 0.05,
  tornList: 0.05,
};
const SETTINGS = {
  l0_sst_size_bytes: 1500,
  max_unflushed_bytes: 12_000,
  l0_max_ssts: 100_000,
  l0_max_ssts_per_key: 100_000,
};

const nameOf = (account: number) =>
  `account${String(account).padStart(2, "0")}`;

type Readable = Pick<Db | Snapshot, "scan" | "getMany">;

/** One seeded world: a store, its faults, its time, and what must hold. */
class Bank {
  readonly #random: Random;
  readonly #runtime: ManualRuntime;
  readonly #truth = new MemoryStore();
  readonly #store: FaultStore;
  /** Balances after each write, by sequence number. */
  readonly #history = new Map<bigint, readonly number[]>();
  #durable = 0n;
  /** How many writers there were. */
  writers = 0;

  constructor(random: Random, seed: number) {
    this.#random = random;
    this.#runtime = new ManualRuntime({ seed });
    const chance = random.fork();
    this.#store = new FaultStore(this.#truth, {
      runtime: this.#runtime,
      plan: seededFaults(() => chance.next(), RATES),
    });
  }

  /** Lets one writer live until it is dropped. */
  async live(transfers: number): Promise<void> {
    const db = await this.#open();
    let balances = await this.#recovered(db);
    for (let i = 0; i < transfers; i++) {
      balances = await this.#transfer(db, balances);
      if (this.#random.chance(0.15)) await this.#audit(db);
      if (this.#random.chance(0.1)) {
        const target = this.#random.pick(["wal", "memtable"] as const);
        const { lastSeq } = db.status();
        await this.#runtime.run(db.flush({ target }));
        this.#noteDurable(lastSeq);
      }
      await this.#runtime.advance(this.#random.below(60));
      this.#noteDurable(db.status().durableSeq);
    }
    await this.#end(db);
  }

  /** Ends a writer: closed, dropped in the middle, or fenced by the next. */
  async #end(db: Db): Promise<void> {
    const end = this.#random.pick(["close", "drop", "fence"] as const);
    const { lastSeq } = db.status();
    if (end === "close") {
      await this.#runtime.run(db.close());
      this.#noteDurable(lastSeq);
      return;
    }
    if (end === "drop") {
      await this.#runtime.run(db.close({ flush: "none" }).catch(() => {}));
      return;
    }
    const next = await this.#open();
    let failure: unknown;
    await this.#runtime.run(
      db.put("late", "1").catch((error) => failure = error),
    );
    assert(failure instanceof DbError, "a fenced write succeeded");
    assertEquals((failure as DbError).reason, "fenced");
    await this.#runtime.run(db.close());
    await this.#recovered(next);
    await this.#runtime.run(next.close({ flush: "none" }));
  }

  async #open(): Promise<Db> {
    this.writers++;
    return await this.#runtime.run(Db.open("bank", {
      store: this.#store,
      runtime: this.#runtime,
      settings: SETTINGS,
    }));
  }

  /** What a new writer finds must be the state after some write, no older than durable. */
  async #recovered(db: Db): Promise<readonly number[]> {
    const { lastSeq } = db.status();
    assert(
      lastSeq >= this.#durable,
      `${lastSeq} found, ${this.#durable} durable`,
    );
    for (const seq of this.#history.keys()) {
      if (seq > lastSeq) this.#history.delete(seq);
    }
    if (lastSeq === 0n) return await this.#found(db);
    const balances = this.#history.get(lastSeq);
    assertEquals(await this.#balances(db), balances);
    this.#noteDurable(lastSeq);
    return balances!;
  }

  async #found(db: Db): Promise<readonly number[]> {
    const balances = Array.from({ length: ACCOUNTS }, () => 100);
    const batch = new WriteBatch();
    for (const [i, amount] of balances.entries()) {
      batch.put(nameOf(i), `${amount}`);
    }
    const { seq } = await db.write(batch, { awaitDurable: false });
    this.#history.set(seq, balances);
    return balances;
  }

  async #transfer(
    db: Db,
    before: readonly number[],
  ): Promise<readonly number[]> {
    const random = this.#random;
    const [from, to] = [random.below(ACCOUNTS), random.below(ACCOUNTS)];
    const amount = random.between(1, 30);
    const balances = [...before];
    balances[from]! -= amount;
    balances[to]! += amount;
    const batch = new WriteBatch()
      .put(nameOf(from), `${balances[from]}`)
      .put(nameOf(to), `${balances[to]}`)
      .put(`memo${random.below(50)}`, "x".repeat(random.below(100)));
    const { seq } = await this.#runtime.run(
      db.write(batch, { awaitDurable: false }),
    );
    this.#history.set(seq, balances);
    return balances;
  }

  /** Every view of the bank holds the same money. */
  async #audit(db: Db): Promise<void> {
    using snapshot = db.snapshot();
    const expected = this.#history.get(snapshot.seq);
    await this.#runtime.advance(this.#random.below(200));
    assertEquals(await this.#balances(snapshot), expected);
    const reader = await this.#runtime.run(DbReader.open("bank", {
      store: this.#store,
      runtime: this.#runtime,
    }));
    if (reader.seq > 0n) {
      const seen = await this.#balances(reader as unknown as Readable);
      assertEquals(seen, this.#history.get(reader.seq), "a reader's view");
      assertEquals(seen.reduce((sum, amount) => sum + amount, 0), TOTAL);
    }
    await this.#runtime.run(reader.close());
  }

  async #balances(db: Readable): Promise<number[]> {
    const decoder = new TextDecoder();
    const names = Array.from({ length: ACCOUNTS }, (_, i) => nameOf(i));
    const values = await this.#runtime.run(db.getMany(names));
    const scanned = await this.#runtime.run((async () => {
      const all: string[] = [];
      const reverse = this.#random.chance(0.5);
      for await (const { value } of db.scan({ prefix: "account", reverse })) {
        all.push(decoder.decode(value));
      }
      return reverse ? all.reverse() : all;
    })());
    const got = values.map((value) => decoder.decode(value));
    assertEquals(scanned, got);
    return got.map(Number);
  }

  #noteDurable(seq: bigint): void {
    if (seq > this.#durable) this.#durable = seq;
  }
}

for (let seed = 1; seed <= roundsOf(12); seed++) {
  test(`a bank over a failing store keeps its money, seed ${seed}`, () => {
    return withSeed(seed, async (random, seed) => {
      const bank = new Bank(random, seed);
      for (let life = 0; life < 6; life++) {
        await bank.live(random.between(5, 40));
      }
      assert(bank.writers >= 6, `${bank.writers} writers`);
    });
  });
}

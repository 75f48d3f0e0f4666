/**
 * Databases over a failing store that are closed, fenced or cut off whatever they
 * are doing: no timer is left, no request follows, and nobody waits for ever.
 *
 * @module
 */
import {
  Db,
  DbError,
  type DbOptions,
  MemoryStore,
  WriteBatch,
} from "../../mod.ts";
import {
  FaultStore,
  ManualRuntime,
  seededFaults,
} from "../../lib/testing/mod.ts";
import { assertEquals } from "../support/assert.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const LIVES = 4;
const LATER = { awaitDurable: false };
const RATES = {
  failBefore: 0.05,
  failAfter: 0.05,
  duplicate: 0.03,
  delay: 0.25,
  shortBody: 0.05,
  tornList: 0.05,
};
const REFUSED = {
  kind: "fail-before",
  error: new DbError("invalid", "no such bucket"),
} as const;

// Whatever is loaded once takes real time.
await (await Db.open("db", { store: new MemoryStore() })).close();

/** One store, its time, and one database after another. */
class Lives {
  readonly #random: Random;
  readonly #runtime: ManualRuntime;
  readonly #truth = new MemoryStore();
  readonly #store: FaultStore;
  readonly #faults: FaultStore["plan"];
  readonly #hasWal: boolean;
  /** Calls that nobody waits for at once. */
  #pending: Promise<unknown>[] = [];

  constructor(random: Random, seed: number) {
    this.#random = random;
    this.#runtime = new ManualRuntime({ seed });
    this.#hasWal = random.chance(0.75);
    const chance = random.fork();
    const rates = random.chance(0.3) ? {} : RATES;
    this.#faults = seededFaults(() => chance.next(), rates);
    const plan = this.#faults;
    this.#store = new FaultStore(this.#truth, { runtime: this.#runtime, plan });
  }

  /** Lets a database live, unless its opening is cut off, and end somehow. */
  async live(): Promise<void> {
    const db = await this.#open();
    if (db !== undefined) {
      for (let steps = this.#random.between(5, 60); steps > 0; steps--) {
        await this.#step(db);
      }
      await this.#end(db);
    }
    await this.#assertAtRest();
  }

  async #open(): Promise<Db | undefined> {
    const abort = new AbortController();
    const opening = Db.open("db", {
      ...this.#options(),
      signal: abort.signal,
    }).catch(() => undefined);
    if (this.#random.chance(0.25)) {
      await this.#runtime.advance(this.#random.below(300));
      if (this.#random.chance(0.5)) abort.abort(new Error("enough"));
      else this.#refuse();
    }
    const db = await this.#runtime.run(opening);
    this.#store.plan = this.#faults;
    return db;
  }

  #options(): DbOptions {
    const random = this.#random;
    const task = { interval: "20ms", min_age: "1s" };
    return {
      store: this.#store,
      runtime: this.#runtime,
      compactor: random.pick(["inline", "inline", "off"]),
      formatTarget: "0.15",
      settings: {
        wal_enabled: this.#hasWal,
        flush_interval: random.pick(["3ms", "100ms", null]),
        manifest_poll_interval: random.pick(["10ms", "1s"]),
        l0_sst_size_bytes: 1500,
        l0_max_ssts: random.pick([3, 8, 1000]),
        l0_max_ssts_per_key: 1000,
        max_unflushed_bytes: random.pick([4000, 12_000]),
        compactor_options: {
          poll_interval: random.pick(["1ms", "50ms"]),
          worker: { max_sst_size: 1500 },
        },
        garbage_collector_options: random.pick([null, {
          compacted_options: task,
          wal_options: task,
          manifest_options: task,
        }]),
      },
    };
  }

  async #step(db: Db): Promise<void> {
    const random = this.#random;
    const key = `k${random.below(40)}`;
    const steps = {
      put: () => db.put(key, new Uint8Array(random.below(600)), LATER),
      durable: () => db.put(key, "durable"),
      batch: () => db.write(new WriteBatch().put(key, "1").delete("k1"), LATER),
      impatient: () => {
        const abort = new AbortController();
        const put = db.put(key, new Uint8Array(300), { signal: abort.signal });
        if (random.chance(0.5)) abort.abort();
        return put;
      },
      flush: () => db.flush(),
      flushMemtable: () => db.flush({ target: "memtable" }),
      get: () => db.get(key),
      scan: () => db.scan().next(),
      snapshot: () => db.snapshot().get(key),
      compact: () => db.compact(),
      checkpoint: () => db.createCheckpoint(),
      wait: () => this.#runtime.advance(random.pick([0, 1, 5, 60, 400, 3000])),
    };
    const name = random.weighted({
      put: 50,
      durable: 5,
      batch: 5,
      impatient: 5,
      flush: 5,
      flushMemtable: 5,
      get: 5,
      scan: 5,
      snapshot: 3,
      compact: 2,
      checkpoint: 2,
      wait: 15,
    });
    if (name === "wait") await steps.wait();
    else this.#later(steps[name]);
  }

  #later(call: () => Promise<unknown>): void {
    // Whatever becomes of it, it has an end.
    this.#pending.push((async () => await call())().catch(() => {}));
  }

  async #end(db: Db): Promise<void> {
    const random = this.#random;
    const end = random.pick(
      ["close", "twice", "none", "fenced", "down", "lost", "refused"] as const,
    );
    if (end === "down") this.#store.plan = () => ({ kind: "fail-before" });
    if (end === "lost") this.#store.plan = () => ({ kind: "lost-reply" });
    if (end === "refused") this.#refuse();
    if (end === "fenced") {
      // In a time of its own: whose timers are whose shall be plain.
      const other = new ManualRuntime();
      const store = this.#truth;
      const young = Db.open("db", { store, runtime: other, compactor: "off" });
      await other.run((await other.run(young)).close({ flush: "none" }));
    }
    for (let i = random.below(3); i > 0; i--) await this.#step(db);
    await this.#runtime.advance(random.below(3000));
    const patient = ["close", "twice", "refused"].includes(end);
    const close = () => db.close({ flush: patient ? "memtable" : "none" });
    const closing = end === "twice" ? Promise.all([close(), close()]) : close();
    await this.#runtime.run(closing.catch(() => {}), 3_600_000);
  }

  /** Some requests are refused for good; the others are as they were. */
  #refuse(): void {
    const chance = this.#random.fork();
    this.#store.plan = (call) =>
      chance.chance(0.3) ? REFUSED : this.#faults(call);
  }

  async #assertAtRest(): Promise<void> {
    assertEquals(this.#runtime.timers, 0, "timers");
    await Promise.all(this.#pending.splice(0));
    const { length } = this.#store.calls;
    await this.#runtime.advance(60_000);
    assertEquals(this.#store.calls.slice(length), []);
    this.#store.plan = this.#faults;
  }
}

for (let seed = 1; seed <= roundsOf(40); seed++) {
  test(`a closed database leaves nothing behind, seed ${seed}`, () => {
    return withSeed(seed, async (random, seed) => {
      const lives = new Lives(random, seed);
      for (let life = 0; life < LIVES; life++) await lives.live();
    });
  });
}

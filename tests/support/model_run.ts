/**
 * A database and its model, side by side under random steps, restarts and
 * crashes; every answer is compared.
 *
 * @module
 */
import { Db, type DbOptions, MemoryBudget, type Snapshot } from "../../mod.ts";
import { assert, assertEquals } from "./assert.ts";
import type { CrashWorld } from "./crash_world.ts";
import {
  applyOp,
  assertSame,
  concatOperator,
  entryOf,
  rangeOf,
  type Readable,
  toModelEntry,
} from "./db_ops.ts";
import { ManualClock } from "./manual_clock.ts";
import {
  ModelDb,
  type ModelEntry,
  type ModelRange,
  type ModelView,
} from "./model_db.ts";
import { hex, type Op, unhex } from "./op.ts";
import { type OpProfile, OpSource } from "./op_source.ts";
import { type Random, roundsOf, withSeed } from "./random.ts";

/** One way to run a database. */
export interface ModelConfig {
  readonly name: string;
  readonly profile: OpProfile;
  /** Options of every open; the run adds store, clock and operator. */
  readonly options: Omit<Partial<DbOptions>, "store" | "walStore" | "runtime">;
  /** Whether the WAL has a store of its own. */
  readonly ownWalStore?: boolean;
  /** Bytes of block cache. */
  readonly cacheBytes?: number;
}

interface Held {
  readonly snapshot: Snapshot;
  readonly view: ModelView;
}

const WEIGHTS = {
  write: 60,
  chosenSeq: 2,
  durable: 3,
  flushWal: 4,
  flushMemtable: 3,
  tick: 5,
  hold: 2,
  checkHeld: 3,
  get: 10,
  getMany: 2,
  scan: 8,
  checkAll: 0.5,
  restart: 0.7,
  crash: 0.9,
};

/** A database and its model. */
export class ModelRun implements AsyncDisposable {
  readonly #random: Random;
  readonly #config: ModelConfig;
  readonly #world: CrashWorld;
  readonly #source: OpSource;
  readonly #clock = new ManualClock();
  readonly #model: ModelDb;
  #db!: Db;
  #held: Held[] = [];
  /** What is happening, for whoever reads a failure. */
  step = "open";

  private constructor(config: ModelConfig, world: CrashWorld, random: Random) {
    this.#random = random;
    this.#config = config;
    this.#world = world;
    this.#source = new OpSource(random.fork(), config.profile);
    this.#model = new ModelDb({
      defaultTtl: config.options.settings?.default_ttl ?? undefined,
    });
  }

  /** Makes a database and an equal model: both empty. */
  static async open(
    config: ModelConfig,
    world: CrashWorld,
    random: Random,
  ): Promise<ModelRun> {
    const run = new ModelRun(config, world, random);
    await run.#open();
    return run;
  }

  async #open(): Promise<void> {
    const { options, ownWalStore, cacheBytes } = this.#config;
    this.#db = await Db.open("db", {
      mergeOperator: concatOperator,
      ...options,
      store: this.#world.store,
      ...(ownWalStore === true ? { walStore: this.#world.walStore } : {}),
      ...(cacheBytes === undefined
        ? {}
        : { budget: new MemoryBudget({ cacheBytes }) }),
      runtime: this.#clock,
    });
  }

  /** Does random steps. */
  async steps(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const step = this.#random.weighted(WEIGHTS);
      this.step = `step ${i}, ${step}`;
      try {
        await this.#step(step);
      } catch (error) {
        throw new Error(`${this.#config.name}, ${this.step}: ${error}`, {
          cause: error,
        });
      }
    }
  }

  /** Compares everything there is. */
  async checkAll(): Promise<void> {
    await assertSame(this.#db, this.#model, this.#now());
  }

  async #step(step: keyof typeof WEIGHTS): Promise<void> {
    const random = this.#random;
    switch (step) {
      case "write":
        return await this.#write(this.#source.write());
      case "chosenSeq":
        return await this.#writeChosen();
      case "durable":
        return await this.#writeDurable();
      case "flushWal":
        if (this.#config.options.settings?.wal_enabled === false) return;
        return await this.#flush("wal");
      case "flushMemtable":
        return await this.#flush("memtable");
      case "tick":
        this.#clock.ms += random.pick([0, 1, 7, 100, 5000]);
        return;
      case "hold":
        return this.#hold();
      case "checkHeld":
        return await this.#checkHeld();
      case "get":
        return await this.#checkGet(this.#db, this.#now());
      case "getMany":
        return await this.#checkGetMany();
      case "scan":
        return await this.#checkScan(this.#db, this.#now());
      case "checkAll":
        return await this.checkAll();
      case "restart":
        return await this.#restart();
      case "crash":
        return await this.crash();
    }
  }

  #now(): ModelView {
    return { nowMs: this.#clock.ms };
  }

  async #write(op: Op): Promise<void> {
    const writing = applyOp(this.#db, op);
    const written = (await writing)!;
    this.#model.apply(op, written.seq, written.createTs);
  }

  async #writeChosen(): Promise<void> {
    const gap = this.#random.pick([1, 2, 1000, 3_000_000_000]);
    const last = Number(this.#model.lastSeq);
    await this.#write({ ...this.#source.row(), seq: last + gap });
  }

  async #writeDurable(): Promise<void> {
    const op = this.#source.row();
    const written = (await applyOp(this.#db, op))!;
    this.#model.apply(op, written.seq, written.createTs);
    // Where no timer flushes, a flush must.
    const { settings } = this.#config.options;
    if (
      settings?.flush_interval === null || settings?.wal_enabled === false
    ) await this.#db.flush();
    await written.durable();
    assert(this.#db.status().durableSeq >= written.seq, "durable, it said");
  }

  async #flush(target: "wal" | "memtable"): Promise<void> {
    const { lastSeq } = this.#model;
    await this.#db.flush({ target });
    assert(this.#db.status().durableSeq >= lastSeq, "flushed, it said");
  }

  #hold(): void {
    if (this.#held.length > 3) return;
    const snapshot = this.#db.snapshot();
    assertEquals(snapshot.seq, this.#model.lastSeq);
    this.#held.push({
      snapshot,
      view: { seq: snapshot.seq, nowMs: this.#clock.ms },
    });
  }

  async #checkHeld(): Promise<void> {
    if (this.#held.length === 0) return;
    const held = this.#random.pick(this.#held);
    await this.#checkScan(held.snapshot, held.view);
    await this.#checkGet(held.snapshot, held.view);
    if (this.#random.chance(0.6)) return;
    await assertSame(held.snapshot, this.#model, held.view);
    held.snapshot.close();
    this.#held = this.#held.filter((other) => other !== held);
  }

  async #checkGet(db: Readable, view: ModelView): Promise<void> {
    const k = this.#source.key();
    assertEquals(await entryOf(db, k), this.#model.entry(k, view), k);
    const value = await db.get(unhex(k));
    assertEquals(value && hex(value), this.#model.entry(k, view)?.v, k);
  }

  async #checkGetMany(): Promise<void> {
    const keys = Array.from({ length: 20 }, () => this.#source.key());
    const values = await this.#db.getMany(keys.map(unhex));
    assertEquals(
      values.map((value) => value && hex(value)),
      keys.map((k) => this.#model.entry(k, this.#now())?.v),
    );
  }

  /** A range in some direction, with a jump in the middle or not. */
  async #checkScan(db: Readable, view: ModelView): Promise<void> {
    const random = this.#random;
    const reverse = random.chance(0.5);
    const range = this.#range();
    const expected = this.#model.rows(range, view);
    if (reverse) expected.reverse();
    const what = JSON.stringify({ ...range, reverse });
    await using scan = db.scan({ ...rangeOf(range), reverse });
    let at = 0;
    for (let takes = random.below(6); takes > 0; takes--) {
      const entry = await scan.next();
      assertEquals(entry && toModelEntry(entry), expected[at], what);
      if (entry === undefined) return;
      at++;
    }
    const target = this.#seekTarget(range, expected[at - 1]?.k, reverse);
    if (target !== undefined) {
      await scan.seek(unhex(target));
      const found = expected.findIndex(({ k }) =>
        reverse ? k <= target : k >= target
      );
      at = found < 0 ? expected.length : found;
    }
    const rest: ModelEntry[] = [];
    for await (const batch of scan.batches()) {
      for (const entry of batch) rest.push(toModelEntry(entry));
    }
    assertEquals(rest, expected.slice(at), `${what}, seek ${target}`);
  }

  #range(): ModelRange {
    const random = this.#random;
    if (random.chance(0.2)) return {};
    const [low, high] = [this.#source.key(), this.#source.key()].sort();
    if (random.chance(0.3)) {
      return { prefix: low!.slice(0, 2 * random.between(0, 6)) };
    }
    if (low === high) return { gte: low!, lte: high! };
    return random.pick<ModelRange>([
      { gte: low!, lt: high! },
      { gt: low!, lte: high! },
      { gte: low! },
      { lt: high! },
    ]);
  }

  /** A key that a scan which has returned `last` may jump to. */
  #seekTarget(
    range: ModelRange,
    last: string | undefined,
    reverse: boolean,
  ): string | undefined {
    if (this.#random.chance(0.5)) return undefined;
    const k = this.#source.key();
    const { gt, gte, lt, lte, prefix } = range;
    if (prefix !== undefined && !k.startsWith(prefix)) return undefined;
    if (gt !== undefined && k <= gt) return undefined;
    if (gte !== undefined && k < gte) return undefined;
    if (lt !== undefined && k >= lt) return undefined;
    if (lte !== undefined && k > lte) return undefined;
    if (last !== undefined && (reverse ? k >= last : k <= last)) {
      return undefined;
    }
    return k;
  }

  async #restart(): Promise<void> {
    this.#letGo();
    const flush = this.#random.pick(["memtable", "wal"] as const);
    await this.#db.close({ flush });
    await this.#open();
    assertEquals(this.#db.status().lastSeq, this.#model.lastSeq, "restart");
    await this.checkAll();
  }

  /** Ends a life in the middle of whatever it was doing. */
  async crash(): Promise<void> {
    this.#letGo();
    const pending = this.#random.chance(0.5)
      ? Array.from({ length: 5 }, () => this.#write(this.#source.write()))
      : [];
    await Promise.all(pending);
    const lost = this.#db;
    const { durableSeq } = lost.status();
    const crashing = this.#world.crash();
    // Whatever the old life still says, nobody listens.
    const ending = lost.close({ flush: "none" }).catch(() => {});
    await crashing;
    await ending;
    await this.#open();
    const { lastSeq } = this.#db.status();
    assert(
      lastSeq >= durableSeq,
      `${lastSeq} recovered, ${durableSeq} durable`,
    );
    assert(lastSeq <= this.#model.lastSeq, "a write nobody made");
    this.#model.truncate(lastSeq);
    await this.checkAll();
  }

  #letGo(): void {
    for (const { snapshot } of this.#held) snapshot.close();
    this.#held = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#letGo();
    await this.#db.close({ flush: "none" });
  }
}

/** How long {@linkcode runModel} goes on, and from which seed. */
export interface ModelRounds {
  /** The seed of the first round; more rounds are more seeds. */
  readonly firstSeed: number;
  /** Rounds, unless the environment wants more. */
  readonly rounds: number;
  /** Steps of a round. */
  readonly steps: number;
}

/** Random steps, a look at everything and a crash, in each round anew. */
export async function runModel(
  config: ModelConfig,
  { firstSeed, rounds, steps }: ModelRounds,
  makeWorld: (random: Random) => CrashWorld,
): Promise<void> {
  for (let round = 0; round < roundsOf(rounds); round++) {
    await withSeed(firstSeed + 1000 * round, async (random) => {
      const world = makeWorld(random.fork());
      await using run = await ModelRun.open(config, world, random);
      await run.steps(steps);
      await run.checkAll();
      await run.crash();
    });
  }
}

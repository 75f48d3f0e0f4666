/**
 * Writers, readers, snapshots and compactions, and collectors of two processes
 * with a short `min_age`: everything follows from one seed, and no live file is
 * ever deleted.
 *
 * After every collection each file that a manifest in force names is there, and
 * the database, every snapshot and every scan shows what the model shows.
 *
 * @module
 */
import {
  Admin,
  Db,
  type DbSettings,
  MemoryStore,
  type ObjectPutOptions,
  type PutResult,
  type Scan,
  type Snapshot,
  WriteBatch,
} from "../../mod.ts";
import { sharedKernel } from "../../lib/db/shared_kernel.ts";
import type { Manifest } from "../../lib/format/manifest.ts";
import { manifestName, sstName, walName } from "../../lib/format/paths.ts";
import { handlesOf } from "../../lib/manifest/tree_edit.ts";
import {
  FaultStore,
  ManualRuntime,
  seededFaults,
} from "../../lib/testing/mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { type Random, roundsOf, withSeed } from "../support/random.ts";
import { test } from "../support/test.ts";

const SECOND = 1000;
const KEYS = 60;
const MIN_AGE_MS = 4 * SECOND;
const GC = {
  manifest_options: { interval: "2s", min_age: MIN_AGE_MS },
  wal_options: { interval: "2s", min_age: MIN_AGE_MS },
  wal_fence_options: { interval: "2s", min_age: MIN_AGE_MS, dry_run: true },
  compacted_options: { interval: "2s", min_age: MIN_AGE_MS },
  compactions_options: { interval: "2s", min_age: MIN_AGE_MS },
};
const SETTINGS: DbSettings = {
  l0_sst_size_bytes: 1500,
  max_unflushed_bytes: 100_000,
  max_wal_flushes_before_l0_flush: 20,
  l0_max_ssts: 64,
  l0_max_ssts_per_key: 64,
  compactor_options: { poll_interval: "500ms" },
  garbage_collector_options: GC,
};
const RATES = {
  failBefore: 0.03,
  failAfter: 0.03,
  duplicate: 0.02,
  delay: 0.1,
  tornList: 0.02,
};

type Model = ReadonlyMap<string, string>;

/** A snapshot, and what it must show. */
interface HeldSnapshot {
  readonly snapshot: Snapshot;
  readonly model: Model;
}

/** A scan under way, and what it must still show. */
interface HeldScan {
  readonly scan: Scan;
  readonly expected: [string, string][];
}

const decoder = new TextDecoder();

/** Some SSTs wait longer than `min_age`, stored or not, until they are named. */
class SlowStore extends MemoryStore {
  readonly #clock: ManualRuntime;
  readonly #random: Random;

  constructor(runtime: ManualRuntime, random: Random) {
    super({ runtime });
    this.#clock = runtime;
    this.#random = random;
  }

  override async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: ObjectPutOptions = {},
  ): Promise<PutResult> {
    const isSlow = name.startsWith("db/compacted/") && this.#random.chance(0.3);
    const isLate = this.#random.chance(0.5);
    const wait = () =>
      new Promise<void>((resolve) =>
        void this.#clock.after(this.#random.below(8 * MIN_AGE_MS), resolve)
      );
    if (isSlow && !isLate) await wait();
    const result = await super.put(name, body, options);
    if (isSlow && isLate) await wait();
    return result;
  }
}

/** One seeded world. */
class World {
  readonly #random: Random;
  readonly #runtime: ManualRuntime;
  readonly #truth: MemoryStore;
  readonly #store: FaultStore;
  readonly #admin: Admin;
  #db!: Db;
  #model = new Map<string, string>();
  #snapshots: HeldSnapshot[] = [];
  #scans: HeldScan[] = [];
  /** Files deleted by the other process. */
  deleted = 0;

  constructor(random: Random, seed: number, faulty: boolean) {
    this.#random = random;
    this.#runtime = new ManualRuntime({ seed });
    const runtime = this.#runtime;
    this.#truth = new SlowStore(runtime, random.fork());
    const chance = random.fork();
    this.#store = new FaultStore(this.#truth, {
      runtime,
      plan: seededFaults(() => chance.next(), faulty ? RATES : {}),
    });
    this.#admin = Admin.open("db", { store: this.#store, runtime });
  }

  async run(steps: number): Promise<void> {
    // Compiling takes real time, which the manual clock does not wait for.
    await sharedKernel();
    await this.#open();
    for (let step = 0; step < steps; step++) await this.#step();
    await this.#collect();
    await this.#letGo();
    await this.#wait(this.#db.close());
    await this.#open();
    await this.#assertModel(this.#db, this.#model);
    await this.#wait(this.#db.close());
    // Requests that were given up may still be under way.
    await this.#runtime.advance(60 * SECOND);
    assertEquals(this.#runtime.timers, 0);
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const what = random.weighted({
      write: 40,
      flush: 5,
      compact: 2,
      pass: 25,
      scan: 4,
      step: 10,
      snapshot: 2,
      closeSnapshot: 2,
      checkpoint: 3,
      collect: 5,
      reopen: 1,
    });
    if (what === "write") await this.#write();
    if (what === "flush") {
      const target = random.pick(["wal", "memtable"] as const);
      await this.#wait(this.#db.flush({ target }));
    }
    if (what === "compact") await this.#wait(this.#db.compact());
    if (what === "pass") {
      await this.#runtime.advance(
        random.pick([50, 500, 3000, 20_000, 300_000]),
      );
    }
    if (what === "scan" && this.#scans.length < 4) this.#openScan();
    if (what === "step") await this.#stepScan();
    if (what === "snapshot" && this.#snapshots.length < 3) {
      const snapshot = this.#db.snapshot();
      this.#snapshots.push({ snapshot, model: new Map(this.#model) });
    }
    if (what === "closeSnapshot") this.#snapshots.shift()?.snapshot.close();
    if (what === "checkpoint") await this.#checkpoint();
    if (what === "collect") await this.#collect();
    if (what === "reopen") await this.#reopen();
  }

  async #write(): Promise<void> {
    const batch = new WriteBatch();
    for (let rows = this.#random.between(1, 6); rows > 0; rows--) {
      const key = `k${this.#random.below(KEYS)}`;
      if (this.#random.chance(0.2)) {
        batch.delete(key);
        this.#model.delete(key);
      } else {
        const value = `${this.#random.next()}`.repeat(3);
        batch.put(key, value);
        this.#model.set(key, value);
      }
    }
    await this.#wait(this.#db.write(batch, { awaitDurable: false }));
  }

  #openScan(): void {
    const reverse = this.#random.chance(0.5);
    const expected = sorted(this.#model);
    if (reverse) expected.reverse();
    const scan = this.#db.scan({ reverse, readAheadBytes: 1 });
    this.#scans.push({ scan, expected });
  }

  async #stepScan(): Promise<void> {
    const held = this.#scans.at(this.#random.below(this.#scans.length));
    if (held === undefined) return;
    const { scan, expected } = held;
    for (let rows = this.#random.between(1, 8); rows > 0; rows--) {
      const entry = await this.#wait(scan.next());
      const wanted = expected.shift();
      assertEquals(
        entry && [decoder.decode(entry.key), decoder.decode(entry.value)],
        wanted,
      );
      if (wanted !== undefined) continue;
      this.#scans = this.#scans.filter((other) => other !== held);
      return;
    }
  }

  async #checkpoint(): Promise<void> {
    const lifetimeMs = this.#random.pick([1, 10, 100]) * SECOND;
    const options = { lifetimeMs, name: "user" };
    if (this.#random.chance(0.5)) {
      await this.#wait(this.#db.createCheckpoint(options));
      return;
    }
    await this.#wait(this.#admin.createCheckpoint(options));
    const [first] = await this.#wait(this.#admin.listCheckpoints("user"));
    if (this.#random.chance(0.3) && first !== undefined) {
      await this.#wait(this.#admin.deleteCheckpoint(first.id));
    }
  }

  /** A pass of the other process; what a dry run says is what is done. */
  async #collect(): Promise<void> {
    const settings = this.#random.chance(0.5)
      ? GC
      : { ...GC, wal_fence_options: { min_age: MIN_AGE_MS, dry_run: false } };
    const report = await this.#wait(this.#admin.runGc({ settings }));
    for (const { name, fate, reason } of report.verdicts) {
      assert(reason.length > 0, name);
      if (fate === "deleted") this.deleted++;
    }
    await this.#assertFiles();
    await this.#assertModel(this.#db, this.#model);
    for (const { snapshot, model } of this.#snapshots) {
      await this.#assertModel(snapshot, model);
    }
  }

  /** Everything that a manifest in force names is there. */
  async #assertFiles(): Promise<void> {
    const truth = Admin.open("db", {
      store: this.#truth,
      runtime: this.#runtime,
    });
    const latest = (await truth.readManifest())!;
    await this.#assertNamed(latest);
    for (const { manifestId, expireTimeS = Infinity } of latest.checkpoints) {
      if (expireTimeS * SECOND <= this.#runtime.now()) continue;
      await this.#assertThere(manifestName("db", manifestId));
      await this.#assertNamed((await truth.readManifest(manifestId))!);
    }
  }

  async #assertNamed(manifest: Manifest): Promise<void> {
    const { replayAfterWalId, nextWalId } = manifest;
    for (let id = replayAfterWalId + 1; id < nextWalId; id++) {
      await this.#assertThere(walName("db", id));
    }
    for (const { id } of handlesOf(manifest)) {
      await this.#assertThere(sstName("db", id));
    }
  }

  async #assertThere(name: string): Promise<void> {
    assert(await this.#truth.head(name) !== undefined, `${name} is gone`);
  }

  async #assertModel(db: Pick<Db, "scan">, model: Model): Promise<void> {
    const rows: [string, string][] = [];
    const read = async () => {
      for await (const { key, value } of db.scan()) {
        rows.push([decoder.decode(key), decoder.decode(value)]);
      }
    };
    await this.#wait(read());
    assertEquals(rows, sorted(model));
  }

  async #open(): Promise<void> {
    this.#db = await this.#wait(Db.open("db", {
      store: this.#store,
      runtime: this.#runtime,
      settings: SETTINGS,
    }));
  }

  /** The writer is closed, or another one takes over; the WAL has all rows. */
  async #reopen(): Promise<void> {
    await this.#letGo();
    const last = this.#db;
    if (this.#random.chance(0.5)) await this.#wait(last.close());
    else await this.#wait(last.flush());
    await this.#open();
    await this.#wait(last.close({ flush: "none" }));
    await this.#assertModel(this.#db, this.#model);
  }

  async #letGo(): Promise<void> {
    for (const { scan } of this.#scans) await scan.close();
    for (const { snapshot } of this.#snapshots) snapshot.close();
    this.#scans = [];
    this.#snapshots = [];
  }

  #wait<Result>(promise: Promise<Result>): Promise<Result> {
    return this.#runtime.run(promise);
  }
}

function sorted(model: Model): [string, string][] {
  return [...model].sort(([a], [b]) => a < b ? -1 : 1);
}

const STEPS = 350;

for (const [faulty, rounds] of [[false, 4], [true, 2]] as const) {
  const what = faulty ? "over a store that fails" : "over a good store";
  for (let seed = 1; seed <= roundsOf(rounds); seed++) {
    test(`collectors never delete a live file ${what}, seed ${seed}`, () =>
      withSeed(seed, async (random, seed) => {
        const world = new World(random, seed, faulty);
        await world.run(STEPS);
        assert(world.deleted > 0, "nothing was ever deleted");
      }));
  }
}

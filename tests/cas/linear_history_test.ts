/** Many writers, a collector, a bad network: one history, no update lost. */
import { DbError } from "../../lib/base/errors.ts";
import { sleep } from "../../lib/base/runtime.ts";
import { Boundary } from "../../lib/cas/boundary.ts";
import type { FencedObject } from "../../lib/cas/fenced_object.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { RetryingStore } from "../../lib/object_store/retrying_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { seededFaults } from "../../lib/testing/seeded_faults.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { roundsOf } from "../support/random.ts";
import { test } from "../support/test.ts";
import {
  append,
  BOUNDARY,
  nameOf,
  openWords,
  type Words,
  wordsIn,
} from "./register.ts";

const RATES = {
  failBefore: 0.08,
  failAfter: 0.1,
  duplicate: 0.08,
  delay: 0.15,
  shortBody: 0.04,
  tornList: 0.05,
};

/** One run: a store, its network, and what was acknowledged. */
class World {
  readonly runtime: ManualRuntime;
  readonly memory: MemoryStore;
  readonly acknowledged: string[] = [];
  /** Every value that ever counted, by number. */
  readonly history = new Map<number, Words>();
  #isOver = false;

  constructor(seed: number) {
    this.runtime = new ManualRuntime({ seed });
    this.memory = new MemoryStore({ runtime: this.runtime });
  }

  /** The store as one process sees it. */
  network(maxRetries = Infinity): ObjectStore {
    const { runtime } = this;
    const plan = seededFaults(() => runtime.random(), RATES);
    const faults = new FaultStore(this.memory, { runtime, plan });
    return new RetryingStore(faults, { runtime, maxRetries });
  }

  async pause(mostMs: number): Promise<void> {
    await sleep(this.runtime, this.runtime.random() * mostMs);
  }

  acknowledge(word: string, { id, value }: { id: number; value: Words }): void {
    this.acknowledged.push(word);
    assert(value.words.includes(word));
    const known = this.history.get(id);
    if (known !== undefined) assertEquals(value, known, `number ${id}`);
    this.history.set(id, value);
  }

  /** Removes all but the latest few numbers, the mark first, again and again. */
  async collect(): Promise<void> {
    const store = this.network();
    const words = wordsIn(store);
    while (!this.#isOver) {
      await this.pause(4000);
      const ids = await Array.fromAsync(words.list(), ({ id }) => id);
      const old = ids.slice(0, -2);
      if (old.length === 0) continue;
      await new Boundary(store, BOUNDARY).raise(old.at(-1)!);
      for (const id of old) await store.delete(nameOf(id));
    }
  }

  /** Runs writers beside a collector, then checks the history. */
  async run(writers: readonly Promise<void>[]): Promise<Words> {
    const collector = this.collect();
    const all = Promise.all(writers).finally(() => this.#isOver = true);
    await this.runtime.run(Promise.all([all, collector]));

    const latest = (await wordsIn(this.memory).readLatestThoroughly())!.value;
    const counted = new Set(latest.words);
    assertEquals(counted.size, latest.words.length, "a word twice");
    for (const word of this.acknowledged) {
      assert(counted.has(word), `${word} was acknowledged and is lost`);
    }
    for (const [id, { words }] of this.history) {
      const start = latest.words.slice(0, words.length);
      assertEquals(start, words, `number ${id} is on another branch`);
    }
    return latest;
  }
}

test("writers without an epoch lose no update and share one history", async () => {
  for (let seed = 1; seed <= roundsOf(25); seed++) {
    const world = new World(seed);
    const write = async (me: number) => {
      const words = wordsIn(world.network());
      let seen = await words.readLatestThoroughly();
      for (let i = 0; i < 5;) {
        const word = `${me}.${i}`;
        const base = seen?.value ?? { epoch: 0, words: [] };
        const value = append(word)(base);
        // A reply that was lost may have been of a put that won.
        const isDone = value === base;
        const id = (seen?.id ?? 0) + (isDone ? 0 : 1);
        if (isDone || await words.create(id, value)) {
          world.acknowledge(word, { id, value });
          seen = { id, value };
          i++;
          // Some sleep long enough for all they know to be collected.
          await world.pause(i === 3 ? 30_000 : 3000);
        } else seen = await words.readLatestThoroughly();
      }
    };

    const { words } = await world.run([1, 2, 3, 4].map(write));

    assertEquals(words.length, 20, `seed ${seed}`);
  }
});

test("holders that take over from one another lose no update and never both win", async () => {
  for (let seed = 1; seed <= roundsOf(25); seed++) {
    const world = new World(seed);
    const { runtime } = world;
    let fencings = 0;
    const write = async (me: number) => {
      await world.pause(5000);
      let held: FencedObject<Words> | undefined;
      for (let i = 0; i < 6;) {
        try {
          held ??= await openWords(world.network(), { runtime });
          const word = `${me}.${i}`;
          world.acknowledge(word, await held.update(append(word)));
          i++;
          await world.pause(4000);
        } catch (error) {
          const isFenced = error instanceof DbError &&
            (error as DbError).reason === "fenced";
          if (!isFenced) throw error;
          fencings++;
          held = undefined;
          // The word may have been written before the fence came; a new one.
          i++;
          await world.pause(6000);
        }
      }
    };

    const latest = await world.run([1, 2, 3].map(write));

    assert(fencings > 0, `seed ${seed}: nobody was fenced`);
    assert(latest.epoch >= 3);
    const epochs = Array.from(world.history)
      .sort(([a], [b]) => a - b)
      .map(([, { epoch }]) => epoch);
    assertEquals(epochs, epochs.toSorted((a, b) => a - b), `seed ${seed}`);
  }
});

test("failures of unknown outcome leave the word there or not, and nothing else", async () => {
  for (let seed = 1; seed <= roundsOf(15); seed++) {
    const world = new World(seed);
    const { runtime } = world;
    const doubtful = new Set<string>();
    const write = async () => {
      const store = world.network(1);
      let held: FencedObject<Words> | undefined;
      for (let i = 0; i < 30; i++) {
        const word = `word ${i}`;
        try {
          held ??= await openWords(store, { runtime });
          world.acknowledge(word, await held.update(append(word)));
        } catch (error) {
          const isExpected = error instanceof DbError &&
            (error as DbError).kind === "unavailable";
          if (!isExpected) throw error;
          if ((error as DbError).outcome === "unknown") doubtful.add(word);
        }
        await world.pause(1000);
      }
    };

    const { words } = await world.run([write()]);

    const known = new Set(world.acknowledged);
    for (const word of words) {
      assert(known.has(word) || doubtful.has(word), `${word} was refused`);
    }
  }
});

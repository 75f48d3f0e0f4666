/**
 * Shale over a `FileStore`, with its defaults except for the flush interval of
 * durable single writes, which is that of SlateDB's binding here.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Db, FileStore, WriteBatch } from "../../mod.ts";
import type {
  BenchEngine,
  CompactionFigure,
  Place,
  Profile,
  TreeControl,
} from "../engine.ts";
import { WINDOW } from "../workload.ts";

/** No compaction but those asked for, however much is in L0. */
const HELD = {
  compactor_options: { scheduler_options: { min_compaction_sources: 1000 } },
  l0_max_ssts: 1000,
  l0_max_ssts_per_key: 1000,
};
/** The compactor is told at once of what there is to do: this long is enough. */
const QUIET_MS = 1000;
const NOT_DURABLE = { awaitDurable: false };

/** Returns a closed Shale. */
export function createShale(): BenchEngine {
  return new ShaleEngine();
}

class ShaleEngine implements BenchEngine {
  readonly durability = "flush interval 1 ms, fsync of file and folder";
  readonly tree: TreeControl = {
    places: ["inline", "worker", "threads"],
    openHeld: (directory, l0Bytes, place) =>
      this.#openHeld(directory, l0Bytes, place),
    warmUp: (keys, values) => this.#warmUp(keys, values),
    compact: () => this.#compact(),
    settled: () => this.#settled(),
  };
  #db: Db | undefined;

  async open(directory: string, profile: Profile): Promise<void> {
    this.#db = await Db.open("db", {
      store: new FileStore(directory),
      settings: profile === "durable" ? { flush_interval: "1ms" } : {},
    });
  }

  put(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put(key, value, NOT_DURABLE);
  }

  putDurable(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put(key, value);
  }

  writeBatch(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    start: number,
    end: number,
  ): Promise<unknown> {
    const batch = new WriteBatch();
    for (let i = start; i < end; i++) batch.put(keys[i]!, values[i]!);
    return this.#db!.write(batch, NOT_DURABLE);
  }

  flush(): Promise<void> {
    return this.#db!.flush({ target: "wal" });
  }

  settle(): Promise<void> {
    return this.#db!.flush({ target: "memtable" });
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#db!.get(key);
  }

  async scan(prefix?: Uint8Array): Promise<number> {
    const rows = this.#db!.scan(prefix === undefined ? {} : { prefix });
    let count = 0;
    for await (const batch of rows.batches()) count += batch.length;
    return count;
  }

  async close(): Promise<void> {
    await this.#db!.close();
    this.#db = undefined;
  }

  async #openHeld(
    directory: string,
    l0Bytes: number,
    place: Place,
  ): Promise<void> {
    this.#db = await Db.open("db", {
      store: new FileStore(directory),
      compactor: place === "inline" ? "inline" : "worker",
      compactorThreads: place === "threads" ? availableParallelism() : 1,
      settings: { ...HELD, l0_sst_size_bytes: l0Bytes },
    });
  }

  /** Two compactions: of the rows, and of tombstones for all of them. */
  async #warmUp(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
  ): Promise<void> {
    const db = this.#db!;
    for (const what of ["put", "delete"] as const) {
      for (let start = 0; start < keys.length; start += WINDOW) {
        const end = Math.min(start + WINDOW, keys.length);
        const batch = new WriteBatch();
        for (let i = start; i < end; i++) {
          if (what === "put") batch.put(keys[i]!, values[i]!);
          else batch.delete(keys[i]!);
        }
        await db.write(batch, NOT_DURABLE);
      }
      await db.compact();
    }
  }

  /** From the call until it resolves: planning, both state files, and fsync. */
  async #compact(): Promise<CompactionFigure> {
    await this.settle();
    const inputBytes = this.#treeBytes();
    const start = performance.now();
    await this.#db!.compact();
    const ms = performance.now() - start;
    return { inputBytes, outputBytes: this.#treeBytes(), ms };
  }

  async #settled(): Promise<number> {
    for (let quietMs = 0; quietMs < QUIET_MS; quietMs += 10) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      const { compactor, tree } = this.#db!.status();
      if (compactor!.active > 0 || tree.frozenMemtables > 0) quietMs = 0;
    }
    return this.#treeBytes();
  }

  #treeBytes(): number {
    const { l0, runs } = this.#db!.status().tree;
    return [...l0, ...runs.map(({ bytes }) => bytes)]
      .reduce((sum, bytes) => sum + bytes, 0);
  }
}

/**
 * Shale over a `FileStore`, with its defaults except for the flush interval of
 * durable single writes, which is that of SlateDB's binding here.
 *
 * @module
 */
import { Db, FileStore, WriteBatch } from "../../mod.ts";
import type { BenchEngine, Profile } from "../engine.ts";

const NOT_DURABLE = { awaitDurable: false };

/** Returns a closed Shale. */
export function createShale(): BenchEngine {
  return new ShaleEngine();
}

class ShaleEngine implements BenchEngine {
  readonly durability = "flush interval 1 ms, fsync of file and folder";
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
}

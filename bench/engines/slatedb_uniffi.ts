/**
 * SlateDB's official binding, with its defaults except for the flush interval
 * of durable single writes, where the default of 100 ms would be all one sees.
 *
 * @module
 */
import {
  type Db,
  DbBuilder,
  type DbIterator,
  FlushType,
  ObjectStore,
  Settings,
  Ttl,
  WriteBatch,
} from "@slatedb/uniffi";
import { pathToFileURL } from "node:url";
import type { BenchEngine, Profile } from "../engine.ts";

const PUT_OPTIONS = { ttl: Ttl.Default() };
const NOT_DURABLE = { await_durable: false };
const EVERYTHING = {
  start: undefined,
  start_inclusive: true,
  end: undefined,
  end_inclusive: false,
};

/** Returns a closed SlateDB. */
export function createSlatedb(): BenchEngine {
  return new SlatedbEngine();
}

class SlatedbEngine implements BenchEngine {
  readonly durability = "flush interval 1 ms, no fsync";
  #db: Db | undefined;

  async open(directory: string, profile: Profile): Promise<void> {
    const store = ObjectStore.resolve(pathToFileURL(directory).href);
    const builder = new DbBuilder("db", store);
    const settings = Settings.default();
    if (profile === "durable") settings.set("flush_interval", '"1ms"');
    settings.set("compactor_options.poll_interval", '"1s"');
    builder.with_settings(settings);
    this.#db = await builder.build();
  }

  put(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put_with_options(key, value, PUT_OPTIONS, NOT_DURABLE);
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
    return this.#db!.write_with_options(batch, NOT_DURABLE);
  }

  flush(): Promise<void> {
    return this.#db!.flush_with_options({ flush_type: FlushType.Wal });
  }

  settle(): Promise<void> {
    return this.#db!.flush_with_options({ flush_type: FlushType.MemTable });
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#db!.get(key);
  }

  async scan(prefix?: Uint8Array): Promise<number> {
    const db = this.#db!;
    const rows: DbIterator = prefix === undefined
      ? await db.scan(EVERYTHING)
      : await db.scan_prefix(prefix);
    let count = 0;
    while (await rows.next() !== undefined) count++;
    return count;
  }

  async close(): Promise<void> {
    await this.#db!.shutdown();
    this.#db = undefined;
  }
}

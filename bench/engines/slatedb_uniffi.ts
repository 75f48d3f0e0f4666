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
import { Admin, FileStore, type SstHandle, type Tree } from "../../mod.ts";
import type {
  BenchEngine,
  CompactionFigure,
  Profile,
  TreeControl,
} from "../engine.ts";

const PUT_OPTIONS = { ttl: Ttl.Default() };
const NOT_DURABLE = { await_durable: false };
const EVERYTHING = {
  start: undefined,
  start_inclusive: true,
  end: undefined,
  end_inclusive: false,
};
/** How often the compactor looks for work, and the bench for the outcome. */
const POLL_MS = 10;

/** Returns a closed SlateDB. */
export function createSlatedb(): BenchEngine {
  return new SlatedbEngine();
}

class SlatedbEngine implements BenchEngine {
  readonly durability = "flush interval 1 ms, no fsync";
  readonly tree: TreeControl = {
    places: ["threads"],
    openHeld: (directory, l0Bytes) => this.#openHeld(directory, l0Bytes),
    compact: () => this.#compact(),
  };
  #db: Db | undefined;
  #directory = "";

  async open(directory: string, profile: Profile): Promise<void> {
    const settings = Settings.default();
    if (profile === "durable") settings.set("flush_interval", '"1ms"');
    settings.set("compactor_options.poll_interval", '"1s"');
    await this.#open(directory, settings);
  }

  async #open(directory: string, settings: Settings): Promise<void> {
    const store = ObjectStore.resolve(pathToFileURL(directory).href);
    const builder = new DbBuilder("db", store);
    builder.with_settings(settings);
    this.#directory = directory;
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

  async #openHeld(directory: string, l0Bytes: number): Promise<void> {
    const settings = Settings.default();
    settings.set("compactor_options", "null");
    settings.set("l0_sst_size_bytes", String(l0Bytes));
    settings.set("l0_max_ssts", "1000");
    await this.#open(directory, settings);
  }

  /**
   * The binding cannot ask for a compaction, but only open the database with a
   * compactor that takes all of L0 at once. The time is from that opening, which
   * takes some ten milliseconds, until the manifest has one run and no L0; both
   * polls together add {@linkcode POLL_MS} on average. Nothing is synced in it.
   */
  async #compact(): Promise<CompactionFigure> {
    await this.settle();
    await this.close();
    const { l0, runs } = await this.#readTree();
    if (l0.length < 2 || runs.length > 0) {
      throw new Error(
        `Cannot measure a compaction of ${l0.length} SSTs and ${runs.length} runs`,
      );
    }
    const settings = Settings.default();
    settings.set("compactor_options.poll_interval", `"${POLL_MS}ms"`);
    settings.set(
      "compactor_options.scheduler_options",
      JSON.stringify({
        min_compaction_sources: "2",
        max_compaction_sources: "1000",
      }),
    );
    settings.set("l0_max_ssts", "1000");
    const start = performance.now();
    await this.#open(this.#directory, settings);
    for (;;) {
      const tree = await this.#readTree();
      if (tree.l0.length === 0 && tree.runs.length === 1) {
        const ms = performance.now() - start;
        const outputBytes = bytesOf(tree.runs[0]!.ssts);
        return { inputBytes: bytesOf(l0), outputBytes, ms };
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #readTree(): Promise<Tree> {
    const store = new FileStore(this.#directory);
    const manifest = await Admin.open("db", { store }).readManifest();
    return manifest!.tree;
  }
}

/** Bytes of data, filters and indexes: what Shale's status counts, too. */
function bytesOf(ssts: readonly SstHandle[]): number {
  return ssts.reduce(
    (sum, { info }) => sum + info.indexOffset + info.indexBytes,
    0,
  );
}

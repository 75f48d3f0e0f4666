/**
 * LevelDB through classic-level: 256 MiB of cache, and the write buffer that
 * suits each workload best.
 *
 * @module
 */
import { ClassicLevel } from "classic-level";
import { prefixSuccessor } from "../../lib/base/bytes.ts";
import type {
  BenchEngine,
  CompactionFigure,
  Profile,
  TreeControl,
} from "../engine.ts";

const MIB = 1024 * 1024;
const SCAN_ROWS = 1000;
const HELD_BUFFER_SHARE = 3;

/** Returns a closed LevelDB. */
export function createLevel(): BenchEngine {
  return new LevelEngine();
}

class LevelEngine implements BenchEngine {
  readonly durability = "one fdatasync";
  readonly tree: TreeControl = {
    places: ["threads"],
    openHeld: (directory, l0Bytes) => this.#openHeld(directory, l0Bytes),
    compact: () => this.#compact(),
  };
  #db: ClassicLevel<Uint8Array, Uint8Array> | undefined;

  async open(directory: string, profile: Profile): Promise<void> {
    this.#db = new ClassicLevel(directory, {
      keyEncoding: "view",
      valueEncoding: "view",
      cacheSize: 256 * MIB,
      writeBufferSize: (profile === "write" ? 4 : 64) * MIB,
    });
    await this.#db.open();
  }

  put(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put(key, value);
  }

  putDurable(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put(key, value, { sync: true });
  }

  writeBatch(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    start: number,
    end: number,
  ): Promise<unknown> {
    const batch = this.#db!.batch();
    for (let i = start; i < end; i++) batch.put(keys[i]!, values[i]!);
    return batch.write();
  }

  flush(): Promise<void> {
    return this.#db!.batch([], { sync: true });
  }

  settle(): Promise<void> {
    return this.#db!.compactRange(new Uint8Array(0), Uint8Array.of(0xff));
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#db!.get(key);
  }

  async scan(prefix?: Uint8Array): Promise<number> {
    const range = prefix === undefined
      ? {}
      : { gte: prefix, lt: prefixSuccessor(prefix)! };
    const rows = this.#db!.iterator(range);
    let count = 0;
    for (;;) {
      const batch = await rows.nextv(SCAN_ROWS);
      if (batch.length === 0) break;
      count += batch.length;
    }
    await rows.close();
    return count;
  }

  async close(): Promise<void> {
    await this.#db!.close();
    this.#db = undefined;
  }

  /** Four files in L0 start a compaction: with large ones there are fewer. */
  async #openHeld(directory: string, l0Bytes: number): Promise<void> {
    this.#db = new ClassicLevel(directory, {
      keyEncoding: "view",
      valueEncoding: "view",
      // As the tables of the others are.
      compression: false,
      writeBufferSize: HELD_BUFFER_SHARE * l0Bytes,
    });
    await this.#db.open();
  }

  /**
   * Input and output are what LevelDB itself has counted, in whole megabytes; as
   * it works its way down level by level, most rows are read more than once.
   */
  async #compact(): Promise<CompactionFigure> {
    const before = this.#stats();
    const start = performance.now();
    await this.settle();
    const ms = performance.now() - start;
    const after = this.#stats();
    return {
      inputBytes: (after.readMb - before.readMb) * MIB,
      outputBytes: (after.writtenMb - before.writtenMb) * MIB,
      ms,
    };
  }

  /** Sums over the levels: level, files, size, seconds, read, written. */
  #stats(): { readMb: number; writtenMb: number } {
    const rows = this.#db!.getProperty("leveldb.stats").split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number))
      .filter((row) => row.length === 6 && row.every(Number.isFinite));
    const sum = (column: number) =>
      rows.reduce((total, row) => total + row[column]!, 0);
    return { readMb: sum(4), writtenMb: sum(5) };
  }
}

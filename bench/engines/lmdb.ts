/**
 * LMDB through lmdb, with its defaults: writes gather into one transaction for
 * each turn of the event loop, reads are synchronous.
 *
 * @module
 */
import { open, type RootDatabase } from "lmdb";
import { prefixSuccessor } from "../../lib/base/bytes.ts";
import type { BenchEngine } from "../engine.ts";

/** Returns a closed LMDB. */
export function createLmdb(): BenchEngine {
  return new LmdbEngine();
}

class LmdbEngine implements BenchEngine {
  readonly durability = "one fdatasync";
  #db: RootDatabase<Uint8Array, Uint8Array> | undefined;

  async open(directory: string): Promise<void> {
    this.#db = await open<Uint8Array, Uint8Array>({
      path: `${directory}/data.mdb`,
      keyEncoding: "binary",
      encoding: "binary",
    });
  }

  put(key: Uint8Array, value: Uint8Array): Promise<unknown> {
    return this.#db!.put(key, value);
  }

  async putDurable(key: Uint8Array, value: Uint8Array): Promise<void> {
    await this.#db!.put(key, value);
    await this.#db!.flushed;
  }

  writeBatch(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    start: number,
    end: number,
  ): Promise<unknown> {
    const db = this.#db!;
    return db.batch(() => {
      for (let i = start; i < end; i++) db.put(keys[i]!, values[i]!);
    });
  }

  async flush(): Promise<void> {
    await this.#db!.flushed;
  }

  async settle(): Promise<void> {
    await this.#db!.flushed;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#db!.get(key);
  }

  // deno-lint-ignore require-await
  async scan(prefix?: Uint8Array): Promise<number> {
    let count = 0;
    const range = prefix === undefined
      ? {}
      : { start: prefix, end: prefixSuccessor(prefix)! };
    for (const { value } of this.#db!.getRange(range)) {
      if (value.length > 0) count++;
    }
    return count;
  }

  async close(): Promise<void> {
    await this.#db!.close();
    this.#db = undefined;
  }
}

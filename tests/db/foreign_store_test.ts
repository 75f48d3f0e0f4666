/**
 * Stores that others write, as simply as the interface lets them.
 *
 * @module
 */
import {
  Db,
  MemoryStore,
  type ObjectPutOptions as PutOptions,
  type ObjectStore,
  type PutResult,
} from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

/** Collects the chunks of a stream, and looks at them when it has all. */
class CollectingStore implements ObjectStore {
  readonly #inner = new MemoryStore();
  streams = 0;

  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options?: PutOptions,
  ): Promise<PutResult> {
    if (body instanceof Uint8Array) {
      return await this.#inner.put(name, body, options);
    }
    this.streams++;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of body) {
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
    }
    const bytes = await new Blob(chunks).arrayBuffer();
    return await this.#inner.put(name, new Uint8Array(bytes), options);
  }

  get: ObjectStore["get"] = (...args) => this.#inner.get(...args);
  head: ObjectStore["head"] = (...args) => this.#inner.head(...args);
  delete: ObjectStore["delete"] = (...args) => this.#inner.delete(...args);
  list: ObjectStore["list"] = (...args) => this.#inner.list(...args);
}

test("a store that looks at the chunks of a stream at its end keeps every SST whole", async () => {
  const store = new CollectingStore();
  const db = await Db.open("db", { store });
  const row = (fill: number) => new Uint8Array(500_000).fill(fill);
  for (let i = 0; i < 20; i++) {
    await db.put(`k${i}`, row(i), { awaitDurable: false });
  }
  await db.flush({ target: "memtable" });
  await db.compact();
  await db.close();

  assertEquals(store.streams, 2);
  await using again = await Db.open("db", { store });
  for (let i = 0; i < 20; i++) assertEquals(await again.get(`k${i}`), row(i));
});

/**
 * A store that remembers every change in order, so that a test can go back to
 * the moment after any of them: what a crash right there would have left.
 *
 * @module
 */
import { MemoryStore, type ObjectStore } from "../../mod.ts";

type Change =
  | { readonly put: string; readonly bytes: Uint8Array }
  | { readonly delete: string };

type Get = Parameters<ObjectStore["get"]>[1];
type Put = Parameters<ObjectStore["put"]>[2];
type Call = Parameters<ObjectStore["head"]>[1];
type List = Parameters<ObjectStore["list"]>[1];

/** A memory store with a memory of its changes. */
export class JournalStore implements ObjectStore {
  readonly #store = new MemoryStore();
  readonly #changes: Change[] = [];

  /** How many changes there were. */
  get length(): number {
    return this.#changes.length;
  }

  /** What the change at `index` did, for messages. */
  describe(index: number): string {
    const change = this.#changes[index];
    if (change === undefined) return "the beginning";
    return "put" in change ? `put ${change.put}` : `delete ${change.delete}`;
  }

  /** A store as it was after the first `changes` changes. */
  async at(changes: number): Promise<MemoryStore> {
    const store = new MemoryStore();
    for (const change of this.#changes.slice(0, changes)) {
      if ("put" in change) await store.put(change.put, change.bytes);
      else await store.delete(change.delete);
    }
    return store;
  }

  /** The objects right now, taken at one moment. */
  moment(): Map<string, Uint8Array> {
    const objects = new Map<string, Uint8Array>();
    for (const change of this.#changes) {
      if ("put" in change) objects.set(change.put, change.bytes);
      else objects.delete(change.delete);
    }
    return objects;
  }

  get(name: string, options?: Get) {
    return this.#store.get(name, options);
  }

  head(name: string, options?: Call) {
    return this.#store.head(name, options);
  }

  list(prefix: string, options?: List) {
    return this.#store.list(prefix, options);
  }

  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options?: Put,
  ) {
    const bytes = body instanceof Uint8Array
      ? body.slice()
      : new Uint8Array(await new Response(body as BodyInit).arrayBuffer());
    const result = await this.#store.put(name, bytes, options);
    if (result.ok) this.#changes.push({ put: name, bytes });
    return result;
  }

  async delete(name: string, options?: Call) {
    await this.#store.delete(name, options);
    this.#changes.push({ delete: name });
  }
}

/** A copy of a store's objects, out of reach of whoever uses the original. */
export async function copyStore(from: ObjectStore): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for await (const { name } of from.list("")) {
    const object = await from.get(name);
    if (object !== undefined) await copy.put(name, object.bytes);
  }
  return copy;
}

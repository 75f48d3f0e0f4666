/**
 * Bodies and little readings that the suites share.
 *
 * @module
 */
import type { ObjectStore } from "../object_store/object_store.ts";

/**
 * Bytes that differ from place to place.
 *
 * @param length How many.
 * @param seed Other seeds give other bytes.
 * @returns The bytes.
 */
export function sampleBytes(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/**
 * A body as a stream of chunks.
 *
 * @param bytes The body.
 * @param chunkBytes Bytes of a chunk.
 * @returns The stream.
 */
export function streamOf(
  bytes: Uint8Array,
  chunkBytes: number,
): ReadableStream<Uint8Array> {
  let start = 0;
  return new ReadableStream({
    pull(controller) {
      if (start >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(start, start + chunkBytes));
      start += chunkBytes;
    },
  });
}

/**
 * The names a store lists.
 *
 * @param store The store.
 * @param prefix What they begin with.
 * @param startAfter Only names greater than this.
 * @returns The names, as listed.
 */
export async function listNames(
  store: ObjectStore,
  prefix = "",
  startAfter?: string,
): Promise<string[]> {
  const names: string[] = [];
  const options = startAfter === undefined ? {} : { startAfter };
  for await (const meta of store.list(prefix, options)) names.push(meta.name);
  return names;
}

/**
 * The bytes of an object.
 *
 * @param store The store.
 * @param name The object's name.
 * @returns Its bytes; `undefined`: no such object.
 */
export async function bytesOf(
  store: ObjectStore,
  name: string,
): Promise<Uint8Array | undefined> {
  return (await store.get(name))?.bytes;
}

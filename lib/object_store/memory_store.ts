/**
 * An object store in memory.
 *
 * @module
 */
import { DbError, throwIfAborted } from "../base/errors.ts";
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import { collectBody } from "./body.ts";
import {
  checkByteRange,
  checkName,
  checkPrefix,
  compareNames,
  resolveByteRange,
} from "./object_name.ts";
import type {
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutOptions,
  PutResult,
  SyncReads,
} from "./object_store.ts";

/** Options of a {@linkcode MemoryStore}. */
export interface MemoryStoreOptions {
  /** Clock of `lastModified`. */
  runtime?: Runtime;
}

interface StoredObject {
  readonly meta: ObjectMeta;
  readonly bytes: Uint8Array;
}

/**
 * An object store in memory, for tests, caches and trying things out; lost
 * when the process ends. Several databases may use one.
 */
export class MemoryStore implements ObjectStore, SyncReads {
  /** Whether a stream's chunk may be used again once the next is asked for. */
  readonly takesChunksAtOnce: boolean = true;
  readonly #runtime: Runtime;
  readonly #objects = new Map<string, StoredObject>();
  #versions = 0;

  /**
   * Constructs a new, empty {@linkcode MemoryStore}.
   *
   * @param options The clock.
   */
  constructor(options: MemoryStoreOptions = {}) {
    this.#runtime = options.runtime ?? systemRuntime;
  }

  /** {@inheritDoc ObjectStore.get} */
  // deno-lint-ignore require-await -- a refused call rejects
  async get(name: string, options: GetOptions = {}): Promise<GetResult> {
    throwIfAborted(options.signal);
    checkName(name);
    checkByteRange(options.range);
    const object = this.#objects.get(name);
    if (object === undefined) return undefined;
    const { start, end } = resolveByteRange(
      options.range,
      object.bytes.length,
    );
    return { meta: object.meta, bytes: object.bytes.slice(start, end) };
  }

  /** {@inheritDoc ObjectStore.head} */
  // deno-lint-ignore require-await -- a refused call rejects
  async head(
    name: string,
    options: CallOptions = {},
  ): Promise<ObjectMeta | undefined> {
    throwIfAborted(options.signal);
    checkName(name);
    return this.#objects.get(name)?.meta;
  }

  /** {@inheritDoc ObjectStore.put} */
  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    const { mode = "overwrite", metadata, signal } = options;
    throwIfAborted(signal);
    checkName(name);
    // The bytes are copied before the first wait, the condition is judged
    // after the last: what another call does in between counts.
    const bytes = await collectBody(body, signal);
    const present = this.#objects.get(name);
    if (mode === "create" && present !== undefined) {
      return { ok: false, reason: "exists" };
    }
    if (typeof mode === "object" && present?.meta.etag !== mode.ifMatch) {
      return { ok: false, reason: "changed" };
    }
    const etag = `v${++this.#versions}`;
    this.#objects.set(name, {
      bytes,
      meta: Object.freeze({
        name,
        size: bytes.length,
        lastModified: this.#runtime.now(),
        etag,
        metadata: Object.freeze({ ...metadata }),
      }),
    });
    return { ok: true, etag };
  }

  /** {@inheritDoc ObjectStore.delete} */
  // deno-lint-ignore require-await -- a refused call rejects
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    checkName(name);
    this.#objects.delete(name);
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    const { startAfter, signal } = options;
    throwIfAborted(signal);
    checkPrefix(prefix);
    const names: string[] = [];
    for (const name of this.#objects.keys()) {
      if (!name.startsWith(prefix)) continue;
      if (startAfter !== undefined && compareNames(name, startAfter) <= 0) {
        continue;
      }
      names.push(name);
    }
    for (const name of names.sort(compareNames)) {
      throwIfAborted(signal);
      const object = this.#objects.get(name);
      if (object !== undefined) yield object.meta;
    }
  }

  /** {@inheritDoc SyncReads.readSync} */
  readSync(
    name: string,
    range: { readonly start: number; readonly end: number },
  ): Uint8Array | undefined {
    const { start, end } = range;
    if (!(start >= 0 && end >= start)) {
      throw new DbError("invalid", `Cannot read the range ${start}..${end}`);
    }
    return this.#objects.get(name)?.bytes.subarray(start, end);
  }
}

/**
 * A store within a store: all names under one prefix.
 *
 * @module
 */
import { checkName, checkPrefix } from "./object_name.ts";
import {
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ObjectMeta,
  type ObjectStore,
  type PutOptions,
  type PutResult,
  storeUrl,
  type SyncReads,
  syncReadsOf,
  takesChunksAtOnce,
} from "./object_store.ts";

/** Puts a prefix and a slash before every name; sees only what is below it. */
export class PrefixStore implements ObjectStore {
  /** See {@linkcode SyncReads.readSync}; there where the inner store has it. */
  readonly readSync: SyncReads["readSync"] | undefined;
  readonly #inner: ObjectStore;
  readonly #prefix: string;

  /**
   * Constructs a new {@linkcode PrefixStore}.
   *
   * @param inner The store around it; closed along with this one.
   * @param prefix A name of one or more parts, without a slash at either end.
   * @throws {DbError} Kind `"invalid"` if the prefix is no object name.
   */
  constructor(inner: ObjectStore, prefix: string) {
    checkName(prefix);
    this.#inner = inner;
    this.#prefix = `${prefix}/`;
    const sync = syncReadsOf(inner);
    this.readSync = sync === undefined
      ? undefined
      : (name, range) => sync.readSync(this.#prefix + name, range);
  }

  /** Whether the inner store is done with a chunk before it asks for the next. */
  get takesChunksAtOnce(): boolean {
    return takesChunksAtOnce(this.#inner);
  }

  /** The URL of the inner store with the prefix, where it has one. */
  get url(): string | undefined {
    const url = storeUrl(this.#inner);
    if (url === undefined) return undefined;
    const path = this.#prefix.slice(0, -1).split("/").map(encodeURIComponent);
    return `${url.replace(/\/$/, "")}/${path.join("/")}`;
  }

  /** {@inheritDoc ObjectStore.get} */
  async get(name: string, options?: GetOptions): Promise<GetResult> {
    const result = await this.#inner.get(this.#outer(name), options);
    return result === undefined
      ? undefined
      : { meta: { ...result.meta, name }, bytes: result.bytes };
  }

  /** {@inheritDoc ObjectStore.head} */
  async head(
    name: string,
    options?: CallOptions,
  ): Promise<ObjectMeta | undefined> {
    const meta = await this.#inner.head(this.#outer(name), options);
    return meta === undefined ? undefined : { ...meta, name };
  }

  /** {@inheritDoc ObjectStore.put} */
  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options?: PutOptions,
  ): Promise<PutResult> {
    return await this.#inner.put(this.#outer(name), body, options);
  }

  /** {@inheritDoc ObjectStore.delete} */
  async delete(name: string, options?: CallOptions): Promise<void> {
    await this.#inner.delete(this.#outer(name), options);
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    checkPrefix(prefix);
    const { startAfter, ...rest } = options;
    const metas = this.#inner.list(this.#prefix + prefix, {
      ...rest,
      ...(startAfter === undefined
        ? {}
        : { startAfter: this.#prefix + startAfter }),
    });
    for await (const meta of metas) {
      yield { ...meta, name: meta.name.slice(this.#prefix.length) };
    }
  }

  /** {@inheritDoc ObjectStore.close} */
  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  #outer(name: string): string {
    // Here and not below: "../x" must not mean something under another prefix.
    checkName(name);
    return this.#prefix + name;
  }
}

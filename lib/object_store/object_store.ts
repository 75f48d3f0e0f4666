/**
 * What the engine asks of object storage, and what every store must promise.
 *
 * @module
 */

/** Which bytes of an object: from `start` up to, not including, `end`; or the last `suffix`. */
export type ByteRange =
  | { readonly start: number; readonly end?: number }
  | { readonly suffix: number };

/** What a store knows of an object besides its bytes. */
export interface ObjectMeta {
  /** The object's name, relative to the store. */
  readonly name: string;
  /** Bytes of the whole object. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
  /** Changes whenever the object does; compare as opaque text. */
  readonly etag: string;
  /** What the writer attached; empty where the store keeps none. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** An object's bytes, or those of the range asked for; `undefined`: no such object. */
export type GetResult =
  | { readonly meta: ObjectMeta; readonly bytes: Uint8Array }
  | undefined;

/** A put's end; a lost race is a value, not an error. */
export type PutResult =
  | { readonly ok: true; readonly etag: string }
  | { readonly ok: false; readonly reason: "exists" | "changed" };

/** Options of {@linkcode ObjectStore.get}. */
export interface GetOptions {
  /** Which bytes; all of them unless given. A range past the end is cut. */
  range?: ByteRange;
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of {@linkcode ObjectStore.put}. */
export interface PutOptions {
  /**
   * `"create"` fails where the object exists; `{ ifMatch }` where its ETag is
   * another by now, or it is gone.
   *
   * @default {"overwrite"}
   */
  mode?: "overwrite" | "create" | { ifMatch: string };
  /** Kept with the object, where the store can. */
  metadata?: Record<string, string>;
  /** Ends the call with the signal's reason; the put may still take effect. */
  signal?: AbortSignal;
}

/** Options of {@linkcode ObjectStore.list}. */
export interface ListOptions {
  /** Only names greater than this. */
  startAfter?: string;
  /** Ends the iteration with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of the remaining calls. */
export interface CallOptions {
  /** Ends the call with the signal's reason. */
  signal?: AbortSignal;
}

/**
 * A flat space of named, immutable-by-convention objects.
 *
 * Names are `/`-separated, without empty, `.` or `..` parts. Reads see every
 * finished write. A put is whole or absent, whatever happens midway, and is
 * finished only when it would survive. Failures are `DbError`s of kind
 * `"unavailable"`, with `outcome: "unknown"` where a write may have happened;
 * a malformed request is `"invalid"`. Every store passes the suite exported
 * from `./testing`.
 */
export interface ObjectStore {
  /** Reads an object, or a range of it. */
  get(name: string, options?: GetOptions): Promise<GetResult>;
  /** Reads what is known about an object; `undefined`: no such object. */
  head(name: string, options?: CallOptions): Promise<ObjectMeta | undefined>;
  /** Writes an object. The bytes are copied or written before it resolves. */
  put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options?: PutOptions,
  ): Promise<PutResult>;
  /** Removes an object; one that is absent is fine. */
  delete(name: string, options?: CallOptions): Promise<void>;
  /** Lists the objects whose names begin with `prefix`, in name order. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectMeta>;
  /** Frees what the store holds. */
  close?(): Promise<void>;
}

/**
 * The synchronous door of stores that are as near as memory; found by feature,
 * never required.
 */
export interface SyncReads {
  /**
   * Reads a range at once.
   *
   * @returns The bytes, valid until the next call on this store; `undefined`: no such object.
   */
  readSync(
    name: string,
    range: { readonly start: number; readonly end: number },
  ): Uint8Array | undefined;
}

/**
 * The synchronous door of `store`, where it has one.
 *
 * @param store Any store.
 * @returns The same store, or `undefined`.
 */
export function syncReadsOf(store: ObjectStore): SyncReads | undefined {
  return "readSync" in store && typeof store.readSync === "function"
    ? store as ObjectStore & SyncReads
    : undefined;
}

/**
 * Whether a store is done with a stream's chunk, copied or written, before it asks
 * for the next one, so that whoever makes the stream may use its buffer again;
 * found by feature, a property `takesChunksAtOnce`.
 *
 * @param store Any store.
 * @returns Whether it says so.
 */
export function takesChunksAtOnce(store: ObjectStore): boolean {
  return "takesChunksAtOnce" in store && store.takesChunksAtOnce === true;
}

/**
 * The URL by which another thread or process opens the same store; found by
 * feature, a property `url`.
 *
 * @param store Any store.
 * @returns The URL, or `undefined` where none can name it, as with memory.
 */
export function storeUrl(store: ObjectStore): string | undefined {
  return "url" in store && typeof store.url === "string"
    ? store.url
    : undefined;
}

/**
 * The metadata that tells whose put made an object, under SlateDB's name: a
 * put whose reply was lost finds itself by it.
 */
export const PUT_ID_KEY = "slatedbputid";

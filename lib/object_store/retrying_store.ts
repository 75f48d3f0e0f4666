/**
 * Tries again what a store could not do for a moment.
 *
 * The only place that repeats a request; nothing above does. A conditional put
 * is the hard case: an attempt may have taken effect though its reply was
 * lost, and the next one then loses to it; or the network below delivered the
 * one attempt twice. So each such put carries an id of its own in the object's
 * metadata, under SlateDB's name; one that lost looks whose object it lost to.
 *
 * @module
 */
import { DbError, type Outcome } from "../base/errors.ts";
import { UlidSource } from "../base/ids.ts";
import { type Logger, silentLogger } from "../base/log.ts";
import { type Runtime, sleep, systemRuntime } from "../base/runtime.ts";
import { posixCodeOf } from "../vfs/vfs.ts";
import { resolveByteRange } from "./object_name.ts";
import {
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ObjectMeta,
  type ObjectStore,
  PUT_ID_KEY,
  type PutOptions,
  type PutResult,
  storeUrl,
  type SyncReads,
  syncReadsOf,
  takesChunksAtOnce,
} from "./object_store.ts";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 1000;
/** A local disk that is still full or broken after some seconds stays so. */
const MAX_DISK_RETRIES = 5;

/** Options of a {@linkcode RetryingStore}. */
export interface RetryingStoreOptions {
  /** Timers and the randomness of pauses and put ids. */
  runtime?: Runtime;
  /**
   * How often a request is repeated before its failure is thrown. With none
   * given it is repeated until it succeeds, its signal fires or the failure
   * is of a kind that waiting does not heal; one of the local disk, such as
   * that it is full, for some three seconds.
   *
   * @default {Infinity}
   */
  maxRetries?: number;
  /** Told of every failure that is tried again. */
  logger?: Logger;
}

/** What became of a request's attempts so far. */
interface Attempts {
  failures: number;
  outcome: Outcome;
}

/**
 * Repeats failed requests after 100 ms, then 200 ms, up to 1 s, less a random
 * part of up to a half. A put from a stream is tried once: the stream is gone.
 */
export class RetryingStore implements ObjectStore {
  /** See {@linkcode SyncReads.readSync}; there where the inner store has it. */
  readonly readSync: SyncReads["readSync"] | undefined;
  readonly #inner: ObjectStore;
  readonly #runtime: Runtime;
  readonly #maxRetries: number;
  readonly #logger: Logger;
  readonly #ulids: UlidSource;

  /**
   * Constructs a new {@linkcode RetryingStore}.
   *
   * @param inner The store that may fail; closed along with this one.
   * @param options How patient it is.
   * @throws {DbError} Kind `"invalid"` if `maxRetries` is no number >= 0.
   */
  constructor(inner: ObjectStore, options: RetryingStoreOptions = {}) {
    const { maxRetries = Infinity, runtime = systemRuntime } = options;
    if (!(maxRetries >= 0)) {
      throw new DbError(
        "invalid",
        `RetryingStore: 'maxRetries' must be a number >= 0, not ${maxRetries}`,
      );
    }
    this.#inner = inner;
    this.#runtime = runtime;
    this.#maxRetries = maxRetries;
    this.#logger = options.logger ?? silentLogger;
    this.#ulids = new UlidSource(runtime);
    const sync = syncReadsOf(inner);
    this.readSync = sync?.readSync.bind(sync);
  }

  /** Whether the inner store is done with a chunk before it asks for the next. */
  get takesChunksAtOnce(): boolean {
    return takesChunksAtOnce(this.#inner);
  }

  /** The URL of the inner store, where it has one. */
  get url(): string | undefined {
    return storeUrl(this.#inner);
  }

  /** {@inheritDoc ObjectStore.get} */
  get(name: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#retry(`get ${name}`, options.signal, async () => {
      const result = await this.#inner.get(name, options);
      if (result !== undefined) checkLength(name, options, result);
      return result;
    });
  }

  /** {@inheritDoc ObjectStore.head} */
  head(
    name: string,
    options: CallOptions = {},
  ): Promise<ObjectMeta | undefined> {
    return this.#retry(
      `head ${name}`,
      options.signal,
      () => this.#inner.head(name, options),
    );
  }

  /** {@inheritDoc ObjectStore.put} */
  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    const { mode = "overwrite", metadata, signal } = options;
    if (!(body instanceof Uint8Array)) {
      return await this.#inner.put(name, body, options);
    }
    if (mode === "overwrite") {
      return await this.#retry(
        `put ${name}`,
        signal,
        () => this.#inner.put(name, body, options),
      );
    }
    const putId = this.#ulids.next();
    const marked = {
      ...options,
      metadata: { ...metadata, [PUT_ID_KEY]: putId },
    };
    return await this.#retry(`put ${name}`, signal, async (attempts) => {
      const result = await this.#inner.put(name, body, marked);
      if (result.ok) return result;
      const before = attempts.outcome;
      // Until it is seen whose the object is, it may be this put's.
      attempts.outcome = "unknown";
      const present = await this.#inner.head(
        name,
        signal === undefined ? {} : { signal },
      );
      attempts.outcome = before;
      return present?.metadata[PUT_ID_KEY] === putId
        ? { ok: true, etag: present.etag }
        : result;
    });
  }

  /** {@inheritDoc ObjectStore.delete} */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    return this.#retry(
      `delete ${name}`,
      options.signal,
      () => this.#inner.delete(name, options),
    );
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    const attempts: Attempts = { failures: 0, outcome: "none" };
    let startAfter = options.startAfter;
    for (;;) {
      try {
        const from = startAfter === undefined ? {} : { startAfter };
        const metas = this.#inner.list(prefix, { ...options, ...from });
        for await (const meta of metas) {
          startAfter = meta.name;
          attempts.failures = 0;
          yield meta;
        }
        return;
      } catch (error) {
        // After the last name that was seen: none is missed, none comes twice.
        await this.#pause(`list ${prefix}`, error, attempts, options.signal);
      }
    }
  }

  /** {@inheritDoc ObjectStore.close} */
  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async #retry<Result>(
    action: string,
    signal: AbortSignal | undefined,
    request: (attempts: Attempts) => Promise<Result>,
  ): Promise<Result> {
    const attempts: Attempts = { failures: 0, outcome: "none" };
    for (;;) {
      try {
        return await request(attempts);
      } catch (error) {
        await this.#pause(action, error, attempts, signal);
      }
    }
  }

  /** Waits until it is time to try again; throws if it is not to be. */
  async #pause(
    action: string,
    error: unknown,
    attempts: Attempts,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (!(error instanceof DbError)) throw error;
    if (error.outcome === "unknown") attempts.outcome = "unknown";
    const isOver = error.kind !== "unavailable" || !error.retryable ||
      attempts.failures >= this.#maxRetries;
    if (isOver) throw withOutcome(error, attempts.outcome);
    if (
      this.#maxRetries === Infinity && attempts.failures >= MAX_DISK_RETRIES &&
      posixCodeOf(error.cause) !== undefined
    ) throw hopeless(error, attempts.outcome);
    const longest = Math.min(
      FIRST_PAUSE_MS * 2 ** attempts.failures++,
      MAX_PAUSE_MS,
    );
    const pauseMs = longest * (1 - this.#fraction() / 2);
    this.#logger.warn(
      `Cannot ${action} (attempt ${attempts.failures}), trying again in ${
        Math.round(pauseMs)
      } ms: ${error.message}`,
    );
    await sleep(this.#runtime, pauseMs, signal);
  }

  #fraction(): number {
    const random = new Uint8Array(2);
    this.#runtime.randomFill(random);
    return (random[0]! * 256 + random[1]!) / 65_536;
  }
}

/** What is told where nobody need try again before the disk was looked after. */
function hopeless(error: DbError, outcome: Outcome): DbError {
  return new DbError(error.kind, error.message, {
    cause: error.cause,
    retryable: false,
    outcome,
  });
}

/** The last failure says what went wrong; an earlier one may have succeeded. */
function withOutcome(error: DbError, outcome: Outcome): DbError {
  if (error.outcome === outcome || outcome === "none") return error;
  return new DbError(error.kind, error.message, {
    cause: error,
    retryable: error.retryable,
    outcome,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  });
}

function checkLength(
  name: string,
  options: GetOptions,
  { meta, bytes }: NonNullable<GetResult>,
): void {
  const { start, end } = resolveByteRange(options.range, meta.size);
  if (bytes.length === end - start) return;
  throw new DbError(
    "unavailable",
    `Cannot read ${name}: got ${bytes.length} bytes instead of ${end - start}`,
  );
}

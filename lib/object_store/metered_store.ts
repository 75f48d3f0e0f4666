/**
 * A store whose requests are counted and timed, under SlateDB's names.
 *
 * It stands beneath whatever repeats requests, so that every attempt counts.
 *
 * @module
 */
import {
  type Counter,
  type Histogram,
  LATENCY_BOUNDARIES,
  type Recorder,
} from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
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

/** What a {@linkcode MeteredStore} is made of. */
export interface MeteredStoreOptions {
  /** Where the metrics go. */
  readonly recorder: Recorder;
  /** Measures how long requests take. */
  readonly runtime: Runtime;
  /** Who asks. */
  readonly component: "db" | "reader" | "gc" | "compactor";
  /** What is asked. */
  readonly storeType: "main" | "wal";
}

/** The metrics of one kind of request. */
interface Meter {
  readonly requests: Counter;
  readonly errors: Counter;
  readonly seconds: Histogram;
}

type Api = "get" | "get_range" | "head" | "list" | "put" | "delete";

const OP_OF: Readonly<Record<Api, "get" | "put" | "delete">> = {
  get: "get",
  get_range: "get",
  head: "get",
  list: "get",
  put: "put",
  delete: "delete",
};

/** Counts and times the requests of another store. */
export class MeteredStore implements ObjectStore {
  /** See {@linkcode SyncReads.readSync}; there where the inner store has it. */
  readonly readSync: SyncReads["readSync"] | undefined;
  readonly #inner: ObjectStore;
  readonly #options: MeteredStoreOptions;
  readonly #meters = new Map<Api, Meter>();

  /**
   * Constructs a new {@linkcode MeteredStore}.
   *
   * @param inner The store; closed along with this one.
   * @param options Where the metrics go, and their labels.
   */
  constructor(inner: ObjectStore, options: MeteredStoreOptions) {
    this.#inner = inner;
    this.#options = options;
    const sync = syncReadsOf(inner);
    if (sync === undefined) return;
    // As near as memory: counted, and not worth a clock.
    const { requests } = this.#meter("get_range");
    this.readSync = (name, range) => {
      requests.add();
      return sync.readSync(name, range);
    };
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
    const api = options.range === undefined ? "get" : "get_range";
    return this.#measure(api, () => this.#inner.get(name, options));
  }

  /** {@inheritDoc ObjectStore.head} */
  head(
    name: string,
    options: CallOptions = {},
  ): Promise<ObjectMeta | undefined> {
    return this.#measure("head", () => this.#inner.head(name, options));
  }

  /** {@inheritDoc ObjectStore.put} */
  put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    return this.#measure("put", () => this.#inner.put(name, body, options));
  }

  /** {@inheritDoc ObjectStore.delete} */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    return this.#measure("delete", () => this.#inner.delete(name, options));
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    const meter = this.#meter("list");
    meter.requests.add();
    try {
      yield* this.#inner.list(prefix, options);
    } catch (error) {
      meter.errors.add();
      throw error;
    }
  }

  /** Closes the inner store. */
  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async #measure<Result>(
    api: Api,
    request: () => Promise<Result>,
  ): Promise<Result> {
    const { runtime } = this.#options;
    const meter = this.#meter(api);
    const startMs = runtime.monotonicMs();
    meter.requests.add();
    try {
      return await request();
    } catch (error) {
      meter.errors.add();
      throw error;
    } finally {
      meter.seconds.record((runtime.monotonicMs() - startMs) / 1000);
    }
  }

  #meter(api: Api): Meter {
    const known = this.#meters.get(api);
    if (known !== undefined) return known;
    const { recorder, component, storeType } = this.#options;
    const labels = { component, store_type: storeType, op: OP_OF[api], api };
    const name = (suffix: string) => `slatedb.object_store.${suffix}`;
    const meter: Meter = {
      requests: recorder.counter(
        name("request_count"),
        "Requests, failed ones too",
        labels,
      ),
      errors: recorder.counter(name("error_count"), "Failed requests", labels),
      seconds: recorder.histogram(
        name("request_duration_seconds"),
        "Time a request took, in seconds",
        LATENCY_BOUNDARIES,
        labels,
      ),
    };
    this.#meters.set(api, meter);
    return meter;
  }
}

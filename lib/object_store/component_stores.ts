/**
 * A database's stores as one of its components asks them: every attempt counted
 * under the component's name, and repeated where it fails.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import { noRecorder, type Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import { MeteredStore, type MeteredStoreOptions } from "./metered_store.ts";
import type { ObjectStore } from "./object_store.ts";
import { RetryingStore } from "./retrying_store.ts";

/** The stores of a database, and what their components have in common. */
export interface ComponentStoresOptions {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** Where its WAL lives, if not in `store`. */
  readonly walStore?: ObjectStore | undefined;
  /** Clock, timers and randomness. */
  readonly runtime: Runtime;
  /** Told of every failure that is tried again. */
  readonly logger: Logger;
  /** Where requests are counted. */
  readonly recorder: Recorder;
  /** See `RetryingStoreOptions.maxRetries`. */
  readonly maxRetries?: number | undefined;
}

/** The stores of a database; one and the same where the WAL has none of its own. */
export interface ComponentStores {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** Where its WAL lives. */
  readonly walStore: ObjectStore;
}

/**
 * Makes the stores of one component.
 *
 * @param component Who asks.
 * @param options The stores.
 * @returns The stores to ask; closing the given ones is their owner's.
 */
export function componentStores(
  component: MeteredStoreOptions["component"],
  options: ComponentStoresOptions,
): ComponentStores {
  const { runtime, logger, recorder, maxRetries, walStore } = options;
  const wrap = (inner: ObjectStore, storeType: "main" | "wal") => {
    const labels = { recorder, runtime, component, storeType };
    return new RetryingStore(
      recorder === noRecorder ? inner : new MeteredStore(inner, labels),
      { runtime, logger, ...(maxRetries === undefined ? {} : { maxRetries }) },
    );
  };
  const store = wrap(options.store, "main");
  return {
    store,
    walStore: walStore === undefined ? store : wrap(walStore, "wal"),
  };
}

/**
 * A store that fails on purpose, holds calls back and counts them.
 *
 * What can go wrong between a client and a store: the request does not arrive,
 * arrives late or twice; it takes effect and its reply does not come back, or
 * half of it does.
 *
 * The synchronous door of the inner store stays shut: every read passes here.
 *
 * @module
 */
import { DbError, throwIfAborted } from "../base/errors.ts";
import { type Runtime, sleep, systemRuntime } from "../base/runtime.ts";
import {
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ObjectMeta,
  type ObjectStore,
  type PutOptions,
  type PutResult,
  takesChunksAtOnce,
} from "../object_store/object_store.ts";
import { Hold } from "./hold.ts";

/** What a store is asked. */
export type StoreOperation = "get" | "head" | "put" | "delete" | "list";

/** One call. */
export interface StoreCall {
  /** What is asked. */
  readonly operation: StoreOperation;
  /** Of which object; for a listing, the prefix. */
  readonly name: string;
  /** Counts the calls of this store, from 0. */
  readonly index: number;
  /** Condition of a put. */
  readonly mode: PutOptions["mode"];
}

/**
 * What goes wrong with one call.
 *
 * | fault          | what happens                                               |
 * | -------------- | ---------------------------------------------------------- |
 * | `"delay"`      | the request arrives after `ms`                             |
 * | `"fail-before"`| it never arrives; fails with outcome `"none"`              |
 * | `"fail-after"` | it takes effect; fails with outcome `"unknown"`            |
 * | `"lost-reply"` | it takes effect; settles only by its signal                |
 * | `"duplicate"`  | it arrives twice, streams apart; the second reply is seen  |
 * | `"short-body"` | a get answers half of the bytes                            |
 * | `"torn-list"`  | a listing fails after `entries` names                      |
 */
export type Fault =
  | { readonly kind: "delay"; readonly ms: number }
  | { readonly kind: "fail-before" | "fail-after"; readonly error?: unknown }
  | { readonly kind: "lost-reply" | "duplicate" | "short-body" }
  | { readonly kind: "torn-list"; readonly entries: number };

/** Decides what goes wrong with a call; `undefined`: nothing. */
export type FaultPlan = (call: StoreCall) => Fault | undefined;

/** Which calls are meant. */
export type CallMatcher = (call: StoreCall) => boolean;

/** Options of a {@linkcode FaultStore}. */
export interface FaultStoreOptions {
  /** Asked about every call that no {@linkcode FaultStore.fail} is for. */
  plan?: FaultPlan;
  /** Timers of delays. */
  runtime?: Runtime;
}

/** A store that fails on purpose, holds calls back and counts them. */
export class FaultStore implements ObjectStore {
  /** Every call so far, in order of arrival; may be emptied. */
  readonly calls: StoreCall[] = [];
  /** Asked about every call that no {@linkcode fail} is for. */
  plan: FaultPlan;
  readonly #inner: ObjectStore;
  readonly #runtime: Runtime;
  readonly #holds: Hold[] = [];
  readonly #planned: { matches: CallMatcher; fault: Fault; times: number }[] =
    [];
  #index = 0;

  /**
   * Constructs a new {@linkcode FaultStore}.
   *
   * @param inner The store that works.
   * @param options What goes wrong.
   */
  constructor(inner: ObjectStore, options: FaultStoreOptions = {}) {
    this.#inner = inner;
    this.plan = options.plan ?? (() => undefined);
    this.#runtime = options.runtime ?? systemRuntime;
  }

  /** Whether the inner store is done with a chunk before it asks for the next. */
  get takesChunksAtOnce(): boolean {
    return takesChunksAtOnce(this.#inner);
  }

  /**
   * Counts calls since the start, or since `calls` was last emptied.
   *
   * @param operation Only this operation.
   * @param name Only names that contain this.
   * @returns How many there were.
   */
  count(operation?: StoreOperation, name = ""): number {
    return this.calls.filter((call) =>
      (operation === undefined || call.operation === operation) &&
      call.name.includes(name)
    ).length;
  }

  /**
   * Makes the next calls that match go wrong, before the plan is asked.
   *
   * @param matches Which calls.
   * @param fault How.
   * @param times How many of them.
   */
  fail(matches: CallMatcher, fault: Fault, times = 1): void {
    this.#planned.push({ matches, fault, times });
  }

  /**
   * Holds back every call that matches, until released: before it arrives, or
   * with `"reply"` after it took effect.
   *
   * @param matches Which calls.
   * @param stage What is held back.
   * @returns The calls that wait.
   */
  hold(matches: CallMatcher, stage: "request" | "reply" = "request"): Hold {
    const hold = new Hold(matches, stage);
    this.#holds.push(hold);
    return hold;
  }

  /** {@inheritDoc ObjectStore.get} */
  get(name: string, options: GetOptions = {}): Promise<GetResult> {
    return this.#call("get", name, options, async (fault) => {
      const result = await this.#inner.get(name, options);
      if (result === undefined || fault?.kind !== "short-body") return result;
      const half = result.bytes.slice(0, result.bytes.length >> 1);
      return { meta: result.meta, bytes: half };
    });
  }

  /** {@inheritDoc ObjectStore.head} */
  head(
    name: string,
    options: CallOptions = {},
  ): Promise<ObjectMeta | undefined> {
    const request = () => this.#inner.head(name, options);
    return this.#call("head", name, options, request);
  }

  /** {@inheritDoc ObjectStore.put} */
  put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    // Held back or late, it carries the bytes it was called with.
    const sent = body instanceof Uint8Array ? body.slice() : body;
    const request = () => this.#inner.put(name, sent, options);
    const isRepeatable = sent instanceof Uint8Array;
    return this.#call("put", name, options, request, isRepeatable);
  }

  /** {@inheritDoc ObjectStore.delete} */
  delete(name: string, options: CallOptions = {}): Promise<void> {
    const request = () => this.#inner.delete(name, options);
    return this.#call("delete", name, options, request);
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    const { metas, limit } = await this.#call(
      "list",
      prefix,
      options,
      async (fault) => {
        const limit = fault?.kind === "torn-list" ? fault.entries : Infinity;
        const metas: ObjectMeta[] = [];
        for await (const meta of this.#inner.list(prefix, options)) {
          metas.push(meta);
        }
        return { metas, limit };
      },
    );
    for (const [index, meta] of metas.entries()) {
      throwIfAborted(options.signal);
      if (index === limit) throw failure("list", prefix, "none");
      yield meta;
    }
    if (limit === metas.length) throw failure("list", prefix, "none");
  }

  /** {@inheritDoc ObjectStore.close} */
  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  async #call<Result>(
    operation: StoreOperation,
    name: string,
    options: PutOptions,
    request: (fault: Fault | undefined) => Promise<Result>,
    isRepeatable = true,
  ): Promise<Result> {
    const { mode, signal } = options;
    const call: StoreCall = { operation, name, index: this.#index++, mode };
    this.calls.push(call);
    throwIfAborted(signal);
    const fault = this.#takePlanned(call) ?? this.plan(call);
    await this.#waitAt("request", call, signal);
    if (fault?.kind === "delay") await sleep(this.#runtime, fault.ms, signal);
    if (fault?.kind === "fail-before") {
      throw fault.error ?? failure(operation, name, "none");
    }
    let result = await request(fault);
    if (fault?.kind === "duplicate" && isRepeatable) {
      result = await request(fault);
    }
    if (fault?.kind === "fail-after") {
      throw fault.error ?? failure(operation, name, "unknown");
    }
    if (fault?.kind === "lost-reply") await never(signal);
    await this.#waitAt("reply", call, signal);
    return result;
  }

  #takePlanned(call: StoreCall): Fault | undefined {
    const planned = this.#planned.find(({ matches, times }) =>
      times > 0 && matches(call)
    );
    if (planned === undefined) return undefined;
    planned.times--;
    return planned.fault;
  }

  async #waitAt(
    stage: "request" | "reply",
    call: StoreCall,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const hold of this.#holds) {
      if (hold.stage === stage && hold.matches(call)) {
        await hold.wait(call, signal);
      }
    }
  }
}

function failure(
  operation: StoreOperation,
  name: string,
  outcome: "none" | "unknown",
): DbError {
  const isWrite = operation === "put" || operation === "delete";
  return new DbError("unavailable", `Cannot ${operation} ${name}: on purpose`, {
    outcome: isWrite ? outcome : "none",
  });
}

function never(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), {
      once: true,
    });
  });
}

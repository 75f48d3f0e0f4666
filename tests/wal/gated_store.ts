/** A memory store whose puts wait until a test lets them go. */
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type {
  ObjectStore,
  PutOptions,
  PutResult,
} from "../../lib/object_store/object_store.ts";

/** A put on its way. */
export interface HeldPut {
  readonly name: string;
  readonly body: Uint8Array;
  readonly signal: AbortSignal | undefined;
  /** Stores it and answers. */
  land(): Promise<PutResult>;
  /** Stores it, and the answer is lost. */
  loseReply(error: unknown): Promise<void>;
  /** Does not store it. */
  fail(error: unknown): void;
}

export class GatedStore extends MemoryStore implements ObjectStore {
  /** Puts that wait, oldest first. */
  readonly held: HeldPut[] = [];
  gated = true;
  #arrived: (() => void)[] = [];

  override put(
    name: string,
    body: Uint8Array,
    options: PutOptions = {},
  ): Promise<PutResult> {
    if (!this.gated) return super.put(name, body, options);
    const { promise, resolve, reject } = Promise.withResolvers<PutResult>();
    const take = () => this.held.splice(this.held.indexOf(held), 1);
    const held: HeldPut = {
      name,
      body: body.slice(),
      signal: options.signal,
      land: async () => {
        take();
        const { signal: _, ...rest } = options;
        const result = await super.put(name, body, rest);
        resolve(result);
        return result;
      },
      loseReply: async (error) => {
        take();
        await super.put(name, body, options);
        reject(error);
      },
      fail: (error) => {
        take();
        reject(error);
      },
    };
    options.signal?.addEventListener("abort", () => {
      if (this.held.includes(held)) held.fail(options.signal!.reason);
    }, { once: true });
    this.held.push(held);
    for (const tell of this.#arrived.splice(0)) tell();
    return promise;
  }

  /** The oldest waiting put, as soon as there is one. */
  async next(): Promise<HeldPut> {
    while (this.held.length === 0) {
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
    return this.held[0]!;
  }
}

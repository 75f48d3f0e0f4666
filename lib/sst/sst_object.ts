/**
 * The bytes of one SST in the store.
 *
 * Owns: ranged reads, synchronous where the store allows it, and the one second
 * try that damaged bytes get: a cache or a proxy in between may have mangled them.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import {
  type ObjectStore,
  type SyncReads,
  syncReadsOf,
} from "../object_store/object_store.ts";

/** One object, read by range. */
export class SstObject {
  /** The object's name in the store. */
  readonly name: string;
  /** Reads so far. */
  requests = 0;
  /** Bytes read so far. */
  bytesRead = 0;
  readonly #store: ObjectStore;
  readonly #sync: SyncReads | undefined;
  readonly #logger: Logger;
  readonly #signal: AbortSignal | undefined;

  /**
   * Constructs a new {@linkcode SstObject}; no I/O.
   *
   * @param store Where it is.
   * @param name Its name.
   * @param logger Told of second tries.
   * @param signal Ends reads with its reason.
   */
  constructor(
    store: ObjectStore,
    name: string,
    logger: Logger,
    signal?: AbortSignal,
  ) {
    this.#store = store;
    this.#sync = syncReadsOf(store);
    this.name = name;
    this.#logger = logger;
    this.#signal = signal;
  }

  /** Whether the store can be read without waiting. */
  get synchronous(): boolean {
    return this.#sync !== undefined;
  }

  /**
   * Reads a range and makes something of it; at once where store and decoder
   * are synchronous.
   *
   * @param what What is there, for messages.
   * @param start Where it starts.
   * @param end Where it ends; a range past the object's end is cut.
   * @param decode Takes the bytes, valid during the call only. May be called twice.
   * @returns What `decode` returned.
   * @throws {DbError} Kind `"data"` if there is no such object, or if `decode` finds it damaged twice.
   */
  read<Result>(
    what: string,
    start: number,
    end: number,
    decode: (bytes: Uint8Array) => Result | Promise<Result>,
  ): Result | Promise<Result> {
    if (this.#sync === undefined) {
      return this.#readAsync(what, start, end, decode);
    }
    try {
      return this.#readSync(this.#sync, what, start, end, decode);
    } catch (error) {
      this.#noteDamage(error);
    }
    try {
      return this.#readSync(this.#sync, what, start, end, decode);
    } catch (error) {
      throw this.#located(error, what, start);
    }
  }

  #readSync<Result>(
    sync: SyncReads,
    what: string,
    start: number,
    end: number,
    decode: (bytes: Uint8Array) => Result | Promise<Result>,
  ): Result | Promise<Result> {
    const bytes = sync.readSync(this.name, { start, end });
    if (bytes === undefined) throw this.#missing();
    this.#count(bytes);
    const result = decode(bytes);
    if (!(result instanceof Promise)) return result;
    // The user's transformer is asynchronous, and the store's buffer is not ours
    // any more by the time it answers.
    return result.catch((error) => {
      this.#noteDamage(error);
      return this.#readAsync(what, start, end, decode);
    });
  }

  async #readAsync<Result>(
    what: string,
    start: number,
    end: number,
    decode: (bytes: Uint8Array) => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      return await decode(await this.#get(start, end));
    } catch (error) {
      this.#noteDamage(error);
    }
    try {
      return await decode(await this.#get(start, end));
    } catch (error) {
      throw this.#located(error, what, start);
    }
  }

  async #get(start: number, end: number): Promise<Uint8Array> {
    const signal = this.#signal;
    const result = await this.#store.get(this.name, {
      range: { start, end },
      ...(signal === undefined ? {} : { signal }),
    });
    if (result === undefined) throw this.#missing();
    this.#count(result.bytes);
    return result.bytes;
  }

  #count(bytes: Uint8Array): void {
    this.requests++;
    this.bytesRead += bytes.length;
  }

  /** Lets only damage pass, as something to try again. */
  #noteDamage(error: unknown): void {
    if (!(error instanceof DbError) || error.kind !== "data") throw error;
    if (error instanceof MissingSst) throw error;
    this.#logger.warn(`reading ${this.name} again: ${error.message}`);
  }

  #located(error: unknown, what: string, start: number): unknown {
    if (!(error instanceof DbError) || error.kind !== "data") return error;
    if (error instanceof MissingSst) return error;
    return new DbError(
      "data",
      `${this.name}: the ${what} at byte ${start} cannot be read: ${error.message}`,
      { cause: error },
    );
  }

  #missing(): DbError {
    return new MissingSst(
      "data",
      `${this.name} is missing although the manifest names it: it was deleted, or collected under a very old view`,
    );
  }
}

/** Told apart because reading again does not bring it back. */
class MissingSst extends DbError {}

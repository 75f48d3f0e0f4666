/**
 * Numbered objects as a register: the highest number is the value, and writing
 * is creating the next one.
 *
 * Owns: finding the latest, and telling a lost race (a value, not an error).
 * Does not own: what is in an object, who may write it, what to do after a lost
 * race.
 *
 * A cold look is a listing. A later one probes the numbers above the last one
 * seen, since in an idle database that is one request for an object that is not
 * there; only after several finds in a row does it list again.
 *
 * @module
 */
import { together } from "../base/abort.ts";
import { DbError, withUnknownOutcome } from "../base/errors.ts";
import type { ObjectMeta, ObjectStore } from "../object_store/object_store.ts";
import type { Boundary } from "./boundary.ts";

/** How a kind of numbered object is named and encoded. */
export interface NumberedFormat<Value> {
  /** What the objects are called in messages. */
  readonly what: string;
  /** What all names begin with. */
  readonly prefix: string;
  /** The name of a number. */
  name(id: number): string;
  /** The number of a name; `undefined`: not such an object. */
  parse(name: string): number | undefined;
  /** From value to bytes. */
  encode(value: Value): Uint8Array;
  /** From bytes to value; throws kind `"data"` where they are damaged. */
  decode(id: number, bytes: Uint8Array): Value;
}

/** One number and its value. */
export interface Numbered<Value> {
  /** The number. */
  readonly id: number;
  /** The value. */
  readonly value: Value;
}

/** What {@linkcode NumberedObject} is made of. */
export interface NumberedObjectOptions<Value> {
  /** Where the objects are. */
  readonly store: ObjectStore;
  /** What they are. */
  readonly format: NumberedFormat<Value>;
  /** The collector's mark over them. */
  readonly boundary: Boundary;
}

/**
 * What became of creating a number: it is the caller's; somebody else's is
 * there; or it had come and gone before, so that the one now made is worth
 * nothing and those above must be looked for.
 */
export type Creation = "created" | "exists" | "collected";

/** Probes before a listing is cheaper. */
const MAX_PROBES = 4;
/** A store that shows and hides objects at will must not keep us busy. */
const MAX_ATTEMPTS = 16;

/** One kind of numbered object in one database. */
export class NumberedObject<Value> {
  readonly #store: ObjectStore;
  readonly #format: NumberedFormat<Value>;
  readonly #boundary: Boundary;

  /**
   * Constructs a new {@linkcode NumberedObject}.
   *
   * @param options What and where.
   */
  constructor(options: NumberedObjectOptions<Value>) {
    this.#store = options.store;
    this.#format = options.format;
    this.#boundary = options.boundary;
  }

  /**
   * Finds the latest value.
   *
   * @param seen The latest one seen before; saves the listing.
   * @param signal Ends the call.
   * @returns The latest; `seen` itself where nothing newer exists; `undefined` where nothing exists at all.
   */
  async readLatest(
    seen?: Numbered<Value>,
    signal?: AbortSignal,
  ): Promise<Numbered<Value> | undefined> {
    if (seen === undefined) return await this.#readListed(signal);
    let latest = seen;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const next = await this.read(latest.id + 1, signal);
      if (next === undefined) return latest;
      latest = next;
    }
    const listed = await this.#readListed(signal);
    return listed === undefined || listed.id < latest.id ? latest : listed;
  }

  /**
   * Finds the latest value where the last look is so long ago that the next
   * numbers may have come and gone: not being there proves nothing then.
   *
   * @param signal Ends the call.
   * @returns The latest, by a listing and above the collector's mark.
   */
  async readLatestThoroughly(
    signal?: AbortSignal,
  ): Promise<Numbered<Value> | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      // At once: nothing at or below a mark of this moment can be the greatest
      // that is listed, since the latest is never collected.
      const [latest, mark] = await together<
        [Numbered<Value> | undefined, number]
      >(
        signal,
        (end) => this.#readListed(end),
        (end) => this.#boundary.read(end),
      );
      if (latest === undefined ? mark === 0 : latest.id > mark) return latest;
    }
    throw new DbError(
      "data",
      `the latest ${this.#format.what} lies below the collector's mark: objects are missing`,
    );
  }

  /**
   * Reads one number.
   *
   * @param id The number.
   * @param signal Ends the call.
   * @returns Its value, or `undefined` where it does not exist (any more).
   * @throws {DbError} Kind `"data"` if it is damaged; names it.
   */
  async read(
    id: number,
    signal?: AbortSignal,
  ): Promise<Numbered<Value> | undefined> {
    const name = this.#format.name(id);
    const found = await this.#store.get(
      name,
      signal === undefined ? {} : { signal },
    );
    if (found === undefined) return undefined;
    try {
      return { id, value: this.#format.decode(id, found.bytes) };
    } catch (error) {
      if (!(error instanceof DbError)) throw error;
      throw new DbError(error.kind, `Cannot use ${name}: ${error.message}`, {
        cause: error,
      });
    }
  }

  /**
   * Lists the objects, ascending by number.
   *
   * @param signal Ends the iteration.
   * @returns Numbers, and what the store knows of each object.
   */
  async *list(
    signal?: AbortSignal,
  ): AsyncGenerator<{ id: number; meta: ObjectMeta }, void, void> {
    const { prefix } = this.#format;
    const options = signal === undefined ? {} : { signal };
    for await (const meta of this.#store.list(prefix, options)) {
      const id = this.#format.parse(meta.name);
      if (id !== undefined) yield { id, meta };
    }
  }

  /**
   * Creates a number.
   *
   * @param id The number after the latest.
   * @param value Its value.
   * @param signal Ends the call; the object may exist afterwards.
   * @returns Whether this call made it; false where the race was lost, or the number had been collected before.
   */
  async create(
    id: number,
    value: Value,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return await this.tryCreate(id, value, signal) === "created";
  }

  /**
   * Creates a number, and tells how it was lost where it was.
   *
   * @param id The number after the latest.
   * @param value Its value.
   * @param signal Ends the call; the object may exist afterwards.
   * @returns What became of it.
   */
  async tryCreate(
    id: number,
    value: Value,
    signal?: AbortSignal,
  ): Promise<Creation> {
    const result = await this.#store.put(
      this.#format.name(id),
      this.#format.encode(value),
      {
        mode: "create",
        ...(signal === undefined ? {} : { signal }),
      },
    );
    if (!result.ok) return "exists";
    // The number may have existed and been collected while this writer slept.
    const mark = await this.#boundary.read(signal).catch((error) => {
      // The number is there; only whether it counts could not be found out.
      throw error instanceof DbError ? withUnknownOutcome(error) : error;
    });
    return id > mark ? "created" : "collected";
  }

  async #readListed(
    signal: AbortSignal | undefined,
  ): Promise<Numbered<Value> | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      let last: number | undefined;
      for await (const { id } of this.list(signal)) last = id;
      if (last === undefined) return undefined;
      const latest = await this.read(last, signal);
      // Collected between the listing and the look: there is a newer one.
      if (latest !== undefined) return latest;
    }
    throw new DbError(
      "data",
      `every listed ${this.#format.what} was gone when read: the store's listing does not agree with its objects`,
    );
  }
}

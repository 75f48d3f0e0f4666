/**
 * A history of numbered files that many read and change: manifests, and the
 * compactor's states.
 *
 * Owns: looking for the latest one, and changes by those who hold no epoch.
 * Does not own: what the files say, nor who holds them (`cas/fenced_object.ts`).
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { NumberedObject } from "../cas/numbered_object.ts";

/** One stored file, as a listing shows it. */
export interface HistoryFile {
  /** Its number. */
  readonly id: number;
  /** Its bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
}

/** A number taken by others this often means more than bad luck. */
const MAX_LOST_RACES = 1000;

/** Reads the states of one thing, and changes it without an epoch. */
export abstract class History<State extends { readonly id: number }> {
  /** The files. */
  protected readonly object: NumberedObject<State>;
  readonly #what: string;
  readonly #missing: string;

  /**
   * Constructs a new {@linkcode History}; no I/O.
   *
   * @param object The files.
   * @param what What a file is called in messages.
   * @param missing What is said to whom would change what does not exist.
   */
  constructor(object: NumberedObject<State>, what: string, missing: string) {
    this.object = object;
    this.#what = what;
    this.#missing = missing;
  }

  /**
   * Finds the latest state, by a listing.
   *
   * @param signal Ends the call.
   * @returns The state, or `undefined` where there is none.
   */
  async readLatest(signal?: AbortSignal): Promise<State | undefined> {
    return (await this.object.readLatest(undefined, signal))?.value;
  }

  /**
   * Finds the latest state from one seen lately, by probing.
   *
   * @param seen The latest one seen before.
   * @param signal Ends the call.
   * @returns The latest; `seen` itself where there is no newer one.
   */
  async readNewer(seen: State, signal?: AbortSignal): Promise<State> {
    const last = { id: seen.id, value: seen };
    return (await this.object.readLatest(last, signal) ?? last).value;
  }

  /**
   * Reads one file.
   *
   * @param id Its number.
   * @param signal Ends the call.
   * @returns The state, or `undefined` where it does not exist (any more).
   */
  async read(id: number, signal?: AbortSignal): Promise<State | undefined> {
    return (await this.object.read(id, signal))?.value;
  }

  /**
   * Lists the stored files, ascending.
   *
   * @param signal Ends the iteration.
   * @returns Numbers, sizes and times.
   */
  async *list(signal?: AbortSignal): AsyncGenerator<HistoryFile, void, void> {
    for await (const { id, meta } of this.object.list(signal)) {
      yield { id, size: meta.size, lastModified: meta.lastModified };
    }
  }

  /**
   * Changes the latest state without an epoch.
   *
   * @param edit From the latest state to the next; its argument itself means no change. Pure, and must bear meeting its own result.
   * @param seen The latest state seen lately; saves a listing.
   * @param signal Ends the attempts.
   * @returns The stored state.
   * @throws {DbError} Kind `"data"` if there is none yet; what `edit` throws.
   */
  async update(
    edit: (state: State) => State,
    seen?: State,
    signal?: AbortSignal,
  ): Promise<State> {
    let latest = seen === undefined
      ? await this.readLatest(signal)
      : await this.readNewer(seen, signal);
    for (let attempt = 0; attempt < MAX_LOST_RACES; attempt++) {
      if (latest === undefined) throw new DbError("data", this.#missing);
      const edited = edit(latest);
      if (edited === latest) return latest;
      const id = latest.id + 1;
      const next = { ...edited, id };
      if (await this.object.create(id, next, signal)) return next;
      latest = (await this.object.readLatestThoroughly(signal))?.value;
    }
    throw new DbError(
      "unavailable",
      `Cannot change the ${this.#what}: other processes keep changing it`,
    );
  }
}

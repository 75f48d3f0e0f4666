/**
 * A numbered object held under an epoch: whoever raises it shuts out everybody
 * who held it before.
 *
 * Owns: raising the epoch, and checking it with every look and every change.
 * Does not own: what the value is; the epoch is reached through functions.
 *
 * Changes of one holder go one after another, each on top of the latest value;
 * after a lost race the edit is applied again to what won. So an edit must be
 * pure, and bear meeting its own result: a put whose reply was lost may have
 * won.
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import { DbError, throwIfAborted } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Creation, Numbered, NumberedObject } from "./numbered_object.ts";

/** Collectors spare what is younger than minutes: nothing comes and goes so fast. */
const MAX_PROBE_AGE_MS = 5_000;

/** How an epoch is kept in a value. */
export interface EpochAccess<Value> {
  /** Who holds the epoch, for messages: "writer", "compactor". */
  readonly role: string;
  /** The epoch in a value. */
  get(value: Value): number;
  /** The value with another epoch. */
  set(value: Value, epoch: number): Value;
}

/** Options of {@linkcode FencedObject.open}. */
export interface OpenFencedOptions<Value> {
  /** Where the value is. */
  readonly object: NumberedObject<Value>;
  /** How its epoch is kept. */
  readonly epoch: EpochAccess<Value>;
  /** Clock. */
  readonly runtime: Runtime;
  /** The first value where there is none; absent: that is an error of kind `"data"`. */
  readonly create?: Value | undefined;
  /** Runs on the value found, before the epoch is raised; throws where it will not do. */
  readonly check?: ((value: Value) => void) | undefined;
  /** The epoch to take; one above the stored one unless given. */
  readonly take?: number | undefined;
  /** Longest the epoch may take to raise, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends the opening. */
  readonly signal?: AbortSignal | undefined;
}

/** A numbered object, held under an epoch. */
export class FencedObject<Value> {
  /** The epoch it is held under. */
  readonly epoch: number;
  readonly #object: NumberedObject<Value>;
  readonly #access: EpochAccess<Value>;
  readonly #runtime: Runtime;
  #latest: Numbered<Value>;
  #lookedAtMs: number;
  /** The last of the calls that follow one another. */
  #tail: Promise<unknown> = Promise.resolve();
  readonly #closing = new AbortController();

  private constructor(
    options: OpenFencedOptions<Value>,
    epoch: number,
    latest: Numbered<Value>,
    lookedAtMs: number,
  ) {
    this.#object = options.object;
    this.#access = options.epoch;
    this.#runtime = options.runtime;
    this.epoch = epoch;
    this.#latest = latest;
    this.#lookedAtMs = lookedAtMs;
  }

  /**
   * Raises the epoch, creating the object where there is none.
   *
   * @param options What, and how long to try.
   * @returns The object, held.
   * @throws {DbError} Kind `"unavailable"` if the store does not answer, or others keep winning, until the time is over; `"closed"` (`fenced`) if the epoch to take is taken; `"data"` if there is nothing and `create` is not given.
   */
  static async open<Value>(
    options: OpenFencedOptions<Value>,
  ): Promise<FencedObject<Value>> {
    const { epoch, runtime, timeoutMs } = options;
    const timeout = new AbortController();
    const late = new DbError(
      "unavailable",
      `Cannot become ${epoch.role} within ${timeoutMs} ms: the store does not answer, or other processes keep changing the same object`,
      { outcome: "unknown" },
    );
    const cancelTimer = runtime.after(timeoutMs, () => timeout.abort(late));
    const signal = options.signal === undefined
      ? timeout.signal
      : AbortSignal.any([options.signal, timeout.signal]);
    try {
      // A store may be slow to notice the signal.
      return await abortable(FencedObject.#raise(options, signal), signal);
    } finally {
      cancelTimer();
      // Where one of several requests has failed, the others end with it.
      timeout.abort(late);
    }
  }

  static async #raise<Value>(
    options: OpenFencedOptions<Value>,
    signal: AbortSignal,
  ): Promise<FencedObject<Value>> {
    const { object, epoch, runtime, create, check } = options;
    let lookedAtMs = runtime.monotonicMs();
    let latest = await object.readLatestThoroughly(signal);
    for (;;) {
      throwIfAborted(signal);
      if (latest === undefined) {
        if (create === undefined) {
          throw new DbError("data", "there is no database here");
        }
        check?.(create);
        const isCreated = await object.create(1, create, signal);
        lookedAtMs = runtime.monotonicMs();
        latest = isCreated
          ? { id: 1, value: create }
          : await object.readLatestThoroughly(signal);
        continue;
      }
      check?.(latest.value);
      const stored = epoch.get(latest.value);
      const mine = options.take ?? stored + 1;
      if (stored >= mine) throw fenced(epoch.role, mine, stored);
      const next = {
        id: latest.id + 1,
        value: epoch.set(latest.value, mine),
      };
      const startedAtMs = runtime.monotonicMs();
      const creation = await object.tryCreate(next.id, next.value, signal);
      if (creation === "created") {
        return new FencedObject(options, mine, next, startedAtMs);
      }
      const how = howToLook(creation, runtime.monotonicMs() - lookedAtMs);
      lookedAtMs = runtime.monotonicMs();
      latest = how === "probe"
        ? await object.readLatest(latest, signal)
        : await object.readLatestThoroughly(signal);
    }
  }

  /** The newest value seen. */
  get latest(): Numbered<Value> {
    return this.#latest;
  }

  /** Milliseconds since a look at the store last showed that the epoch holds. */
  get msSinceLook(): number {
    return this.#runtime.monotonicMs() - this.#lookedAtMs;
  }

  /**
   * Looks for a newer value.
   *
   * @param how `"probe"` suffices for a holder that looks often; one that slept must look `"thoroughly"`.
   * @returns The latest value.
   * @throws {DbError} Kind `"closed"` (`fenced`) if somebody else raised the epoch.
   */
  refresh(how: "probe" | "thoroughly" = "probe"): Promise<Numbered<Value>> {
    return this.#inTurn(() => this.#refresh(how));
  }

  /**
   * Changes the value.
   *
   * @param edit From the latest value to the next; its argument itself means no change. Pure.
   * @returns The stored value.
   * @throws {DbError} Kind `"closed"` (`fenced`) if somebody else raised the epoch; what `edit` throws.
   */
  update(edit: (value: Value) => Value): Promise<Numbered<Value>> {
    return this.#inTurn(async () => {
      for (;;) {
        const { id, value } = this.#latest;
        const edited = edit(value);
        if (edited === value) return this.#latest;
        const next = {
          id: id + 1,
          value: this.#access.set(edited, this.epoch),
        };
        const lookedAtMs = this.#runtime.monotonicMs();
        const creation = await this.#object.tryCreate(
          next.id,
          next.value,
          this.#closing.signal,
        );
        if (creation === "created") {
          this.#lookedAtMs = lookedAtMs;
          this.#latest = next;
          return next;
        }
        await this.#refresh(howToLook(creation, this.msSinceLook));
      }
    });
  }

  /**
   * Ends what is under way, and lets nothing begin any more. A change that was
   * on its way may still take effect.
   *
   * @returns Resolves when no request is made any more; never rejects.
   */
  async close(): Promise<void> {
    this.#closing.abort(new DbError("closed", "the database is closed"));
    await this.#tail;
  }

  async #refresh(how: "probe" | "thoroughly"): Promise<Numbered<Value>> {
    const lookedAtMs = this.#runtime.monotonicMs();
    const { signal } = this.#closing;
    const latest = how === "probe"
      ? await this.#object.readLatest(this.#latest, signal)
      : await this.#object.readLatestThoroughly(signal);
    if (latest === undefined || latest.id < this.#latest.id) {
      throw new DbError(
        "data",
        `number ${this.#latest.id} was stored and is gone: somebody deleted the database's files`,
      );
    }
    this.#checkEpoch(latest.value);
    this.#lookedAtMs = lookedAtMs;
    this.#latest = latest;
    return latest;
  }

  #checkEpoch(value: Value): void {
    const stored = this.#access.get(value);
    if (stored === this.epoch) return;
    if (stored > this.epoch) {
      throw fenced(this.#access.role, this.epoch, stored);
    }
    throw new DbError(
      "data",
      `the stored ${this.#access.role} epoch went back from ${this.epoch} to ${stored}`,
    );
  }

  #inTurn<Result>(body: () => Promise<Result>): Promise<Result> {
    const { signal } = this.#closing;
    const result = this.#tail.then(() => {
      throwIfAborted(signal);
      return abortable(body(), signal);
    });
    // The next one's turn comes however this one ends.
    this.#tail = result.catch(() => {});
    return result;
  }
}

/**
 * How to find what a race was lost to. A holder that looked a moment ago finds
 * it by probing; for one that slept, what is at the next number may itself be
 * the work of a sleeper, and worth nothing.
 */
function howToLook(
  creation: Creation,
  msSinceLook: number,
): "probe" | "thoroughly" {
  return creation === "exists" && msSinceLook < MAX_PROBE_AGE_MS
    ? "probe"
    : "thoroughly";
}

function fenced(role: string, mine: number, stored: number): DbError {
  return new DbError(
    "closed",
    `detected newer DB client: ${role} epoch ${mine} was fenced by epoch ${stored}`,
    { reason: "fenced" },
  );
}

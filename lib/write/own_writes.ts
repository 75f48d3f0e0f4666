/**
 * What a transaction has written so far, as its own reads see it.
 *
 * Owns: the last word on each key, and the merges on top of it. Does not own:
 * what lies beneath in the database.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { isAbove, isBelow, type KeyRange } from "../base/key_range.ts";
import { keyName } from "./conflicts.ts";
import type { TtlOptions } from "./expiry.ts";
import { WriteBatch } from "./write_batch.ts";

/** One write that still counts. */
interface OwnWrite {
  readonly kind: "put" | "delete" | "merge";
  readonly value: Uint8Array;
  readonly ttl: TtlOptions;
}

/** All that a transaction wrote to one key. */
export interface OwnKey {
  /** The key. */
  readonly key: Uint8Array;
  /** Whether the stored value shines through: there are merges alone. */
  readonly open: boolean;
  /** The value put, beneath the merges; `undefined`: deleted, or see `open`. */
  readonly base: Uint8Array | undefined;
  /** Merge operands on top, oldest first. */
  readonly operands: readonly Uint8Array[];
}

/** The writes of one transaction. */
export class OwnWrites {
  readonly #keys = new Map<string, { key: Uint8Array; writes: OwnWrite[] }>();

  /** Whether nothing was written. */
  get empty(): boolean {
    return this.#keys.size === 0;
  }

  /** The written keys, by `keyName`. */
  get names(): Iterable<string> {
    return this.#keys.keys();
  }

  /**
   * Adds a write; key and value are copied.
   *
   * @param kind What it does.
   * @param key The key, checked.
   * @param value The value or operand; ignored for a delete.
   * @param ttl When it expires.
   */
  add(
    kind: OwnWrite["kind"],
    key: Uint8Array,
    value: Uint8Array,
    ttl: TtlOptions,
  ): void {
    const name = keyName(key);
    const write = { kind, value: value.slice(), ttl };
    const own = this.#keys.get(name);
    if (own === undefined) {
      this.#keys.set(name, { key: key.slice(), writes: [write] });
    } else if (kind === "merge") own.writes.push(write);
    else own.writes = [write];
  }

  /**
   * What was written to a key.
   *
   * @param key The key.
   * @returns All of it, or `undefined`.
   */
  get(key: Uint8Array): OwnKey | undefined {
    const own = this.#keys.get(keyName(key));
    return own === undefined ? undefined : ownKey(own);
  }

  /**
   * The written keys of a range, in order, as they are now.
   *
   * @param range The range.
   * @param descending From the last to the first.
   * @returns The keys and what was written to each.
   */
  inRange(range: KeyRange, descending: boolean): OwnKey[] {
    const sign = descending ? -1 : 1;
    return Array.from(this.#keys.values())
      .filter(({ key }) => !isBelow(range, key) && !isAbove(range, key))
      .sort((a, b) => sign * compareBytes(a.key, b.key))
      .map(ownKey);
  }

  /**
   * Everything as one batch.
   *
   * @returns A new batch.
   */
  toBatch(): WriteBatch {
    const batch = new WriteBatch();
    for (const { key, writes } of this.#keys.values()) {
      for (const { kind, value, ttl } of writes) {
        if (kind === "delete") batch.delete(key);
        else if (kind === "put") batch.put(key, value, ttl);
        else batch.merge(key, value, ttl);
      }
    }
    return batch;
  }
}

function ownKey(
  { key, writes }: { key: Uint8Array; writes: readonly OwnWrite[] },
): OwnKey {
  const first = writes[0]!;
  const open = first.kind === "merge";
  return {
    key,
    open,
    base: first.kind === "put" ? first.value : undefined,
    operands: (open ? writes : writes.slice(1)).map(({ value }) => value),
  };
}

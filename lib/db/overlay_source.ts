/**
 * A transaction's own writes laid over stored entries.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import type { Entry } from "../base/row.ts";
import { foldForRead } from "../iter/fold.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { EntrySource } from "../read/entry_source.ts";
import type { OwnKey } from "../write/own_writes.ts";

/** What an {@linkcode OverlaySource} is made of. */
export interface OverlayOptions {
  /** The stored entries; closed along with the overlay. */
  readonly stored: EntrySource;
  /** The writes, in the same direction. */
  readonly own: readonly OwnKey[];
  /** The direction. */
  readonly descending: boolean;
  /** Folds merges. */
  readonly mergeOperator: MergeOperator | undefined;
}

/** Stored entries and own writes as one sequence; an own write wins. */
export class OverlaySource implements EntrySource {
  readonly #options: OverlayOptions;
  readonly #sign: 1 | -1;
  #stored: readonly Entry[] = [];
  #storedAt = 0;
  #storedEnded = false;
  #ownAt = 0;

  /**
   * Constructs a new {@linkcode OverlaySource}.
   *
   * @param options What it is made of.
   */
  constructor(options: OverlayOptions) {
    this.#options = options;
    this.#sign = options.descending ? -1 : 1;
  }

  /** See {@linkcode EntrySource.next}. */
  async next(maxRows: number): Promise<Entry[] | undefined> {
    const entries: Entry[] = [];
    while (entries.length < maxRows) {
      if (this.#storedAt === this.#stored.length && !this.#storedEnded) {
        this.#stored = await this.#options.stored.next(maxRows) ?? [];
        this.#storedAt = 0;
        this.#storedEnded = this.#stored.length === 0;
      }
      const stored = this.#stored[this.#storedAt];
      const own = this.#options.own[this.#ownAt];
      if (stored === undefined && own === undefined) break;
      const entry = this.#step(stored, own);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.length === 0 ? undefined : entries;
  }

  /** See {@linkcode EntrySource.countNext}. */
  async countNext(maxRows: number): Promise<number> {
    return (await this.next(maxRows))?.length ?? 0;
  }

  /** See {@linkcode EntrySource.seek}. */
  seek(key: Uint8Array): void {
    const { own, stored } = this.#options;
    while (
      this.#ownAt < own.length &&
      this.#sign * compareBytes(own[this.#ownAt]!.key, key) < 0
    ) this.#ownAt++;
    this.#stored = [];
    this.#storedAt = 0;
    this.#storedEnded = false;
    stored.seek(key);
  }

  /** See {@linkcode EntrySource.close}. */
  close(): void {
    this.#options.stored.close();
  }

  /** Takes whichever comes first, or both; `undefined` where that is a delete. */
  #step(
    stored: Entry | undefined,
    own: OwnKey | undefined,
  ): Entry | undefined {
    if (own === undefined) {
      this.#storedAt++;
      return stored;
    }
    const order = stored === undefined
      ? 1
      : this.#sign * compareBytes(stored.key, own.key);
    if (order < 0) {
      this.#storedAt++;
      return stored;
    }
    this.#ownAt++;
    if (order > 0) return overlaid(own, undefined, this.#options.mergeOperator);
    this.#storedAt++;
    return overlaid(own, stored, this.#options.mergeOperator);
  }
}

/**
 * What a transaction reads at a key that it wrote.
 *
 * @param own What it wrote.
 * @param stored What is stored; looked at only where that shines through.
 * @param mergeOperator Folds merges.
 * @returns The entry, its seq that of the stored one or 0; `undefined` where there is none.
 * @throws {DbError} Kind `"invalid"` if the operator fails.
 */
export function overlaid(
  own: OwnKey,
  stored: Entry | undefined,
  mergeOperator: MergeOperator | undefined,
): Entry | undefined {
  const { key, open, operands } = own;
  const base = open ? stored?.value : own.base;
  const metadata = {
    seq: open ? stored?.seq ?? 0n : 0n,
    createTs: open ? stored?.createTs ?? 0n : 0n,
    expireTs: open ? stored?.expireTs : undefined,
  };
  if (operands.length === 0) {
    return base === undefined ? undefined : { key, value: base, ...metadata };
  }
  const { value } = foldForRead([
    ...operands.toReversed().map((value) => ({
      key,
      value,
      kind: "merge" as const,
      seq: 0n,
    })),
    ...(base === undefined
      ? []
      : [{ key, value: base, kind: "put" as const, seq: 0n }]),
  ], mergeOperator);
  return { key, value, ...metadata };
}

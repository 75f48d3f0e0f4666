/**
 * How much memory rows and cached blocks may take.
 *
 * @module
 */
import { DbError } from "./errors.ts";
import { Pulse } from "./watch.ts";

/** Limits of a {@linkcode MemoryBudget}. */
export interface MemoryBudgetOptions {
  /**
   * Bytes of cached blocks, indexes and filters. More saves requests.
   *
   * @default {67108864}
   */
  cacheBytes?: number;
  /**
   * Bytes of memtables, active and frozen, over all databases that share the
   * budget. At the limit writers wait for the flush.
   *
   * @default {Infinity}
   */
  memtableBytes?: number;
}

/** A database whose rows are charged to a {@linkcode MemoryBudget}. */
export interface BudgetHolder {
  /** Bytes of rows that it could begin to flush now. */
  readonly flushableBytes: number;
  /** Begins to flush them. */
  makeRoom(): void;
}

/** Memory that several databases may share; give the same object to each. */
export class MemoryBudget {
  /**
   * Fires whenever memtables gave memory back.
   *
   * @internal
   */
  readonly freed: Pulse = new Pulse();
  /** Bytes the block caches may hold together. */
  readonly cacheBytes: number;
  /** Bytes the memtables may hold together. */
  readonly memtableBytes: number;
  #cacheUsed = 0;
  #memtableUsed = 0;
  readonly #holders = new Set<BudgetHolder>();

  /**
   * Constructs a new {@linkcode MemoryBudget}.
   *
   * @param options The limits.
   * @throws {DbError} Kind `"invalid"` if a limit is not a positive number.
   */
  constructor(options: MemoryBudgetOptions = {}) {
    const { cacheBytes = 64 * 1024 * 1024, memtableBytes = Infinity } = options;
    for (const [name, value] of Object.entries({ cacheBytes, memtableBytes })) {
      if (!(value >= 0)) {
        throw new DbError(
          "invalid",
          `MemoryBudget: '${name}' must be a number >= 0, not ${value}`,
        );
      }
    }
    this.cacheBytes = cacheBytes;
    this.memtableBytes = memtableBytes;
  }

  /** Bytes of cached blocks at present. */
  get cacheUsed(): number {
    return this.#cacheUsed;
  }

  /** Bytes of memtables at present. */
  get memtableUsed(): number {
    return this.#memtableUsed;
  }

  /**
   * Charges (or, when negative, returns) cache bytes.
   *
   * @param bytes The difference.
   */
  chargeCache(bytes: number): void {
    this.#cacheUsed += bytes;
  }

  /**
   * Charges (or, when negative, returns) memtable bytes.
   *
   * @param bytes The difference.
   */
  chargeMemtable(bytes: number): void {
    this.#memtableUsed += bytes;
    if (bytes < 0) this.freed.fire();
  }

  /**
   * Counts a database in.
   *
   * @internal
   * @param holder The database.
   * @returns Counts it out.
   */
  join(holder: BudgetHolder): () => void {
    this.#holders.add(holder);
    return () => void this.#holders.delete(holder);
  }

  /**
   * Has the database flush that could flush the most: whoever waits for room may
   * have none to give, while another one rests on all of it.
   *
   * @internal
   */
  askForRoom(): void {
    let largest: BudgetHolder | undefined;
    let most = 0;
    for (const holder of this.#holders) {
      const { flushableBytes } = holder;
      if (flushableBytes <= most) continue;
      most = flushableBytes;
      largest = holder;
    }
    largest?.makeRoom();
  }
}

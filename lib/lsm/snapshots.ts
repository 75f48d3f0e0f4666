/**
 * Who still reads old versions.
 *
 * @module
 */

/** One registered reader of an old state. */
export interface SnapshotToken {
  /** Rows above this are not for it. */
  readonly seq: bigint;
  /** The clock by which it judges expiry, in milliseconds. */
  readonly nowMs: number;
}

/**
 * The live snapshots and transactions of one database. Flush and compaction
 * keep what the oldest of them sees.
 */
export class SnapshotRegistry {
  readonly #live = new Set<SnapshotToken>();

  /**
   * Registers a reader.
   *
   * @param seq The last sequence number it sees.
   * @param nowMs Its clock.
   * @returns What to release later.
   */
  register(seq: bigint, nowMs: number): SnapshotToken {
    const token = { seq, nowMs };
    this.#live.add(token);
    return token;
  }

  /**
   * Forgets a reader; a second time is fine.
   *
   * @param token What {@linkcode register} returned.
   */
  release(token: SnapshotToken): void {
    this.#live.delete(token);
  }

  /** How many are live. */
  get size(): number {
    return this.#live.size;
  }

  /** The lowest sequence number a live reader stands on. */
  get oldestSeq(): bigint | undefined {
    let oldest: bigint | undefined;
    for (const { seq } of this.#live) {
      if (oldest === undefined || seq < oldest) oldest = seq;
    }
    return oldest;
  }

  /** The earliest clock by which a live reader judges expiry. */
  get oldestClockMs(): number | undefined {
    let oldest: number | undefined;
    for (const { nowMs } of this.#live) {
      if (oldest === undefined || nowMs < oldest) oldest = nowMs;
    }
    return oldest;
  }
}

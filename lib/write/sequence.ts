/**
 * Sequence numbers: the total order of writes.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { MAX_SEQ } from "../base/row.ts";

/** A sequence number as callers may give it; 0 and `undefined` mean automatic. */
export type SeqInput = number | bigint | undefined;

/** Gives out sequence numbers; the only place that does. */
export class Sequence {
  #last: bigint;

  /**
   * Constructs a new {@linkcode Sequence}.
   *
   * @param last The largest number given out before.
   */
  constructor(last: bigint) {
    this.#last = last;
  }

  /** The largest number given out; the next one chosen by a caller must exceed it. */
  get last(): bigint {
    return this.#last;
  }

  /**
   * Takes the caller's number, or the next one. It counts as used from here on,
   * even where the write fails later.
   *
   * @param chosen The caller's number, if any.
   * @returns The write's number.
   * @throws {DbError} Kind `"invalid"` if it is no number a row may have, or not greater than every one before.
   */
  next(chosen: SeqInput): bigint {
    if (chosen === undefined || chosen === 0 || chosen === 0n) {
      return this.#last = checkEnd(this.#last + 1n);
    }
    if (typeof chosen !== "bigint" && !Number.isInteger(chosen)) {
      throw new DbError(
        "invalid",
        `seqnum must be a whole number or a bigint, not ${String(chosen)}`,
      );
    }
    const seq = checkRange(BigInt(chosen));
    if (seq <= this.#last) {
      throw new DbError(
        "invalid",
        `invalid sequence number, must be greater than the current max. provided=\`${seq}\`, current=\`${this.#last}\``,
      );
    }
    this.#last = seq;
    return seq;
  }
}

function checkRange(seq: bigint): bigint {
  if (seq > 0n) return checkEnd(seq);
  throw new DbError("invalid", `seqnum must not be negative, not ${seq}`);
}

function checkEnd(seq: bigint): bigint {
  if (seq < MAX_SEQ) return seq;
  throw new DbError(
    "invalid",
    `seqnum must be at most ${MAX_SEQ - 1n}: no sequence number is left`,
  );
}

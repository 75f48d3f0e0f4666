/**
 * What a read of one key found.
 *
 * @module
 */

/** A value and where it came from. */
export class Found {
  /** The value, merge operands folded; the caller owns it. */
  readonly value: Uint8Array;
  /** Sequence number of the newest row that made this value. */
  readonly seq: bigint;
  /** Milliseconds since the epoch when that row was written; 0 where unknown. */
  readonly createTs: bigint;
  /** Milliseconds since the epoch from which the value counts as gone. */
  readonly expireTs: bigint | undefined;

  /**
   * Constructs a new {@linkcode Found}.
   *
   * @param value The value.
   * @param seq The sequence number.
   * @param createTs When it was written.
   * @param expireTs When it expires.
   */
  constructor(
    value: Uint8Array,
    seq: bigint,
    createTs: bigint,
    expireTs: bigint | undefined,
  ) {
    this.value = value;
    this.seq = seq;
    this.createTs = createTs;
    this.expireTs = expireTs;
  }
}

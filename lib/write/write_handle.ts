/**
 * What a finished write hands back.
 *
 * @module
 */

/** Who can say when a sequence number is durable. */
export interface Durability {
  /** Resolves when every row up to `seq` would survive this process. */
  durable(seq: bigint): Promise<void>;
}

/**
 * A write that is visible: where it stands in the order of writes, and a way to
 * wait until it would survive.
 */
export class WriteHandle {
  /** The write's sequence number. */
  readonly seq: bigint;
  /** The write's stamp, in milliseconds since the epoch. */
  readonly createTs: bigint;
  readonly #durability: Durability;

  /**
   * Constructs a new {@linkcode WriteHandle}.
   *
   * @param seq The sequence number.
   * @param createTs The stamp.
   * @param durability Whom to ask.
   */
  constructor(seq: bigint, createTs: bigint, durability: Durability) {
    this.seq = seq;
    this.createTs = createTs;
    this.#durability = durability;
  }

  /**
   * Waits until the write is durable; may be called any number of times.
   *
   * @returns Resolves when it is.
   * @throws {DbError} Kind `"closed"` if the database is closed, fenced or failed before.
   */
  durable(): Promise<void> {
    return this.#durability.durable(this.seq);
  }
}

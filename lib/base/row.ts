/**
 * The row: one version of one key.
 *
 * @module
 */
import { compareBytes } from "./bytes.ts";

/** What a row says about its key. */
export type RowKind = "put" | "merge" | "delete";

/** One version of one key, as the engine's slow paths and tools see it. */
export interface Row {
  /** 1 to 65,535 bytes. */
  readonly key: Uint8Array;
  /** Empty for a tombstone. */
  readonly value: Uint8Array;
  /** Position in the total order of writes. */
  readonly seq: bigint;
  /** What the row says about its key. */
  readonly kind: RowKind;
  /** Milliseconds since the epoch; absent where the file has none. */
  readonly createTs?: bigint;
  /** Milliseconds since the epoch from which the row counts as gone. */
  readonly expireTs?: bigint;
}

/** What a user gets: a key, its value, and where the value came from. */
export interface Entry {
  /** The key; the caller owns it. */
  readonly key: Uint8Array;
  /** The value, merge operands folded; the caller owns it. */
  readonly value: Uint8Array;
  /** Sequence number of the newest row that made this value. */
  readonly seq: bigint;
  /** Milliseconds since the epoch when that row was written; 0 where unknown. */
  readonly createTs: bigint;
  /** Milliseconds since the epoch from which the entry counts as gone. */
  readonly expireTs: bigint | undefined;
}

/** The largest sequence number, which no row may have: it stands for "no limit". */
export const MAX_SEQ = 0xffff_ffff_ffff_ffffn;

/** The smallest 64-bit signed integer: "no row was ever written" for clocks. */
export const MIN_TIMESTAMP = -(1n << 63n);

/**
 * Row order: key ascending, newest version first.
 *
 * @param a One row.
 * @param b The other.
 * @returns Negative, zero or positive.
 */
export function compareRows(a: Row, b: Row): number {
  const order = compareBytes(a.key, b.key);
  if (order !== 0) return order;
  return a.seq === b.seq ? 0 : a.seq > b.seq ? -1 : 1;
}

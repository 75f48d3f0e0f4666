/**
 * Ranges of keys.
 *
 * @module
 */
import {
  type Bytes,
  compareBytes,
  concatBytes,
  prefixSuccessor,
  showKey,
  toBytes,
} from "./bytes.ts";
import { DbError } from "./errors.ts";

/** One end of a {@linkcode KeyRange}. */
export interface KeyBound {
  /** The key at this end. */
  readonly key: Uint8Array;
  /** Whether the key itself is inside. */
  readonly inclusive: boolean;
}

/** The keys between two bounds; an absent bound is unbounded. */
export interface KeyRange {
  /** The low end. */
  readonly lower?: KeyBound;
  /** The high end. */
  readonly upper?: KeyBound;
}

/** How a caller names a range; at most one of `gt` and `gte`, of `lt` and `lte`. */
export interface RangeOptions {
  /** Keys greater than this. */
  gt?: Bytes;
  /** Keys greater than or equal to this; the empty key is unbounded. */
  gte?: Bytes;
  /** Keys less than this. */
  lt?: Bytes;
  /** Keys less than or equal to this. */
  lte?: Bytes;
  /**
   * Keys that begin with this. The other bounds then apply to what follows the
   * prefix.
   */
  prefix?: Bytes;
}

/** Every key. */
export const FULL_RANGE: KeyRange = Object.freeze({});

/**
 * Checks and resolves what a caller gave.
 *
 * @param options The caller's bounds; copied.
 * @returns The range.
 * @throws {DbError} Kind `"invalid"` if two bounds contradict or the range is reversed or empty.
 */
export function resolveRange(options: RangeOptions): KeyRange {
  const { gt, gte, lt, lte, prefix } = options;
  if (gt !== undefined && gte !== undefined) {
    throw new DbError("invalid", "Give `gt` or `gte`, not both");
  }
  if (lt !== undefined && lte !== undefined) {
    throw new DbError("invalid", "Give `lt` or `lte`, not both");
  }
  let lower = boundOf(gt, gte);
  let upper = boundOf(lt, lte);
  checkOrder(lower, upper);
  if (prefix !== undefined) {
    const start = toBytes(prefix).slice();
    lower = lower === undefined
      ? { key: start, inclusive: true }
      : { ...lower, key: concatBytes([start, lower.key]) };
    if (upper !== undefined) {
      upper = { ...upper, key: concatBytes([start, upper.key]) };
    } else {
      const end = prefixSuccessor(start);
      if (end !== undefined) upper = { key: end, inclusive: false };
    }
  }
  // An inclusive empty key bounds nothing.
  if (lower?.key.length === 0) lower = undefined;
  return {
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

function boundOf(
  exclusive: Bytes | undefined,
  inclusive: Bytes | undefined,
): KeyBound | undefined {
  const key = exclusive ?? inclusive;
  if (key === undefined) return undefined;
  return { key: toBytes(key).slice(), inclusive: exclusive === undefined };
}

function checkOrder(
  lower: KeyBound | undefined,
  upper: KeyBound | undefined,
): void {
  if (lower === undefined || upper === undefined) return;
  const order = compareBytes(lower.key, upper.key);
  if (order > 0) {
    throw new DbError(
      "invalid",
      `range start must not be greater than range end: ${
        showKey(lower.key)
      } > ${showKey(upper.key)}`,
    );
  }
  if (order === 0 && !(lower.inclusive && upper.inclusive)) {
    throw new DbError("invalid", "range must be non-empty");
  }
}

/**
 * Whether `key` lies in `range`.
 *
 * @param range The range.
 * @param key The key.
 * @returns Whether it does.
 */
export function rangeContains(range: KeyRange, key: Uint8Array): boolean {
  return !isBelow(range, key) && !isAbove(range, key);
}

/**
 * Whether `key` lies below every key of `range`.
 *
 * @param range The range.
 * @param key The key.
 * @returns Whether it does.
 */
export function isBelow(range: KeyRange, key: Uint8Array): boolean {
  if (range.lower === undefined) return false;
  const order = compareBytes(key, range.lower.key);
  return order < 0 || (order === 0 && !range.lower.inclusive);
}

/**
 * Whether `key` lies above every key of `range`.
 *
 * @param range The range.
 * @param key The key.
 * @returns Whether it does.
 */
export function isAbove(range: KeyRange, key: Uint8Array): boolean {
  if (range.upper === undefined) return false;
  const order = compareBytes(key, range.upper.key);
  return order > 0 || (order === 0 && !range.upper.inclusive);
}

/**
 * The keys that lie in both ranges.
 *
 * @param a One range.
 * @param b The other.
 * @returns The intersection, or `undefined` where it is certainly empty.
 */
export function intersect(a: KeyRange, b: KeyRange): KeyRange | undefined {
  const lower = tighter(a.lower, b.lower, 1);
  const upper = tighter(a.upper, b.upper, -1);
  if (lower !== undefined && upper !== undefined) {
    const order = compareBytes(lower.key, upper.key);
    if (order > 0) return undefined;
    if (order === 0 && !(lower.inclusive && upper.inclusive)) return undefined;
  }
  return {
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

function tighter(
  a: KeyBound | undefined,
  b: KeyBound | undefined,
  sign: 1 | -1,
): KeyBound | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  const order = sign * compareBytes(a.key, b.key);
  if (order !== 0) return order > 0 ? a : b;
  return a.inclusive ? b : a;
}

/**
 * Merge operands combined with what is beneath them.
 *
 * Owns: which rows may be combined, in what order, and what the combination's
 * sequence number and timestamps are. Does not own: which rows there are.
 *
 * All rows given to a call are versions of one key, newest first.
 *
 * @module
 */
import { DbError, messageOf } from "../base/errors.ts";
import { showKey } from "../base/bytes.ts";
import type { Row } from "../base/row.ts";
import type { MergeOperator } from "./merge_operator.ts";

/** The operator never sees more operands than this at once. */
export const MAX_OPERANDS = 100;

/**
 * Combines what a reader found: merge operands, and the row they rest on where
 * there is one.
 *
 * @param rows One or more merge operands, then at most one put or tombstone.
 * @param operator The user's operator.
 * @returns A put, its value combined; seq and createTs are the largest, expireTs the earliest.
 * @throws {DbError} Kind `"invalid"` if there is no operator or it fails.
 */
export function foldForRead(
  rows: readonly Row[],
  operator: MergeOperator | undefined,
): Row {
  const last = rows.at(-1)!;
  const base = last.kind === "merge" ? undefined : last;
  return combine(
    base === undefined ? rows : rows.slice(0, -1),
    base,
    requireOperator(operator, last.key),
  );
}

/**
 * Combines what a flush or compaction may combine: operands that no snapshot
 * tells apart, next to each other, with the same expireTs.
 *
 * @param rows Any versions of the key.
 * @param operator The user's operator.
 * @param barrierSeq Rows above this stay as they are.
 * @returns Fewer or equally many rows, newest first.
 * @throws {DbError} Kind `"invalid"` if the operator fails.
 */
export function foldForRewrite(
  rows: readonly Row[],
  operator: MergeOperator,
  barrierSeq: bigint,
): Row[] {
  const folded: Row[] = [];
  let at = 0;
  while (at < rows.length) {
    const first = rows[at]!;
    if (first.kind !== "merge" || first.seq > barrierSeq) {
      folded.push(first);
      at++;
      continue;
    }
    let end = at + 1;
    while (rows[end]?.kind === "merge" && joins(first, rows[end]!)) end++;
    const beneath = rows[end];
    const base = beneath !== undefined && beneath.kind !== "merge" &&
        joins(first, beneath)
      ? beneath
      : undefined;
    folded.push(combine(rows.slice(at, end), base, operator));
    at = base === undefined ? end : end + 1;
  }
  return folded;
}

/** Combining rows of different expiry would move the expiry of one of them. */
function joins(first: Row, older: Row): boolean {
  return first.expireTs === older.expireTs;
}

/** Folds operands, newest first, onto `base`; a merge operand where there is none. */
function combine(
  operands: readonly Row[],
  base: Row | undefined,
  operator: MergeOperator,
): Row {
  const { key } = operands[0]!;
  const oldestFirst = operands.toReversed();
  // The newest operands form the first full batch, as SlateDB groups them.
  const partial = oldestFirst.length % MAX_OPERANDS || MAX_OPERANDS;
  const intermediates: Uint8Array[] = [];
  let start = 0;
  let end = partial;
  while (start < oldestFirst.length) {
    const values = oldestFirst.slice(start, end).map((row) => row.value);
    intermediates.push(apply(operator, key, undefined, values));
    start = end;
    end += MAX_OPERANDS;
  }
  const existing = base?.kind === "put" ? base.value : undefined;
  const value = apply(operator, key, existing, intermediates);
  return {
    key,
    value,
    kind: base === undefined ? "merge" : "put",
    ...combinedMetadata(base === undefined ? operands : [...operands, base]),
  };
}

function combinedMetadata(
  rows: readonly Row[],
): Pick<Row, "seq" | "createTs" | "expireTs"> {
  let { seq, createTs, expireTs } = rows[0]!;
  for (const row of rows) {
    if (row.seq > seq) seq = row.seq;
    if (createTs === undefined || (row.createTs ?? createTs) > createTs) {
      createTs = row.createTs;
    }
    if (expireTs === undefined || (row.expireTs ?? expireTs) < expireTs) {
      expireTs = row.expireTs;
    }
  }
  return {
    seq,
    ...(createTs === undefined ? {} : { createTs }),
    ...(expireTs === undefined ? {} : { expireTs }),
  };
}

function apply(
  operator: MergeOperator,
  key: Uint8Array,
  existing: Uint8Array | undefined,
  operands: readonly Uint8Array[],
): Uint8Array {
  let value = existing;
  try {
    if (operator.mergeBatch !== undefined) {
      value = operator.mergeBatch(key, existing, operands);
    } else {
      for (const operand of operands) {
        value = operator.merge(key, value, operand);
      }
    }
  } catch (error) {
    throw new DbError(
      "invalid",
      `merge operator failed for key ${showKey(key)}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  if (!(value instanceof Uint8Array)) {
    throw new DbError(
      "invalid",
      `merge operator must return a Uint8Array, not ${typeof value}`,
    );
  }
  return value;
}

function requireOperator(
  operator: MergeOperator | undefined,
  key: Uint8Array,
): MergeOperator {
  if (operator !== undefined) return operator;
  throw new DbError(
    "invalid",
    `merge operator missing: the value of key ${
      showKey(key)
    } has merge operands; open the database with the operator that made them`,
  );
}

/**
 * Merge operators that many databases want.
 *
 * @module
 */
import { compareBytes, concatBytes, toBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { MergeOperator } from "./merge_operator.ts";

const COUNTER_BYTES = 8;

/** How a counter is stored. */
export interface CounterOptions {
  /**
   * Whether it may be negative.
   *
   * @default {true}
   */
  signed?: boolean;
}

/**
 * Adds 64-bit integers, 8 bytes each, little-endian; wraps around.
 *
 * @returns The operator; {@linkcode encodeCounter} makes operands, {@linkcode decodeCounter} reads values.
 */
export function counterOperator(): MergeOperator {
  return {
    merge: (_key, existing, operand) => {
      const sum = existing === undefined
        ? decodeCounter(operand)
        : decodeCounter(existing) + decodeCounter(operand);
      return encodeCounter(sum);
    },
    mergeBatch: (_key, existing, operands) => {
      let sum = existing === undefined ? 0n : decodeCounter(existing);
      for (const operand of operands) sum += decodeCounter(operand);
      return encodeCounter(sum);
    },
  };
}

/**
 * A counter's operand or value.
 *
 * @param value The number; wraps around at 64 bits.
 * @returns 8 bytes.
 */
export function encodeCounter(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(COUNTER_BYTES);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

/**
 * The number in a counter's operand or value.
 *
 * @param bytes 8 bytes.
 * @param options Whether to read it as signed.
 * @returns The number.
 * @throws {DbError} Kind `"data"` if it is not 8 bytes long.
 */
export function decodeCounter(
  bytes: Uint8Array,
  options: CounterOptions = {},
): bigint {
  if (bytes.length !== COUNTER_BYTES) {
    throw new DbError("data", `a counter has 8 bytes, not ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, COUNTER_BYTES);
  return options.signed === false
    ? view.getBigUint64(0, true)
    : view.getBigInt64(0, true);
}

/**
 * Keeps the greatest operand, in the order of bytes; big-endian unsigned numbers
 * and most texts sort that way.
 *
 * @returns The operator.
 */
export function maxOperator(): MergeOperator {
  return {
    merge: (_key, existing, operand) =>
      existing === undefined || compareBytes(operand, existing) > 0
        ? operand
        : existing,
  };
}

/**
 * Keeps the least operand, in the order of bytes.
 *
 * @returns The operator.
 */
export function minOperator(): MergeOperator {
  return {
    merge: (_key, existing, operand) =>
      existing === undefined || compareBytes(operand, existing) < 0
        ? operand
        : existing,
  };
}

/**
 * Appends each operand, oldest first.
 *
 * @param delimiter What stands between two of them; nothing unless given.
 * @returns The operator.
 */
export function appendOperator(
  delimiter: Uint8Array | string = "",
): MergeOperator {
  const between = toBytes(delimiter).slice();
  return {
    merge: (_key, existing, operand) =>
      existing === undefined
        ? operand
        : concatBytes([existing, between, operand]),
    mergeBatch: (_key, existing, operands) => {
      const all = existing === undefined ? operands : [existing, ...operands];
      return concatBytes(
        all.flatMap((part, i) => i === 0 ? [part] : [between, part]),
      );
    },
  };
}

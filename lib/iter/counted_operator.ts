/**
 * A merge operator whose operands are counted.
 *
 * @module
 */
import { type Counter, noRecorder, type Recorder } from "../base/metrics.ts";
import type { MergeOperator } from "./merge_operator.ts";

/**
 * Counts the operands that an operator is given, under SlateDB's name.
 *
 * @param operator The operator.
 * @param recorder Where they are counted.
 * @param path Who combines them.
 * @returns An operator that does the same; `operator` itself where nobody counts.
 */
export function countedOperator(
  operator: MergeOperator | undefined,
  recorder: Recorder,
  path: "read" | "flush" | "compact",
): MergeOperator | undefined {
  if (operator === undefined || recorder === noRecorder) return operator;
  return countOperands(operator, operandsCounter(recorder, path));
}

/**
 * Registers the counter of the operands that somebody combines.
 *
 * @param recorder Where.
 * @param path Who combines them.
 * @returns The counter.
 */
export function operandsCounter(
  recorder: Recorder,
  path: "read" | "flush" | "compact",
): Counter {
  return recorder.counter(
    "slatedb.merge_operator_operands",
    "Operands given to the merge operator",
    { path },
  );
}

/**
 * Counts the operands that an operator is given.
 *
 * @param operator The operator.
 * @param operands Counts them.
 * @returns An operator that does the same.
 */
export function countOperands(
  operator: MergeOperator,
  operands: Counter,
): MergeOperator {
  return {
    merge(key, existing, operand) {
      operands.add();
      return operator.merge(key, existing, operand);
    },
    ...(operator.mergeBatch === undefined ? {} : {
      mergeBatch(key, existing, batch) {
        operands.add(batch.length);
        return operator.mergeBatch!(key, existing, batch);
      },
    }),
  };
}

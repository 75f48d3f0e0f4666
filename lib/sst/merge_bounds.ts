/**
 * Key ranges as bounds of a kernel merge.
 *
 * @module
 */
import type { KeyBound, KeyRange } from "../base/key_range.ts";
import type { Kernel } from "../codec/kernel.ts";

const LOWER = 0;
const UPPER = 1;
/** Added to either: the bound is removed. */
const NONE = 2;

/**
 * Gives a merge the bounds of a range.
 *
 * @param kernel Where the merge is; its scratch area is overwritten.
 * @param merge The merge, not started or restarted.
 * @param range The range.
 */
export function setMergeBounds(
  kernel: Kernel,
  merge: number,
  range: KeyRange,
): void {
  setBound(kernel, merge, LOWER, range.lower);
  setBound(kernel, merge, UPPER, range.upper);
}

function setBound(
  kernel: Kernel,
  merge: number,
  which: number,
  bound: KeyBound | undefined,
): void {
  if (bound === undefined) {
    kernel.exports.merge_bound(merge, which | NONE, 0, 0, 0);
    return;
  }
  const bytes = kernel.scratchKey(bound.key);
  const { scratchPointer } = kernel;
  const inclusive = bound.inclusive ? 1 : 0;
  kernel.exports.merge_bound(merge, which, scratchPointer, bytes, inclusive);
}

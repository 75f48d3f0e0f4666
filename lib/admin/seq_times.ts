/**
 * Which sequence number was the newest at which time, as a manifest tells.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Manifest } from "../format/manifest.ts";
import { type Rounding, SeqTracker } from "../format/seq_tracker.ts";

/**
 * See `Admin.timeOfSeq`.
 *
 * @param manifest The latest manifest.
 * @param seq The sequence number.
 * @param rounding Which neighbour to take.
 * @returns Milliseconds since the epoch, or `undefined`.
 * @throws {DbError} Kind `"invalid"` if an argument is.
 */
export function timeOfSeq(
  manifest: Manifest,
  seq: number | bigint,
  rounding: Rounding,
): number | undefined {
  const tracker = trackerOf(manifest);
  const seconds = tracker.timeAt(checkedSeq(seq), checkedRounding(rounding));
  return seconds === undefined ? undefined : seconds * 1000;
}

/**
 * See `Admin.seqAtTime`.
 *
 * @param manifest The latest manifest.
 * @param timeMs Milliseconds since the epoch.
 * @param rounding Which neighbour to take.
 * @returns The sequence number, or `undefined`.
 * @throws {DbError} Kind `"invalid"` if an argument is.
 */
export function seqAtTime(
  manifest: Manifest,
  timeMs: number,
  rounding: Rounding,
): bigint | undefined {
  const isUp = checkedRounding(rounding) === "up";
  const seconds = (isUp ? Math.ceil : Math.floor)(timeMs / 1000);
  if (!Number.isSafeInteger(seconds)) {
    throw new DbError("invalid", `invalid timestamp: ${timeMs}`);
  }
  return trackerOf(manifest).seqAt(seconds, rounding);
}

function trackerOf({ sequenceTracker }: Manifest): SeqTracker {
  return sequenceTracker === undefined
    ? new SeqTracker()
    : SeqTracker.decode(sequenceTracker);
}

function checkedSeq(seq: number | bigint): bigint {
  if (typeof seq === "bigint" && seq >= 0n) return seq;
  if (Number.isSafeInteger(seq) && seq >= 0) return BigInt(seq);
  throw new DbError("invalid", `invalid sequence number: ${seq}`);
}

function checkedRounding(rounding: Rounding): Rounding {
  if (rounding === "up" || rounding === "down") return rounding;
  throw new DbError(
    "invalid",
    `rounding must be "up" or "down", not ${JSON.stringify(rounding)}`,
  );
}

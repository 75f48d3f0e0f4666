/**
 * What decides which compactions there shall be.
 *
 * Owns: the contract. Does not own: whether a proposal may run
 * (`spec_check.ts`), nor when it does.
 *
 * @module
 */
import type { Compaction, CompactionSpec } from "../format/compactions.ts";
import type { Manifest, SortedRun, SstHandle } from "../format/manifest.ts";

/** What a scheduler decides from. */
export interface CompactorView {
  /** The tree, and the segments' trees. */
  readonly manifest: Manifest;
  /** Active compactions and the newest finished ones, oldest first. */
  readonly compactions: readonly Compaction[];
}

/**
 * Decides from the state of a database which compactions there shall be.
 *
 * Pure: the same state gives the same answer, and nothing is remembered. It is
 * asked again whenever the state changes, so it may propose less than all at
 * once. It runs in the compactor's own thread, wherever compactions themselves
 * run.
 */
export interface CompactionScheduler {
  /**
   * Proposes compactions, the most urgent first.
   *
   * @param view The state.
   * @returns New compactions; those that do not fit beside active ones are refused later.
   */
  propose(view: CompactorView): CompactionSpec[];
  /**
   * Says whether a compaction that somebody else asked for suits this scheduler.
   * What would damage the tree is refused without asking.
   *
   * @param view The state.
   * @param spec The compaction.
   * @throws {DbError} Kind `"invalid"` if it does not.
   */
  validate?(view: CompactorView, spec: CompactionSpec): void;
}

/**
 * About how many bytes an SST holds.
 *
 * @param handle The SST.
 * @returns Bytes up to the end of its index, as SlateDB counts them.
 */
export function sstBytes({ info }: SstHandle): number {
  return info.indexOffset + info.indexBytes;
}

/**
 * About how many bytes a run holds.
 *
 * @param run The run.
 * @returns The sum over its SSTs.
 */
export function runBytes(run: SortedRun): number {
  let bytes = 0;
  for (const handle of run.ssts) bytes += sstBytes(handle);
  return bytes;
}

/**
 * Whether a compaction still has something to do.
 *
 * @param compaction The compaction.
 * @returns False once it is completed or has failed.
 */
export function isActive({ status }: Compaction): boolean {
  return status !== "completed" && status !== "failed";
}

/**
 * Whether a compaction takes one of the places for concurrent ones. One that has
 * only to be committed does not.
 *
 * @param compaction The compaction.
 * @returns Whether it does.
 */
export function holdsSlot({ status }: Compaction): boolean {
  return status === "submitted" || status === "scheduled" ||
    status === "running";
}

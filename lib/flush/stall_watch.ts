/**
 * How long somebody waits for memtables that L0 has no room for.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Pulse } from "../base/watch.ts";
import type { LsmState } from "../lsm/lsm_state.ts";

/**
 * What to do while L0 is full: `"wait"` for whoever compacts, `"fail"`, or wait
 * only as long as a compaction is under way here, or begins soon.
 */
export type StallPatience = "wait" | "fail" | "wait-for-compaction";

/** What {@linkcode failWhenStalled} watches. */
export interface StallWatch {
  /** What is unflushed. */
  readonly lsm: LsmState;
  /** Timers. */
  readonly runtime: Runtime;
  /** Fires whenever something moves on, or L0 becomes full. */
  readonly progressed: Pulse;
  /** Whether L0 is full and nothing is on its way into it. */
  readonly isStuck: () => boolean;
  /** Whether a compaction is under way. */
  readonly isBusy: () => boolean;
  /** What to do. */
  readonly onStall: StallPatience;
}

/** A compactor that has not begun by then sees nothing to do. */
const COMPACTION_BEGINS_MS = 10_000;

/**
 * Fails where L0 stays full.
 *
 * @param watch What to watch.
 * @param end Ends the watch, at the next progress.
 * @returns Resolves at the end alone.
 * @throws {DbError} Kind `"unavailable"` if L0 is full and is not waited for (any more).
 */
export async function failWhenStalled(
  watch: StallWatch,
  end: AbortSignal,
): Promise<void> {
  const { progressed, isStuck, isBusy, onStall, lsm } = watch;
  while (!end.aborted) {
    if (onStall === "wait" || !isStuck()) await progressed.next;
    else if (onStall === "fail") break;
    else if (!await progressesSoon(watch) && !isBusy()) break;
  }
  if (end.aborted) return;
  throw new DbError(
    "unavailable",
    `L0 is full and nothing compacts it: ${lsm.unflushedBytes} bytes are unflushed`,
  );
}

function progressesSoon({ runtime, progressed }: StallWatch): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = runtime.after(COMPACTION_BEGINS_MS, () => resolve(false));
    progressed.next.then(() => {
      cancel();
      resolve(true);
    });
  });
}

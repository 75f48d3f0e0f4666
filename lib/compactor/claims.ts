/**
 * Who runs what, as pure edits of the compactor's state; only files of version 2
 * can say it.
 *
 * A worker owns a compaction from its claim until it has compacted it, as long as
 * it is heard of. Every edit looks at the owner first: a worker that was given up
 * changes nothing any more, and what it has written is collected.
 *
 * @module
 */
import type { Ulid } from "../base/ids.ts";
import type {
  Compaction,
  CompactionContext,
  Compactions,
  CompactionWorker,
} from "../format/compactions.ts";
import type { SstHandle } from "../format/manifest.ts";
import { replaceCompaction, withStatus } from "./compaction_state.ts";

/** How far a job has come, where it is known. */
export type ContextOf = (id: Ulid) => CompactionContext | undefined;

/**
 * The compactions a worker owns.
 *
 * @param state The state.
 * @param workerId The worker.
 * @returns Those that it runs.
 */
export function ownedBy(state: Compactions, workerId: string): Compaction[] {
  return state.compactions.filter(({ status, worker }) =>
    status === "running" && worker?.id === workerId
  );
}

/**
 * Claims what waits for a worker.
 *
 * @param state The state.
 * @param worker Who claims.
 * @param room How many it can run besides what it runs.
 * @param isRunning Whether it still runs something; that is not claimed again.
 * @returns The new state; `state` itself where nothing can be claimed.
 */
export function claim(
  state: Compactions,
  worker: CompactionWorker,
  room: number,
  isRunning: (id: Ulid) => boolean,
): Compactions {
  let edited = state;
  let left = room;
  for (const compaction of state.compactions) {
    const { id, status, spec } = compaction;
    if (status !== "scheduled" || spec.kind === "drain") continue;
    if (left <= 0 || isRunning(id)) continue;
    left--;
    edited = replaceCompaction(
      edited,
      withStatus(compaction, "running", { worker }),
    );
  }
  return edited;
}

/**
 * Shows that a worker lives, and how far its jobs are.
 *
 * @param state The state.
 * @param worker The worker, and the time.
 * @param contextOf How far its jobs have come.
 * @returns The new state; `state` itself where it owns nothing.
 */
export function beat(
  state: Compactions,
  worker: CompactionWorker,
  contextOf: ContextOf,
): Compactions {
  return ownedBy(state, worker.id).reduce(
    (edited, compaction) =>
      replaceCompaction(
        edited,
        withStatus(compaction, "running", {
          worker,
          context: contextOf(compaction.id),
        }),
      ),
    state,
  );
}

/**
 * Gives claims up, for other workers to go on with.
 *
 * @param state The state.
 * @param workerId Who gives up.
 * @param contextOf How far its jobs have come.
 * @param only Which; all unless given.
 * @returns The new state; `state` itself where it owns none of them.
 */
export function release(
  state: Compactions,
  workerId: string,
  contextOf: ContextOf,
  only?: ReadonlySet<Ulid>,
): Compactions {
  return ownedBy(state, workerId).reduce(
    (edited, compaction) =>
      only?.has(compaction.id) === false ? edited : replaceCompaction(
        edited,
        withStatus(compaction, "scheduled", {
          context: contextOf(compaction.id),
        }),
      ),
    state,
  );
}

/**
 * Hands finished work to the compactor.
 *
 * @param state The state.
 * @param id The compaction.
 * @param worker Who has compacted it.
 * @param outputs The SSTs of the run, ascending.
 * @returns The new state; `state` itself where the worker has lost its claim.
 */
export function handOver(
  state: Compactions,
  id: Ulid,
  worker: CompactionWorker,
  outputs: readonly SstHandle[],
): Compactions {
  const owned = ownedBy(state, worker.id).find((each) => each.id === id);
  return owned === undefined ? state : replaceCompaction(
    state,
    withStatus(owned, "compacted", { worker, outputs }),
  );
}

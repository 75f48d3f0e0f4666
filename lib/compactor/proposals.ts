/**
 * What shall be compacted next: what somebody waits for, then what the scheduler
 * proposes.
 *
 * @module
 */
import { messageOf, toDbError } from "../base/errors.ts";
import type { UlidSource } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import type { Compaction, CompactionSpec } from "../format/compactions.ts";
import type { CompactorPace } from "./compactor_pace.ts";
import type { ManualCompactions } from "./manual_compactions.ts";
import type { CompactionScheduler, CompactorView } from "./scheduler.ts";

/** Who has a say. */
export interface Proposers {
  /** Who waits for what. */
  readonly manual: ManualCompactions;
  /** Proposes the rest. */
  readonly scheduler: CompactionScheduler;
  /** Whether the scheduler is asked at all, after a failure. */
  readonly pace: CompactorPace;
  /** Makes ids. */
  readonly ids: UlidSource;
  /** Told of schedulers that fail. */
  readonly logger: Logger;
}

/**
 * Collects new compactions; nothing else is proposed for a tree that somebody
 * waits for.
 *
 * @param view The state; every active compaction has a destination.
 * @param proposers Who has a say.
 * @returns Compactions to submit.
 */
export function collectProposals(
  view: CompactorView,
  proposers: Proposers,
): Compaction[] {
  const { manual, pace, ids } = proposers;
  const wanted = manual.take(view, () => ids.next()).map(submitted);
  if (pace.heldOff) return wanted;
  const { manifest, compactions } = view;
  const proposed = propose(
    { manifest, compactions: [...compactions, ...wanted] },
    proposers,
  ).filter(({ segment }) => !manual.wants(segment));
  return [
    ...wanted,
    ...proposed.map((spec) => submitted({ id: ids.next(), spec })),
  ];
}

/** A scheduler of the user's own may fail; what runs goes on. */
function propose(
  view: CompactorView,
  { scheduler, pace, logger }: Proposers,
): CompactionSpec[] {
  try {
    return scheduler.propose(view);
  } catch (error) {
    logger.error(`the compaction scheduler failed: ${messageOf(error)}`);
    pace.failed(toDbError(error));
    return [];
  }
}

function submitted(
  added: Pick<Compaction, "id" | "spec">,
): Compaction {
  return { ...added, status: "submitted", outputs: [] };
}

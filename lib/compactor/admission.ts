/**
 * Which submitted compactions begin, and how.
 *
 * Owns: the decision, as a pure edit of the compactor's state. Each is checked
 * against the tree and everything that is under way, and then
 *
 * - is refused, and its entry has failed;
 * - needs nobody to run it, since it only drops or moves SSTs: it is handed back
 *   to be committed;
 * - runs in this process, where there is room;
 * - waits for a worker of another process, where files can say so;
 * - stays as it is until there is room.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type {
  Compaction,
  Compactions,
  CompactionWorker,
} from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import { type FinishedCompaction, trivialMove } from "./commit_protocol.ts";
import { replaceCompaction, withStatus } from "./compaction_state.ts";
import type { CompactionScheduler } from "./scheduler.ts";
import { checkSubmitted } from "./spec_check.ts";

/** What {@linkcode admit} goes by. */
export interface AdmissionOptions {
  /** The tree. */
  readonly manifest: Manifest;
  /** Has a say about compactions it did not propose. */
  readonly scheduler: CompactionScheduler;
  /** Whether inputs that do not overlap become a run as they are. */
  readonly trivialMove: boolean;
  /** How many more can run in this process. */
  readonly room: number;
  /** This process's name in the file; `undefined`: files do not say who runs what. */
  readonly worker: CompactionWorker | undefined;
  /** Compactions that only have to be committed; they are not looked at again. */
  readonly pending: ReadonlySet<Ulid>;
}

/** What came of it. */
export interface Admission {
  /** The new state; the one given where nothing changed. */
  readonly state: Compactions;
  /** What only has to be committed. */
  readonly finished: readonly FinishedCompaction[];
  /** What was refused, and why. */
  readonly refused: ReadonlyMap<Ulid, DbError>;
}

/**
 * Decides about every compaction that was submitted or waits for a worker.
 *
 * @param state The state; every active compaction has a destination.
 * @param options What to go by.
 * @returns What came of it.
 */
export function admit(
  state: Compactions,
  options: AdmissionOptions,
): Admission {
  const { manifest, pending, worker } = options;
  const finished: FinishedCompaction[] = [];
  const refused = new Map<Ulid, DbError>();
  let edited = state;
  let { room } = options;
  const begin = (compaction: Compaction): Compaction => {
    if (room > 0) {
      room--;
      return withStatus(compaction, "running", { worker });
    }
    return worker === undefined || compaction.status === "scheduled"
      ? compaction
      : withStatus(compaction, "scheduled");
  };
  for (const compaction of state.compactions) {
    if (pending.has(compaction.id)) continue;
    let next = compaction;
    if (compaction.status === "scheduled") next = begin(compaction);
    else if (compaction.status === "submitted") {
      const error = check(edited, compaction, options);
      const outputs = error === undefined
        ? outputsWithoutWork(manifest, compaction, options)
        : undefined;
      if (error !== undefined) {
        refused.set(compaction.id, error);
        next = withStatus(compaction, "failed");
      } else if (outputs !== undefined) {
        finished.push({ compaction, outputs });
      } else next = begin(compaction);
    }
    if (next !== compaction) edited = replaceCompaction(edited, next);
  }
  return { state: edited, finished, refused };
}

function check(
  state: Compactions,
  compaction: Compaction,
  { manifest, scheduler }: AdmissionOptions,
): DbError | undefined {
  const view = { manifest, compactions: state.compactions };
  try {
    checkSubmitted(view, compaction);
    scheduler.validate?.(view, compaction.spec);
    return undefined;
  } catch (error) {
    if (error instanceof DbError && error.kind === "invalid") return error;
    throw error;
  }
}

/** The output of a compaction that reads no row; `undefined` where it must. */
function outputsWithoutWork(
  manifest: Manifest,
  { spec }: Compaction,
  options: AdmissionOptions,
): FinishedCompaction["outputs"] | undefined {
  if (spec.kind === "drain") return [];
  return options.trivialMove ? trivialMove(manifest, spec) : undefined;
}

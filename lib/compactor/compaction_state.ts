/**
 * The life of a compaction, as pure edits of the compactor's state.
 *
 * Owns: which status may follow which, what an entry carries in each, and which
 * entries are kept. Does not own: storing the result, and whether a compaction
 * makes sense (`spec_check.ts`).
 *
 * ```text
 * interop   submitted → running → completed | failed
 *           The compactor that is alive runs everything itself. What is running in
 *           a file that it finds at its start was lost with the one before it.
 * 0.15      submitted → scheduled → running → compacted → completed | failed
 *           Workers claim what is scheduled, wherever they are, and the compactor
 *           commits what they have compacted. One that is not heard of for a while
 *           loses its claim; what it has written so far stays in the context.
 * ```
 *
 * An edit is applied again to what another process wrote meanwhile, possibly to
 * its own result: an entry that is gone or finished is left alone.
 *
 * @module
 */
import { invariant } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type {
  Compaction,
  CompactionContext,
  Compactions,
  CompactionStatus,
  CompactionWorker,
} from "../format/compactions.ts";
import type { Manifest, SstHandle } from "../format/manifest.ts";
import { nextRunId } from "../manifest/run_edit.ts";
import { isActive } from "./scheduler.ts";

/** Which statuses may follow; a status may always follow itself. */
const NEXT: Readonly<Record<CompactionStatus, readonly CompactionStatus[]>> = {
  submitted: ["scheduled", "running", "completed", "failed"],
  scheduled: ["submitted", "running", "completed", "failed"],
  running: ["submitted", "scheduled", "compacted", "completed", "failed"],
  compacted: ["submitted", "completed", "failed"],
  completed: [],
  failed: [],
};

/** What an entry carries besides its status. */
export interface StatusDetails {
  /** Who runs it; only while it is running or compacted. */
  readonly worker?: CompactionWorker | undefined;
  /** How to take it over; kept from status to status until it is compacted. */
  readonly context?: CompactionContext | undefined;
  /** The finished SSTs; only where it is compacted or completed. */
  readonly outputs?: readonly SstHandle[];
}

/**
 * One entry of the state.
 *
 * @param state The state.
 * @param id Its id.
 * @returns The entry, or `undefined` where it is not kept any more.
 */
export function findCompaction(
  state: Compactions,
  id: Ulid,
): Compaction | undefined {
  return state.compactions.find((compaction) => compaction.id === id);
}

/**
 * Adds an entry.
 *
 * @param state The state.
 * @param added The entry.
 * @returns The new state; `state` itself where the entry is there already.
 */
export function addCompaction(
  state: Compactions,
  added: Compaction,
): Compactions {
  if (findCompaction(state, added.id) !== undefined) return state;
  return { ...state, compactions: [...state.compactions, added] };
}

/**
 * Moves an entry to a status.
 *
 * @param state The state.
 * @param id The entry.
 * @param status Where to.
 * @param details What it carries then.
 * @returns The new state; `state` itself where the entry is gone or finished.
 */
export function setStatus(
  state: Compactions,
  id: Ulid,
  status: CompactionStatus,
  details: StatusDetails = {},
): Compactions {
  const found = findCompaction(state, id);
  if (found === undefined || !isActive(found)) return state;
  return replaceCompaction(state, withStatus(found, status, details));
}

/**
 * An entry in another status.
 *
 * @param compaction The entry.
 * @param status Its next status.
 * @param details What it carries then.
 * @returns The entry.
 */
export function withStatus(
  compaction: Compaction,
  status: CompactionStatus,
  details: StatusDetails = {},
): Compaction {
  const { id, spec, status: previous } = compaction;
  invariant(
    previous === status || NEXT[previous].includes(status),
    `a compaction that is ${previous} is not ${status} next`,
  );
  const isClaimed = status === "running" || status === "compacted";
  const isDone = status === "compacted" || status === "completed";
  const isOpen = status === "running" || status === "scheduled";
  const worker = isClaimed ? details.worker ?? compaction.worker : undefined;
  const context = isOpen ? details.context ?? compaction.context : undefined;
  return {
    id,
    spec,
    status,
    outputs: isDone ? details.outputs ?? compaction.outputs : [],
    ...(worker === undefined ? {} : { worker }),
    ...(context === undefined ? {} : { context }),
  };
}

/**
 * Puts an entry in the place of the one with the same id.
 *
 * @param state The state.
 * @param changed The entry.
 * @returns The new state.
 */
export function replaceCompaction(
  state: Compactions,
  changed: Compaction,
): Compactions {
  return {
    ...state,
    compactions: state.compactions.map((compaction) =>
      compaction.id === changed.id ? changed : compaction
    ),
  };
}

/**
 * Drops what nobody needs any more. The newest finished entry stays: the
 * collector keeps SSTs that are younger than every entry.
 *
 * @param state The state.
 * @returns All active entries and the newest finished one; `state` itself where that is all there is.
 */
export function trim(state: Compactions): Compactions {
  let newest: Ulid | undefined;
  for (const compaction of state.compactions) {
    if (isActive(compaction)) continue;
    if (newest === undefined || compaction.id > newest) newest = compaction.id;
  }
  const compactions = state.compactions.filter((compaction) =>
    isActive(compaction) || compaction.id === newest
  );
  return compactions.length === state.compactions.length
    ? state
    : { ...state, compactions };
}

/**
 * The state as a compactor finds it at its start, in the form in which it can go
 * on.
 *
 * @param state What was found.
 * @param version The file version the compactor writes.
 * @param manifest The manifest; run ids are given out above its.
 * @returns The new state: nothing is left to a compactor that is no more; `state` itself where that is so already.
 */
export function recover(
  state: Compactions,
  version: 1 | 2,
  manifest: Manifest,
): Compactions {
  const fitting = version === 2
    ? state.compactions
    : state.compactions.filter(fitsVersion1);
  const compactions = resolveDestinations(fitting, manifest).map(
    version === 2 ? recoverScheduled : recoverAlone,
  );
  const isSame = version === state.version &&
    compactions.length === state.compactions.length &&
    compactions.every((compaction, i) => compaction === state.compactions[i]);
  return trim(isSame ? state : { ...state, version, compactions });
}

/** Whose worker lives goes on; the others lose their claim in time. */
function recoverScheduled(compaction: Compaction): Compaction {
  const { status, worker } = compaction;
  const isLost = status === "scheduled" ||
    status === "running" && worker === undefined;
  return isLost ? withStatus(compaction, "submitted") : compaction;
}

function recoverAlone(compaction: Compaction): Compaction {
  const { id, spec, status, outputs, worker, context } = compaction;
  if (isActive(compaction) && status !== "submitted") {
    return withStatus(compaction, "submitted");
  }
  return worker === undefined && context === undefined
    ? compaction
    : { id, spec, status, outputs };
}

/**
 * Gives every active compaction of L0 alone the id of its output run: files of
 * version 1 do not say it.
 *
 * @param compactions The entries.
 * @param manifest The manifest.
 * @param known Ids that were given out before.
 * @returns The entries, each with a destination.
 */
export function resolveDestinations(
  compactions: readonly Compaction[],
  manifest: Manifest,
  known: ReadonlyMap<Ulid, number> = new Map(),
): Compaction[] {
  const reserved = new Set(known.values());
  for (const { spec } of compactions.filter(isActive)) {
    if (spec.kind === "tiered" && spec.destination !== undefined) {
      reserved.add(spec.destination);
    }
  }
  return compactions.map((compaction) => {
    const { id, spec } = compaction;
    if (spec.kind === "drain" || spec.destination !== undefined) {
      return compaction;
    }
    if (!isActive(compaction)) return compaction;
    const destination = known.get(id) ?? nextRunId(manifest, reserved);
    reserved.add(destination);
    return { ...compaction, spec: { ...spec, destination } };
  });
}

/**
 * Takes claims back from workers that were not heard of for too long; what they
 * have written stays, for whoever claims next.
 *
 * @param state The state.
 * @param nowMs The time.
 * @param timeoutMs How long a worker may be silent.
 * @param isOwn Whether a worker is the caller's own, of which it knows better.
 * @returns The new state; `state` itself where everybody was heard of.
 */
export function reclaimStale(
  state: Compactions,
  nowMs: number,
  timeoutMs: number,
  isOwn: (workerId: string) => boolean,
): Compactions {
  let changed = false;
  const compactions = state.compactions.map((compaction) => {
    const { status, worker } = compaction;
    if (status !== "running") return compaction;
    if (
      worker !== undefined &&
      (isOwn(worker.id) || nowMs - worker.lastHeartbeatMs <= timeoutMs)
    ) return compaction;
    changed = true;
    return withStatus(compaction, "scheduled");
  });
  return changed ? { ...state, compactions } : state;
}

function fitsVersion1({ spec }: Compaction): boolean {
  return spec.kind === "tiered" && spec.segment.length === 0;
}

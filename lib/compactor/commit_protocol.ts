/**
 * Finished compactions into the database, in three writes whose order is the
 * whole point.
 *
 * ```text
 * 1  manifest     a checkpoint that lives 15 minutes
 *    Readers of the present tree, of this process and of others, go on reading the
 *    inputs for a while: the collector keeps what a checkpoint refers to.
 *    Dying here: one checkpoint too many, which expires. The compactions are still
 *    in their file; whoever comes next does them again, or commits what a worker
 *    has compacted.
 *
 * 2  manifest     inputs out, output run in; how far L0 was consumed
 *    One write, so that no reader ever sees both or neither.
 *    Dying here: the tree is new, and the compactions' entries still protect their
 *    output from the collector, which goes by the oldest entry. Whoever comes next
 *    finds the inputs gone and closes the entries.
 *
 * 3  compactions  the entries are completed
 *    Not before: an output that is neither named by a manifest nor protected by an
 *    entry is garbage, and would be collected.
 * ```
 *
 * Whoever reads both files reads in the opposite order, compactions first: what
 * was completed by then is in the manifest that is read afterwards.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { randomUuid, type Ulid } from "../base/ids.ts";
import { intersect, type KeyRange } from "../base/key_range.ts";
import type { Runtime } from "../base/runtime.ts";
import type {
  Compaction,
  CompactionSpec,
  TieredSpec,
} from "../format/compactions.ts";
import type { Manifest, SstHandle } from "../format/manifest.ts";
import { addCheckpoint } from "../manifest/checkpoints.ts";
import type { HeldCompactions } from "../manifest/compactions_store.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import {
  drain,
  findTree,
  inputsOf,
  isReplacedByRun,
  keysOf,
  replaceByRun,
} from "../manifest/run_edit.ts";
import { setStatus, trim } from "./compaction_state.ts";
import { checkAscending } from "./job.ts";
import { checkCompacted } from "./spec_check.ts";

/** A compaction that has only to be committed. */
export interface FinishedCompaction {
  /** Its entry, with a destination. */
  readonly compaction: Compaction;
  /** The SSTs of its run, ascending; none where it drains. */
  readonly outputs: readonly SstHandle[];
}

/** What a commit works with. */
export interface CommitTools {
  /** The manifest, under the compactor's epoch. */
  readonly manifest: HeldManifest;
  /** The compactions, under the same epoch. */
  readonly compactions: HeldCompactions;
  /** Clock and randomness. */
  readonly runtime: Runtime;
}

/** How long readers of the old tree keep its SSTs. */
const CHECKPOINT_MS = 900_000;

/**
 * Commits finished compactions.
 *
 * @param finished The compactions.
 * @param tools What to work with.
 * @returns Those that could not be committed, and why; their entries have failed.
 * @throws {DbError} Kind `"closed"` (`fenced`) if another compactor took over.
 */
export async function commitFinished(
  finished: readonly FinishedCompaction[],
  tools: CommitTools,
): Promise<ReadonlyMap<Ulid, DbError>> {
  const { manifest, compactions, runtime } = tools;
  const planned = applyAll(manifest.latest, finished);
  let { refused } = planned;
  if (planned.manifest !== manifest.latest) {
    const checkpoint = randomUuid(runtime);
    const lifetimeMs = CHECKPOINT_MS;
    await manifest.update((latest) =>
      addCheckpoint(latest, checkpoint, runtime.now(), { lifetimeMs })
    );
    await manifest.update((latest) => {
      const applied = applyAll(latest, finished);
      refused = applied.refused;
      return applied.manifest;
    });
  }
  await compactions.update((state) =>
    trim(finished.reduce((state, { compaction: { id }, outputs }) =>
      setStatus(
        state,
        id,
        refused.has(id) ? "failed" : "completed",
        { outputs },
      ), state))
  );
  return refused;
}

/**
 * The run that the inputs of a compaction make as they are: possible where they
 * do not overlap.
 *
 * @param manifest The manifest.
 * @param spec The compaction.
 * @returns The inputs, ascending; `undefined` where two of them overlap.
 */
export function trivialMove(
  manifest: Manifest,
  spec: TieredSpec,
): readonly SstHandle[] | undefined {
  const tree = findTree(manifest, spec.segment);
  if (tree === undefined) return undefined;
  const { l0, runs } = inputsOf(tree, spec);
  const inputs = [...l0, ...runs.flatMap(({ ssts }) => ssts)];
  const placed: { handle: SstHandle; keys: Required<KeyRange> }[] = [];
  for (const handle of inputs) {
    const keys = keysOf(handle);
    if (keys === undefined) return undefined;
    placed.push({ handle, keys });
  }
  placed.sort((a, b) => compareBytes(a.keys.lower.key, b.keys.lower.key));
  const overlap = placed.some(({ keys }, i) =>
    i > 0 && intersect(placed[i - 1]!.keys, keys) !== undefined
  );
  return overlap || placed.length === 0
    ? undefined
    : placed.map(({ handle }) => handle);
}

/** The manifest after all compactions that still fit, and why the others do not. */
function applyAll(
  manifest: Manifest,
  finished: readonly FinishedCompaction[],
): { manifest: Manifest; refused: ReadonlyMap<Ulid, DbError> } {
  const refused = new Map<Ulid, DbError>();
  let edited = manifest;
  for (const each of finished) {
    try {
      edited = apply(edited, each);
    } catch (error) {
      if (!(error instanceof DbError) || error.kind === "internal") throw error;
      refused.set(each.compaction.id, error);
    }
  }
  return { manifest: edited, refused };
}

function apply(
  manifest: Manifest,
  { compaction, outputs }: FinishedCompaction,
): Manifest {
  const { spec } = compaction;
  const view = { manifest, compactions: [] };
  if (spec.kind === "drain") {
    if (isDrained(manifest, spec)) return manifest;
    checkCompacted(view, compaction);
    return drain(manifest, spec);
  }
  const run = { id: spec.destination!, ssts: outputs };
  if (isReplacedByRun(manifest, spec, run)) return manifest;
  checkCompacted(view, compaction);
  checkAscending(outputs);
  return replaceByRun(manifest, spec, run);
}

function isDrained(manifest: Manifest, spec: CompactionSpec): boolean {
  const tree = findTree(manifest, spec.segment);
  if (tree === undefined) return true;
  const { l0, runs } = inputsOf(tree, spec);
  return l0.length === 0 && runs.length === 0;
}

/**
 * Pure edits of the manifest that the compactor makes.
 *
 * Owns: what a finished compaction does to a tree, and the invariants it must
 * keep. Does not own: storing the result, nor which compactions may run.
 *
 * An edit is applied again when another process changed the manifest meanwhile,
 * possibly to its own result: then it changes nothing. Segments that become
 * empty stay; only the writer, who may be filling them again, removes them.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import { DbError, invariant } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import { intersect, type KeyRange } from "../base/key_range.ts";
import type {
  Manifest,
  Segment,
  SortedRun,
  SstHandle,
  Tree,
} from "../format/manifest.ts";
import { pruneExternalDbs } from "./tree_edit.ts";

/** One tree, and what the keys in it begin with. */
export interface PrefixedTree {
  /** The segment's prefix; empty for the tree outside segments. */
  readonly segment: Uint8Array;
  /** The tree. */
  readonly tree: Tree;
}

/** What a compaction takes away. */
export interface Inputs {
  /** Prefix of the tree; empty for the tree outside segments. */
  readonly segment: Uint8Array;
  /** View ids of L0 SSTs. */
  readonly l0ViewIds: readonly Ulid[];
  /** Ids of runs. */
  readonly runIds: readonly number[];
}

/**
 * Every tree of a manifest, the one outside segments first.
 *
 * @param manifest The manifest.
 * @returns The trees, then ascending by prefix.
 */
export function prefixedTrees(manifest: Manifest): PrefixedTree[] {
  return [
    { segment: ROOT, tree: manifest.tree },
    ...manifest.segments.map((tree) => ({ segment: tree.prefix, tree })),
  ];
}

/**
 * The tree of one segment.
 *
 * @param manifest The manifest.
 * @param segment The prefix; empty for the tree outside segments.
 * @returns The tree, or `undefined` where there is no such segment.
 */
export function findTree(
  manifest: Manifest,
  segment: Uint8Array,
): Tree | undefined {
  if (segment.length === 0) return manifest.tree;
  return manifest.segments.find(({ prefix }) => equalBytes(prefix, segment));
}

/**
 * An id for a run that is newer than all others; ids are never shared, not even
 * by runs of different segments.
 *
 * @param manifest The manifest.
 * @param reserved Ids that runs yet to come will have.
 * @returns One above the greatest; 0 where there is none.
 */
export function nextRunId(
  manifest: Manifest,
  reserved: Iterable<number> = [],
): number {
  let next = 0;
  for (const { tree } of prefixedTrees(manifest)) {
    for (const { id } of tree.runs) next = Math.max(next, id + 1);
  }
  for (const id of reserved) next = Math.max(next, id + 1);
  return next;
}

/**
 * What a compaction's inputs are in a manifest.
 *
 * @param tree The tree.
 * @param inputs Which.
 * @returns The L0 SSTs and runs, each newest first; fewer than named where some are gone.
 */
export function inputsOf(
  tree: Tree,
  inputs: Omit<Inputs, "segment">,
): { l0: SstHandle[]; runs: SortedRun[] } {
  const views = new Set(inputs.l0ViewIds);
  const ids = new Set(inputs.runIds);
  return {
    l0: tree.l0.filter(({ viewId }) => views.has(viewId)),
    runs: tree.runs.filter(({ id }) => ids.has(id)),
  };
}

/**
 * The keys an SST may hold, as far as the reference to it lets them be seen.
 *
 * @param handle The reference.
 * @returns First to last key; `undefined` where it says neither, or nothing can be seen.
 */
export function keysOf(
  { info, visibleRange }: SstHandle,
): Required<KeyRange> | undefined {
  const { firstEntry, lastEntry } = info;
  if (firstEntry === undefined || lastEntry === undefined) return undefined;
  const keys = intersect({
    lower: { key: firstEntry, inclusive: true },
    upper: { key: lastEntry, inclusive: true },
  }, visibleRange ?? {});
  return keys as Required<KeyRange> | undefined;
}

/**
 * Puts a run in the place of L0 SSTs and runs.
 *
 * @param manifest The manifest.
 * @param inputs What the run was made of.
 * @param run The run; without SSTs where nothing was left, and then it is left out.
 * @returns The new manifest; `manifest` itself where it is done already.
 * @throws {DbError} Kind `"invalid"` if an input is gone, or if another run has the id.
 */
export function replaceByRun(
  manifest: Manifest,
  inputs: Inputs,
  run: SortedRun,
): Manifest {
  const tree = requireTree(manifest, inputs.segment);
  const found = inputsOf(tree, inputs);
  if (isReplaced(tree, found, run)) return manifest;
  requireAll(inputs, found);
  const rest = withoutInputs(tree, found);
  for (const { tree: { runs } } of prefixedTrees(manifest)) {
    for (const other of runs) {
      if (other.id !== run.id || found.runs.includes(other)) continue;
      throw new DbError(
        "invalid",
        `run ${run.id} exists and is not among the compaction's inputs`,
      );
    }
  }
  const runs = run.ssts.length === 0
    ? rest.runs
    : [...rest.runs, run].sort((a, b) => b.id - a.id);
  return withTree(manifest, inputs.segment, { ...rest, runs });
}

/**
 * Removes L0 SSTs and runs of a segment with all that is in them.
 *
 * @param manifest The manifest.
 * @param inputs What to remove; what is gone already is passed over.
 * @returns The new manifest; `manifest` itself where all is gone already.
 */
export function drain(manifest: Manifest, inputs: Inputs): Manifest {
  const tree = findTree(manifest, inputs.segment);
  if (tree === undefined) return manifest;
  const found = inputsOf(tree, inputs);
  if (found.l0.length === 0 && found.runs.length === 0) return manifest;
  return withTree(manifest, inputs.segment, withoutInputs(tree, found));
}

const ROOT = new Uint8Array(0);

function requireTree(manifest: Manifest, segment: Uint8Array): Tree {
  const tree = findTree(manifest, segment);
  if (tree !== undefined) return tree;
  throw new DbError("invalid", "the compaction's segment does not exist");
}

/**
 * Whether a run took the place of its inputs already.
 *
 * @param manifest The manifest.
 * @param inputs What the run was made of.
 * @param run The run.
 * @returns Whether {@linkcode replaceByRun} has nothing left to do.
 */
export function isReplacedByRun(
  manifest: Manifest,
  inputs: Inputs,
  run: SortedRun,
): boolean {
  const tree = findTree(manifest, inputs.segment);
  return tree !== undefined && isReplaced(tree, inputsOf(tree, inputs), run);
}

function isReplaced(
  tree: Tree,
  found: { l0: readonly SstHandle[]; runs: readonly SortedRun[] },
  run: SortedRun,
): boolean {
  if (found.l0.length > 0) return false;
  const others = found.runs.filter(({ id }) => id !== run.id);
  if (others.length > 0) return false;
  const stored = tree.runs.find(({ id }) => id === run.id);
  if (stored === undefined) return run.ssts.length === 0;
  return stored.ssts.length === run.ssts.length &&
    stored.ssts.every(({ id }, i) => id === run.ssts[i]!.id);
}

function requireAll(
  inputs: Inputs,
  found: { l0: readonly SstHandle[]; runs: readonly SortedRun[] },
): void {
  const lostL0 = inputs.l0ViewIds.find((id) =>
    !found.l0.some(({ viewId }) => viewId === id)
  );
  const lostRun = inputs.runIds.find((id) =>
    !found.runs.some((run) => run.id === id)
  );
  if (lostL0 === undefined && lostRun === undefined) return;
  throw new DbError(
    "invalid",
    lostL0 === undefined
      ? `the compaction's input run ${lostRun} is gone`
      : `the compaction's input ${lostL0} of L0 is gone`,
  );
}

function withoutInputs(
  tree: Tree,
  found: { l0: readonly SstHandle[]; runs: readonly SortedRun[] },
): Tree {
  const newest = found.l0[0];
  const l0 = tree.l0.filter((handle) => !found.l0.includes(handle));
  if (newest !== undefined) {
    // The writer cuts its own list of L0 at the marker.
    invariant(
      tree.l0.indexOf(newest) === l0.length,
      "a compaction of L0 takes all that is older, too",
    );
  }
  return {
    ...tree,
    l0,
    runs: tree.runs.filter((run) => !found.runs.includes(run)),
    ...(newest === undefined ? {} : { lastCompactedL0: newest.viewId }),
  };
}

function withTree(
  manifest: Manifest,
  prefix: Uint8Array,
  tree: Tree,
): Manifest {
  if (prefix.length === 0) return pruneExternalDbs({ ...manifest, tree });
  const segments = manifest.segments.map((segment): Segment =>
    equalBytes(segment.prefix, prefix)
      ? { ...tree, prefix: segment.prefix }
      : segment
  );
  return pruneExternalDbs({ ...manifest, segments });
}

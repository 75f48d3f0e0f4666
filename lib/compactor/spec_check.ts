/**
 * Whether a compaction may run, or may still be committed.
 *
 * Owns: every rule whose breach would lose or resurrect rows. Whoever proposed a
 * compaction, a scheduler or a user, it passes here twice: before it runs, and
 * again before its output takes the place of its inputs.
 *
 * - The inputs exist and are neighbours, newest first: a run between two inputs
 *   would hold rows older than some and newer than others of the output's.
 * - Inputs of L0 include all that is older in L0: the writer forgets everything
 *   in L0 from the newest input down.
 * - The output stands where the inputs stood: it has the id of the lowest input
 *   run or, without one, an id above all runs.
 * - Nothing else is made of an input meanwhile.
 *
 * @module
 */
import { equalBytes, showKey } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type {
  Compaction,
  CompactionSpec,
  DrainSpec,
  TieredSpec,
} from "../format/compactions.ts";
import type { Tree } from "../format/manifest.ts";
import { findTree, nextRunId } from "../manifest/run_edit.ts";
import { type CompactorView, isActive } from "./scheduler.ts";

/**
 * Checks a compaction that shall run.
 *
 * @param view The state; may contain the compaction itself.
 * @param compaction The compaction.
 * @throws {DbError} Kind `"invalid"` if it must not run; says why.
 */
export function checkSubmitted(
  view: CompactorView,
  compaction: Compaction,
): void {
  const { spec } = compaction;
  const tree = checkInputs(view, spec);
  if (spec.kind === "drain") checkDrain(tree, spec);
  else {
    checkTiered(view, tree, spec);
    const next = nextRunId(view.manifest);
    if (spec.runIds.length === 0 && spec.destination! < next) {
      throw refused(
        `its destination ${spec.destination} must be above every run: at least ${next}`,
      );
    }
  }
  const others = view.compactions.filter((other) =>
    other.id !== compaction.id && other.status !== "submitted" &&
    isActive(other)
  );
  for (const other of others) checkBeside(spec, other);
}

/**
 * Checks a compaction whose output shall take the place of its inputs.
 *
 * @param view The state.
 * @param compaction The compaction.
 * @throws {DbError} Kind `"invalid"` if it must not be committed; says why.
 */
export function checkCompacted(
  view: CompactorView,
  compaction: Compaction,
): void {
  const { spec } = compaction;
  const tree = checkInputs(view, spec);
  if (spec.kind === "drain") return checkDrain(tree, spec);
  checkTiered(view, tree, spec);
  // Other segments may have got higher ids meanwhile.
  const above = tree.runs[0];
  if (
    spec.runIds.length === 0 && above !== undefined &&
    spec.destination! <= above.id
  ) {
    throw refused(
      `its destination ${spec.destination} must be above run ${above.id}`,
    );
  }
}

/** The tree, once it is certain that it has all inputs. */
function checkInputs(view: CompactorView, spec: CompactionSpec): Tree {
  const { segment, l0ViewIds, runIds } = spec;
  const tree = findTree(view.manifest, segment);
  if (tree === undefined) {
    throw refused(`there is no segment ${showKey(segment)}`);
  }
  if (l0ViewIds.length + runIds.length === 0) throw refused("it has no inputs");
  for (const id of l0ViewIds) {
    if (tree.l0.some(({ viewId }) => viewId === id)) continue;
    throw refused(`L0 has no SST ${id}`);
  }
  for (const id of runIds) {
    if (tree.runs.some((run) => run.id === id)) continue;
    throw refused(`there is no run ${id}`);
  }
  return tree;
}

function checkTiered(
  { manifest }: CompactorView,
  tree: Tree,
  spec: TieredSpec,
): void {
  const { l0ViewIds, runIds, destination } = spec;
  if (destination === undefined) throw refused("it has no destination");
  checkNeighbours(tree, spec);
  const lowest = runIds.at(-1);
  if (lowest !== undefined && destination !== lowest) {
    throw refused(
      `its destination must be its lowest input run ${lowest}, not ${destination}`,
    );
  }
  const oldest = tree.l0.at(-1)?.viewId;
  if (l0ViewIds.length > 0 && l0ViewIds.at(-1) !== oldest) {
    throw refused(
      `it leaves out ${oldest}, which is older than its inputs of L0`,
    );
  }
  const isInput = (id: number) => runIds.includes(id);
  for (const { runs } of [manifest.tree, ...manifest.segments]) {
    if (runs.some(({ id }) => id === destination && !isInput(id))) {
      throw refused(`run ${destination} exists and is not among its inputs`);
    }
  }
}

function checkNeighbours(tree: Tree, spec: TieredSpec): void {
  const order: (Ulid | number)[] = [
    ...tree.l0.map(({ viewId }) => viewId),
    ...tree.runs.map(({ id }) => id),
  ];
  const inputs: (Ulid | number)[] = [...spec.l0ViewIds, ...spec.runIds];
  const first = order.indexOf(inputs[0]!);
  if (inputs.every((id, i) => order[first + i] === id)) return;
  throw refused(
    `its inputs must be neighbours, newest first: the tree has ${
      order.slice(first, first + inputs.length).join(", ")
    } there, not ${inputs.join(", ")}`,
  );
}

function checkDrain(tree: Tree, { segment, l0ViewIds }: DrainSpec): void {
  if (segment.length === 0) {
    throw refused("the tree outside segments cannot be drained");
  }
  const from = tree.l0.findIndex(({ viewId }) => l0ViewIds.includes(viewId));
  if (from < 0) return;
  const left = tree.l0.slice(from).find(({ viewId }) =>
    !l0ViewIds.includes(viewId)
  );
  if (left === undefined) return;
  throw refused(
    `it leaves out ${left.viewId}, which is older than the newest it drains`,
  );
}

function checkBeside(spec: CompactionSpec, other: Compaction): void {
  const { spec: theirs, id } = other;
  if (
    spec.kind === "tiered" && theirs.kind === "tiered" &&
    spec.destination === theirs.destination
  ) {
    throw refused(`compaction ${id} has the same destination`);
  }
  if (!equalBytes(spec.segment, theirs.segment)) return;
  if (spec.l0ViewIds.length > 0 && theirs.l0ViewIds.length > 0) {
    throw refused(`compaction ${id} of the same L0 is under way`);
  }
  const shared = spec.runIds.find((run) => theirs.runIds.includes(run));
  if (shared !== undefined) {
    throw refused(`compaction ${id} has input run ${shared}, too`);
  }
}

function refused(why: string): DbError {
  return new DbError("invalid", `invalid compaction: ${why}`);
}

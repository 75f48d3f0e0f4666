/**
 * The default scheduler: runs of like size are merged, and L0 SSTs once there
 * are enough of them. It decides as SlateDB does, down to the arithmetic.
 *
 * Owns: the choice. A compaction of a tree is one of
 *
 * - all its L0 SSTs, from `minSources` on; of more than `maxSources` the newest
 *   are left out;
 * - neighbouring runs, from `minSources` on, none larger than
 *   `includeSizeThreshold` times the smallest of the newer ones among them.
 *
 * Two checks hold a choice back. Inputs and output of compactions under way are
 * taken. And a run that would at once have to be merged with the run beneath it,
 * where as many runs as one compaction takes wait already, has to wait for them:
 * otherwise small runs would be made faster than they are merged.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import type { Ulid } from "../base/ids.ts";
import type { CompactionSpec, TieredSpec } from "../format/compactions.ts";
import {
  nextRunId,
  type PrefixedTree,
  prefixedTrees,
} from "../manifest/run_edit.ts";
import {
  type CompactionScheduler,
  type CompactorView,
  holdsSlot,
  isActive,
  runBytes,
  sstBytes,
} from "./scheduler.ts";

/** Settings of the size-tiered scheduler. */
export interface SizeTieredOptions {
  /**
   * Fewest inputs of one compaction. Fewer means fewer SSTs to read from, and
   * rows rewritten more often.
   *
   * @default {4}
   */
  minSources?: number;
  /**
   * Most inputs of one compaction.
   *
   * @default {8}
   */
  maxSources?: number;
  /**
   * How many times larger an older run may be than the smallest of the newer
   * ones it is merged with. More means fewer runs, and rows rewritten more often.
   *
   * @default {4}
   */
  includeSizeThreshold?: number;
  /**
   * Compactions at the same time.
   *
   * @default {4}
   */
  maxConcurrent?: number;
}

/** An L0 SST or a run, as the choice sees it. */
interface Source {
  readonly id: Ulid | number;
  readonly bytes: number;
}

/** A tree under planning. */
interface PlannedTree {
  readonly segment: Uint8Array;
  readonly l0: readonly Source[];
  readonly runs: readonly Source[];
  /** Inputs and outputs of compactions under way. */
  readonly taken: Set<Ulid | number>;
  /** For each run, how many could be merged from it on. */
  readonly waiting: ReadonlyMap<Ulid | number, number>;
}

const MAX_RUN_ID = 0xffff_ffff;

/**
 * Makes the default scheduler.
 *
 * @param options Its settings.
 * @returns A scheduler.
 */
export function sizeTieredScheduler(
  options: SizeTieredOptions = {},
): CompactionScheduler {
  const { minSources = 4, maxSources = 8, maxConcurrent = 4 } = options;
  const includeSizeThreshold = Math.fround(options.includeSizeThreshold ?? 4);
  return new SizeTiered({
    minSources,
    maxSources,
    maxConcurrent,
    includeSizeThreshold,
  });
}

class SizeTiered implements CompactionScheduler {
  readonly #options: Required<SizeTieredOptions>;

  constructor(options: Required<SizeTieredOptions>) {
    this.#options = options;
  }

  propose(view: CompactorView): CompactionSpec[] {
    const { manifest, compactions } = view;
    const active = compactions.filter(isActive);
    const destinations = active.flatMap(({ spec }) => destinationsOf(spec));
    const trees = prefixedTrees(manifest)
      .map((tree) => this.#plan(tree, active.map(({ spec }) => spec)))
      .sort((a, b) => b.l0.length - a.l0.length);
    let slots = this.#options.maxConcurrent -
      active.filter(holdsSlot).length;
    let freshId = Math.min(nextRunId(manifest, destinations), MAX_RUN_ID);
    const specs: CompactionSpec[] = [];
    // One pick for each tree before any gets its second.
    for (let picked = true; picked;) {
      picked = false;
      for (const tree of trees) {
        if (slots <= 0) return specs;
        const spec = this.#pick(tree, freshId);
        if (spec === undefined) continue;
        if (spec.destination === freshId && spec.runIds.length === 0) {
          freshId = Math.min(freshId + 1, MAX_RUN_ID);
        }
        take(tree.taken, spec);
        specs.push(spec);
        slots--;
        picked = true;
      }
    }
    return specs;
  }

  #plan(
    { segment, tree }: PrefixedTree,
    active: readonly CompactionSpec[],
  ): PlannedTree {
    const runs = tree.runs.map((run): Source => ({
      id: run.id,
      bytes: runBytes(run),
    }));
    const taken = new Set<Ulid | number>();
    for (const spec of active) {
      if (equalBytes(spec.segment, segment)) take(taken, spec);
    }
    return {
      segment,
      l0: tree.l0.map((handle) => ({
        id: handle.viewId,
        bytes: sstBytes(handle),
      })),
      runs,
      taken,
      waiting: new Map(
        runs.map(({ id }, i) => [id, this.#mergeable(runs, i).length]),
      ),
    };
  }

  #pick(tree: PlannedTree, freshId: number): TieredSpec | undefined {
    const { segment, l0, runs } = tree;
    const { minSources, maxSources } = this.#options;
    if (l0.length >= minSources) {
      const sources = l0.slice(-maxSources);
      if (this.#admits(tree, sources, freshId, runs[0])) {
        const l0ViewIds = sources.map(({ id }) => id as Ulid);
        return {
          kind: "tiered",
          segment,
          l0ViewIds,
          runIds: [],
          destination: freshId,
        };
      }
    }
    for (let i = 0; i < runs.length; i++) {
      const sources = this.#mergeable(runs, i, tree);
      if (sources.length < minSources) continue;
      const runIds = sources.slice(-maxSources).map(({ id }) => id as number);
      return {
        kind: "tiered",
        segment,
        l0ViewIds: [],
        runIds,
        destination: runIds.at(-1)!,
      };
    }
    return undefined;
  }

  /** Runs of like size from one on; where `tree` is given, as its checks allow. */
  #mergeable(
    runs: readonly Source[],
    from: number,
    tree?: PlannedTree,
  ): Source[] {
    const found: Source[] = [];
    let smallest: number | undefined;
    for (let i = from; i < runs.length; i++) {
      const source = runs[i]!;
      if (smallest !== undefined && source.bytes > this.#scaled(smallest)) {
        break;
      }
      smallest = Math.min(smallest ?? source.bytes, source.bytes);
      found.push(source);
      if (
        tree !== undefined &&
        !this.#admits(tree, found, source.id as number, runs[i + 1])
      ) {
        found.pop();
        break;
      }
    }
    return found;
  }

  #admits(
    { taken, waiting }: PlannedTree,
    sources: readonly Source[],
    destination: number,
    beneath: Source | undefined,
  ): boolean {
    if (taken.has(destination)) return false;
    if (sources.some(({ id }) => taken.has(id))) return false;
    if (beneath === undefined) return true;
    const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
    if (beneath.bytes > this.#scaled(bytes)) return true;
    return waiting.get(beneath.id)! < this.#options.maxSources;
  }

  /** In 32-bit floats, as SlateDB has it. */
  #scaled(bytes: number): number {
    return Math.trunc(
      Math.fround(Math.fround(bytes) * this.#options.includeSizeThreshold),
    );
  }
}

function take(taken: Set<Ulid | number>, spec: CompactionSpec): void {
  for (const id of spec.l0ViewIds) taken.add(id);
  for (const id of spec.runIds) taken.add(id);
  for (const id of destinationsOf(spec)) taken.add(id);
}

function destinationsOf(spec: CompactionSpec): number[] {
  if (spec.kind === "drain" || spec.destination === undefined) return [];
  return [spec.destination];
}

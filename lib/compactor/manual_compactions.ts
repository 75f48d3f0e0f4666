/**
 * Compactions that somebody waits for: `db.compact()` and those that were
 * submitted.
 *
 * Owns: who waits for what, and the specs that make one run of a whole tree.
 * Does not own: running them; they are submitted like any other, once nothing
 * else is under way in their tree.
 *
 * @module
 */
import { equalBytes, showKey } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { TieredSpec } from "../format/compactions.ts";
import type { Manifest } from "../format/manifest.ts";
import { findTree, nextRunId, prefixedTrees } from "../manifest/run_edit.ts";
import { type CompactorView, isActive } from "./scheduler.ts";

/** Which compactions somebody wants. */
export interface CompactNowOptions {
  /** One segment; all trees unless given. */
  segment?: Uint8Array;
  /**
   * `true` makes one run of L0 and all runs of each tree, whether or not it is
   * worth it. `false` runs what the scheduler proposes, until it proposes nothing.
   *
   * @default {true}
   */
  full?: boolean;
  /** Ends the wait with the signal's reason; what runs goes on. */
  signal?: AbortSignal;
}

/** One call that waits. */
interface Request {
  readonly full: boolean;
  /** Whether the tree was looked at since: what it shall compact may be new. */
  isSeen: boolean;
  /** Trees that are still to be submitted; `undefined`: not looked at yet. */
  segments: Uint8Array[] | undefined;
  /** Compactions it waits for. */
  readonly waiting: Set<Ulid>;
  readonly done: PromiseWithResolvers<void>;
}

/** Who waits for which compactions. */
export class ManualCompactions {
  #requests: Request[] = [];

  /** Whether somebody waits. */
  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  /** Whether somebody waits for the scheduler to come to an end. */
  get wantsQuiet(): boolean {
    return this.#requests.some(({ full }) => !full);
  }

  /** Notes that the tree is about to be looked at, for all who wait by now. */
  look(): void {
    for (const request of this.#requests) request.isSeen = true;
  }

  /**
   * Wants whole trees compacted, as they are when they are next looked at.
   *
   * @param options Which.
   * @returns Resolves when they are.
   * @throws {DbError} What a compaction failed with; kind `"invalid"` if there is no such segment.
   */
  add(options: CompactNowOptions): Promise<void> {
    const { full = true, segment } = options;
    return this.#wait({
      full,
      isSeen: false,
      segments: segment === undefined ? undefined : [segment],
      waiting: new Set(),
      done: Promise.withResolvers(),
    });
  }

  /**
   * Waits for one compaction.
   *
   * @param id The compaction.
   * @returns Resolves when it is committed.
   * @throws {DbError} What it failed with.
   */
  waitFor(id: Ulid): Promise<void> {
    return this.#wait({
      full: true,
      isSeen: false,
      segments: [],
      waiting: new Set([id]),
      done: Promise.withResolvers(),
    });
  }

  /**
   * The compactions of whole trees that can be submitted now.
   *
   * @param view The state; every active compaction has a destination.
   * @param newId Makes ids.
   * @returns Their ids and specs.
   */
  take(
    view: CompactorView,
    newId: () => Ulid,
  ): { id: Ulid; spec: TieredSpec }[] {
    const { manifest } = view;
    const taken: { id: Ulid; spec: TieredSpec }[] = [];
    for (const request of this.#requests) {
      if (!request.full || !request.isSeen) continue;
      request.segments ??= prefixedTrees(manifest).map(({ segment }) =>
        segment
      );
      request.segments = request.segments.filter((segment) => {
        if (isBusy(view, segment) || takes(taken, segment)) return true;
        const reserved = taken.map(({ spec }) => spec.destination!);
        const spec = specOf(request, view, segment, reserved);
        if (spec === undefined) return false;
        const id = newId();
        request.waiting.add(id);
        taken.push({ id, spec });
        return false;
      });
    }
    this.#settle();
    return taken;
  }

  /**
   * Whether a tree is wanted for itself, so that nothing else may begin there.
   *
   * @param segment The tree.
   * @returns Whether it is.
   */
  wants(segment: Uint8Array): boolean {
    return this.#requests.some(({ full, segments }) =>
      full && (segments?.some((each) => equalBytes(each, segment)) ?? true)
    );
  }

  /**
   * Notes that a compaction has ended.
   *
   * @param id The compaction.
   * @param error What it failed with, if it did.
   */
  ended(id: Ulid, error?: DbError): void {
    for (const request of this.#requests) {
      if (!request.waiting.delete(id) || error === undefined) continue;
      request.done.reject(error);
      this.#drop(request);
    }
    this.#settle();
  }

  /** Notes that the scheduler has nothing to propose and nothing runs. */
  quiet(): void {
    const isOver = ({ full, isSeen }: Request) => !full && isSeen;
    for (const request of this.#requests.filter(isOver)) {
      request.done.resolve();
      this.#drop(request);
    }
  }

  /**
   * Ends every wait.
   *
   * @param error What everybody is told.
   */
  fail(error: unknown): void {
    for (const { done } of this.#requests) done.reject(error);
    this.#requests = [];
  }

  #wait(request: Request): Promise<void> {
    this.#requests.push(request);
    // Whoever waits may have given up meanwhile.
    request.done.promise.catch(() => {});
    return request.done.promise;
  }

  #settle(): void {
    for (const request of this.#requests.slice()) {
      const { full, segments, waiting, done } = request;
      if (!full || segments?.length !== 0 || waiting.size > 0) continue;
      done.resolve();
      this.#drop(request);
    }
  }

  #drop(request: Request): void {
    this.#requests = this.#requests.filter((other) => other !== request);
  }
}

/**
 * The compaction that makes one run of a whole tree.
 *
 * @param manifest The manifest.
 * @param segment The tree.
 * @param reserved Ids that runs yet to come will have.
 * @returns The spec; `undefined` where the tree is empty.
 * @throws {DbError} Kind `"invalid"` if there is no such segment.
 */
export function fullCompaction(
  manifest: Manifest,
  segment: Uint8Array,
  reserved: Iterable<number>,
): TieredSpec | undefined {
  const tree = findTree(manifest, segment);
  if (tree === undefined) {
    throw new DbError(
      "invalid",
      `invalid compaction: there is no segment ${showKey(segment)}`,
    );
  }
  const l0ViewIds = tree.l0.map(({ viewId }) => viewId);
  const runIds = tree.runs.map(({ id }) => id);
  if (l0ViewIds.length + runIds.length === 0) return undefined;
  return {
    kind: "tiered",
    segment,
    l0ViewIds,
    runIds,
    destination: runIds.at(-1) ?? nextRunId(manifest, reserved),
  };
}

function specOf(
  { done }: Request,
  { manifest, compactions }: CompactorView,
  segment: Uint8Array,
  reserved: readonly number[],
): TieredSpec | undefined {
  const active = compactions.filter(isActive);
  const destinations = active.flatMap(({ spec }) =>
    spec.kind === "tiered" && spec.destination !== undefined
      ? [spec.destination]
      : []
  );
  try {
    return fullCompaction(manifest, segment, [...destinations, ...reserved]);
  } catch (error) {
    done.reject(error);
    return undefined;
  }
}

function isBusy({ compactions }: CompactorView, segment: Uint8Array): boolean {
  return compactions.some((compaction) =>
    isActive(compaction) && equalBytes(compaction.spec.segment, segment)
  );
}

function takes(
  taken: readonly { spec: TieredSpec }[],
  segment: Uint8Array,
): boolean {
  return taken.some(({ spec }) => equalBytes(spec.segment, segment));
}

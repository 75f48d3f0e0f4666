/**
 * Deletes candidates, a few at a time.
 *
 * @module
 */
import { messageOf, throwIfAborted } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { GcResource } from "./options.ts";
import type { Candidate, GcVerdict } from "./verdict.ts";

/**
 * Chooses among the files that nothing needs.
 *
 * @param candidates Files that may be deleted.
 * @param resource What they are.
 * @returns The names of those that shall be; others are ignored.
 *
 * @example
 * ```ts
 * import { Db, type GcFilter, MemoryStore } from "@shale/db";
 *
 * // SSTs are somebody else's to delete.
 * const gcFilter: GcFilter = (candidates, resource) =>
 *   resource === "compacted" ? [] : candidates.map(({ name }) => name);
 * await using db = await Db.open("orders", { store: new MemoryStore(), gcFilter });
 * ```
 */
export type GcFilter = (
  candidates: readonly Candidate[],
  resource: GcResource,
) => Iterable<string> | Promise<Iterable<string>>;

/** What {@linkcode sweep} does. */
export interface SweepOptions {
  /** Where the files are. */
  readonly store: ObjectStore;
  /** What they are. */
  readonly resource: GcResource;
  /** The files. */
  readonly candidates: readonly Candidate[];
  /** Whether to delete nothing. */
  readonly dryRun: boolean;
  /** May keep some. */
  readonly filter: GcFilter | undefined;
  /** Told about failures and dry runs. */
  readonly logger: Logger;
  /** Takes a note on each file. */
  note(verdict: GcVerdict): void;
  /** Ends the sweep. */
  readonly signal: AbortSignal | undefined;
}

/** Deletes at the same time: independent requests, and stores have limits. */
const MAX_CONCURRENT = 8;

/**
 * Deletes files. One that cannot be deleted is noted and left to the next time.
 *
 * @param options Which, and how.
 * @returns How many were deleted.
 */
export async function sweep(options: SweepOptions): Promise<number> {
  const { resource, candidates, dryRun, logger } = options;
  const chosen = await choose(options);
  if (dryRun) {
    if (chosen.length > 0) {
      logger.info(`gc: dry run: would delete ${chosen.length} of ${resource}`);
    }
    for (const candidate of chosen) {
      noteFate(options, candidate, "would-delete");
    }
    return 0;
  }
  if (chosen.length > 0) {
    logger.debug(
      `gc: deleting ${chosen.length} of ${resource}: ${candidates[0]!.name} …`,
    );
  }
  const queue = chosen.values();
  let deleted = 0;
  const worker = async () => {
    for (const candidate of queue) {
      if (await remove(options, candidate)) deleted++;
    }
  };
  await Promise.all(Array.from({ length: MAX_CONCURRENT }, worker));
  throwIfAborted(options.signal);
  return deleted;
}

async function choose(options: SweepOptions): Promise<readonly Candidate[]> {
  const { candidates, filter, resource } = options;
  if (filter === undefined || candidates.length === 0) return candidates;
  const allowed = new Set(await filter(candidates, resource));
  return candidates.filter((candidate) => {
    if (allowed.has(candidate.name)) return true;
    noteFate(options, candidate, "kept", "the filter keeps it");
    return false;
  });
}

async function remove(
  options: SweepOptions,
  candidate: Candidate,
): Promise<boolean> {
  const { store, logger, signal } = options;
  const isOver = () => signal?.aborted === true;
  if (isOver()) return false;
  try {
    await store.delete(candidate.name, signal === undefined ? {} : { signal });
  } catch (error) {
    if (isOver()) return false;
    const message = messageOf(error);
    logger.warn(`gc: cannot delete ${candidate.name}: ${message}`);
    noteFate(options, candidate, "failed", message);
    return false;
  }
  noteFate(options, candidate, "deleted");
  return true;
}

function noteFate(
  { resource, note }: SweepOptions,
  { name, bytes, reason }: Candidate,
  fate: GcVerdict["fate"],
  why = reason,
): void {
  note({ resource, name, bytes, fate, reason: why });
}

/**
 * Taking over the log: finds its end and shuts the old writer out.
 *
 * Owns: the search for the end and the fencing file.
 * Does not own: the epoch, which must have been raised in the manifest before.
 *
 * The order, and what it means to die or to meet another writer after each step:
 *
 * ```text
 * raise epoch (manifest)   the old writer may still put WAL files, but its manifest
 *                          writes fail, so replayAfterWalId stands still from now on
 *                          and no file above it is collected
 * find the end             by existence probes: ids have no gaps. Nothing is written
 * create file end + 1      exists → the old writer was faster: the epoch is checked,
 *                          and the next number tried
 *                          stored → the old writer's next put meets it: fenced.
 *                          A crash here leaves a file without rows; the next writer
 *                          goes on behind it
 * check the epoch again    a newer writer may have come meanwhile, and its files may
 *                          even have been collected, if this process slept
 * ```
 *
 * @module
 */
import { together } from "../base/abort.ts";
import { DbError } from "../base/errors.ts";
import { walName } from "../format/paths.ts";
import type { ObjectStore } from "../object_store/object_store.ts";

/** What {@linkcode fenceWal} needs. */
export interface FenceOptions {
  /** Where WAL files are. */
  store: ObjectStore;
  /** The database's path. */
  root: string;
  /** From the manifest that carries this writer's epoch. */
  replayAfterWalId: number;
  /** The bytes of a file without rows. */
  fence: Uint8Array;
  /**
   * Looks at the manifest; rejects where a newer writer came.
   *
   * @returns Its `replayAfterWalId`.
   */
  checkEpoch: () => Promise<number>;
  /** Ends the search early. */
  signal?: AbortSignal;
}

/** Offsets that are probed at once. */
const PROBES_PER_ROUND = 4;

/** No log is that long; a store that has everything must not keep us busy. */
const MAX_OFFSET = 2 ** 48;

/**
 * Finds the end of the log and puts a file without rows there.
 *
 * @param options Where, and for whom.
 * @returns The number of the fencing file.
 * @throws {DbError} Kind `"closed"`, reason `"fenced"`, if a newer writer came.
 */
export async function fenceWal(options: FenceOptions): Promise<number> {
  const { store, root, fence, checkEpoch, signal } = options;
  const findEnd = async (after: number): Promise<number> => {
    try {
      return await findWalEnd(store, root, after, signal);
    } catch (error) {
      // What is missing may have been collected for a newer writer.
      if (error instanceof DbError && error.kind === "data") await checkEpoch();
      throw error;
    }
  };
  let replayAfter = options.replayAfterWalId;
  let id = 1 + await findEnd(replayAfter);
  for (;;) {
    const result = await store.put(walName(root, id), fence, {
      mode: "create",
      ...(signal === undefined ? {} : { signal }),
    });
    replayAfter = await checkEpoch();
    if (result.ok && id > replayAfter) return id;
    id = id > replayAfter ? id + 1 : 1 + await findEnd(replayAfter);
  }
}

/**
 * Finds the last WAL file, without a listing: numbers have no gaps above
 * `after`, so existence falls at one point.
 *
 * @param store Where WAL files are.
 * @param root The database's path.
 * @param after The manifest's `replayAfterWalId`.
 * @param signal Ends the search early.
 * @returns The number of the last file; `after` where there is none above it.
 * @throws {DbError} Kind `"data"` if a file is missing below one that was met.
 */
export async function findWalEnd(
  store: ObjectStore,
  root: string,
  after: number,
  signal?: AbortSignal,
): Promise<number> {
  const exists = async (offset: number, end = signal): Promise<boolean> => {
    const name = walName(root, after + offset);
    const options = end === undefined ? {} : { signal: end };
    return await store.head(name, options) !== undefined;
  };
  let present = 0;
  let step = 1;
  for (;;) {
    const offsets = Array.from(
      { length: PROBES_PER_ROUND },
      (_, i) => step * 2 ** i,
    );
    const probes = offsets.map((offset) => (end: AbortSignal) =>
      exists(offset, end)
    );
    const found = await together<boolean[]>(signal, ...probes);
    const missing = found.indexOf(false);
    const above = found.lastIndexOf(true);
    if (missing >= 0 && above > missing) {
      // The old writer may have put both between the two answers.
      if (await exists(offsets[missing]!)) continue;
      throw gapError(after + offsets[missing]!, after + offsets[above]!);
    }
    if (missing !== 0) present = offsets.at(missing < 0 ? -1 : missing - 1)!;
    if (missing >= 0) {
      return after + await bisect(exists, present, offsets[missing]!);
    }
    step = 2 * present;
    if (step > MAX_OFFSET) {
      throw new DbError(
        "data",
        `Cannot find the end of the WAL: files exist ${present} numbers above ${after}`,
      );
    }
  }
}

/**
 * What is told of a log in which a number is missing.
 *
 * @param missing A number without a file.
 * @param present A greater one with a file.
 * @returns The error.
 */
export function gapError(missing: number, present: number): DbError {
  return new DbError(
    "data",
    `WAL file ${missing} is missing, but ${present} exists: the log has a gap`,
  );
}

/** The last existing offset, given that `present` exists (or is 0) and `absent` does not. */
async function bisect(
  exists: (offset: number) => Promise<boolean>,
  present: number,
  absent: number,
): Promise<number> {
  while (absent - present > 1) {
    const middle = present + Math.floor((absent - present) / 2);
    if (await exists(middle)) present = middle;
    else absent = middle;
  }
  return present;
}

/**
 * What a writer is told when it finds that another one took its place.
 *
 * @returns The error.
 */
export function fencedError(): DbError {
  return new DbError("closed", "detected newer DB client", {
    reason: "fenced",
  });
}

/**
 * What must not be deleted, as far as manifests and compactions say.
 *
 * Owns: the rules, pure, each with its reason in words.
 * Does not own: reading the files it is told of, ages of files.
 *
 * Why an SST that nothing refers to may still be needed: it was uploaded and is
 * about to be named. Both kinds carry the time of their making in their name.
 *
 * ```text
 * L0      gets its id in the order in which L0 grows: what is not named yet is no
 *         older than the newest SST of L0 that is
 * output  is younger than its compaction, and that is in the compactions file,
 *         or the newest finished one in it is younger still
 * ```
 *
 * So the compactions are read first: had one finished between the two reads, the
 * manifest would name its output.
 *
 * @module
 */
import { type Ulid, ulidTimeMs } from "../base/ids.ts";
import type { Compactions } from "../format/compactions.ts";
import type { Manifest, Tree } from "../format/manifest.ts";
import { handlesOf } from "../manifest/tree_edit.ts";

/** The manifests that count: the latest one, and what its checkpoints keep. */
export interface LiveManifests {
  /** The latest manifest, without the checkpoints whose time is over. */
  readonly latest: Manifest;
  /** By number; none is the latest itself. */
  readonly pinned: ReadonlyMap<number, Manifest>;
}

/** A moment; what was made earlier may be deleted if nothing refers to it. */
export interface Cutoff {
  /** Milliseconds since the epoch; 0: nothing may. */
  readonly ms: number;
  /** Why what was made at that time or later is kept. */
  readonly reason: string;
}

/**
 * The checkpoint that keeps a manifest.
 *
 * @param latest The latest manifest.
 * @param manifestId The number of another.
 * @returns The first such checkpoint in words, or `undefined` where none keeps it.
 */
export function keeperOf(
  latest: Manifest,
  manifestId: number,
): string | undefined {
  const keeper = latest.checkpoints.find((checkpoint) =>
    checkpoint.manifestId === manifestId
  );
  if (keeper === undefined) return undefined;
  const { id, name } = keeper;
  return name === undefined ? `checkpoint ${id}` : `checkpoint ${id} "${name}"`;
}

/**
 * Every SST that a manifest refers to, and through which one.
 *
 * @param live The manifests.
 * @returns For each SST why it is kept.
 */
export function liveSsts(live: LiveManifests): Map<Ulid, string> {
  const ssts = new Map<Ulid, string>();
  for (const [id, manifest] of live.pinned) {
    const keeper = keeperOf(live.latest, id);
    const reason = `manifest ${id} refers to it, which ${keeper} keeps`;
    for (const handle of handlesOf(manifest)) ssts.set(handle.id, reason);
  }
  const reason = "the latest manifest refers to it";
  for (const handle of handlesOf(live.latest)) ssts.set(handle.id, reason);
  return ssts;
}

/**
 * Whether a WAL file must be kept for its rows.
 *
 * @param live The manifests.
 * @param id The file's number.
 * @returns Why, or `undefined` where it need not be.
 */
export function walReason(
  live: LiveManifests,
  id: number,
): string | undefined {
  const { replayAfterWalId } = live.latest;
  if (id > replayAfterWalId) return "rows of it may not be in L0 yet";
  // From here a writer that opens looks for the end of the log.
  if (id === replayAfterWalId) return "the log is looked for from here";
  for (const [manifestId, pinned] of live.pinned) {
    if (id <= pinned.replayAfterWalId || id >= pinned.nextWalId) continue;
    const keeper = keeperOf(live.latest, manifestId);
    return `manifest ${manifestId} needs its rows, which ${keeper} keeps`;
  }
  return undefined;
}

/**
 * The moment from which on SSTs are kept, referred to or not.
 *
 * @param latest The latest manifest.
 * @param compactions The compactor's state, read before the manifest; `undefined` where there is none.
 * @param nowMs The time.
 * @param minAgeMs The least age of what is deleted.
 * @returns The earliest of all that count.
 */
export function sstCutoff(
  latest: Manifest,
  compactions: Compactions | undefined,
  nowMs: number,
  minAgeMs: number,
): Cutoff {
  const cutoffs: Cutoff[] = [
    compactionCutoff(compactions),
    l0Cutoff(latest),
    {
      ms: Math.floor(nowMs - minAgeMs),
      reason: `younger than min_age (${minAgeMs} ms)`,
    },
  ];
  return cutoffs.reduce((first, next) => next.ms < first.ms ? next : first);
}

function compactionCutoff(compactions: Compactions | undefined): Cutoff {
  if (compactions === undefined) {
    return { ms: 0, reason: "no compactions file yet" };
  }
  let oldest: Ulid | undefined;
  for (const { id } of compactions.compactions) {
    if (oldest === undefined || id < oldest) oldest = id;
  }
  return oldest === undefined
    ? { ms: 0, reason: "no compaction yet" }
    : { ms: ulidTimeMs(oldest), reason: `not older than compaction ${oldest}` };
}

function l0Cutoff(latest: Manifest): Cutoff {
  let newest: Ulid | undefined;
  for (const tree of [latest.tree, ...latest.segments]) {
    const id = newestL0(tree);
    if (id === undefined) continue;
    // Ids of one millisecond are alike here; the rest of an id is random.
    if (newest === undefined || ulidTimeMs(id) > ulidTimeMs(newest)) {
      newest = id;
    }
  }
  return newest === undefined
    ? { ms: 0, reason: "no SST was ever in L0" }
    : { ms: ulidTimeMs(newest), reason: `not older than ${newest} of L0` };
}

function newestL0({ l0, lastCompactedL0 }: Tree): Ulid | undefined {
  let newest: Ulid | undefined;
  for (const { id } of l0) {
    if (newest === undefined || id > newest) newest = id;
  }
  return newest ?? lastCompactedL0;
}

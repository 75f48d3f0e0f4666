/**
 * Pure edits of the manifest that the writer makes.
 *
 * Owns: what a change does to the tree, and the invariants it must keep.
 * Does not own: storing the result. An edit is applied again when another process
 * changed the manifest meanwhile, possibly to its own result: then it changes
 * nothing.
 *
 * @module
 */
import { compareBytes, equalBytes } from "../base/bytes.ts";
import { DbError, invariant } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type {
  ExternalDb,
  Manifest,
  Segment,
  SstHandle,
  Tree,
} from "../format/manifest.ts";
import { SeqTracker } from "../format/seq_tracker.ts";

/** One SST made of a memtable, and the tree it belongs to. */
export interface L0Sst {
  /** What the segment's keys begin with; absent: the root tree. */
  readonly prefix?: Uint8Array;
  /** The SST. */
  readonly handle: SstHandle;
}

/** What the flush of one memtable changes. */
export interface L0Addition {
  /** Its SSTs, one for each tree it touches; none where no row was worth keeping. */
  readonly ssts: readonly L0Sst[];
  /** WAL files up to this one are not needed any more. */
  readonly replayAfterWalId: number;
  /** The memtable's largest sequence number. */
  readonly lastSeq: bigint;
  /** The memtable's largest create_ts. */
  readonly clockTick: bigint;
  /** When some of its sequence numbers were given out. */
  readonly tracker: SeqTracker;
}

/** What a flush says about the writer besides its SSTs. */
export interface WriterState {
  /** Number of the next WAL file. */
  readonly nextWalId: number;
  /** The oldest live snapshot, if any. */
  readonly oldestSnapshotSeq: bigint | undefined;
}

/**
 * Puts the SSTs of flushed memtables on top of L0.
 *
 * @param manifest The manifest.
 * @param additions The memtables, oldest first; those in the manifest already are skipped.
 * @param writer What else the writer knows.
 * @returns The new manifest; `manifest` itself where nothing is new.
 */
export function addL0(
  manifest: Manifest,
  additions: readonly L0Addition[],
  writer: WriterState,
): Manifest {
  const fresh = additions.filter(({ lastSeq }) => lastSeq > manifest.lastL0Seq);
  const last = fresh.at(-1);
  if (last === undefined) return manifest;
  let { tree, segments, lastL0Seq, lastL0ClockTick, replayAfterWalId } =
    manifest;
  for (const addition of fresh) {
    invariant(addition.lastSeq > lastL0Seq, "memtables are flushed in order");
    for (const { prefix, handle } of addition.ssts) {
      if (prefix === undefined) tree = pushL0(tree, handle);
      else segments = pushSegmentL0(segments, prefix, handle);
    }
    lastL0Seq = addition.lastSeq;
    lastL0ClockTick = max(lastL0ClockTick, addition.clockTick);
    replayAfterWalId = Math.max(replayAfterWalId, addition.replayAfterWalId);
  }
  return {
    ...manifest,
    tree,
    segments,
    lastL0Seq,
    lastL0ClockTick,
    replayAfterWalId,
    nextWalId: Math.max(manifest.nextWalId, writer.nextWalId),
    recentSnapshotMinSeq: writer.oldestSnapshotSeq ?? lastL0Seq,
    sequenceTracker: extendTracker(
      manifest.sequenceTracker,
      fresh.map(({ tracker }) => tracker),
    ),
  };
}

/**
 * What a writer leaves out of a manifest that a compactor wrote: L0 SSTs at and
 * below the last one that was compacted, segments that were emptied, and SSTs of
 * other databases that nothing refers to.
 *
 * @param manifest The manifest.
 * @returns The tidy manifest; `manifest` itself where it is tidy.
 */
export function tidy(manifest: Manifest): Manifest {
  const tree = cutL0(manifest.tree);
  const segments = manifest.segments.map(cutL0).filter((segment) =>
    segment.l0.length > 0 || segment.runs.length > 0
  );
  const cut = { ...manifest, tree, segments };
  const externalDbs = liveExternalDbs(cut);
  const unchanged = tree === manifest.tree &&
    segments.length === manifest.segments.length &&
    segments.every((segment, i) => segment === manifest.segments[i]) &&
    externalDbs === manifest.externalDbs;
  return unchanged ? manifest : { ...cut, externalDbs };
}

/**
 * Forgets which SSTs of other databases belong to this one where nothing refers
 * to them any more.
 *
 * @param manifest The manifest.
 * @returns The new manifest; `manifest` itself where nothing is to be forgotten.
 */
export function pruneExternalDbs(manifest: Manifest): Manifest {
  const externalDbs = liveExternalDbs(manifest);
  return externalDbs === manifest.externalDbs
    ? manifest
    : { ...manifest, externalDbs };
}

/**
 * Every SST a manifest refers to, of every tree; one that several places refer
 * to comes several times.
 *
 * @param manifest The manifest.
 * @returns The handles.
 */
export function* handlesOf(manifest: Manifest): Generator<SstHandle> {
  for (const tree of [manifest.tree, ...manifest.segments]) {
    yield* tree.l0;
    for (const run of tree.runs) yield* run.ssts;
  }
}

function extendTracker(
  encoded: Uint8Array | undefined,
  added: readonly SeqTracker[],
): Uint8Array {
  const tracker = decodeTracker(encoded);
  for (const each of added) tracker.append(each);
  return tracker.encode();
}

/** It is advice: a damaged one must not keep rows out of L0. */
function decodeTracker(encoded: Uint8Array | undefined): SeqTracker {
  if (encoded === undefined) return new SeqTracker();
  try {
    return SeqTracker.decode(encoded);
  } catch (error) {
    if (error instanceof DbError && error.kind === "data") {
      return new SeqTracker();
    }
    throw error;
  }
}

function pushL0<T extends Tree>(tree: T, handle: SstHandle): T {
  return { ...tree, l0: [handle, ...tree.l0] };
}

function pushSegmentL0(
  segments: readonly Segment[],
  prefix: Uint8Array,
  handle: SstHandle,
): readonly Segment[] {
  let at = 0;
  while (
    at < segments.length && compareBytes(segments[at]!.prefix, prefix) < 0
  ) at++;
  const found = segments[at];
  const exists = found !== undefined && equalBytes(found.prefix, prefix);
  const segment = pushL0(exists ? found : { prefix, l0: [], runs: [] }, handle);
  return [
    ...segments.slice(0, at),
    segment,
    ...segments.slice(exists ? at + 1 : at),
  ];
}

function cutL0<T extends Tree>(tree: T): T {
  if (tree.lastCompactedL0 === undefined) return tree;
  const at = tree.l0.findIndex(({ viewId }) => viewId === tree.lastCompactedL0);
  return at < 0 ? tree : { ...tree, l0: tree.l0.slice(0, at) };
}

function liveExternalDbs(manifest: Manifest): readonly ExternalDb[] {
  const { externalDbs } = manifest;
  if (externalDbs.length === 0) return externalDbs;
  const live = new Set<Ulid>();
  for (const { id } of handlesOf(manifest)) live.add(id);
  let changed = false;
  const kept = externalDbs.map((db) => {
    const sstIds = db.sstIds.filter((id) => live.has(id));
    if (sstIds.length === db.sstIds.length) return db;
    changed = true;
    return { ...db, sstIds };
  });
  return changed ? kept : externalDbs;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/**
 * The manifest: the numbered object that names every live SST.
 *
 * Owns what a manifest is and which version it is written in; the versions'
 * layouts are in `manifest_v1.ts` and `manifest_v2.ts`. Edits are not its job.
 *
 * Invariants of what is decoded: runs descend strictly by id; segments ascend by
 * prefix, and no prefix is empty or begins with another.
 *
 * @module
 */
import { startsWith, toHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid, Uuid } from "../base/ids.ts";
import type { KeyRange } from "../base/key_range.ts";
import { MIN_TIMESTAMP } from "../base/row.ts";
import { decodeManifestV1, encodeManifestV1 } from "./manifest_v1.ts";
import { decodeManifestV2, encodeManifestV2 } from "./manifest_v2.ts";
import type { SstInfo } from "./sst_info.ts";
import type { FormatVersion } from "./sst_layout.ts";
import { decodeStateFile, encodeStateFile, MAX_COUNTER } from "./state_file.ts";

/** One SST as a tree refers to it. */
export interface SstHandle {
  /** The SST's own id, which names its object. */
  readonly id: Ulid;
  /** Copy of the info block of the SST. */
  readonly info: SstInfo;
  /** The only keys that may be read through this handle; absent: all. */
  readonly visibleRange?: KeyRange;
  /** Layout of the data blocks. */
  readonly formatVersion: FormatVersion;
  /** Identifies this view of the SST; the SST's own id where views have none. */
  readonly viewId: Ulid;
}

/** SSTs in key order that do not overlap. */
export interface SortedRun {
  /** Runs with higher ids hold newer rows. */
  readonly id: number;
  /** Ascending by key. */
  readonly ssts: readonly SstHandle[];
}

/** One LSM tree. */
export interface Tree {
  /** Newest first. */
  readonly l0: readonly SstHandle[];
  /** Descending by id: newest first. */
  readonly runs: readonly SortedRun[];
  /** View id of the newest L0 SST that the last compaction of L0 consumed. */
  readonly lastCompactedL0?: Ulid;
}

/** The subtree of all keys that begin with one prefix. */
export interface Segment extends Tree {
  /** What its keys begin with. */
  readonly prefix: Uint8Array;
}

/** A manifest pinned in the store. */
export interface Checkpoint {
  /** Its id. */
  readonly id: Uuid;
  /** Number of the pinned manifest. */
  readonly manifestId: number;
  /** Seconds since the epoch when it was made. */
  readonly createTimeS: number;
  /** Seconds since the epoch when it ends; `undefined`: never. */
  readonly expireTimeS: number | undefined;
  /** Its name, if it has one; not necessarily unique. */
  readonly name?: string;
  /** Epoch of the writer that made it, where the file says so. */
  readonly writerEpoch?: number;
}

/** Another database some of whose SSTs belong to this one too. */
export interface ExternalDb {
  /** The other database's path in the same store. */
  readonly path: string;
  /** The checkpoint from which this database was made. */
  readonly sourceCheckpointId: Uuid;
  /** The checkpoint that this database keeps in the other one. */
  readonly finalCheckpointId?: Uuid;
  /** The SSTs that live there. */
  readonly sstIds: readonly Ulid[];
}

/** The state of a database at one moment. */
export interface Manifest {
  /** From the file name; 0 before the first one is written. */
  readonly id: number;
  /** False only while a clone is being made. */
  readonly initialized: boolean;
  /** Raised by every writer that opens. */
  readonly writerEpoch: number;
  /** Raised by every compactor that starts. */
  readonly compactorEpoch: number;
  /** WAL files up to this one are wholly in L0. */
  readonly replayAfterWalId: number;
  /** Number of the next WAL file, as far as the last writer of a manifest knew. */
  readonly nextWalId: number;
  /** The tree of all keys outside segments. */
  readonly tree: Tree;
  /** Ascending by prefix; no prefix begins with another. */
  readonly segments: readonly Segment[];
  /** Name of the extractor that assigns keys to segments. */
  readonly segmentExtractorName?: string;
  /** Largest create_ts in L0 and below, in milliseconds. */
  readonly lastL0ClockTick: bigint;
  /** Largest seq in L0 and below. */
  readonly lastL0Seq: bigint;
  /** Versions above this seq must be kept, and the newest at or below it. */
  readonly recentSnapshotMinSeq: bigint;
  /** An encoded {@linkcode SeqTracker}. */
  readonly sequenceTracker?: Uint8Array;
  /** The live checkpoints. */
  readonly checkpoints: readonly Checkpoint[];
  /** Other databases that own some of this one's SSTs. */
  readonly externalDbs: readonly ExternalDb[];
  /** `""` where the WAL has a store of its own. */
  readonly walObjectStoreUri?: string;
}

/** How a manifest or a state file of the compactor is written. */
export interface StateFileOptions {
  /** Whether to append the trailer that makes damage detectable. */
  readonly checksum: boolean;
  /**
   * File version.
   *
   * @default {the oldest one that can hold the content}
   */
  readonly version?: 1 | 2;
}

/** The sequence tracker of a new database. */
const EMPTY_TRACKER: Uint8Array = new Uint8Array([
  ...[1, 0, 0, 0, 0],
  ...[0, 0, 0, 0],
  ...[0, 0, 0, 0],
]);

/**
 * The manifest of a database without rows, writers or files.
 *
 * @returns A manifest with number 0, which no file has.
 */
export function initialManifest(): Manifest {
  return {
    id: 0,
    initialized: true,
    writerEpoch: 0,
    compactorEpoch: 0,
    replayAfterWalId: 0,
    nextWalId: 1,
    tree: { l0: [], runs: [] },
    segments: [],
    lastL0ClockTick: MIN_TIMESTAMP,
    lastL0Seq: 0n,
    recentSnapshotMinSeq: 0n,
    sequenceTracker: EMPTY_TRACKER,
    checkpoints: [],
    externalDbs: [],
  };
}

/**
 * Encodes a manifest. Its number is not in the file.
 *
 * @param manifest The manifest. Version 2 has no room for `walObjectStoreUri`.
 * @param options Trailer and version.
 * @returns The file.
 * @throws {DbError} Kind `"invalid"` if version 1 is asked for, but there are
 * segments or a segment extractor.
 */
export function encodeManifest(
  manifest: Manifest,
  options: StateFileOptions,
): Uint8Array<ArrayBuffer> {
  const needed = manifest.segments.length > 0 ||
      manifest.segmentExtractorName !== undefined
    ? 2
    : 1;
  const version = options.version ?? needed;
  if (version < needed) {
    throw new DbError(
      "invalid",
      "A manifest with segments cannot be written as version 1",
    );
  }
  const content = version === 1
    ? encodeManifestV1(manifest)
    : encodeManifestV2(manifest);
  return encodeStateFile(version, content, options.checksum);
}

/**
 * The inverse of {@linkcode encodeManifest}.
 *
 * @param id From the file name.
 * @param bytes The file.
 * @returns The manifest; nothing in it refers to `bytes`.
 * @throws {DbError} Kind `"data"` if it is damaged or of an unknown version.
 */
export function decodeManifest(id: number, bytes: Uint8Array): Manifest {
  const { version, content } = decodeStateFile(bytes, "manifest");
  const manifest = version === 1
    ? decodeManifestV1(id, content)
    : decodeManifestV2(id, content);
  checkCounters(manifest);
  checkRuns(manifest.tree);
  manifest.segments.forEach((segment, i) => {
    checkRuns(segment);
    const { prefix } = segment;
    const previous = manifest.segments[i - 1]?.prefix;
    if (
      prefix.length === 0 ||
      (previous !== undefined && startsWith(prefix, previous))
    ) {
      throw damage(`segment 0x${toHex(prefix)} lies in another`);
    }
  });
  return manifest;
}

/** What counts up must have somewhere to go. */
function checkCounters(manifest: Manifest): void {
  const { writerEpoch, compactorEpoch, replayAfterWalId, nextWalId } = manifest;
  if (Math.max(replayAfterWalId, nextWalId) > MAX_COUNTER) {
    throw damage("an impossible WAL number");
  }
  if (Math.max(writerEpoch, compactorEpoch) > MAX_COUNTER) {
    throw damage("an impossible epoch");
  }
}

function checkRuns(tree: Tree): void {
  tree.runs.forEach(({ id }, i) => {
    const previous = tree.runs[i - 1];
    if (previous !== undefined && previous.id <= id) {
      throw damage(`run ${id} stands behind run ${previous.id}`);
    }
  });
}

function damage(problem: string): DbError {
  return new DbError("data", `The manifest is damaged: ${problem}`);
}

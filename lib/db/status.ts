/**
 * What a database says about itself.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import type { CloseReason } from "../base/errors.ts";
import type { CompactorStatus } from "../compactor/compactor.ts";
import type { LsmView, TableTree } from "../lsm/lsm_view.ts";
import type { SstTable } from "../sst/sst_table.ts";
import type { Pressure } from "../write/backpressure.ts";
import type { LifecycleState } from "./lifecycle.ts";

/** One sorted run, in numbers. */
export interface RunStatus {
  /** The run's id; higher is newer. */
  readonly id: number;
  /** SSTs in it. */
  readonly ssts: number;
  /** Bytes of their data blocks. */
  readonly bytes: number;
}

/** The tree of one segment, in numbers. */
export interface SegmentStatus {
  /** What its keys begin with. */
  readonly prefix: Uint8Array;
  /** Bytes of each L0 SST's data blocks, newest first; none while all its rows are in memory. */
  readonly l0: readonly number[];
  /** Newest first. */
  readonly runs: readonly RunStatus[];
}

/** The tree, in numbers. */
export interface TreeStatus {
  /** Number of the manifest in use. */
  readonly manifestId: number;
  /** Bytes of each L0 SST's data blocks, newest first; those of all segments too. */
  readonly l0: readonly number[];
  /** Newest first; those of all segments too. */
  readonly runs: readonly RunStatus[];
  /** Ascending by prefix, also those that have rows in memory alone. */
  readonly segments: readonly SegmentStatus[];
  /** Rows in memory that take writes. */
  readonly activeRows: number;
  /** Memtables that wait to be flushed. */
  readonly frozenMemtables: number;
}

/** A database's state at one moment. */
export interface DbStatus {
  /** Where the handle is in its life. */
  readonly state: LifecycleState;
  /** Why it is closed; `undefined` while it is open. */
  readonly closeReason: CloseReason | undefined;
  /** The largest sequence number given out; a `seqnum` must exceed it. */
  readonly lastSeq: bigint;
  /** The largest sequence number that reads see. */
  readonly committedSeq: bigint;
  /** The largest sequence number that would survive a crash. */
  readonly durableSeq: bigint;
  /** How far the system clock is behind the newest row, in milliseconds. */
  readonly clockSkewMs: number;
  /** What waits to be flushed, and who waits for it. */
  readonly pressure: Pressure;
  /** What the compactor does; `undefined` where this handle runs none. */
  readonly compactor: CompactorStatus | undefined;
  /** The tree. */
  readonly tree: TreeStatus;
}

/**
 * A view in numbers.
 *
 * @param view The view.
 * @param prefixes The prefixes of all its segments, ascending.
 * @returns Sizes as the manifest knows them; no I/O.
 */
export function treeStatus(
  view: LsmView,
  prefixes: readonly Uint8Array[],
): TreeStatus {
  const root = statusOf(view);
  const stored = view.segments.map(({ prefix, ...tree }) => ({
    prefix,
    ...statusOf(tree),
  }));
  return {
    manifestId: view.manifest.id,
    l0: [root, ...stored].flatMap(({ l0 }) => l0),
    runs: [root, ...stored].flatMap(({ runs }) => runs),
    segments: withUnstored(stored, prefixes),
    activeRows: view.active.rows,
    frozenMemtables: view.frozen.length,
  };
}

/** Both ascend by prefix. */
function withUnstored(
  stored: readonly SegmentStatus[],
  prefixes: readonly Uint8Array[],
): SegmentStatus[] {
  let next = 0;
  return prefixes.map((prefix) => {
    const segment = stored[next];
    if (segment === undefined || !equalBytes(segment.prefix, prefix)) {
      return { prefix, l0: [], runs: [] };
    }
    next++;
    return segment;
  });
}

function statusOf(
  { l0, runs }: TableTree,
): { l0: readonly number[]; runs: readonly RunStatus[] } {
  return {
    l0: l0.map(dataBytes),
    runs: runs.map(({ id, tables }) => ({
      id,
      ssts: tables.length,
      bytes: tables.reduce((sum, table) => sum + dataBytes(table), 0),
    })),
  };
}

function dataBytes({ handle: { info } }: SstTable): number {
  return info.indexOffset + info.indexBytes;
}

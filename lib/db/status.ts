/**
 * What a database says about itself.
 *
 * @module
 */
import type { CloseReason } from "../base/errors.ts";
import type { LsmView, TableTree } from "../lsm/lsm_view.ts";
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

/** The tree, in numbers. */
export interface TreeStatus {
  /** Number of the manifest in use. */
  readonly manifestId: number;
  /** Bytes of each L0 SST's data blocks, newest first. */
  readonly l0: readonly number[];
  /** Newest first. */
  readonly runs: readonly RunStatus[];
  /** Trees of segments. */
  readonly segments: number;
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
  /** The tree. */
  readonly tree: TreeStatus;
}

/**
 * A view in numbers.
 *
 * @param view The view.
 * @returns Sizes as the manifest knows them; no I/O.
 */
export function treeStatus(view: LsmView): TreeStatus {
  const trees: TableTree[] = [view, ...view.segments];
  return {
    manifestId: view.manifest.id,
    l0: trees.flatMap(({ l0 }) => l0.map(({ handle }) => dataBytes(handle))),
    runs: trees.flatMap(({ runs }) =>
      runs.map(({ id, tables }) => ({
        id,
        ssts: tables.length,
        bytes: tables.reduce((sum, { handle }) => sum + dataBytes(handle), 0),
      }))
    ),
    segments: view.segments.length,
    activeRows: view.active.rows,
    frozenMemtables: view.frozen.length,
  };
}

function dataBytes({ info }: LsmViewHandle): number {
  return info.indexOffset + info.indexBytes;
}

type LsmViewHandle = LsmView["l0"][number]["handle"];

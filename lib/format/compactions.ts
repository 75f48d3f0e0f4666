/**
 * The compactions file: which compactions there are, and who runs them.
 *
 * Owns what the file says and its two versions, whose tables are in
 * `compaction_table.ts`. What statuses may follow one another is not its job.
 *
 * Version 1 is all that SlateDB 0.12 can read. It knows one tree and the first
 * four statuses, and does not say where the output of a compaction of L0 alone
 * goes. Version 2 has segments, workers and unfinished subcompactions.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { KeyRange } from "../base/key_range.ts";
import { readCompaction, writeCompaction } from "./compaction_table.ts";
import { FlatTable } from "./flatbuffer_reader.ts";
import { finishBuffer, writeRefs, writeTable } from "./flatbuffer_writer.ts";
import type { SstHandle, StateFileOptions } from "./manifest.ts";
import { decodeStateFile, encodeStateFile, MAX_COUNTER } from "./state_file.ts";

/** How far a compaction has come; the order is the file format's. */
export type CompactionStatus =
  | "submitted"
  | "running"
  | "completed"
  | "failed"
  | "compacted"
  | "scheduled";

/** Merges L0 SSTs and sorted runs of one tree into one sorted run. */
export interface TieredSpec {
  /** Discriminates {@linkcode CompactionSpec}. */
  readonly kind: "tiered";
  /** Prefix of the segment; empty for the tree outside segments. */
  readonly segment: Uint8Array;
  /** View ids of the L0 inputs, newest first. */
  readonly l0ViewIds: readonly Ulid[];
  /** Ids of the input runs, newest first. */
  readonly runIds: readonly number[];
  /**
   * Id of the output run. `undefined` where a file of version 1 has no run
   * among its inputs: it does not say.
   */
  readonly destination: number | undefined;
}

/** Drops inputs of a segment without putting anything out. */
export interface DrainSpec {
  /** Discriminates {@linkcode CompactionSpec}. */
  readonly kind: "drain";
  /** Prefix of the segment. */
  readonly segment: Uint8Array;
  /** View ids of the L0 inputs, newest first. */
  readonly l0ViewIds: readonly Ulid[];
  /** Ids of the input runs, newest first. */
  readonly runIds: readonly number[];
}

/** What a compaction shall do. */
export type CompactionSpec = TieredSpec | DrainSpec;

/** The process that runs a compaction. */
export interface CompactionWorker {
  /** Its name. */
  readonly id: string;
  /** Milliseconds since the epoch when it was last heard of. */
  readonly lastHeartbeatMs: number;
}

/** One key range of a compaction, and what it has put out so far. */
export interface Subcompaction {
  /** The keys. */
  readonly range: KeyRange;
  /** SSTs written so far. */
  readonly outputs: readonly SstHandle[];
}

/** What a worker needs to take over a compaction. */
export interface CompactionContext {
  /** The key ranges. */
  readonly subcompactions: readonly Subcompaction[];
  /** Versions above this seq must be kept, and the newest at or below it. */
  readonly retentionMinSeq: bigint;
}

/** One compaction. */
export interface Compaction {
  /** Its id. */
  readonly id: Ulid;
  /** What it shall do. */
  readonly spec: CompactionSpec;
  /** How far it has come. */
  readonly status: CompactionStatus;
  /** SSTs it has put out. */
  readonly outputs: readonly SstHandle[];
  /** Who runs it; only in files of version 2. */
  readonly worker?: CompactionWorker;
  /** How to take it over; only in files of version 2. */
  readonly context?: CompactionContext;
}

/** The state of the compactor at one moment. */
export interface Compactions {
  /** From the file name; 0 before the first one is written. */
  readonly id: number;
  /** The file's version. */
  readonly version: 1 | 2;
  /** Raised by every compactor that starts. */
  readonly compactorEpoch: number;
  /** All active compactions and the newest finished one. */
  readonly compactions: readonly Compaction[];
}

/**
 * The compactor's state in a database that never had a compactor.
 *
 * @param version The file version to write.
 * @returns A state with number 0, which no file has.
 */
export function initialCompactions(version: 1 | 2): Compactions {
  return { id: 0, version, compactorEpoch: 0, compactions: [] };
}

/**
 * Encodes a compactions file. Its number is not in the file.
 *
 * @param state The compactor's state.
 * @param options Trailer and version; the state's own version unless given.
 * @returns The file.
 * @throws {DbError} Kind `"invalid"` if version 1 cannot hold the state.
 */
export function encodeCompactions(
  state: Compactions,
  options: StateFileOptions,
): Uint8Array<ArrayBuffer> {
  const version = options.version ?? state.version;
  if (version === 1) state.compactions.forEach(checkVersion1);
  const builder = new Builder(1024);
  const refs = state.compactions.map((compaction) =>
    writeCompaction(builder, compaction, version)
  );
  const list = writeRefs(builder, refs);
  const root = writeTable(builder, [
    [0, "u64", state.compactorEpoch],
    [1, "ref", list],
  ]);
  return encodeStateFile(
    version,
    finishBuffer(builder, root),
    options.checksum,
  );
}

function checkVersion1(
  { id, spec, status, worker, context }: Compaction,
): void {
  const foreign = spec.kind === "drain" || spec.segment.length > 0
    ? "has a segment"
    : worker !== undefined
    ? "has a worker"
    : context !== undefined
    ? "can be resumed"
    : status === "compacted" || status === "scheduled"
    ? `is ${status}`
    : undefined;
  if (foreign === undefined) return;
  throw new DbError(
    "invalid",
    `Compaction ${id} ${foreign}, which a compactions file of version 1 cannot say`,
  );
}

/**
 * The inverse of {@linkcode encodeCompactions}.
 *
 * @param id From the file name.
 * @param bytes The file.
 * @returns The compactor's state; nothing in it refers to `bytes`.
 * @throws {DbError} Kind `"data"` if it is damaged or of an unknown version.
 */
export function decodeCompactions(id: number, bytes: Uint8Array): Compactions {
  const { version, content } = decodeStateFile(bytes, "compactions file");
  const root = FlatTable.root(content, "compactions file");
  const list = root.required(root.tables(1), "the list of compactions");
  const compactorEpoch = root.size(0);
  if (compactorEpoch > MAX_COUNTER) throw root.damage("an impossible epoch");
  return {
    id,
    version,
    compactorEpoch,
    compactions: list.map((table) => readCompaction(table, version)),
  };
}

/**
 * One compaction, from its inputs in the manifest to the SSTs of its run.
 *
 * Owns: what may be forgotten, the parts it is done in, and that their outputs
 * make one run.
 * Does not own: the rows (`part.ts`), the threads, and what becomes of the run.
 *
 * What may be forgotten is settled when a job begins, and holds for all of it:
 *
 * - Versions that nobody reads: no snapshot is older than the writer's last
 *   flush said, nor, in the writer's own process, than the oldest live one.
 * - Rows that expired: by the newest row in L0, never by the clock on the wall,
 *   and in the writer's own process never before a live snapshot sees it so.
 * - Tombstones: where the run becomes the lowest of its tree.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { KeyBound, KeyRange } from "../base/key_range.ts";
import type {
  Compaction,
  CompactionContext,
  Subcompaction,
} from "../format/compactions.ts";
import type {
  ExternalDb,
  Manifest,
  SortedRun,
  SstHandle,
} from "../format/manifest.ts";
import { dataEnd } from "../format/sst_info.ts";
import type { ExpiredRows } from "../iter/retain.ts";
import { findTree, inputsOf, keysOf } from "../manifest/run_edit.ts";
import type { JobExecutor } from "./executor.ts";
import type { PartResult } from "./part.ts";

/** Who reads old versions in this process. */
export interface OldestReader {
  /** The lowest sequence number a live snapshot stands on. */
  readonly seq: bigint | undefined;
  /** The earliest clock by which one judges expiry, in milliseconds. */
  readonly clockMs: number | undefined;
}

/** One compaction, as plain data. */
export interface JobRequest {
  /** Its id. */
  readonly id: Ulid;
  /** Id of the output run. */
  readonly destination: number;
  /** Inputs of L0, newest first. */
  readonly l0: readonly SstHandle[];
  /** Input runs, newest first. */
  readonly runs: readonly SortedRun[];
  /** Where SSTs of other databases live. */
  readonly externalDbs: readonly ExternalDb[];
  /** Versions above this are kept, and what a reader at this seq sees. */
  readonly retainSeq: bigint;
  /** Rows whose expiry is at or below this have expired; in milliseconds. */
  readonly clockTick: bigint;
  /** Whether the run becomes the lowest of its tree. */
  readonly bottom: boolean;
  /** What an earlier attempt has done. */
  readonly context?: CompactionContext | undefined;
}

/** What a job works with. */
export interface JobTools {
  /** Runs the parts. */
  readonly executor: JobExecutor;
  /** Divides the keys. */
  readonly plan: (
    request: JobRequest,
    signal: AbortSignal,
  ) => Promise<readonly KeyRange[]>;
}

/** How far a job has come. */
export interface JobProgress {
  /** Bytes of blocks read, but for those of earlier attempts. */
  readonly readBytes: number;
  /** What another attempt needs to go on from here. */
  readonly context: CompactionContext;
}

/** What a job has made. */
export interface JobResult {
  /** The SSTs of the run, ascending. */
  readonly outputs: readonly SstHandle[];
  /** Rows read. */
  readonly rowsRead: number;
  /** Rows written. */
  readonly rowsWritten: number;
  /** Stored bytes of the inputs' blocks. */
  readonly bytesRead: number;
  /** Bytes stored. */
  readonly bytesWritten: number;
  /** Rows that had expired. */
  readonly expired: Readonly<ExpiredRows>;
  /** Operands given to the merge operator. */
  readonly operands: number;
}

/** How a job is watched and ended. */
export interface JobHooks {
  /** Ends the job with its reason. */
  readonly signal: AbortSignal;
  /** Told now and then, and whenever an SST is stored. */
  readonly onProgress: (progress: JobProgress) => void;
}

/**
 * Makes a job of a compaction.
 *
 * @param manifest The manifest; at least as new as the compaction.
 * @param compaction The compaction, with a destination.
 * @param oldest Who reads old versions in this process.
 * @returns The job.
 * @throws {DbError} Kind `"invalid"` if an input is gone.
 */
export function jobOf(
  manifest: Manifest,
  compaction: Compaction,
  oldest: OldestReader = { seq: undefined, clockMs: undefined },
): JobRequest {
  const { id, spec, context } = compaction;
  const tree = findTree(manifest, spec.segment);
  if (
    tree === undefined || spec.kind === "drain" ||
    spec.destination === undefined
  ) throw new DbError("invalid", `compaction ${id} cannot be run`);
  const { l0, runs } = inputsOf(tree, spec);
  if (
    l0.length !== spec.l0ViewIds.length || runs.length !== spec.runIds.length
  ) {
    throw new DbError("invalid", `an input of compaction ${id} is gone`);
  }
  const lowest = tree.runs.at(-1);
  return {
    id,
    destination: spec.destination,
    l0,
    runs,
    externalDbs: manifest.externalDbs,
    retainSeq: context?.retentionMinSeq ??
      min(manifest.recentSnapshotMinSeq, oldest.seq),
    clockTick: min(
      manifest.lastL0ClockTick,
      oldest.clockMs === undefined
        ? undefined
        : BigInt(Math.floor(oldest.clockMs)),
    ),
    bottom: lowest === undefined || lowest.id === spec.destination,
    context,
  };
}

/**
 * Runs a job.
 *
 * @param request What to do.
 * @param tools What to work with.
 * @param hooks How to watch and end it.
 * @returns What it made; nothing refers to the output yet.
 * @throws {DbError} What the first part failed with; the signal's reason.
 */
export async function runJob(
  request: JobRequest,
  tools: JobTools,
  hooks: JobHooks,
): Promise<JobResult> {
  const failed = new AbortController();
  const signal = AbortSignal.any([hooks.signal, failed.signal]);
  signal.throwIfAborted();
  const parts: Subcompaction[] = request.context?.subcompactions.slice() ??
    (await tools.plan(request, signal)).map((range) => ({
      range,
      outputs: [],
    }));
  const readBytes = parts.map(() => 0);
  const report = () =>
    hooks.onProgress({
      readBytes: readBytes.reduce((sum, bytes) => sum + bytes, 0),
      context: {
        subcompactions: parts.slice(),
        retentionMinSeq: request.retainSeq,
      },
    });
  const running = parts.map(async ({ range, outputs }, i) => {
    try {
      return await tools.executor.runPart(
        partOf(request, { range, outputs }),
        {
          signal,
          onProgress: (progress) => {
            readBytes[i] = progress.readBytes;
            parts[i] = { range, outputs: progress.outputs };
            report();
          },
        },
      );
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  });
  await Promise.allSettled(running);
  signal.throwIfAborted();
  return resultOf(request, await Promise.all(running));
}

function partOf(request: JobRequest, { range, outputs }: Subcompaction) {
  const { id, context: _, ...rest } = request;
  return { ...rest, compactionId: id, range, written: outputs };
}

function resultOf(
  request: JobRequest,
  parts: readonly PartResult[],
): JobResult {
  const outputs = parts.flatMap((part) => part.outputs);
  checkAscending(outputs);
  const inputs = [...request.l0, ...request.runs.flatMap(({ ssts }) => ssts)];
  const sum = (of: (part: PartResult) => number) =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    outputs,
    rowsRead: sum(({ rowsRead }) => rowsRead),
    rowsWritten: sum(({ rowsWritten }) => rowsWritten),
    bytesRead: inputs.reduce((total, { info }) => total + dataEnd(info), 0),
    bytesWritten: sum(({ bytesWritten }) => bytesWritten),
    expired: {
      puts: sum(({ expired }) => expired.puts),
      merges: sum(({ expired }) => expired.merges),
    },
    operands: sum(({ operands }) => operands),
  };
}

/**
 * Makes sure that SSTs make a run.
 *
 * @param ssts The SSTs; whoever wrote them may have made a mistake.
 * @throws {DbError} Kind `"data"` if one has no keys, or begins below the end of the one before.
 */
export function checkAscending(ssts: readonly SstHandle[]): void {
  let before: KeyBound | undefined;
  for (const handle of ssts) {
    const keys = keysOf(handle);
    const order = before === undefined || keys === undefined
      ? -1
      : compareBytes(before.key, keys.lower.key);
    // A key may end one SST and begin the next: SlateDB divides its versions.
    if (keys === undefined || order > 0) {
      throw new DbError(
        "data",
        `SST ${handle.id} cannot be part of a run: its keys do not follow those of the one before`,
      );
    }
    before = keys.upper;
  }
}

function min(a: bigint, b: bigint | undefined): bigint {
  return b !== undefined && b < a ? b : a;
}

/**
 * One part of a compaction: the rows of a key range, from the input SSTs to
 * output SSTs. The same code runs in the event loop of the database, in a worker
 * thread and in another process.
 *
 * ```text
 * input tables → merge → fold → expire, retain → filter → output SSTs
 *                └──────── in the kernel, where no operator folds ────────┘
 * ```
 *
 * Owns: the pipe and the memory it takes. Inputs are read in large pieces past
 * the block cache: every row is read once, and a cache full of them would be of
 * no use to readers.
 * Does not own: which rows may be forgotten; the request says it.
 *
 * @module
 */
import { MemoryBudget } from "../base/budget.ts";
import { DbError } from "../base/errors.ts";
import type { Ulid } from "../base/ids.ts";
import type { KeyRange } from "../base/key_range.ts";
import type { Logger } from "../base/log.ts";
import { noRecorder } from "../base/metrics.ts";
import { type Runtime, sleep } from "../base/runtime.ts";
import { BlockCache } from "../cache/block_cache.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { ExternalDb, SortedRun, SstHandle } from "../format/manifest.ts";
import { dataEnd } from "../format/sst_info.ts";
import { countOperands } from "../iter/counted_operator.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { ExpiredRows } from "../iter/retain.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { BlockTransformer } from "../sst/block_transformer.ts";
import type { FilterPolicy } from "../sst/filter_policy.ts";
import {
  type RewriteCounts,
  rewriteRows,
  type RowSink,
} from "../sst/rewrite.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import { SstEncoder, type SstEncoderOptions } from "../sst/sst_encoder.ts";
import { SstStore } from "../sst/sst_store.ts";
import type { SstTable } from "../sst/sst_table.ts";
import {
  type CompactionFilterSupplier,
  FilterSink,
} from "./compaction_filter.ts";
import { OutputWriter } from "./output_writer.ts";
import {
  PartCounter,
  PartInput,
  type PartProgress,
  type ReadLimits,
} from "./part_input.ts";
import { rangeFrom, readLastRow, ResumeSink } from "./resume.ts";

/** One part of a compaction, as plain data: it crosses threads. */
export interface PartRequest {
  /** The compaction; ids of output SSTs are greater. */
  readonly compactionId: Ulid;
  /** Id of the output run. */
  readonly destination: number;
  /** Inputs of L0, newest first. */
  readonly l0: readonly SstHandle[];
  /** Input runs, newest first. */
  readonly runs: readonly SortedRun[];
  /** Where SSTs of other databases live. */
  readonly externalDbs: readonly ExternalDb[];
  /** The keys. */
  readonly range: KeyRange;
  /** Versions above this are kept, and what a reader at this seq sees. */
  readonly retainSeq: bigint;
  /** Rows whose expiry is at or below this have expired; in milliseconds. */
  readonly clockTick: bigint;
  /** Whether nothing older lies beneath the inputs. */
  readonly bottom: boolean;
  /** SSTs that an earlier attempt at this part has stored, ascending. */
  readonly written: readonly SstHandle[];
}

/** How SSTs are written, as plain data. */
export type SstEncoding = Omit<
  SstEncoderOptions,
  "sstType" | "transformer" | "filterPolicies" | "runtime" | "expectedBytes"
>;

/** How parts are run, as plain data. */
export interface PartLimits extends ReadLimits {
  /** Bytes at which an output SST ends. */
  readonly maxSstBytes: number;
}

/** What a part works with. */
export interface PartTools {
  /** The kernel of this thread. */
  readonly kernel: Kernel;
  /** Clock, timers and whose event loop is shared. */
  readonly runtime: Runtime;
  /** Told of reads that had to be repeated. */
  readonly logger: Logger;
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** How output is written. */
  readonly encoding: SstEncoding;
  /** Sizes of reads and SSTs. */
  readonly limits: PartLimits;
  /** Which filters output gets; of whole keys alone unless given. */
  readonly filterPolicies?: readonly FilterPolicy[] | undefined;
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** Folds merge operands; without one they stay as they are. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Judges rows. */
  readonly compactionFilter?: CompactionFilterSupplier | undefined;
}

/** What a part has made. */
export interface PartResult {
  /** All SSTs of the part, ascending. */
  readonly outputs: readonly SstHandle[];
  /** Rows read from the inputs. */
  readonly rowsRead: number;
  /** Rows written. */
  readonly rowsWritten: number;
  /** Bytes of output stored. */
  readonly bytesWritten: number;
  /** Rows that had expired. */
  readonly expired: Readonly<ExpiredRows>;
  /** Operands given to the merge operator. */
  readonly operands: number;
}

/** How a part is watched and ended. */
export interface PartHooks {
  /** Ends the part with its reason. */
  readonly signal: AbortSignal;
  /** Told now and then, and whenever an SST is stored. */
  readonly onProgress: (progress: PartProgress) => void;
}

/** Index, filter and stats are about this share of an SST. */
const TAIL_SHARE = 1 / 16;
const MIN_SST_ROOM = 64 * 1024;
/** Shorter SSTs are put whole, so that a put that fails is tried again. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
/** Failures without an SST between them after which it is no use. */
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;
/** What is left to do for a part whose last SST was its end. */
const NOTHING_DONE: RewriteCounts = {
  rows: 0,
  expired: { puts: 0, merges: 0 },
};

/**
 * The SSTs as compactions read and write them: past the block cache.
 *
 * @param tools What to work with.
 * @returns A store that keeps nothing but what is held.
 */
export function openCompactionSsts(tools: PartTools): SstStore {
  const { kernel, runtime, logger, store, root, transformer } = tools;
  return new SstStore({
    kernel,
    store,
    root,
    cache: new BlockCache(kernel, new MemoryBudget({ cacheBytes: 0 })),
    transformer,
    runtime,
    recorder: noRecorder,
    logger,
  });
}

/**
 * Runs one part of a compaction.
 *
 * @param request What to do.
 * @param tools What to work with.
 * @param hooks How to watch and end it.
 * @returns What it made; nothing refers to the output yet.
 * @throws {DbError} Kind `"data"` if an input is missing or damaged; `"invalid"` if operator or filter fail; the signal's reason.
 */
export async function runPart(
  request: PartRequest,
  tools: PartTools,
  hooks: PartHooks,
): Promise<PartResult> {
  hooks.signal.throwIfAborted();
  const ssts = openCompactionSsts(tools);
  // A store that is down is not asked for ever.
  const endReads = () => ssts.close();
  hooks.signal.addEventListener("abort", endReads, { once: true });
  ssts.observeId(request.compactionId);
  for (const { id } of request.written) ssts.observeId(id);
  const { l0, runs, externalDbs } = request;
  const hold = (handle: SstHandle) => {
    const table = ssts.table(handle, externalDbs);
    table.acquire();
    return table;
  };
  const inputs = [
    ...l0.map((handle) => [hold(handle)]),
    ...runs.map((run) => run.ssts.map(hold)),
  ];
  try {
    return await untilItWorks(
      request,
      tools,
      hooks,
      (request, hooks) => rewritePart(request, tools, hooks, { ssts, inputs }),
    );
  } finally {
    hooks.signal.removeEventListener("abort", endReads);
    for (const table of inputs.flat()) table.release();
    ssts.close();
  }
}

/** Tries again from the last SST that was stored, unless it keeps failing there. */
async function untilItWorks(
  request: PartRequest,
  { runtime, logger }: PartTools,
  hooks: PartHooks,
  attempt: (request: PartRequest, hooks: PartHooks) => Promise<PartResult>,
): Promise<PartResult> {
  let { written } = request;
  for (let failures = 0;;) {
    const before = written.length;
    try {
      return await attempt({ ...request, written }, {
        ...hooks,
        onProgress: (progress) => {
          written = progress.outputs;
          hooks.onProgress(progress);
        },
      });
    } catch (error) {
      hooks.signal.throwIfAborted();
      if (!(error instanceof DbError) || error.kind !== "unavailable") {
        throw error;
      }
      failures = written.length > before ? 1 : failures + 1;
      if (failures === MAX_ATTEMPTS) throw error;
      logger.warn(
        `compaction ${request.compactionId} goes on after ${written.length} SSTs: ${error.message}`,
      );
    }
    await sleep(runtime, FIRST_PAUSE_MS * 2 ** (failures - 1), hooks.signal);
  }
}

/** The SSTs of a part, held. */
interface PartTables {
  readonly ssts: SstStore;
  /** Newest first; each ascending. */
  readonly inputs: readonly (readonly SstTable[])[];
}

async function rewritePart(
  request: PartRequest,
  tools: PartTools,
  hooks: PartHooks,
  { ssts, inputs }: PartTables,
): Promise<PartResult> {
  const { kernel, runtime, limits, mergeOperator } = tools;
  let operands = 0;
  const count = { add: (amount = 1) => void (operands += amount) };
  const { signal } = hooks;
  const newest = request.written.at(-1);
  const last = newest === undefined
    ? undefined
    : await readLastRow(kernel, ssts.table(newest));
  const range = last === undefined
    ? request.range
    : rangeFrom(request.range, last);
  const counter = new PartCounter(request.written, hooks.onProgress);
  const expectedBytes = expectedSstBytes(request, limits);
  await using writer = new OutputWriter({
    kernel,
    ssts,
    newEncoder: (sink) => newEncoder(expectedBytes, sink, tools),
    streams: expectedBytes > MAX_BUFFERED_BYTES,
    maxSstBytes: limits.maxSstBytes,
    written: request.written,
    signal,
    onOutput: (outputs) => counter.stored(outputs),
  });
  const resumed: RowSink = last === undefined
    ? writer
    : new ResumeSink(kernel, last, writer);
  const filter = await filterOf(request, tools, resumed);
  const sources = inputs.map((tables) =>
    new PartInput(tables, inputs.length, limits, counter)
  );
  let done: RewriteCounts = NOTHING_DONE;
  if (range !== undefined) {
    done = await rewriteRows({
      kernel,
      runtime,
      sources,
      range,
      retainSeq: request.retainSeq,
      nowMs: request.clockTick,
      dropTombstones: request.bottom,
      operator: mergeOperator && countOperands(mergeOperator, count),
      maxFetchTasks: limits.maxFetchTasks,
      signal,
    }, filter ?? resumed);
  }
  await filter?.end();
  return {
    outputs: await writer.finish(),
    rowsRead: done.rows,
    rowsWritten: writer.rows,
    bytesWritten: writer.bytes,
    expired: done.expired,
    operands,
  };
}

async function filterOf(
  request: PartRequest,
  { kernel, compactionFilter }: PartTools,
  next: RowSink,
): Promise<FilterSink | undefined> {
  if (compactionFilter === undefined) return undefined;
  const { destination, bottom, clockTick, retainSeq } = request;
  const filter = await compactionFilter({
    destination,
    bottom,
    clockTick,
    retainSeq,
  });
  return new FilterSink(kernel, filter, next);
}

function newEncoder(
  expectedBytes: number,
  sink: ByteSink | undefined,
  { kernel, runtime, encoding, filterPolicies, transformer }: PartTools,
): SstEncoder {
  return new SstEncoder(kernel, {
    ...encoding,
    filterPolicies,
    sstType: "compacted",
    transformer,
    runtime,
    expectedBytes,
    sink,
  });
}

/** About how long an output SST will be: as long as all input, if it may. */
function expectedSstBytes(
  { l0, runs }: PartRequest,
  { maxSstBytes }: PartLimits,
): number {
  const inputBytes = [...l0, ...runs.flatMap(({ ssts }) => ssts)]
    .reduce((sum, { info }) => sum + dataEnd(info), 0);
  const bytes = Math.min(inputBytes, maxSstBytes);
  return Math.ceil(bytes * (1 + TAIL_SHARE)) + MIN_SST_ROOM;
}

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
import type { CachedBlock } from "../cache/cached_block.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { ExternalDb, SortedRun, SstHandle } from "../format/manifest.ts";
import { dataEnd } from "../format/sst_info.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { BlockTransformer } from "../sst/block_transformer.ts";
import { rewriteRows, type RowSink } from "../sst/rewrite.ts";
import type { ByteSink } from "../sst/sst_body.ts";
import { SstEncoder, type SstEncoderOptions } from "../sst/sst_encoder.ts";
import { SstStore } from "../sst/sst_store.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { TableSource, type TableSourceOptions } from "../sst/table_source.ts";
import {
  type CompactionFilterSupplier,
  FilterSink,
} from "./compaction_filter.ts";
import { OutputWriter } from "./output_writer.ts";
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
  "sstType" | "transformer" | "runtime" | "expectedBytes"
>;

/** How parts are run, as plain data. */
export interface PartLimits {
  /** Bytes at which an output SST ends. */
  readonly maxSstBytes: number;
  /** Reads of one input under way at once. */
  readonly maxFetchTasks: number;
  /** The most that one read takes. */
  readonly bytesToFetch: number;
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
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** Folds merge operands; without one they stay as they are. */
  readonly mergeOperator?: MergeOperator | undefined;
  /** Judges rows. */
  readonly compactionFilter?: CompactionFilterSupplier | undefined;
}

/** How far a part has come. */
export interface PartProgress {
  /** Bytes of blocks read. */
  readonly readBytes: number;
  /** All SSTs stored, those of an earlier attempt first. */
  readonly outputs: readonly SstHandle[];
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
}

/** How a part is watched and ended. */
export interface PartHooks {
  /** Ends the part with its reason. */
  readonly signal: AbortSignal;
  /** Told now and then, and whenever an SST is stored. */
  readonly onProgress: (progress: PartProgress) => void;
}

/** Bytes of reads that all inputs of a part may have in memory together. */
const READ_AHEAD_BUDGET = 64 * 1024 * 1024;
/** Smaller reads cost more than they spare. */
const MIN_READ_BYTES = 128 * 1024;
/** A read that is not waited for holds up everybody else meanwhile. */
const MAX_SYNC_READ_BYTES = 512 * 1024;
/** Bytes read between two reports. */
const REPORT_BYTES = 4 * 1024 * 1024;
/** Index, filter and stats are about this share of an SST. */
const TAIL_SHARE = 1 / 16;
const MIN_SST_ROOM = 64 * 1024;
/** Shorter SSTs are put whole, so that a put that fails is tried again. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
/** Failures without an SST between them after which it is no use. */
const MAX_ATTEMPTS = 5;
const FIRST_PAUSE_MS = 100;

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
  const ssts = openCompactionSsts(tools);
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
    for (const table of inputs.flat()) table.release();
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
  const { signal } = hooks;
  const newest = request.written.at(-1);
  const last = newest === undefined
    ? undefined
    : await readLastRow(kernel, ssts.table(newest));
  const range = last === undefined
    ? request.range
    : rangeFrom(request.range, last);
  const progress = new Progress(request.written, hooks);
  const expectedBytes = expectedSstBytes(request, limits);
  await using writer = new OutputWriter({
    kernel,
    ssts,
    newEncoder: (sink) => newEncoder(expectedBytes, sink, tools),
    streams: expectedBytes > MAX_BUFFERED_BYTES,
    maxSstBytes: limits.maxSstBytes,
    written: request.written,
    signal,
    onOutput: (outputs) => progress.stored(outputs),
  });
  const resumed: RowSink = last === undefined
    ? writer
    : new ResumeSink(kernel, last, writer);
  const filter = await filterOf(request, tools, resumed);
  const sources = inputs.map((tables) =>
    new CountedSource(
      tables,
      readOptions(tables, inputs.length, limits),
      progress,
    )
  );
  let rowsRead = 0;
  if (range !== undefined) {
    rowsRead = await rewriteRows({
      kernel,
      runtime,
      sources,
      range,
      retainSeq: request.retainSeq,
      nowMs: request.clockTick,
      dropTombstones: request.bottom,
      operator: mergeOperator,
      maxFetchTasks: limits.maxFetchTasks,
      signal,
    }, filter ?? resumed);
  }
  await filter?.end();
  return {
    outputs: await writer.finish(),
    rowsRead,
    rowsWritten: writer.rows,
    bytesWritten: writer.bytes,
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
  { kernel, runtime, encoding, transformer }: PartTools,
): SstEncoder {
  return new SstEncoder(kernel, {
    ...encoding,
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

function readOptions(
  tables: readonly SstTable[],
  sources: number,
  { maxFetchTasks, bytesToFetch }: PartLimits,
): TableSourceOptions {
  const share = READ_AHEAD_BUDGET / (sources * maxFetchTasks);
  const most = tables[0]?.synchronous === true
    ? MAX_SYNC_READ_BYTES
    : Math.max(MIN_READ_BYTES, Math.floor(share));
  return {
    descending: false,
    cacheBlocks: false,
    readAheadBytes: Math.min(bytesToFetch, most),
    maxFetchTasks,
  };
}

/** A table source that counts what it reads. */
class CountedSource extends TableSource {
  readonly #progress: Progress;

  constructor(
    tables: readonly SstTable[],
    options: TableSourceOptions,
    progress: Progress,
  ) {
    super(tables, options);
    this.#progress = progress;
  }

  override next(): CachedBlock | undefined | Promise<CachedBlock | undefined> {
    const block = super.next();
    if (block instanceof Promise) {
      return block.then((block) => this.#count(block));
    }
    return this.#count(block);
  }

  #count(block: CachedBlock | undefined): CachedBlock | undefined {
    if (block !== undefined) this.#progress.read(block.bytes);
    return block;
  }
}

/** What was read and stored, and when to say so. */
class Progress {
  readonly #onProgress: PartHooks["onProgress"];
  #outputs: readonly SstHandle[];
  #readBytes = 0;
  #reportAt = REPORT_BYTES;

  constructor(written: readonly SstHandle[], { onProgress }: PartHooks) {
    this.#outputs = written;
    this.#onProgress = onProgress;
  }

  read(bytes: number): void {
    this.#readBytes += bytes;
    if (this.#readBytes < this.#reportAt) return;
    this.#reportAt = this.#readBytes + REPORT_BYTES;
    this.#report();
  }

  stored(outputs: readonly SstHandle[]): void {
    this.#outputs = outputs;
    this.#report();
  }

  #report(): void {
    this.#onProgress({ readBytes: this.#readBytes, outputs: this.#outputs });
  }
}

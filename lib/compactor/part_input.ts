/**
 * The inputs of a part as it reads them: in large pieces, ahead, and counted.
 *
 * Owns: how much memory reads may take, and how far the reading is.
 *
 * @module
 */
import type { CachedBlock } from "../cache/cached_block.ts";
import type { SstHandle } from "../format/manifest.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { TableSource } from "../sst/table_source.ts";

/** How inputs are read, as plain data. */
export interface ReadLimits {
  /** Reads of one input under way at once. */
  readonly maxFetchTasks: number;
  /** The most that one read takes. */
  readonly bytesToFetch: number;
}

/** How far a part has come. */
export interface PartProgress {
  /** Bytes of blocks read. */
  readonly readBytes: number;
  /** All SSTs stored, those of an earlier attempt first. */
  readonly outputs: readonly SstHandle[];
}

/** Bytes of reads that all inputs of a part may have in memory together. */
const READ_AHEAD_BUDGET = 64 * 1024 * 1024;
/** Smaller reads cost more than they spare. */
const MIN_READ_BYTES = 128 * 1024;
/** A read that is not waited for holds up everybody else meanwhile. */
const MAX_SYNC_READ_BYTES = 512 * 1024;
/** Bytes read between two reports. */
const REPORT_BYTES = 4 * 1024 * 1024;

/** Counts what is read and stored, and says so now and then. */
export class PartCounter {
  readonly #onProgress: (progress: PartProgress) => void;
  #outputs: readonly SstHandle[];
  #readBytes = 0;
  #reportAt = REPORT_BYTES;

  /**
   * Constructs a new {@linkcode PartCounter}.
   *
   * @param written SSTs of an earlier attempt.
   * @param onProgress Whom to tell.
   */
  constructor(
    written: readonly SstHandle[],
    onProgress: (progress: PartProgress) => void,
  ) {
    this.#outputs = written;
    this.#onProgress = onProgress;
  }

  /**
   * Notes that a block was read.
   *
   * @param bytes Its length.
   */
  read(bytes: number): void {
    this.#readBytes += bytes;
    if (this.#readBytes < this.#reportAt) return;
    this.#reportAt = this.#readBytes + REPORT_BYTES;
    this.#report();
  }

  /**
   * Notes that another SST is stored.
   *
   * @param outputs All of them.
   */
  stored(outputs: readonly SstHandle[]): void {
    this.#outputs = outputs;
    this.#report();
  }

  #report(): void {
    this.#onProgress({ readBytes: this.#readBytes, outputs: this.#outputs });
  }
}

/** One input of a part: an SST of L0, or a run. */
export class PartInput extends TableSource {
  readonly #counter: PartCounter;

  /**
   * Constructs a new {@linkcode PartInput}; no I/O.
   *
   * @param tables Ascending by key; held by the caller.
   * @param inputs How many inputs share the memory.
   * @param limits How to read.
   * @param counter Counts blocks.
   */
  constructor(
    tables: readonly SstTable[],
    inputs: number,
    limits: ReadLimits,
    counter: PartCounter,
  ) {
    const { maxFetchTasks, bytesToFetch } = limits;
    const share = READ_AHEAD_BUDGET / (inputs * maxFetchTasks);
    const most = tables[0]?.synchronous === true
      ? MAX_SYNC_READ_BYTES
      : Math.max(MIN_READ_BYTES, Math.floor(share));
    super(tables, {
      descending: false,
      cacheBlocks: false,
      readAheadBytes: Math.min(bytesToFetch, most),
      maxFetchTasks,
    });
    this.#counter = counter;
  }

  /** {@inheritDoc TableSource.next} */
  override next(): CachedBlock | undefined | Promise<CachedBlock | undefined> {
    const block = super.next();
    return block instanceof Promise
      ? block.then((block) => this.#count(block))
      : this.#count(block);
  }

  #count(block: CachedBlock | undefined): CachedBlock | undefined {
    if (block !== undefined) this.#counter.read(block.bytes);
    return block;
  }
}

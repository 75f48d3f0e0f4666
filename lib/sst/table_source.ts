/**
 * Tables in key order as a stream of blocks for a merge.
 *
 * Owns: which blocks of which tables come next, in either direction, and reading
 * them ahead. Does not own: bounds inside a block; the merge has them.
 *
 * One read takes more and more neighbouring blocks, and more reads are under way
 * at once, the longer the stream is followed: a short scan reads little that it
 * does not need, a long one makes few requests. The first and last block are
 * known from the index, so that nothing behind the range is read.
 *
 * @module
 */
import type { KeyRange } from "../base/key_range.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import type { SstTable } from "./sst_table.ts";
import { firstTable, lastTable } from "./table_order.ts";

/** Bytes of the first read of a stream. */
const FIRST_READ_BYTES = 16 * 1024;

/** How a {@linkcode TableSource} reads. */
export interface TableSourceOptions {
  /** From the last block to the first. */
  readonly descending: boolean;
  /** Whether blocks that are read stay in the cache. */
  readonly cacheBlocks: boolean;
  /** The most that one read takes, but for one large block. */
  readonly readAheadBytes: number;
  /** Reads under way at once. */
  readonly maxFetchTasks: number;
  /** Asked once a table's filters are in memory: `false` passes the table over. */
  readonly admits?: ((table: SstTable) => boolean) | undefined;
}

/** One read: under way, or blocks that wait for their turn. */
interface Read {
  blocks: CachedBlock[];
  pending: Promise<void> | undefined;
  /** Whether it took time, so that further ones should overlap with it. */
  readonly awaited: boolean;
}

/** A stream of blocks; each is pinned until the next is asked for. */
export class TableSource {
  readonly #tables: readonly SstTable[];
  readonly #options: TableSourceOptions;
  /** One step in the stream's direction. */
  readonly #step: 1 | -1;
  #range: KeyRange = {};
  /** The table that is being planned, and how many are left with it. */
  #table = 0;
  #tablesLeft = 0;
  /** The next block of that table, and how many are left with it. */
  #block = 0;
  #blocksLeft = 0;
  /** The table's index, if it is on its way. */
  #loading: Promise<void> | undefined;
  readonly #reads: Read[] = [];
  /** The table whose index was waited for last. */
  #awaited: SstTable | undefined;
  #current: CachedBlock | undefined;
  #readBytes = 0;
  #window = 1;
  /** Counts seeks, so that reads for an old position are given back. */
  #epoch = 0;

  /**
   * Constructs a new {@linkcode TableSource}; no I/O.
   *
   * @param tables Ascending by key; held by the caller.
   * @param options How it reads.
   */
  constructor(tables: readonly SstTable[], options: TableSourceOptions) {
    this.#tables = tables;
    this.#options = options;
    this.#step = options.descending ? -1 : 1;
  }

  /**
   * Stands before the first block of a range; no I/O.
   *
   * @param range The keys.
   */
  seek(range: KeyRange): void {
    this.close();
    const first = firstTable(this.#tables, range);
    const last = lastTable(this.#tables, range);
    this.#range = range;
    this.#table = this.#step > 0 ? first : last;
    this.#tablesLeft = Math.max(0, last - first + 1);
    this.#blocksLeft = 0;
    this.#window = 1;
    this.#readBytes = Math.min(FIRST_READ_BYTES, this.#options.readAheadBytes);
  }

  /**
   * Moves to the next block.
   *
   * @returns The block, pinned until the next call; `undefined` after the last.
   * @throws {DbError} Kind `"data"` if an SST is missing or damaged.
   */
  next(): CachedBlock | undefined | Promise<CachedBlock | undefined> {
    this.#current?.unpin();
    this.#current = undefined;
    for (;;) {
      const read = this.#reads[0];
      if (read === undefined) {
        const planned = this.#plan();
        if (planned === undefined) return undefined;
        if (planned !== true) return this.#nextAfter(planned);
        continue;
      }
      if (read.pending !== undefined) {
        this.#planAhead();
        return this.#nextAfter(read.pending);
      }
      const block = read.blocks.shift();
      if (block === undefined) {
        this.#reads.shift();
        this.#window = Math.min(this.#window + 1, this.#options.maxFetchTasks);
      } else if (block.bytes === 0) {
        block.unpin();
      } else {
        this.#current = block;
        if (read.awaited) this.#planAhead();
        return block;
      }
    }
  }

  /** Gives back every block, also those on their way. */
  close(): void {
    this.#epoch++;
    this.#current?.unpin();
    this.#current = undefined;
    for (const { blocks } of this.#reads) {
      for (const block of blocks) block.unpin();
    }
    this.#reads.length = 0;
    this.#loading = undefined;
    this.#tablesLeft = 0;
    this.#blocksLeft = 0;
  }

  async #nextAfter(pending: Promise<void>): Promise<CachedBlock | undefined> {
    const epoch = this.#epoch;
    await pending;
    return epoch === this.#epoch ? await this.next() : undefined;
  }

  /** Keeps as many reads under way as the window allows. */
  #planAhead(): void {
    while (this.#reads.length < this.#window) {
      if (this.#plan() !== true) return;
    }
  }

  /** Adds one read; `undefined`: nothing is left; a promise: wait, then again. */
  #plan(): true | undefined | Promise<void> {
    while (this.#blocksLeft === 0) {
      if (this.#tablesLeft === 0) return undefined;
      const loading = this.#enterTable(this.#tables[this.#table]!);
      if (loading !== undefined) return loading;
      if (this.#blocksLeft === 0) this.#leaveTable();
    }
    this.#read(this.#tables[this.#table]!);
    if (this.#blocksLeft === 0) this.#leaveTable();
    return true;
  }

  #leaveTable(): void {
    this.#table += this.#step;
    this.#tablesLeft--;
  }

  /** Finds the table's blocks in the range; a promise while its index is read. */
  #enterTable(table: SstTable): Promise<void> | undefined {
    if (table.empty) return undefined;
    if (!table.ready) {
      const loading = this.#loading ?? table.load();
      if (loading !== undefined) {
        this.#awaited = table;
        const done = () => {
          if (this.#loading === loading) this.#loading = undefined;
        };
        this.#loading = loading;
        loading.then(done, done);
        return loading;
      }
    } else if (table !== this.#awaited) {
      table.metrics.hits?.table(table.handle.info.filterBytes > 0);
    }
    if (this.#options.admits?.(table) === false) return undefined;
    const first = table.firstBlock(this.#range.lower);
    const last = table.lastBlock(this.#range.upper);
    this.#block = this.#step > 0 ? first : last;
    this.#blocksLeft = Math.max(0, last - first + 1);
    return undefined;
  }

  /** Reads the next blocks of a table, as many as one read may take. */
  #read(table: SstTable): void {
    const { blocks } = table;
    const from = this.#block;
    const most = Math.min(this.#readBytes, table.bytesAtOnce);
    let count = 0;
    let bytes = 0;
    do {
      const block = from + count * this.#step;
      bytes += blocks.bytes(block, block + 1);
      count++;
    } while (count < this.#blocksLeft && bytes < most);
    this.#block = from + count * this.#step;
    this.#blocksLeft -= count;
    this.#readBytes = Math.min(
      2 * this.#readBytes,
      this.#options.readAheadBytes,
    );
    const first = Math.min(from, this.#block - this.#step);
    const fetched = blocks.fetch(
      first,
      first + count,
      this.#options.cacheBlocks,
    );
    this.#reads.push(this.#readOf(fetched));
  }

  #readOf(fetched: CachedBlock[] | Promise<CachedBlock[]>): Read {
    if (!(fetched instanceof Promise)) {
      return {
        blocks: this.#inOrder(fetched),
        pending: undefined,
        awaited: false,
      };
    }
    const epoch = this.#epoch;
    const read: Read = { blocks: [], pending: undefined, awaited: true };
    read.pending = fetched.then((blocks) => {
      read.pending = undefined;
      if (epoch === this.#epoch) read.blocks = this.#inOrder(blocks);
      else for (const block of blocks) block.unpin();
    });
    // Whoever reaches this read is told; nobody may ever do so.
    read.pending.catch(() => {});
    return read;
  }

  #inOrder(blocks: CachedBlock[]): CachedBlock[] {
    return this.#step > 0 ? blocks : blocks.reverse();
  }
}

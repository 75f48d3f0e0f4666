/**
 * Rows to the bytes of one SST: unless told otherwise, in the profile that every
 * version of SlateDB since 0.12 reads (FORMAT §12).
 *
 * Owns: the order of sections and what the info says of them. Does not own:
 * blocks, separators and statistics, which the kernel builds, filters
 * (`filter_writer.ts`), and which rows there are.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { BufferPool } from "../base/buffer_pool.ts";
import type { Runtime } from "../base/runtime.ts";
import { BUILDER_STATE } from "../codec/abi.ts";
import type { Compression } from "../codec/compression.ts";
import type { Kernel } from "../codec/kernel.ts";
import { IndexWriter } from "../format/sst_index.ts";
import type { FilterFormat, SstInfo, SstType } from "../format/sst_info.ts";
import { encodeSstTail } from "../format/sst_layout.ts";
import { StatsWriter } from "../format/sst_stats.ts";
import { encodeSeqKey } from "../format/wal_file.ts";
import type { BlockTransformer } from "./block_transformer.ts";
import { type FilterPolicy, WHOLE_KEYS } from "./filter_policy.ts";
import { FilterWriter } from "./filter_writer.ts";
import {
  encodeLongSection,
  encodeSection,
  type SectionCoding,
} from "./section.ts";
import { type ByteSink, SstBody } from "./sst_body.ts";
import { Turn } from "./turn.ts";

const DEFAULT_EXPECTED_BYTES = 64 * 1024;

/** How an SST is written. */
export interface SstEncoderOptions {
  /** A WAL file has neither filter nor stats, and its index is keyed by seq. */
  readonly sstType: SstType;
  /** Uncompressed bytes of a data block; 1024 to 65536. */
  readonly blockBytes: number;
  /** How sections are compressed. */
  readonly compression: Compression;
  /** The user's step after compression. */
  readonly transformer?: BlockTransformer | undefined;
  /** Bits of bloom filter per key where a policy does not say; 0 for no filter. Ignored in WAL files. */
  readonly filterBitsPerKey: number;
  /**
   * Which filters there are; those other than of whole keys need the format
   * `"composite"`.
   *
   * @default {[WHOLE_KEYS]}
   */
  readonly filterPolicies?: readonly FilterPolicy[] | undefined;
  /**
   * How filters are laid out.
   *
   * @default {"legacy"}
   */
  readonly filterFormat?: FilterFormat | undefined;
  /** Fewer rows than this get no filter. */
  readonly minFilterKeys: number;
  /** Bytes of the whole SST, roughly: saves copies. */
  readonly expectedBytes?: number;
  /** Takes the object's bytes as they come; the encoder keeps them all unless given. */
  readonly sink?: ByteSink | undefined;
  /** Where the object's buffer comes from; fresh unless given. */
  readonly buffers?: BufferPool | undefined;
  /** Whose clock decides when to let others run. */
  readonly runtime: Runtime;
}

/** An SST that is ready to be stored. */
export interface EncodedSst {
  /** The info block, as the manifest needs it. */
  readonly info: SstInfo;
  /** The whole object, in one buffer; empty where it went to a sink. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Length of the object. */
  readonly bytes: number;
  /** Layout of the data blocks, as the manifest needs it. */
  readonly formatVersion: 2;
  /** How many rows it holds. */
  readonly rows: number;
  /** The smallest sequence number; 0 without rows. */
  readonly minSeq: bigint;
  /** The largest sequence number; 0 without rows. */
  readonly maxSeq: bigint;
}

/** Encodes one SST; dispose of it when done. */
export class SstEncoder implements Disposable {
  readonly #kernel: Kernel;
  readonly #options: SstEncoderOptions;
  readonly #coding: SectionCoding;
  readonly #body: SstBody;
  readonly #index = new IndexWriter();
  readonly #stats = new StatsWriter();
  readonly #counts = { puts: 0, deletes: 0, merges: 0 };
  /** Seq of the first row, as a key. */
  #firstSeq: Uint8Array | undefined;
  readonly #turn: Turn;
  readonly #filters: FilterWriter | undefined;
  #builder: number;

  /**
   * Constructs a new {@linkcode SstEncoder}.
   *
   * @param kernel Where the rows are.
   * @param options How to write them.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for it; `"invalid"` if the format has no room for the filters.
   */
  constructor(kernel: Kernel, options: SstEncoderOptions) {
    const { sstType, blockBytes, compression, transformer } = options;
    this.#kernel = kernel;
    this.#options = options;
    this.#coding = { kernel, compression, transformer };
    this.#body = new SstBody(
      options.expectedBytes ?? DEFAULT_EXPECTED_BYTES,
      options.sink,
      options.buffers,
    );
    if (sstType !== "wal") {
      this.#filters = new FilterWriter(kernel, {
        policies: options.filterPolicies ?? [WHOLE_KEYS],
        format: options.filterFormat ?? "legacy",
        bitsPerKey: options.filterBitsPerKey,
      });
    }
    const hashed = this.#filters?.hashesKeys === true ? 1 : 0;
    this.#builder = kernel.exports.builder_create(blockBytes, hashed);
    if (this.#builder === 0) throw exhausted();
    this.#turn = new Turn(options.runtime);
  }

  /** Rows added so far. */
  get rows(): number {
    return this.#u32(BUILDER_STATE.ROWS);
  }

  /** Bytes of finished blocks so far. */
  get bytes(): number {
    return this.#body.length;
  }

  /**
   * Adds packed row records, such as a merge puts out, in row order.
   *
   * @param pointer The first record; the records must stay until this is done.
   * @param bytes Bytes of all records.
   * @returns A promise where it let others run, or a codec is asynchronous.
   */
  add(pointer: number, bytes: number): Promise<void> | undefined {
    if (this.#filters?.watches === true) this.#filters.add(pointer, bytes);
    return this.#add(pointer, bytes);
  }

  #add(pointer: number, bytes: number): Promise<void> | undefined {
    const { exports } = this.#kernel;
    let at = pointer;
    let left = bytes;
    while (left > 0) {
      const taken = exports.builder_add(this.#builder, at, left);
      if (taken < 0) throw exhausted();
      at += taken;
      left -= taken;
      if (left === 0) return undefined;
      const waiting = this.#closeBlock() ?? this.#turn.check(taken);
      if (waiting !== undefined) return waiting.then(() => this.#add(at, left));
    }
    return undefined;
  }

  /**
   * Adds a memtable's rows in commit order.
   *
   * @param firstRecord Where to begin.
   * @param lastRecord Where to stop, included; the chain may be longer.
   * @returns As {@linkcode add}.
   */
  addChain(
    firstRecord: number,
    lastRecord: number,
  ): Promise<void> | undefined {
    const { exports } = this.#kernel;
    let record = firstRecord;
    for (;;) {
      record = exports.builder_add_chain(this.#builder, record, lastRecord);
      if (record < 0) throw exhausted();
      if (record === 0) return undefined;
      const waiting = this.#closeBlock() ?? this.#turn.check();
      if (waiting !== undefined) {
        return waiting.then(() => this.addChain(record, lastRecord));
      }
    }
  }

  /**
   * Ends the SST. Nothing can be added afterwards.
   *
   * @returns The bytes and what the manifest needs.
   */
  async finish(): Promise<EncodedSst> {
    await this.#closeBlock();
    const { sstType, compression } = this.#options;
    const body = this.#body;
    const { rows } = this;
    const filterOffset = body.length;
    const filterBytes = await this.#addSection(await this.#filter());
    const indexOffset = body.length;
    const indexBytes = await this.#addSection(
      await this.#inSteps(this.#index.finish()),
    );
    const statsOffset = body.length;
    const statsBytes = await this.#addSection(await this.#encodeStats());
    const info: SstInfo = {
      ...this.#entries(),
      indexOffset,
      indexBytes,
      filterOffset,
      filterBytes,
      statsOffset: statsBytes === 0 ? 0 : statsOffset,
      statsBytes,
      compression,
      sstType,
      filterFormat: this.#options.filterFormat ?? "legacy",
    };
    body.add(encodeSstTail(info, body.length));
    await body.drain(true);
    return {
      info,
      body: body.finish(),
      bytes: body.length,
      formatVersion: 2,
      rows,
      minSeq: this.#u64(BUILDER_STATE.MIN_SEQ),
      maxSeq: this.#u64(BUILDER_STATE.MAX_SEQ),
    };
  }

  /** Frees what the kernel holds; a second time is fine. */
  dispose(): void {
    if (this.#builder === 0) return;
    this.#kernel.exports.builder_free(this.#builder);
    this.#builder = 0;
  }

  /** See {@linkcode dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Stores the block under construction, if it has rows. */
  #closeBlock(): Promise<void> | undefined {
    const bytes = this.#kernel.exports.builder_finish_block(this.#builder);
    if (bytes < 0) throw exhausted();
    if (bytes === 0) return undefined;
    this.#describeBlock();
    const block = this.#u32(BUILDER_STATE.BLOCK);
    const content = this.#kernel.u8.subarray(block, block + bytes);
    const stored = encodeSection(this.#coding, content);
    if (stored instanceof Promise) {
      return stored.then((stored) => {
        this.#body.addSection(stored);
        return this.#body.drain();
      });
    }
    this.#body.addSection(stored);
    return this.#body.drain();
  }

  /** Index and statistics of the block that was closed. */
  #describeBlock(): void {
    const offset = this.#body.length;
    if (this.#options.sstType === "wal") {
      const seq = encodeSeqKey(this.#u64(BUILDER_STATE.BLOCK_FIRST_SEQ));
      this.#firstSeq ??= seq;
      this.#index.add(offset, seq);
      return;
    }
    const at = this.#u32(BUILDER_STATE.SEPARATOR);
    const end = at + this.#u32(BUILDER_STATE.SEPARATOR_BYTES);
    this.#index.add(offset, this.#kernel.u8.subarray(at, end));
    const puts = this.#u32(BUILDER_STATE.BLOCK_PUTS);
    const deletes = this.#u32(BUILDER_STATE.BLOCK_DELETES);
    const merges = this.#u32(BUILDER_STATE.BLOCK_MERGES);
    this.#stats.add({ puts, deletes, merges });
    this.#counts.puts += puts;
    this.#counts.deletes += deletes;
    this.#counts.merges += merges;
  }

  /** Stores a section other than a block; 0 where there is none. */
  async #addSection(content: Uint8Array | undefined): Promise<number> {
    if (content === undefined) return 0;
    const stored = await encodeLongSection(
      this.#coding,
      content,
      this.#pause,
    );
    return await this.#body.addLongSection(stored, this.#pause);
  }

  async #inSteps(
    steps: Generator<void, Uint8Array>,
  ): Promise<Uint8Array> {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      const waiting = this.#pause();
      if (waiting !== undefined) await waiting;
    }
  }

  async #filter(): Promise<Uint8Array | undefined> {
    const { rows } = this;
    if (rows === 0 || rows < this.#options.minFilterKeys) return undefined;
    return await this.#filters?.encode(this.#builder, this.#pause);
  }

  async #encodeStats(): Promise<Uint8Array | undefined> {
    if (this.#options.sstType === "wal") return undefined;
    const rawKeyBytes = Number(this.#u64(BUILDER_STATE.RAW_KEY_BYTES));
    const rawValueBytes = Number(this.#u64(BUILDER_STATE.RAW_VALUE_BYTES));
    return await this.#inSteps(
      this.#stats.finish({ ...this.#counts, rawKeyBytes, rawValueBytes }),
    );
  }

  #entries(): Pick<SstInfo, "firstEntry" | "lastEntry"> {
    if (this.rows === 0) return {};
    // The index of a WAL file is keyed by seq, and so is its first entry.
    if (this.#options.sstType === "wal") {
      return { firstEntry: this.#firstSeq! };
    }
    return {
      firstEntry: this.#copy(
        BUILDER_STATE.FIRST_KEY,
        BUILDER_STATE.FIRST_KEY_BYTES,
      ),
      lastEntry: this.#copy(
        BUILDER_STATE.LAST_KEY,
        BUILDER_STATE.LAST_KEY_BYTES,
      ),
    };
  }

  /** Between two steps of the end; whoever disposed of this meanwhile ends it. */
  readonly #pause = (): Promise<void> | undefined =>
    this.#turn.check()?.then(() => {
      if (this.#builder === 0) throw disposed();
    });

  #u32(offset: number): number {
    if (this.#builder === 0) throw disposed();
    return this.#kernel.u32[(this.#builder + offset) >> 2]!;
  }

  #u64(offset: number): bigint {
    if (this.#builder === 0) throw disposed();
    return this.#kernel.readU64(this.#builder + offset);
  }

  #copy(pointerAt: number, bytesAt: number): Uint8Array {
    return this.#kernel.slice(this.#u32(pointerAt), this.#u32(bytesAt));
  }
}

function disposed(): DbError {
  return new DbError("closed", "the SST was given up while it was encoded");
}

function exhausted(): DbError {
  return new DbError(
    "unavailable",
    "Cannot encode an SST: linear memory is exhausted; lower 'cacheBytes' and 'memtableBytes', or close other databases",
  );
}

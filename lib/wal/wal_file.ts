/**
 * One stored WAL file, decoded: bytes to row records in the kernel's memory.
 *
 * Does not own: what the rows are for. Whoever wrote the file, every length in it
 * is checked before it is used.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { MAX_SEQ } from "../base/row.ts";
import { MERGE_STATE, MergeMode, MergeStatus } from "../codec/abi.ts";
import type { Compression } from "../codec/compression.ts";
import type { Kernel } from "../codec/kernel.ts";
import { decodeIndex } from "../format/sst_index.ts";
import { dataEnd, type SstInfo, validateSstInfo } from "../format/sst_info.ts";
import {
  decodeSstFooter,
  decodeSstTail,
  FOOTER_BYTES,
  type FormatVersion,
} from "../format/sst_layout.ts";
import type { GetResult } from "../object_store/object_store.ts";

/**
 * From a stored section, checksum included, to its content.
 *
 * @param compression How the file's sections are compressed.
 * @param stored The section.
 * @param what What it is, for messages.
 * @returns The content; may refer to `stored`, or to memory valid until the next call.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export type SectionDecoder = (
  compression: Compression,
  stored: Uint8Array,
  what: string,
) => Uint8Array | Promise<Uint8Array>;

/** Where and how WAL files are decoded. */
export interface WalDecoding {
  /** Where row records appear. */
  readonly kernel: Kernel;
  /** Undoes checksum, transformer and compression. */
  readonly decodeSection: SectionDecoder;
}

/** Packed row records, valid until the next ones are asked for. */
export interface RowRecords {
  /** The first record; each one's link is the number of bytes to the next. */
  readonly pointer: number;
  /** Bytes of all records. */
  readonly bytes: number;
}

/** Bytes of records that are handed out at once, roughly. */
const BATCH_BYTES = 64 * 1024;

/** Where a V1 block's V2 form is reported: pointer and length. */
const V1_RESULT_BYTES = 8;

/** One WAL file, fetched but not yet decoded. */
export class WalFile {
  /** Its number. */
  readonly id: number;
  /** Its size in the store. */
  readonly bytes: number;
  /** When it was stored, in milliseconds since the epoch. */
  readonly lastModified: number;
  readonly #body: Uint8Array;
  readonly #decoding: WalDecoding;

  /**
   * Constructs a new {@linkcode WalFile}.
   *
   * @param id Its number.
   * @param object The stored object.
   * @param decoding How to decode it.
   */
  constructor(
    id: number,
    object: NonNullable<GetResult>,
    decoding: WalDecoding,
  ) {
    this.id = id;
    this.bytes = object.bytes.length;
    this.lastModified = object.meta.lastModified;
    this.#body = object.bytes;
    this.#decoding = decoding;
  }

  /**
   * Decodes the rows, in the order they were written; a fence has none.
   *
   * @returns Batches of records; end the iteration to free what it holds.
   * @throws {DbError} Kind `"data"` if the file is damaged.
   */
  async *records(): AsyncGenerator<RowRecords, void, void> {
    try {
      const layout = this.#layout();
      if (layout !== undefined) yield* this.#decode(layout);
    } catch (error) {
      throw this.#located(error);
    }
  }

  #layout(): { info: SstInfo; version: FormatVersion } | undefined {
    const body = this.#body;
    // SlateDB since 0.13 fences with an object without bytes.
    if (body.length === 0) return undefined;
    const footerOffset = body.length - FOOTER_BYTES;
    if (footerOffset < 0) throw new DbError("data", "The SST is cut short");
    const footer = decodeSstFooter(body.subarray(footerOffset));
    if (footer.metaOffset > footerOffset) {
      throw new DbError("data", "The SST is cut short");
    }
    const info = decodeSstTail(body.subarray(footer.metaOffset));
    validateSstInfo(info, body.length);
    if (dataEnd(info) === 0) return undefined;
    return { info, version: footer.version };
  }

  async *#decode(
    { info, version }: { info: SstInfo; version: FormatVersion },
  ): AsyncGenerator<RowRecords, void, void> {
    const { kernel } = this.#decoding;
    const { exports } = kernel;
    const ends = await this.#blockEnds(info);
    const merge = exports.merge_create(1, MergeMode.RAW, 0, BATCH_BYTES);
    if (merge === 0) throw outOfMemory();
    let block = 0;
    try {
      exports.merge_limits(merge, MAX_SEQ, 0n, 0n);
      for (let next = 0;;) {
        const status = exports.merge_run(merge, 0x7fff_ffff);
        if (status < 0) throw new DbError("data", "A data block is damaged");
        if (status === MergeStatus.WANT_BLOCK) {
          const loaded = next + 1 < ends.length
            ? await this.#loadBlock(info, version, ends[next]!, ends[next + 1]!)
            : undefined;
          // A source's block must stay until it has the next one.
          const previous = block;
          block = loaded?.pointer ?? 0;
          if (loaded === undefined) exports.merge_end(merge, 0);
          else exports.merge_block(merge, 0, block, loaded.bytes);
          kernel.free(previous);
          next++;
          continue;
        }
        const { u32 } = kernel;
        const bytes = u32[(merge + MERGE_STATE.BYTES) >> 2]!;
        const pointer = u32[(merge + MERGE_STATE.OUTPUT) >> 2]!;
        if (bytes > 0) yield { pointer, bytes };
        if (status === MergeStatus.DONE) return;
      }
    } finally {
      exports.merge_free(merge);
      kernel.free(block);
    }
  }

  /** Where each data block starts, and where the last one ends. */
  async #blockEnds(info: SstInfo): Promise<number[]> {
    const { decodeSection } = this.#decoding;
    const { indexOffset, indexBytes, compression } = info;
    const stored = this.#body.subarray(indexOffset, indexOffset + indexBytes);
    const index = await decodeSection(compression, stored, "index block");
    const end = dataEnd(info);
    return [...Array.from(decodeIndex(index, end).offsets), end];
  }

  async #loadBlock(
    info: SstInfo,
    version: FormatVersion,
    start: number,
    end: number,
  ): Promise<{ pointer: number; bytes: number }> {
    const { kernel, decodeSection } = this.#decoding;
    const stored = this.#body.subarray(start, end);
    const what = `data block at byte ${start}`;
    const decoded = decodeSection(info.compression, stored, what);
    const content = decoded instanceof Uint8Array ? decoded : await decoded;
    let bytes = content.length;
    let pointer = kernel.copyIn(content);
    if (version === 1) {
      const result = kernel.scratch(V1_RESULT_BYTES);
      const rows = kernel.exports.block_from_v1(pointer, bytes, result);
      kernel.free(pointer);
      if (rows < 0) throw new DbError("data", `The ${what} is damaged`);
      pointer = kernel.u32[result >> 2]!;
      bytes = kernel.u32[(result >> 2) + 1]!;
    }
    if (kernel.exports.block_check(pointer, bytes) < 0) {
      kernel.free(pointer);
      throw new DbError("data", `The ${what} is damaged`);
    }
    return { pointer, bytes };
  }

  #located(error: unknown): unknown {
    if (!(error instanceof DbError) || error.kind !== "data") return error;
    return new DbError(
      "data",
      `WAL file ${this.id} cannot be read: ${error.message}`,
      { cause: error },
    );
  }
}

function outOfMemory(): DbError {
  return new DbError(
    "unavailable",
    "Cannot decode a WAL file: the kernel's memory is exhausted",
  );
}

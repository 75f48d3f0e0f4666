/**
 * Rows to the bytes of one SST.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Compression } from "../codec/compression.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { SstInfo, SstType } from "../format/sst_info.ts";
import type { BlockTransformer } from "./block_transformer.ts";

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
  /** Bits of filter per row; 0 for no filter. Ignored in WAL files. */
  readonly filterBitsPerKey: number;
  /** Fewer rows than this get no filter. */
  readonly minFilterKeys: number;
  /** Bytes of the whole SST, roughly: saves copies. */
  readonly expectedBytes?: number;
  /** Whose clock decides when to let others run. */
  readonly runtime: Runtime;
}

/** An SST that is ready to be stored. */
export interface EncodedSst {
  /** The info block, as the manifest needs it. */
  readonly info: SstInfo;
  /** The whole object, in one buffer. */
  readonly body: Uint8Array<ArrayBuffer>;
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
  /**
   * Constructs a new {@linkcode SstEncoder}.
   *
   * @param kernel Where the rows are.
   * @param options How to write them.
   */
  constructor(_kernel: Kernel, _options: SstEncoderOptions) {
  }

  /** Rows added so far. */
  get rows(): number {
    return 0;
  }

  /** Bytes of finished blocks so far. */
  get bytes(): number {
    return 0;
  }

  /**
   * Adds packed row records, such as a merge puts out, in row order.
   *
   * @param pointer The first record; the records must stay until this is done.
   * @param bytes Bytes of all records.
   * @returns A promise where it let others run, or a codec is asynchronous.
   */
  add(_pointer: number, _bytes: number): Promise<void> | undefined {
    throw new DbError("internal", "not yet");
  }

  /**
   * Adds a memtable's rows in commit order.
   *
   * @param firstRecord Where to begin.
   * @param lastRecord Where to stop, included; the chain may be longer.
   * @returns As {@linkcode add}.
   */
  addChain(
    _firstRecord: number,
    _lastRecord: number,
  ): Promise<void> | undefined {
    throw new DbError("internal", "not yet");
  }

  /**
   * Ends the SST. Nothing can be added afterwards.
   *
   * @returns The bytes and what the manifest needs.
   */
  finish(): Promise<EncodedSst> {
    throw new DbError("internal", "not yet");
  }

  /** Frees what the kernel holds; a second time is fine. */
  dispose(): void {
  }

  /** See {@linkcode dispose}. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

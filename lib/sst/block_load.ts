/**
 * Data blocks on their way into linear memory.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { KeyRange } from "../base/key_range.ts";
import { MAX_SEQ } from "../base/row.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import {
  BUILDER_STATE,
  MERGE_STATE,
  MergeMode,
  MergeStatus,
} from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import { setMergeBounds } from "./merge_bounds.ts";

/** The largest block a V2 block can be, but for one long row. */
const MAX_BLOCK_BYTES = 65_536;
/** Holds all rows of one block in one batch. */
const ALL = 0x7fff_ffff;

/** A block as the file has it, after decompression. */
export interface BlockContent {
  /** Its bytes. */
  readonly bytes: Uint8Array;
  /** How they are laid out. */
  readonly formatVersion: 1 | 2;
  /** The only keys to be seen; `undefined`: all of them are inside. */
  readonly clip: KeyRange | undefined;
}

/** A piece of linear memory. */
interface Piece {
  readonly pointer: number;
  readonly bytes: number;
}

/**
 * Copies a block into linear memory, as a checked V2 block.
 *
 * @param cache What it is charged to.
 * @param content The block.
 * @param index Its place among its owner's blocks.
 * @returns The block, pinned once, not cached; of 0 bytes where no row is to be seen.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function placeBlock(
  cache: BlockCache,
  content: BlockContent,
  index: number,
): CachedBlock {
  const { kernel } = cache;
  const { length } = content.bytes;
  let piece: Piece = { pointer: cache.reserve(length), bytes: length };
  kernel.u8.set(content.bytes, piece.pointer);
  try {
    if (content.formatVersion === 1) piece = replaceV1(kernel, piece);
    if (kernel.exports.block_check(piece.pointer, piece.bytes) <= 0) {
      throw new DbError(
        "data",
        "The data block is damaged: its rows make no sense",
      );
    }
    if (content.clip !== undefined) {
      piece = replaceClipped(cache, piece, content.clip);
    }
  } catch (error) {
    kernel.exports.free(piece.pointer);
    throw error;
  }
  return cache.block(piece.pointer, piece.bytes, index);
}

/** Rewrites a V1 block; frees it only when that has worked. */
function replaceV1(kernel: Kernel, old: Piece): Piece {
  const { exports } = kernel;
  const out = kernel.scratch(8);
  const rows = exports.block_from_v1(old.pointer, old.bytes, out);
  if (rows <= 0) {
    throw new DbError(
      "data",
      "The data block is damaged: its rows make no sense",
    );
  }
  const { u32 } = kernel;
  const piece = { pointer: u32[out >> 2]!, bytes: u32[(out >> 2) + 1]! };
  exports.free(old.pointer);
  return piece;
}

/**
 * Rewrites a block with the rows inside a range, which only the first and the
 * last block of a clone's view need: every path then sees a clipped SST without
 * a bound of its own.
 */
function replaceClipped(cache: BlockCache, old: Piece, range: KeyRange): Piece {
  const { kernel } = cache;
  const { exports } = kernel;
  const merge = exports.merge_create(1, MergeMode.RAW, 0, ALL);
  const builder = exports.builder_create(MAX_BLOCK_BYTES, 0);
  try {
    if (merge === 0 || builder === 0) throw exhausted();
    exports.merge_limits(merge, MAX_SEQ, 0n, 0n);
    setMergeBounds(kernel, merge, range);
    exports.merge_block(merge, 0, old.pointer, old.bytes);
    const status = exports.merge_run(merge, ALL);
    if (status < 0) throw exhausted();
    // At its end it asks for more: what there is stays in the output.
    if (status === MergeStatus.WANT_BLOCK) exports.merge_end(merge, 0);
    if (
      status === MergeStatus.WANT_BLOCK && exports.merge_run(merge, ALL) < 0
    ) {
      throw exhausted();
    }
    const bytes = kernel.u32[(merge + MERGE_STATE.BYTES) >> 2]!;
    const output = kernel.u32[(merge + MERGE_STATE.OUTPUT) >> 2]!;
    if (exports.builder_add(builder, output, bytes) !== bytes) {
      throw new DbError(
        "unavailable",
        "A block of a clone cannot be clipped: it no longer fits into a block",
      );
    }
    const piece = copyBlock(cache, builder);
    exports.free(old.pointer);
    return piece;
  } finally {
    exports.merge_free(merge);
    exports.builder_free(builder);
  }
}

function copyBlock(cache: BlockCache, builder: number): Piece {
  const { kernel } = cache;
  const bytes = kernel.exports.builder_finish_block(builder);
  if (bytes === 0) return { pointer: 0, bytes: 0 };
  const pointer = cache.reserve(bytes);
  const block = kernel.u32[(builder + BUILDER_STATE.BLOCK) >> 2]!;
  kernel.u8.copyWithin(pointer, block, block + bytes);
  return { pointer, bytes };
}

function exhausted(): DbError {
  return new DbError("unavailable", "The kernel's memory is exhausted");
}

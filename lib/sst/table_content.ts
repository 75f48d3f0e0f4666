/**
 * The tail of an SST decoded into linear memory: index and filters.
 *
 * ```text
 * object  data blocks | [filter] | index | [stats] | info, footer
 *                     ^ read from here to the end, in one go
 * memory  index | bits of each known filter        one block of the cache
 * ```
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { BlockCache } from "../cache/block_cache.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import type { Kernel } from "../codec/kernel.ts";
import {
  type BloomFilter,
  decodeBloom,
  decodeFilters,
} from "../format/filter_block.ts";
import { dataEnd, type SstInfo, validateSstInfo } from "../format/sst_info.ts";
import {
  decodeSstFooter,
  decodeSstTail,
  FOOTER_BYTES,
} from "../format/sst_layout.ts";
import { decodeRowCounts } from "../format/sst_stats.ts";
import {
  type BloomFilterPolicy,
  type CustomFilterPolicy,
  type Filter,
  filterName,
  type FilterPolicy,
  isCustom,
} from "./filter_policy.ts";
import { decodeSection, type SectionCoding } from "./section.ts";

/** The kernel's layout of an index without blocks. */
const EMPTY_INDEX_BYTES = 8;
/** Where a block starts, as the kernel reports it. */
const OFFSET_BYTES = 8;
/** No entry of a stored index is shorter. */
const LEAST_ENTRY_BYTES = 4;

/** Where the cache finds an SST's index and filters among its blocks. */
export const CONTENT_INDEX = -1;

/** One bloom filter that a known policy can ask. */
export interface LoadedFilter {
  /** What it remembers. */
  readonly policy: BloomFilterPolicy;
  /** Address of its bits. */
  readonly pointer: number;
  /** Length of its bits; never 0. */
  readonly bytes: number;
  /** Bits looked at per key. */
  readonly probes: number;
}

/** Index and filters of one SST. */
export interface TableContent {
  /** The memory that holds them, pinned once. */
  readonly memory: CachedBlock;
  /** Start of each data block, and the end of the last. */
  readonly offsets: Float64Array;
  /** The bloom filters that known policies can ask. */
  readonly filters: readonly LoadedFilter[];
  /** The filters of users' own policies; they are no part of that memory. */
  readonly customFilters: readonly Filter[];
  /** Merge operands among the rows; `undefined` where the SST does not say. */
  readonly merges: number | undefined;
}

/** The sections of a tail, after decompression. */
interface Sections {
  readonly info: SstInfo;
  readonly index: Uint8Array;
  readonly filter: Uint8Array | undefined;
  readonly stats: Uint8Array | undefined;
}

/**
 * Decodes a tail as far as no memory is needed.
 *
 * @param coding How sections are stored.
 * @param expected The info as the manifest has it.
 * @param bytes The object from the end of its data to its own end.
 * @returns The sections; they may refer to `bytes`.
 * @throws {DbError} Kind `"data"` if a byte is not what it must be.
 */
export function decodeTail(
  coding: SectionCoding,
  expected: SstInfo,
  bytes: Uint8Array,
): Sections | Promise<Sections> {
  const info = decodeOwnInfo(expected, bytes);
  const start = dataEnd(info);
  const section = (what: string, offset: number, length: number) => {
    if (length === 0) return undefined;
    const stored = bytes.subarray(offset - start, offset - start + length);
    const content = decodeSection(coding, stored, what);
    // What a codec answers is good until its next call only.
    return content instanceof Promise || coding.compression === "none"
      ? content
      : content.slice();
  };
  const filter = section("filter", info.filterOffset, info.filterBytes);
  const index = section("index", info.indexOffset, info.indexBytes);
  const stats = section("stats", info.statsOffset, info.statsBytes);
  if (
    filter instanceof Promise || index instanceof Promise ||
    stats instanceof Promise
  ) {
    return Promise.all([filter, index, stats]).then((all) => ({
      info,
      filter: all[0],
      index: all[1]!,
      stats: all[2],
    }));
  }
  return { info, filter, index: index!, stats };
}

function decodeOwnInfo(expected: SstInfo, bytes: Uint8Array): SstInfo {
  const footerAt = bytes.length - FOOTER_BYTES;
  if (footerAt < 0) throw new DbError("data", "The SST is cut short");
  const { metaOffset } = decodeSstFooter(bytes.subarray(footerAt));
  const infoAt = metaOffset - dataEnd(expected);
  if (infoAt < 0 || infoAt > footerAt) {
    throw new DbError(
      "data",
      `The SST footer points to byte ${metaOffset}, where no info can be`,
    );
  }
  const info = decodeSstTail(bytes.subarray(infoAt));
  validateSstInfo(info, metaOffset);
  // The copy in the manifest lacks the filter's format where SlateDB 0.12 has
  // rewritten it; all else must agree.
  if (
    info.indexOffset !== expected.indexOffset ||
    info.indexBytes !== expected.indexBytes ||
    dataEnd(info) !== dataEnd(expected) ||
    info.filterBytes !== expected.filterBytes ||
    info.statsOffset !== expected.statsOffset ||
    info.statsBytes !== expected.statsBytes ||
    info.compression !== expected.compression ||
    !sameKey(info.firstEntry, expected.firstEntry) ||
    !sameKey(info.lastEntry, expected.lastEntry)
  ) {
    throw new DbError("data", "The SST info and its manifest's copy differ");
  }
  return info;
}

function sameKey(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
): boolean {
  if (a === undefined || b === undefined) return a === b;
  return equalBytes(a, b);
}

/**
 * Copies index and filters into linear memory.
 *
 * @param cache Where to.
 * @param sections The sections.
 * @param policies The known policies.
 * @returns Where they are.
 * @throws {DbError} Kind `"data"` if a section is damaged.
 */
export function placeContent(
  cache: BlockCache,
  sections: Sections,
  policies: readonly FilterPolicy[],
): TableContent {
  const { info } = sections;
  const end = dataEnd(info);
  const indexBytes = aligned(measureIndex(cache.kernel, sections.index, end));
  const { blooms, custom } = knownFilters(sections, policies);
  const merges = sections.stats === undefined
    ? undefined
    : decodeRowCounts(sections.stats).merges;
  let bytes = indexBytes;
  for (const { bits } of blooms) bytes += aligned(bits.length);

  const pointer = cache.reserve(bytes);
  let offsets: Float64Array;
  try {
    offsets = unpackIndex(cache.kernel, sections.index, end, pointer);
  } catch (error) {
    cache.kernel.free(pointer);
    throw error;
  }
  const { u8 } = cache.kernel;
  let at = pointer + indexBytes;
  const filters: LoadedFilter[] = [];
  for (const { policy, bits, probes } of blooms) {
    u8.set(bits, at);
    filters.push({ policy, pointer: at, bytes: bits.length, probes });
    at += aligned(bits.length);
  }
  return {
    memory: cache.block(pointer, bytes, CONTENT_INDEX),
    offsets,
    filters,
    customFilters: custom,
    merges,
  };
}

interface KnownFilters {
  readonly blooms: readonly (BloomFilter & { policy: BloomFilterPolicy })[];
  readonly custom: readonly Filter[];
}

function knownFilters(
  { filter: stored, info }: Sections,
  policies: readonly FilterPolicy[],
): KnownFilters {
  if (stored === undefined) return { blooms: [], custom: [] };
  const blooms: (BloomFilter & { policy: BloomFilterPolicy })[] = [];
  const custom: Filter[] = [];
  for (const filter of decodeFilters(stored, info.filterFormat)) {
    const policy = policies.find((policy) =>
      filterName(policy) === filter.name
    );
    if (policy === undefined) continue;
    if (isCustom(policy)) {
      custom.push(decodeCustom(policy, filter.data));
      continue;
    }
    const bloom = decodeBloom(filter);
    // A filter without bits says nothing that is worth a risk.
    if (bloom.bits.length > 0) blooms.push({ ...bloom, policy });
  }
  return { blooms, custom };
}

function decodeCustom(policy: CustomFilterPolicy, data: Uint8Array): Filter {
  try {
    // The section's bytes are used again.
    return policy.decode(data.slice());
  } catch (error) {
    throw new DbError(
      "invalid",
      `filter policy "${policy.name}" failed to decode what it had made`,
      { cause: error },
    );
  }
}

/** Bytes the index will take, every part of it checked. */
function measureIndex(kernel: Kernel, stored: Uint8Array, end: number): number {
  const flatbuffer = kernel.scratch(stored.length);
  kernel.u8.set(stored, flatbuffer);
  const bytes = kernel.exports.index_unpack(
    flatbuffer,
    stored.length,
    end,
    0,
    0,
  );
  if (bytes < 0) throw new DbError("data", "The SST index is damaged");
  if (bytes <= EMPTY_INDEX_BYTES) {
    throw new DbError("data", "The SST index names no block");
  }
  return bytes;
}

/** Writes the index to `target`; the blocks' starts come back. */
function unpackIndex(
  kernel: Kernel,
  stored: Uint8Array,
  end: number,
  target: number,
): Float64Array {
  const offsetsAt = aligned(stored.length);
  const scratch = kernel.scratch(
    offsetsAt + OFFSET_BYTES * (1 + stored.length / LEAST_ENTRY_BYTES),
  );
  kernel.u8.set(stored, scratch);
  const blocks = kernel.exports.index_unpack(
    scratch,
    stored.length,
    end,
    target,
    scratch + offsetsAt,
  );
  const first = scratch + offsetsAt;
  return new Float64Array(
    kernel.u8.buffer.slice(first, first + OFFSET_BYTES * (blocks + 1)),
  );
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

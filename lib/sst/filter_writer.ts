/**
 * The filters of an SST under construction.
 *
 * Owns: what each policy remembers of the rows, and the filter block.
 * Does not own: hashes of whole keys, which the kernel's builder collects while
 * it encodes the rows. Rows are looked at here only where a policy wants more.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { BUILDER_STATE, ROW_HEADER_BYTES } from "../codec/abi.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Pause } from "../codec/long_compression.ts";
import { readRow } from "../codec/row_record.ts";
import {
  encodeCompositeFilters,
  encodeLegacyFilter,
  type StoredFilter,
} from "../format/filter_block.ts";
import type { FilterFormat } from "../format/sst_info.ts";
import {
  type BloomFilterPolicy,
  type CustomFilterPolicy,
  type FilterBuilder,
  filterName,
  type FilterPolicy,
  isCustom,
  isWholeKeyBloom,
} from "./filter_policy.ts";
import { type PrefixExtractor, prefixLengthOf } from "./prefix_extractor.ts";

/** How filters are written. */
export interface FilterWriterOptions {
  /** Which filters there are. */
  readonly policies: readonly FilterPolicy[];
  /** How they are laid out; `"legacy"` has room for whole keys alone. */
  readonly format: FilterFormat;
  /** Bits for each key where a policy does not say; 0 for no filter. */
  readonly bitsPerKey: number;
}

/** Bits and probes of a bloom filter, and the hashes it is made of. */
interface Bloom {
  readonly policy: BloomFilterPolicy;
  readonly bitsPerKey: number;
  readonly prefixes: PrefixHashes | undefined;
}

interface Custom {
  readonly policy: CustomFilterPolicy;
  readonly builder: FilterBuilder;
}

const HASH_BYTES = 8;
/** What goes into a filter at a time: each hash waits for memory, some 30 ns. */
const STEP_HASHES = 16 * 1024;
const MAX_BLOOM_BYTES = 1024 * 1024 * 1024;

/** Collects what the filters of one SST are made of, and makes them. */
export class FilterWriter {
  readonly #kernel: Kernel;
  readonly #format: FilterFormat;
  readonly #blooms: Bloom[] = [];
  readonly #customs: Custom[] = [];
  /** Two policies may go by the same prefixes. */
  readonly #prefixes = new Map<string, PrefixHashes>();

  /**
   * Constructs a new {@linkcode FilterWriter}.
   *
   * @param kernel Where the rows are.
   * @param options Which filters.
   */
  constructor(kernel: Kernel, options: FilterWriterOptions) {
    this.#kernel = kernel;
    this.#format = options.format;
    for (const policy of options.policies) {
      if (isCustom(policy)) {
        const builder = guard(policy, () => policy.newBuilder());
        this.#customs.push({ policy, builder });
        continue;
      }
      const { bitsPerKey = options.bitsPerKey, prefixExtractor } = policy;
      if (bitsPerKey === 0) continue;
      const prefixes = prefixExtractor && this.#prefixesOf(prefixExtractor);
      this.#blooms.push({ policy, bitsPerKey, prefixes });
    }
    if (this.#format === "composite") return;
    if (this.#customs.length === 0 && this.#blooms.length <= 1) {
      if (this.#blooms.every(({ policy }) => isWholeKeyBloom(policy))) return;
    }
    throw new DbError(
      "invalid",
      "filters other than one of whole keys cannot be laid out so that every SlateDB reads them",
    );
  }

  /** Whether the builder has to hash keys. */
  get hashesKeys(): boolean {
    return this.#blooms.some(({ policy }) => policy.wholeKeys !== false);
  }

  /** Whether {@linkcode add} must be told of every row. */
  get watches(): boolean {
    return this.#prefixes.size > 0 || this.#customs.length > 0;
  }

  /**
   * Looks at rows on their way into the SST.
   *
   * @param pointer The first record.
   * @param bytes Bytes of all records.
   * @throws {DbError} Kind `"invalid"` if a user's extractor or policy fails.
   */
  add(pointer: number, bytes: number): void {
    const end = pointer + bytes;
    for (let at = pointer; at < end;) {
      const { u32 } = this.#kernel;
      const keyBytes = u32[(at + 24) >> 2]!;
      const valueBytes = u32[(at + 28) >> 2]!;
      for (const prefixes of this.#prefixes.values()) {
        prefixes.add(at + ROW_HEADER_BYTES, keyBytes);
      }
      for (const { policy, builder } of this.#customs) {
        guard(policy, () => builder.add(readRow(this.#kernel, at)));
      }
      at += (ROW_HEADER_BYTES + keyBytes + valueBytes + 7) & ~7;
    }
  }

  /**
   * Makes the filter block, in short steps.
   *
   * @param builder The kernel's builder, which has all rows; at least one.
   * @param pause Called between two steps; what it returns is waited for, and ends the work if it rejects.
   * @returns The block, before compression; `undefined` where there is none.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for it, `"invalid"` if a user's policy fails.
   */
  async encode(
    builder: number,
    pause: Pause,
  ): Promise<Uint8Array | undefined> {
    if (this.#format === "legacy") {
      const [bloom] = this.#blooms;
      return bloom && (await this.#encodeBloom(bloom, builder, pause))?.data;
    }
    const filters: StoredFilter[] = [];
    for (const bloom of this.#blooms) {
      const filter = await this.#encodeBloom(bloom, builder, pause);
      if (filter !== undefined) filters.push(filter);
    }
    for (const { policy, builder } of this.#customs) {
      const data = guard(policy, () => builder.finish());
      if (data !== undefined) filters.push({ name: policy.name, data });
    }
    return filters.length === 0 ? undefined : encodeCompositeFilters(filters);
  }

  #prefixesOf(extractor: PrefixExtractor): PrefixHashes {
    let prefixes = this.#prefixes.get(extractor.name);
    if (prefixes === undefined) {
      prefixes = new PrefixHashes(this.#kernel, extractor);
      this.#prefixes.set(extractor.name, prefixes);
    }
    return prefixes;
  }

  async #encodeBloom(
    { policy, bitsPerKey, prefixes }: Bloom,
    builder: number,
    pause: Pause,
  ): Promise<StoredFilter | undefined> {
    const kernel = this.#kernel;
    const keys = policy.wholeKeys === false
      ? 0
      : kernel.u32[(builder + BUILDER_STATE.ROWS) >> 2]!;
    const count = keys + (prefixes?.count ?? 0);
    const bytes = Math.min(Math.ceil(count * bitsPerKey / 8), MAX_BLOOM_BYTES);
    // One without bits would say of every key that it is not there.
    if (bytes === 0) return undefined;
    const probes = probesFor(bitsPerKey);
    const bits = kernel.alloc(bytes);
    const piece = kernel.alloc(HASH_BYTES * STEP_HASHES);
    try {
      if (bits === 0 || piece === 0) throw exhausted();
      kernel.u8.fill(0, bits, bits + bytes);
      const add = (hashes: number, count: number) =>
        kernel.exports.bloom_add(hashes, count, bits, bytes, probes);
      for (let from = 0; from < keys; from += STEP_HASHES) {
        const waiting = pause();
        if (waiting !== undefined) await waiting;
        const hashes = kernel.exports.builder_hashes(builder);
        if (hashes === 0) throw exhausted();
        const step = Math.min(STEP_HASHES, keys - from);
        add(hashes + HASH_BYTES * from, step);
      }
      for (let from = 0; from < count - keys; from += STEP_HASHES) {
        const waiting = pause();
        if (waiting !== undefined) await waiting;
        add(piece, prefixes!.copyTo(piece, from, from + STEP_HASHES));
      }
      const data = encodeLegacyFilter(
        probes,
        kernel.u8.subarray(bits, bits + bytes),
      );
      return { name: filterName(policy), data };
    } finally {
      kernel.free(bits);
      kernel.free(piece);
    }
  }
}

/** Hashes of the prefixes of keys in order, each prefix once. */
class PrefixHashes {
  /** How many there are. */
  count = 0;
  readonly #kernel: Kernel;
  readonly #extractor: PrefixExtractor;
  #hashes = new BigUint64Array(64);
  /** The prefix of the key before. */
  #last: Uint8Array | undefined;

  constructor(kernel: Kernel, extractor: PrefixExtractor) {
    this.#kernel = kernel;
    this.#extractor = extractor;
  }

  add(pointer: number, keyBytes: number): void {
    const { u8, exports } = this.#kernel;
    const key = u8.subarray(pointer, pointer + keyBytes);
    const length = prefixLengthOf(this.#extractor, key, "key");
    if (length === undefined || this.#isLast(key, length)) return;
    if (this.count === this.#hashes.length) {
      const larger = new BigUint64Array(2 * this.count);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[this.count++] = exports.siphash13(pointer, length);
    this.#last = key.slice(0, length);
  }

  /** Copies some of them; answers how many. */
  copyTo(pointer: number, from: number, to: number): number {
    const hashes = this.#hashes.subarray(from, Math.min(to, this.count));
    const { buffer, byteOffset, byteLength } = hashes;
    this.#kernel.u8.set(
      new Uint8Array(buffer, byteOffset, byteLength),
      pointer,
    );
    return hashes.length;
  }

  #isLast(key: Uint8Array, length: number): boolean {
    const last = this.#last;
    if (last?.length !== length) return false;
    // Neighbours tend to differ near their ends.
    for (let i = length - 1; i >= 0; i--) if (key[i] !== last[i]) return false;
    return true;
  }
}

/** SlateDB's number of probes, in its arithmetic of 32-bit floats. */
function probesFor(bitsPerKey: number): number {
  return Math.trunc(Math.fround(Math.fround(bitsPerKey) * Math.fround(0.69)));
}

function guard<Result>(
  { name }: CustomFilterPolicy,
  call: () => Result,
): Result {
  try {
    return call();
  } catch (error) {
    throw new DbError("invalid", `filter policy "${name}" failed`, {
      cause: error,
    });
  }
}

function exhausted(): DbError {
  return new DbError(
    "unavailable",
    "Cannot build the filters of an SST: linear memory is exhausted; lower 'cacheBytes' and 'memtableBytes', or close other databases",
  );
}

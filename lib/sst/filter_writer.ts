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
import { readRow } from "../codec/row_record.ts";
import {
  encodeBloom,
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

  /** What the builder is created with: bits for each key, 0 where it need not hash them. */
  get keyBits(): number {
    const keys = this.#blooms.find(({ policy }) => policy.wholeKeys !== false);
    return keys?.bitsPerKey ?? 0;
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
   * Makes the filter block.
   *
   * @param builder The kernel's builder, which has all rows; at least one.
   * @returns The block, before compression; `undefined` where there is none.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for it, `"invalid"` if a user's policy fails.
   */
  encode(builder: number): Uint8Array | undefined {
    if (this.#format === "legacy") return this.#encodeLegacy(builder);
    const filters: StoredFilter[] = [];
    for (const bloom of this.#blooms) {
      const filter = this.#encodeBloom(bloom, builder);
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

  #encodeLegacy(builder: number): Uint8Array | undefined {
    const [bloom] = this.#blooms;
    if (bloom === undefined) return undefined;
    const probes = probesFor(bloom.bitsPerKey);
    const bytes = this.#kernel.exports.builder_filter(builder, probes);
    if (bytes < 0) throw exhausted();
    const bits = this.#kernel.u32[(builder + BUILDER_STATE.FILTER) >> 2]!;
    return encodeLegacyFilter(
      probes,
      this.#kernel.u8.subarray(bits, bits + bytes),
    );
  }

  #encodeBloom(
    { policy, bitsPerKey, prefixes }: Bloom,
    builder: number,
  ): StoredFilter | undefined {
    const kernel = this.#kernel;
    const rows = policy.wholeKeys === false
      ? 0
      : kernel.u32[(builder + BUILDER_STATE.ROWS) >> 2]!;
    const count = rows + (prefixes?.count ?? 0);
    const bytes = Math.ceil(count * bitsPerKey / 8);
    // One without bits would say of every key that it is not there.
    if (bytes === 0) return undefined;
    const hashes = kernel.alloc(HASH_BYTES * count);
    const bits = kernel.alloc(bytes);
    try {
      const keys = rows === 0 ? 0 : kernel.exports.builder_hashes(builder);
      if (hashes === 0 || bits === 0 || (rows > 0 && keys === 0)) {
        throw exhausted();
      }
      kernel.u8.copyWithin(hashes, keys, keys + HASH_BYTES * rows);
      prefixes?.copyTo(hashes + HASH_BYTES * rows);
      const probes = probesFor(bitsPerKey);
      kernel.exports.bloom_build(hashes, count, bits, bytes, probes);
      return encodeBloom({
        name: filterName(policy),
        probes,
        bits: kernel.u8.subarray(bits, bits + bytes),
      });
    } finally {
      kernel.free(hashes);
      kernel.free(bits);
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

  copyTo(pointer: number): void {
    const { u8 } = this.#kernel;
    const bytes = HASH_BYTES * this.count;
    u8.set(new Uint8Array(this.#hashes.buffer, 0, bytes), pointer);
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

/**
 * The filter block of an SST.
 *
 * ```text
 * bloom      probes u16 | bits
 * legacy     one bloom
 * composite  count u16, then per filter: name length u16 | name | data length u64 | data
 * ```
 *
 * All big-endian. Does not own how bits are set and probed; the kernel does.
 *
 * @module
 */
import { toBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import { ByteReader } from "./byte_reader.ts";
import { ByteWriter } from "./byte_writer.ts";
import type { FilterFormat } from "./sst_info.ts";

/** Name of the bloom filter over whole keys. */
export const WHOLE_KEY_FILTER = "_bf";

/** The longest name of a filter. */
export const MAX_FILTER_NAME_BYTES = 0xffff;

/** One filter as it is stored. */
export interface StoredFilter {
  /** Its policy's name. */
  readonly name: string;
  /** Whatever the policy made of it. */
  readonly data: Uint8Array;
}

/** One bloom filter. */
export interface BloomFilter {
  /**
   * Its policy: `_bf`, then `:p=<extractor>` where it holds prefixes too, then
   * `:wh=0` where it does not hold whole keys.
   */
  readonly name: string;
  /** Bits looked at per key. */
  readonly probes: number;
  /** The bits; none means that nothing matches. */
  readonly bits: Uint8Array;
}

/**
 * Takes a filter block apart.
 *
 * @param bytes The block, after decompression; the result refers to it.
 * @param format How it is laid out.
 * @returns The filters of all policies, also of those not known.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeFilters(
  bytes: Uint8Array,
  format: FilterFormat,
): StoredFilter[] {
  if (format === "legacy") return [{ name: WHOLE_KEY_FILTER, data: bytes }];
  const reader = new ByteReader(bytes, "filter block");
  const filters: StoredFilter[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    const name = decodeName(reader.bytes(reader.u16()));
    filters.push({ name, data: reader.bytes(reader.u64()) });
  }
  reader.end();
  return filters;
}

function decodeName(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/**
 * Decodes one bloom filter.
 *
 * @param filter The filter as it is stored; the result refers to it.
 * @returns The filter.
 * @throws {DbError} Kind `"data"` if it is damaged.
 */
export function decodeBloom({ name, data }: StoredFilter): BloomFilter {
  const reader = new ByteReader(data, "bloom filter");
  return { name, probes: reader.u16(), bits: reader.bytes(reader.remaining) };
}

/**
 * Encodes a filter block that every version of SlateDB can read.
 *
 * @param probes Bits looked at per key.
 * @param bits The bits of a filter over whole keys.
 * @returns The block, before compression and checksum.
 */
export function encodeLegacyFilter(
  probes: number,
  bits: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(2 + bits.length);
  writer.u16(probes);
  writer.bytes(bits);
  return writer.finish();
}

/**
 * The inverse of {@linkcode decodeBloom}.
 *
 * @param filter The filter.
 * @returns The filter as it is stored.
 */
export function encodeBloom(
  { name, probes, bits }: BloomFilter,
): StoredFilter {
  return { name, data: encodeLegacyFilter(probes, bits) };
}

/**
 * Encodes a filter block that SlateDB 0.12 would misread.
 *
 * @param filters The filters, as they are stored.
 * @returns The block, before compression and checksum.
 * @throws {DbError} Kind `"invalid"` if a name is too long.
 */
export function encodeCompositeFilters(
  filters: readonly StoredFilter[],
): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writer.u16(filters.length);
  for (const { name, data } of filters) {
    const nameBytes = toBytes(name);
    if (nameBytes.length > MAX_FILTER_NAME_BYTES) {
      throw new DbError(
        "invalid",
        `The name of a filter has ${nameBytes.length} bytes, at most ${MAX_FILTER_NAME_BYTES} fit`,
      );
    }
    writer.u16(nameBytes.length);
    writer.bytes(nameBytes);
    writer.u64(data.length);
    writer.bytes(data);
  }
  return writer.finish();
}

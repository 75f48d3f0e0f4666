/**
 * The part of a key that segments and prefix filters go by.
 *
 * Owns: the contract, the ready-made extractors, and checking what one of a
 * user's answers. Does not own: what a prefix is used for.
 *
 * @module
 */
import { type Bytes, showKey, toBytes, toHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";

/** Finds the part of a key that segments and prefix filters go by. */
export interface PrefixExtractor {
  /**
   * Distinguishes extractors, and is stored with whatever was made with it:
   * change it with whatever changes an answer.
   */
  readonly name: string;
  /**
   * The length of the extracted prefix.
   *
   * For a key the answer must depend on nothing behind that prefix. For a scan's
   * prefix it must be the answer for every key that begins with it.
   *
   * @param bytes A whole key, or the prefix of a scan; good for the call only.
   * @param kind Which of the two.
   * @returns At most the length of `bytes`; `undefined`: there is none.
   */
  prefixLength(bytes: Uint8Array, kind: "key" | "prefix"): number | undefined;
}

/** How a ready-made extractor is made again. */
export type PrefixRecipe =
  | { readonly kind: "fixed"; readonly bytes: number }
  | { readonly kind: "delimiter"; readonly delimiter: Uint8Array };

const MAX_KEY_BYTES = 65_535;
/** Not by name: a user's extractor may have any name. */
const RECIPES = new WeakMap<PrefixExtractor, PrefixRecipe>();

/**
 * The first bytes of a key. Shorter keys have no prefix.
 *
 * @param bytes How many; 1 to 65,535.
 * @returns An extractor named `fixed<bytes>`.
 * @throws {DbError} Kind `"invalid"` if `bytes` is out of range.
 */
export function fixedPrefix(bytes: number): PrefixExtractor {
  if (!Number.isInteger(bytes) || bytes < 1 || bytes > MAX_KEY_BYTES) {
    throw new DbError(
      "invalid",
      `a fixed prefix has 1 to ${MAX_KEY_BYTES} bytes, not ${bytes}`,
    );
  }
  const extractor: PrefixExtractor = Object.freeze({
    name: `fixed${bytes}`,
    prefixLength: ({ length }: Uint8Array) =>
      length >= bytes ? bytes : undefined,
  });
  RECIPES.set(extractor, { kind: "fixed", bytes });
  return extractor;
}

/**
 * A key up to its first delimiter, which belongs to the prefix: without it the
 * keys of one prefix could begin with another one. Keys without a delimiter have
 * no prefix.
 *
 * @param delimiter One byte as a number, or one byte and more.
 * @returns An extractor named `delimiter<hexadecimal>`.
 * @throws {DbError} Kind `"invalid"` if the delimiter is empty or no byte.
 */
export function delimiterPrefix(delimiter: number | Bytes): PrefixExtractor {
  const wanted = typeof delimiter === "number"
    ? byteOf(delimiter)
    : toBytes(delimiter).slice();
  if (wanted.length === 0) {
    throw new DbError("invalid", "a delimiter has at least one byte");
  }
  const extractor: PrefixExtractor = Object.freeze({
    name: `delimiter${toHex(wanted)}`,
    prefixLength(bytes: Uint8Array) {
      const at = indexOf(bytes, wanted);
      return at < 0 ? undefined : at + wanted.length;
    },
  });
  RECIPES.set(extractor, { kind: "delimiter", delimiter: wanted });
  return extractor;
}

/**
 * How an extractor is made again where functions cannot go, such as in another
 * thread.
 *
 * @param extractor The extractor.
 * @returns Plain data; `undefined` where it is not one of the ready-made ones.
 */
export function recipeOf(extractor: PrefixExtractor): PrefixRecipe | undefined {
  return RECIPES.get(extractor);
}

/**
 * The length of a prefix, as an extractor says it.
 *
 * @param extractor The extractor.
 * @param bytes A whole key, or the prefix of a scan.
 * @param kind Which of the two.
 * @returns Its answer.
 * @throws {DbError} Kind `"invalid"` if it throws, or its answer is no length.
 */
export function prefixLengthOf(
  extractor: PrefixExtractor,
  bytes: Uint8Array,
  kind: "key" | "prefix",
): number | undefined {
  let length: number | undefined;
  try {
    length = extractor.prefixLength(bytes, kind);
  } catch (error) {
    throw new DbError(
      "invalid",
      `prefix extractor "${extractor.name}" failed at ${showKey(bytes)}`,
      { cause: error },
    );
  }
  if (
    length === undefined ||
    (Number.isInteger(length) && length >= 0 && length <= bytes.length)
  ) return length;
  throw new DbError(
    "invalid",
    `prefix extractor "${extractor.name}" answered ${length} for the ${bytes.length} bytes of ${
      showKey(bytes)
    }`,
  );
}

function byteOf(value: number): Uint8Array {
  if (Number.isInteger(value) && value >= 0 && value <= 0xff) {
    return Uint8Array.of(value);
  }
  throw new DbError("invalid", `a delimiter is a byte, not ${value}`);
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const [first] = wanted;
  for (
    let at = bytes.indexOf(first!);
    at >= 0 && at + wanted.length <= bytes.length;
    at = bytes.indexOf(first!, at + 1)
  ) {
    if (wanted.every((byte, i) => byte === bytes[at + i])) return at;
  }
  return -1;
}

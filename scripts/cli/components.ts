/**
 * The components that flags can name: what a database was made with has to be
 * given again by whoever opens it.
 *
 * @module
 */
import {
  type BlockTransformer,
  DbError,
  type FilterPolicy,
  type MergeOperator,
  type PrefixExtractor,
} from "../../mod.ts";

/**
 * The merge operator `--merge` names.
 *
 * @param name What it was given.
 * @returns The operator; `undefined` where none was named.
 * @throws {DbError} Kind `"invalid"` if the name is unknown.
 */
export function mergeOperatorOf(
  name: string | undefined,
): MergeOperator | undefined {
  if (name === undefined) return undefined;
  if (name !== "concat") {
    throw new DbError("invalid", `--merge knows concat, not ${name}`);
  }
  return {
    merge(_key, existing, operand) {
      if (existing === undefined) return operand.slice();
      const joined = new Uint8Array(existing.length + operand.length);
      joined.set(existing);
      joined.set(operand, existing.length);
      return joined;
    },
  };
}

/**
 * The block transformer `--transform` names.
 *
 * @param name What it was given.
 * @returns The transformer; `undefined` where none was named.
 * @throws {DbError} Kind `"invalid"` if the name is unknown.
 */
export function blockTransformerOf(
  name: string | undefined,
): BlockTransformer | undefined {
  if (name === undefined) return undefined;
  if (name !== "plus-one") {
    throw new DbError("invalid", `--transform knows plus-one, not ${name}`);
  }
  return {
    encode: (bytes) => bytes.map((byte) => byte + 1),
    decode: (bytes) => bytes.map((byte) => byte - 1),
  };
}

/**
 * What `--filters` means for a writer: bits of the whole-key filter of each row.
 *
 * @param list Such as `bloom:10`.
 * @returns Bits; `undefined` where nothing was given, 0 for no filter.
 * @throws {DbError} Kind `"invalid"` if a filter is unknown, or cannot be written yet.
 */
export function filterBitsOf(list: string | undefined): number | undefined {
  if (list === undefined) return undefined;
  let bits = 0;
  for (const { kind, size } of parseFilters(list)) {
    if (kind !== "bloom") {
      throw new DbError(
        "invalid",
        `--filters ${kind}:${size} cannot be written yet`,
      );
    }
    bits = size;
  }
  return bits;
}

/**
 * What `--filters` means for a reader: prefix filters it may ask; it knows the
 * whole-key filter anyway.
 *
 * @param list Such as `prefix:8,only:8`.
 * @returns Policies.
 * @throws {DbError} Kind `"invalid"` if a filter is unknown.
 */
export function filterPoliciesOf(list: string | undefined): FilterPolicy[] {
  const policies: FilterPolicy[] = [];
  for (const { kind, size } of parseFilters(list ?? "")) {
    if (kind === "bloom") continue;
    const prefixExtractor = fixedPrefix(size);
    policies.push({ wholeKeys: kind === "prefix", prefixExtractor });
  }
  return policies;
}

/**
 * The extractor of the first bytes of a key, under the oracle's name for it.
 *
 * @param bytes How many.
 * @returns The extractor.
 */
export function fixedPrefix(bytes: number): PrefixExtractor {
  return {
    name: `fixed${bytes}`,
    prefixLength: ({ length }) => length >= bytes ? bytes : undefined,
  };
}

function parseFilters(list: string): { kind: string; size: number }[] {
  return list.split(",").filter((part) => part !== "").map((part) => {
    const parsed = /^(bloom|prefix|only):(\d+)$/.exec(part);
    if (parsed !== null) return { kind: parsed[1]!, size: Number(parsed[2]) };
    throw new DbError(
      "invalid",
      `--filters takes bloom:BITS, prefix:BYTES, only:BYTES, not ${part}`,
    );
  });
}

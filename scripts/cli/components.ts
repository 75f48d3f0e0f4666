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
  fixedPrefix,
  type FormatTarget,
  type MergeOperator,
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
 * What `--filters` means: the filters that new SSTs get, and that are asked.
 *
 * @param list Such as `bloom:10,prefix:8,only:8`.
 * @returns Policies; `undefined` where nothing was given.
 * @throws {DbError} Kind `"invalid"` if a filter is unknown.
 */
export function filterPoliciesOf(
  list: string | undefined,
): FilterPolicy[] | undefined {
  if (list === undefined) return undefined;
  return parseFilters(list).flatMap(({ kind, size }): FilterPolicy[] => {
    if (kind === "bloom") return size === 0 ? [] : [{ bitsPerKey: size }];
    const prefixExtractor = fixedPrefix(size);
    return [{ wholeKeys: kind === "prefix", prefixExtractor, bitsPerKey: 10 }];
  });
}

/**
 * What `--target` means; without it, the oldest one that can express the rest.
 *
 * @param name What it was given.
 * @param newer Whether something else that was given needs a newer one.
 * @returns The target.
 * @throws {DbError} Kind `"invalid"` if the name is unknown.
 */
export function formatTargetOf(
  name: string | undefined,
  newer: boolean,
): FormatTarget {
  const target = name ?? (newer ? "0.15" : "interop");
  if (target === "interop" || target === "0.15") return target;
  throw new DbError("invalid", `--target knows interop and 0.15, not ${name}`);
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

/**
 * Filter policies as plain data, for threads that write SSTs of their own.
 *
 * A user's code cannot cross a thread, so only its name does: the thread gets the
 * code from a module, and must get all of it. An SST without the filters of its
 * database would be read in vain for ever.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { filterName, type FilterPolicy, isCustom } from "./filter_policy.ts";
import {
  delimiterPrefix,
  fixedPrefix,
  type PrefixExtractor,
  type PrefixRecipe,
  recipeOf,
} from "./prefix_extractor.ts";

/** A policy as plain data. */
export interface PlainFilterPolicy {
  /** Its name. */
  readonly name: string;
  /** What it is made of again; `undefined` where that is a user's code. */
  readonly bloom: PlainBloom | undefined;
}

/** A bloom filter's policy. */
interface PlainBloom {
  readonly wholeKeys: boolean;
  readonly bitsPerKey: number | undefined;
  readonly prefix: PrefixRecipe | undefined;
}

/**
 * Takes policies apart.
 *
 * @param policies The policies.
 * @returns The same as plain data, in order.
 */
export function toPlainPolicies(
  policies: readonly FilterPolicy[],
): PlainFilterPolicy[] {
  return policies.map((policy) => ({
    name: filterName(policy),
    bloom: plainBloom(policy),
  }));
}

/**
 * The inverse of {@linkcode toPlainPolicies}.
 *
 * @param plain The policies as plain data.
 * @param own Policies that were given as code.
 * @returns The policies.
 * @throws {DbError} Kind `"invalid"` if one is a user's code and not among `own`.
 */
export function fromPlainPolicies(
  plain: readonly PlainFilterPolicy[],
  own: readonly FilterPolicy[],
): FilterPolicy[] {
  return plain.map(({ name, bloom }) => {
    const policy = bloom === undefined
      ? own.find((policy) => filterName(policy) === name)
      : policyOf(bloom);
    if (policy !== undefined) return policy;
    throw new DbError("invalid", `filter policy "${name}" is not exported`);
  });
}

function plainBloom(policy: FilterPolicy): PlainBloom | undefined {
  if (isCustom(policy)) return undefined;
  const { wholeKeys = true, bitsPerKey, prefixExtractor } = policy;
  if (prefixExtractor === undefined) {
    return { wholeKeys, bitsPerKey, prefix: undefined };
  }
  const prefix = recipeOf(prefixExtractor);
  return prefix && { wholeKeys, bitsPerKey, prefix };
}

function policyOf({ wholeKeys, bitsPerKey, prefix }: PlainBloom): FilterPolicy {
  return {
    wholeKeys,
    ...(bitsPerKey === undefined ? {} : { bitsPerKey }),
    ...(prefix === undefined ? {} : { prefixExtractor: extractorOf(prefix) }),
  };
}

function extractorOf(recipe: PrefixRecipe): PrefixExtractor {
  return recipe.kind === "fixed"
    ? fixedPrefix(recipe.bytes)
    : delimiterPrefix(recipe.delimiter);
}

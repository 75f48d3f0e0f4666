/**
 * Which filters an SST has, and what a reader can ask them.
 *
 * Owns: what a policy is, and the names of policies. Does not own: how filters
 * are made (`filter_writer.ts`) and asked (`sst_table.ts`), nor bits and probes,
 * which are the kernel's.
 *
 * @module
 */
import { toBytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Row } from "../base/row.ts";
import {
  MAX_FILTER_NAME_BYTES,
  WHOLE_KEY_FILTER,
} from "../format/filter_block.ts";
import type { PrefixExtractor } from "./prefix_extractor.ts";

/** A bloom filter of each SST. */
export interface BloomFilterPolicy {
  /**
   * Whether whole keys are remembered, which is what gets ask for.
   *
   * @default {true}
   */
  wholeKeys?: boolean;
  /** Remembers prefixes too, which is what prefix scans ask for. */
  prefixExtractor?: PrefixExtractor;
  /**
   * Bits for each key and prefix remembered; 10 makes about 1 % false positives.
   *
   * @default {filter_bits_per_key}
   */
  bitsPerKey?: number;
}

/**
 * A filter of one's own making.
 *
 * @example
 * ```ts
 * import { type CustomFilterPolicy, Db, MemoryStore } from "@shale/db";
 *
 * // Spares reads the SSTs whose values are all shorter than what they are after.
 * const longest: CustomFilterPolicy = {
 *   name: "longest-value",
 *   newBuilder() {
 *     let most = 0;
 *     return {
 *       add: ({ value }) => void (most = Math.max(most, value.length)),
 *       finish: () => new Uint8Array(new Uint32Array([most]).buffer),
 *     };
 *   },
 *   decode(bytes) {
 *     const most = new Uint32Array(bytes.slice().buffer)[0]!;
 *     return {
 *       mayContain: (_key, _kind, context) =>
 *         typeof context !== "number" || most >= context,
 *     };
 *   },
 * };
 * await using db = await Db.open("pages", {
 *   store: new MemoryStore(),
 *   formatTarget: "0.15",
 *   filterPolicies: [{}, longest],
 * });
 * await db.get("index", { filterContext: 1000 });
 * ```
 */
export interface CustomFilterPolicy {
  /**
   * Stored with each filter: change it with whatever makes old filters
   * unreadable. Not `_bf`, and nothing that begins with `_bf:`.
   */
  readonly name: string;
  /**
   * Begins the filter of one SST.
   *
   * @returns What takes the SST's rows.
   */
  newBuilder(): FilterBuilder;
  /**
   * Makes a stored filter answer.
   *
   * @param bytes What a builder has made; the filter may keep them.
   * @returns The filter.
   */
  decode(bytes: Uint8Array): Filter;
}

/** A filter under construction. */
export interface FilterBuilder {
  /**
   * Takes one row.
   *
   * @param row Any row of the SST, in order.
   */
  add(row: Row): void;
  /**
   * Ends the filter.
   *
   * @returns Its bytes; `undefined`: this SST gets none.
   */
  finish(): Uint8Array | undefined;
}

/** A filter that can be asked. */
export interface Filter {
  /**
   * Whether the SST may have rows of a key, or of keys that begin with a prefix.
   *
   * @param bytes A whole key, or the prefix of a scan; good for the call only.
   * @param kind Which of the two.
   * @param context What the read was given as `filterContext`; `undefined` unless it was.
   * @returns `false` only when there is certainly none that this read is after.
   */
  mayContain(
    bytes: Uint8Array,
    kind: "key" | "prefix",
    context?: unknown,
  ): boolean;
}

/** Which filter each SST has. */
export type FilterPolicy = BloomFilterPolicy | CustomFilterPolicy;

/** The policy of every SST unless told otherwise: whole keys, no prefixes. */
export const WHOLE_KEYS: BloomFilterPolicy = Object.freeze({});

const BLOOM_NAMES = ["wholeKeys", "prefixExtractor", "bitsPerKey"];
const MAX_BITS_PER_KEY = 1000;

/**
 * Whether a policy is of one's own making.
 *
 * @param policy The policy.
 * @returns Whether it is.
 */
export function isCustom(policy: FilterPolicy): policy is CustomFilterPolicy {
  return "newBuilder" in policy;
}

/**
 * Whether a policy's filters hold whole keys and nothing else, as the filters of
 * every SlateDB do.
 *
 * @param policy The policy.
 * @returns Whether they do.
 */
export function isWholeKeyBloom(policy: FilterPolicy): boolean {
  return !isCustom(policy) && policy.wholeKeys !== false &&
    policy.prefixExtractor === undefined;
}

/**
 * The name under which a policy's filters are stored.
 *
 * @param policy The policy.
 * @returns SlateDB's name for it, or its own.
 */
export function filterName(policy: FilterPolicy): string {
  if (isCustom(policy)) return policy.name;
  const { wholeKeys = true, prefixExtractor } = policy;
  const prefix = prefixExtractor === undefined
    ? ""
    : `:p=${prefixExtractor.name}`;
  return `${WHOLE_KEY_FILTER}${prefix}${wholeKeys ? "" : ":wh=0"}`;
}

/**
 * Makes sure that policies can be followed.
 *
 * @param policies What the caller gave.
 * @throws {DbError} Kind `"invalid"` if one of them means nothing, or two have one name.
 */
export function checkFilterPolicies(policies: readonly FilterPolicy[]): void {
  const names = new Set<string>();
  for (const policy of policies) {
    if (isCustom(policy)) checkCustom(policy);
    else checkBloom(policy);
    const name = filterName(policy);
    if (toBytes(name).length > MAX_FILTER_NAME_BYTES) {
      throw new DbError(
        "invalid",
        `a filter policy's name has at most ${MAX_FILTER_NAME_BYTES} bytes`,
      );
    }
    if (names.has(name)) {
      throw new DbError("invalid", `two filter policies are named "${name}"`);
    }
    names.add(name);
  }
}

function checkCustom({ name, decode }: CustomFilterPolicy): void {
  if (
    typeof name !== "string" || name === "" || name === WHOLE_KEY_FILTER ||
    name.startsWith(`${WHOLE_KEY_FILTER}:`)
  ) {
    throw new DbError(
      "invalid",
      `a filter policy of one's own needs a name that is not taken, not ${
        JSON.stringify(name)
      }`,
    );
  }
  if (typeof decode !== "function") {
    throw new DbError("invalid", `filter policy "${name}" has no decode()`);
  }
}

function checkBloom(policy: BloomFilterPolicy): void {
  for (const name of Object.keys(policy)) {
    if (BLOOM_NAMES.includes(name)) continue;
    throw new DbError(
      "invalid",
      `unknown property '${name}' of a filter policy: known are ${
        BLOOM_NAMES.join(", ")
      }, or name, newBuilder and decode`,
    );
  }
  const { wholeKeys = true, prefixExtractor, bitsPerKey = 1 } = policy;
  if (!wholeKeys && prefixExtractor === undefined) {
    throw new DbError(
      "invalid",
      "a filter policy without whole keys needs a prefixExtractor",
    );
  }
  if (
    Number.isInteger(bitsPerKey) && bitsPerKey >= 1 &&
    bitsPerKey <= MAX_BITS_PER_KEY
  ) return;
  throw new DbError(
    "invalid",
    `bitsPerKey must be a whole number from 1 to ${MAX_BITS_PER_KEY}, not ${bitsPerKey}`,
  );
}

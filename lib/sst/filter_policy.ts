/**
 * Which filters of an SST a reader can ask, and what for.
 *
 * Owns: names of policies and what prefix of a key a policy hashes. Does not own:
 * bits and probes; the kernel does.
 *
 * @module
 */
import { WHOLE_KEY_FILTER } from "../format/filter_block.ts";

/** Finds the part of a key that a prefix filter remembers. */
export interface PrefixExtractor {
  /**
   * Distinguishes extractors, and is stored with each filter: change it with
   * whatever changes an answer.
   */
  readonly name: string;
  /**
   * The length of the extracted prefix.
   *
   * For a key the answer must depend on nothing behind that prefix. For a scan's
   * prefix it must be the answer for every key that begins with it.
   *
   * @param bytes A whole key, or the prefix of a scan.
   * @param kind Which of the two.
   * @returns At most the length of `bytes`; `undefined`: there is none.
   */
  prefixLength(bytes: Uint8Array, kind: "key" | "prefix"): number | undefined;
}

/** A bloom filter of each SST. */
export interface FilterPolicy {
  /**
   * Whether whole keys are remembered, which is what gets ask for.
   *
   * @default {true}
   */
  wholeKeys?: boolean;
  /** Remembers prefixes too, which is what prefix scans ask for. */
  prefixExtractor?: PrefixExtractor;
}

/** The policy of every SST unless told otherwise: whole keys, no prefixes. */
export const WHOLE_KEYS: FilterPolicy = Object.freeze({});

/**
 * The name under which a policy's filters are stored.
 *
 * @param policy The policy.
 * @returns SlateDB's name for it.
 */
export function filterName(policy: FilterPolicy): string {
  const { wholeKeys = true, prefixExtractor } = policy;
  const prefix = prefixExtractor === undefined
    ? ""
    : `:p=${prefixExtractor.name}`;
  return `${WHOLE_KEY_FILTER}${prefix}${wholeKeys ? "" : ":wh=0"}`;
}

/**
 * Filters of one's own as a compaction thread imports them.
 *
 * @module
 */
import { delimiterPrefix, type FilterPolicy } from "../../mod.ts";

const SLASH = delimiterPrefix("/");

export const filterPolicies: FilterPolicy[] = [{
  prefixExtractor: {
    name: "mine",
    prefixLength: (bytes, kind) => SLASH.prefixLength(bytes, kind),
  },
}];

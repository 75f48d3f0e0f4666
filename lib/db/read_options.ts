/**
 * How a read looks at the data: resolved once at the edge.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { RangeOptions } from "../base/key_range.ts";

/** Which rows a read may see. */
export interface ReadOptions {
  /**
   * `"memory"`: everything written; `"remote"`: only what would survive a
   * crash.
   *
   * @default {"memory"}
   */
  durabilityFilter?: "memory" | "remote";
  /** The same in other words: `"uncommitted"` is `"memory"`, `"committed"` is `"remote"`. */
  readLevel?: "uncommitted" | "committed";
  /**
   * Whether to see rows before their write call returned. A write is visible
   * in the same step that accepts it, so this changes nothing; accepted for
   * SlateDB's sake.
   *
   * @default {false}
   */
  dirty?: boolean;
  /**
   * Whether blocks that are read stay in the cache: true for gets, false for
   * scans unless given.
   */
  cacheBlocks?: boolean;
  /**
   * Anything; each custom filter policy's `mayContain` is given it. Gets and
   * prefix scans ask filters, other scans do not. An SST that is ruled out takes
   * its deletes along: older rows beneath it may show.
   */
  filterContext?: unknown;
  /** Ends the wait with the signal's reason. */
  signal?: AbortSignal;
}

/** A scan's range, direction and fetching, besides {@linkcode ReadOptions}. */
export interface ScanOptions extends ReadOptions, RangeOptions {
  /**
   * From the last key to the first.
   *
   * @default {false}
   */
  reverse?: boolean;
  /**
   * Most entries to return.
   *
   * @default {Infinity}
   */
  limit?: number;
  /**
   * Bytes one request fetches ahead; more makes fewer, larger requests.
   *
   * @default {262144}
   */
  readAheadBytes?: number;
  /**
   * Requests in flight at the same time.
   *
   * @default {4}
   */
  maxFetchTasks?: number;
}

/** {@linkcode ReadOptions} without their synonyms. */
export interface ResolvedRead {
  readonly remote: boolean;
  readonly cacheBlocks: boolean | undefined;
  readonly filterContext: unknown;
  readonly signal: AbortSignal | undefined;
}

/** What a read without options means. */
export const DEFAULT_READ: ResolvedRead = Object.freeze({
  remote: false,
  cacheBlocks: undefined,
  filterContext: undefined,
  signal: undefined,
});

/**
 * Resolves synonyms and checks that they agree.
 *
 * @param options What the caller gave.
 * @returns One meaning.
 * @throws {DbError} Kind `"invalid"` if a value is unknown or two contradict.
 */
export function resolveRead(options: ReadOptions | undefined): ResolvedRead {
  if (options === undefined) return DEFAULT_READ;
  const { durabilityFilter, readLevel } = options;
  const byFilter = pick("durabilityFilter", durabilityFilter, {
    memory: false,
    remote: true,
  });
  const byLevel = pick("readLevel", readLevel, {
    uncommitted: false,
    committed: true,
  });
  if (byFilter !== undefined && byLevel !== undefined && byFilter !== byLevel) {
    throw new DbError(
      "invalid",
      `durabilityFilter "${durabilityFilter}" and readLevel "${readLevel}" mean different things: give one of them`,
    );
  }
  const { cacheBlocks, filterContext, signal } = options;
  return {
    remote: byFilter ?? byLevel ?? false,
    cacheBlocks,
    filterContext,
    signal,
  };
}

function pick(
  name: string,
  value: string | undefined,
  meanings: Readonly<Record<string, boolean>>,
): boolean | undefined {
  if (value === undefined) return undefined;
  const meaning = Object.hasOwn(meanings, value) ? meanings[value] : undefined;
  if (meaning !== undefined) return meaning;
  throw new DbError(
    "invalid",
    `${name} must be one of ${
      Object.keys(meanings).map((known) => `"${known}"`).join(", ")
    }, not ${JSON.stringify(value)}`,
  );
}

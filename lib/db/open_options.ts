/**
 * What a database is opened with: components are objects, settings are JSON,
 * and the two do not mix.
 *
 * @module
 */
import type { MemoryBudget } from "../base/budget.ts";
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Recorder } from "../base/metrics.ts";
import type { Runtime } from "../base/runtime.ts";
import type { CompactionFilterSupplier } from "../compactor/compaction_filter.ts";
import type { CompactionScheduler } from "../compactor/scheduler.ts";
import { FORMAT_PROFILES, type FormatTarget } from "../format/format_target.ts";
import type { GcFilter } from "../gc/sweep.ts";
import type { MergeOperator } from "../iter/merge_operator.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import type { BlockTransformer } from "../sst/block_transformer.ts";
import {
  checkFilterPolicies,
  filterName,
  type FilterPolicy,
  isWholeKeyBloom,
} from "../sst/filter_policy.ts";
import type { PrefixExtractor } from "../sst/prefix_extractor.ts";
import type { DbSettings } from "./settings.ts";

/** Components that reading and writing handles share. */
export interface ReaderOptions {
  /** Where the database lives. Give the same object to several databases to share it. */
  store: ObjectStore;
  /** Where the WAL lives, if not in `store`; recorded, and required ever after. */
  walStore?: ObjectStore;
  /** Gives merges their meaning; must be able to read the operands stored. */
  mergeOperator?: MergeOperator;
  /** Changes blocks on their way to the store and back, such as encryption. */
  blockTransformer?: BlockTransformer;
  /**
   * Which versions of SlateDB must be able to read what is written from now on;
   * whatever is there already is read in any case.
   *
   * @default {"interop"}
   */
  formatTarget?: FormatTarget;
  /**
   * Assigns each key to a segment, which is a tree of its own: all keys with one
   * prefix are stored, compacted and dropped together. A database has segments
   * from the beginning or never, and is always opened with the extractor that it
   * was made with. To write, it needs `formatTarget: "0.15"`.
   */
  segmentExtractor?: PrefixExtractor;
  /**
   * Which filters SSTs get, and which are asked: gets ask those of whole keys,
   * prefix scans those of prefixes. Filters of policies not given here are passed
   * over. To write any but one of whole keys, it needs `formatTarget: "0.15"`.
   *
   * @default {[{}]}
   */
  filterPolicies?: readonly FilterPolicy[];
  /**
   * What reads make of rows past their expiry: `"hide"` them at once, or
   * `"return"` them until a flush or compaction meets them, as SlateDB does.
   *
   * @default {"hide"}
   */
  expiredReads?: "hide" | "return";
  /** Memory for cached blocks and memtables; may be shared. */
  budget?: MemoryBudget;
  /** Clock, timers and randomness; the host's unless given. */
  runtime?: Runtime;
  /** Where metrics go; nowhere unless given. */
  recorder?: Recorder;
  /** Where messages go; nowhere unless given. */
  logger?: Logger;
  /** Ends the opening with the signal's reason. */
  signal?: AbortSignal;
}

/** Components and settings of `Db.open`. */
export interface DbOptions extends ReaderOptions {
  /** Plain JSON with SlateDB's names. */
  settings?: DbSettings;
  /**
   * Uncompressed bytes of a block: 1024, 2048, and so on up to 65536. Larger
   * ones compress better and cost more to read a row from.
   *
   * @default {4096}
   */
  blockBytes?: number;
  /**
   * Whether manifests get a checksum that Shale verifies and SlateDB ignores.
   *
   * @default {true}
   */
  manifestChecksum?: boolean;
  /**
   * Where compactions run: in this event loop, in threads of their own, or not in
   * this process. Only one process may run a database's compactor; the next one
   * to start fences the last. `compactor_options: null` means `"off"`, too.
   *
   * @default {"inline"}
   */
  compactor?: "inline" | "worker" | "off";
  /**
   * Most threads where `compactor` is `"worker"`. A large compaction is divided
   * among them; one fewer than there are processors leaves this thread its own.
   *
   * @default {one fewer than there are processors, 1 to 4}
   */
  compactorThreads?: number;
  /** Decides what to compact; size-tiered unless given. Runs in this thread. */
  compactionScheduler?: CompactionScheduler;
  /** Judges each row that a compaction writes. */
  compactionFilter?: CompactionFilterSupplier;
  /**
   * URL of a module that gives compaction threads the user's code: merge
   * operator, transformer, filter. Without it a database that has any of these
   * compacts in this event loop.
   */
  compactorModule?: string | URL;
  /**
   * May keep files that this handle's collector would delete; see
   * `garbage_collector_options` for when it runs. Where it fails, nothing of that
   * kind is deleted until the next time.
   */
  gcFilter?: GcFilter;
}

const READER_OPTION_NAMES = [
  "store",
  "walStore",
  "mergeOperator",
  "blockTransformer",
  "formatTarget",
  "segmentExtractor",
  "filterPolicies",
  "expiredReads",
  "budget",
  "runtime",
  "recorder",
  "logger",
  "signal",
];
const DB_OPTION_NAMES = [
  ...READER_OPTION_NAMES,
  "settings",
  "blockBytes",
  "manifestChecksum",
  "compactor",
  "compactorThreads",
  "compactionScheduler",
  "compactionFilter",
  "compactorModule",
  "gcFilter",
];
const COMPACTORS = ["inline", "worker", "off"];

/**
 * Checks the options of `Db.open`.
 *
 * @param options What the caller gave.
 * @throws {DbError} Kind `"invalid"` if a name is unknown, the store is missing, or a value is out of range.
 */
export function checkDbOptions(options: DbOptions): void {
  checkNames(options, DB_OPTION_NAMES);
  checkTarget(options);
  const { blockBytes = 4096, compactor = "inline", gcFilter } = options;
  const { compactorThreads = 1 } = options;
  if (gcFilter !== undefined && typeof gcFilter !== "function") {
    throw new DbError("invalid", "option 'gcFilter' must be a function");
  }
  if (!(Number.isInteger(compactorThreads) && compactorThreads >= 1)) {
    throw new DbError(
      "invalid",
      `compactorThreads must be a whole number >= 1, not ${compactorThreads}`,
    );
  }
  if (!COMPACTORS.includes(compactor)) {
    throw new DbError(
      "invalid",
      `compactor must be "inline", "worker" or "off", not ${
        JSON.stringify(compactor)
      }`,
    );
  }
  if (![1, 2, 4, 8, 16, 32, 64].includes(blockBytes / 1024)) {
    throw new DbError(
      "invalid",
      `blockBytes must be 1024, 2048, 4096, 8192, 16384, 32768 or 65536, not ${blockBytes}`,
    );
  }
}

/**
 * Checks the options of `DbReader.open`.
 *
 * @param options What the caller gave.
 * @param moreNames Names that are allowed besides.
 * @throws {DbError} Kind `"invalid"` if a name is unknown or the store is missing.
 */
export function checkReaderOptions(
  options: ReaderOptions,
  moreNames: readonly string[] = [],
): void {
  checkNames(options, [...READER_OPTION_NAMES, ...moreNames]);
}

/** What 0.12 would misread must not be written where it may read. */
function checkTarget(options: ReaderOptions): void {
  const { formatTarget = "interop", segmentExtractor } = options;
  if (formatTarget === "0.15") return;
  const newer = options.filterPolicies?.find((policy) =>
    !isWholeKeyBloom(policy)
  );
  const what = segmentExtractor !== undefined
    ? "option 'segmentExtractor'"
    : newer !== undefined
    ? `filter policy "${filterName(newer)}"`
    : undefined;
  if (what === undefined) return;
  throw new DbError(
    "invalid",
    `${what} needs formatTarget: "0.15": SlateDB 0.12 would lose rows of such a database silently. Set it if no older version reads this database`,
  );
}

function checkNames(options: ReaderOptions, known: readonly string[]): void {
  if (typeof options?.store?.get !== "function") {
    throw new DbError(
      "invalid",
      "option 'store' must be an ObjectStore, such as new FileStore(\"./data\") or new MemoryStore()",
    );
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new DbError(
      "invalid",
      `unknown option '${name}': known are ${known.join(", ")}`,
    );
  }
  checkComponents(options);
  const { expiredReads = "hide" } = options;
  if (expiredReads !== "hide" && expiredReads !== "return") {
    throw new DbError(
      "invalid",
      `expiredReads must be "hide" or "return", not ${
        JSON.stringify(expiredReads)
      }`,
    );
  }
}

function checkComponents(options: ReaderOptions): void {
  const { formatTarget = "interop", segmentExtractor: extractor } = options;
  if (!Object.hasOwn(FORMAT_PROFILES, formatTarget)) {
    throw new DbError(
      "invalid",
      `formatTarget must be "interop" or "0.15", not ${
        JSON.stringify(formatTarget)
      }`,
    );
  }
  if (
    extractor !== undefined &&
    (typeof extractor.name !== "string" || extractor.name === "" ||
      typeof extractor.prefixLength !== "function")
  ) {
    throw new DbError(
      "invalid",
      "option 'segmentExtractor' must have a name and prefixLength(), such as fixedPrefix(8)",
    );
  }
  checkFilterPolicies(options.filterPolicies ?? []);
}

/**
 * A database's path in its store, in the one form object names are made from.
 *
 * @param path What the caller gave; slashes at the ends do not count.
 * @returns The path.
 * @throws {DbError} Kind `"invalid"` if a part is empty, `.` or `..`, or has a character no object name may have.
 */
export function resolvePath(path: string): string {
  if (typeof path !== "string") {
    throw new DbError("invalid", `path must be a string, not ${typeof path}`);
  }
  const root = path.replace(/^\/+|\/+$/g, "");
  const parts = root === "" ? [] : root.split("/");
  for (const part of parts) {
    if (part !== "" && part !== "." && part !== ".." && !isControl(part)) {
      continue;
    }
    throw new DbError(
      "invalid",
      `path ${JSON.stringify(path)} has a part that no object name may have: ${
        JSON.stringify(part)
      }`,
    );
  }
  return root;
}

/** Whether a text has control characters. */
function isControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) < 0x20) return true;
  }
  return false;
}

/**
 * What a command's flags open: a store, a reader, a writer.
 *
 * Commands that read open no writer: a writer would fence the one that is at
 * work. Whatever is opened here is closed here.
 *
 * @module
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { CompactorProcessOptions } from "../../lib/admin/compactor_process.ts";
import { messageOf } from "../../lib/base/errors.ts";
import { resolvePath } from "../../lib/db/open_options.ts";
import {
  Db,
  DbError,
  type DbOptions,
  DbReader,
  type DbReaderOptions,
  type DbSettings,
  fixedPrefix,
  type ObjectStore,
  openStore,
  type PrefixExtractor,
} from "../../mod.ts";
import type { Arguments } from "./command.ts";
import {
  blockTransformerOf,
  filterPoliciesOf,
  formatTargetOf,
  mergeOperatorOf,
} from "./components.ts";

const DEFAULT_STORE = "./data";
const DEFAULT_PATH = "db";
const URL_REGEXP = /^[a-z][a-z0-9+.-]+:/i;

/** A store, and the path of the database in it. */
export interface Place {
  /** The store. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly path: string;
}

/**
 * The URL of a store; a folder's name is one of a file store.
 *
 * @param text What `--store` was given.
 * @returns A URL.
 * @throws {DbError} Kind `"invalid"` if it is empty, or a file URL without a whole path.
 */
export function storeUrl(text: string): string {
  if (text === "" || /^file:(?!\/\/)/i.test(text)) {
    throw new DbError(
      "invalid",
      `--store takes memory:, file:///dir or a folder such as ./data, not "${text}"`,
    );
  }
  return URL_REGEXP.test(text) ? text : pathToFileURL(resolve(text)).href;
}

/**
 * Opens the store that `--store` and `--path` name.
 *
 * @param given The command's flags.
 * @param body What to do there.
 * @returns What `body` returned.
 */
export async function withPlace<Result>(
  given: Arguments,
  body: (place: Place) => Promise<Result>,
): Promise<Result> {
  const path = resolvePath(given.text("path") ?? DEFAULT_PATH);
  const store = await openStore(storeUrl(given.text("store") ?? DEFAULT_STORE));
  try {
    return await body({ store, path });
  } finally {
    await store.close?.();
  }
}

/**
 * Opens the database for reading, without a trace of it in the store.
 *
 * @param given The command's flags.
 * @param body What to do with it.
 * @returns What `body` returned.
 */
export function withReader<Result>(
  given: Arguments,
  body: (reader: DbReader) => Promise<Result>,
): Promise<Result> {
  const checkpoint = given.text("checkpoint");
  return withPlace(given, async ({ store, path }) => {
    const options: DbReaderOptions = {
      store,
      ...componentsOf(given),
      ...(given.has("expired") ? { expiredReads: "return" } : {}),
      ...(checkpoint === undefined ? {} : { mode: { checkpoint } }),
    };
    await using reader = await DbReader.open(path, options);
    return await body(reader);
  });
}

/**
 * Opens the database as its writer, and makes it where there is none.
 *
 * @param given The command's flags.
 * @param body What to do with it.
 * @returns What `body` returned.
 */
export function withWriter<Result>(
  given: Arguments,
  body: (db: Db) => Promise<Result>,
): Promise<Result> {
  return withPlace(given, async ({ store, path }) => {
    const blockKib = given.count("block-kib");
    const components = componentsOf(given);
    const { segmentExtractor, filterPolicies = [] } = components;
    const newer = segmentExtractor !== undefined ||
      filterPolicies.some((policy) => "prefixExtractor" in policy);
    const options: DbOptions = {
      store,
      settings: parseSettings(given.text("settings")),
      formatTarget: formatTargetOf(given.text("target"), newer),
      ...components,
      ...(blockKib === undefined ? {} : { blockBytes: blockKib * 1024 }),
    };
    await using db = await Db.open(path, options);
    return await body(db);
  });
}

/**
 * Options of a compactor or worker that the flags name.
 *
 * @param given The command's flags.
 * @param store Where the database is.
 * @returns The options.
 */
export function compactorOptionsOf(
  given: Arguments,
  store: ObjectStore,
): CompactorProcessOptions {
  const { segmentExtractor, ...components } = componentsOf(given);
  const blockKib = given.count("block-kib");
  const { filterPolicies = [] } = components;
  const newer = given.has("no-worker") || segmentExtractor !== undefined ||
    filterPolicies.some((policy) => "prefixExtractor" in policy);
  return {
    store,
    settings: parseSettings(given.text("settings")),
    formatTarget: formatTargetOf(given.text("target"), newer),
    ...components,
    ...(blockKib === undefined ? {} : { blockBytes: blockKib * 1024 }),
  };
}

function parseSettings(text: string | undefined): DbSettings {
  if (text === undefined) return {};
  let settings: unknown;
  try {
    settings = JSON.parse(text);
  } catch (error) {
    throw new DbError("invalid", `--settings is no JSON: ${messageOf(error)}`);
  }
  if (
    typeof settings === "object" && settings !== null &&
    !Array.isArray(settings)
  ) return settings;
  throw new DbError("invalid", `--settings must be an object, not ${text}`);
}

/**
 * The segment extractor that `--segment` names.
 *
 * @param given The command's flags.
 * @returns The extractor; `undefined` where none was named.
 */
export function segmentExtractorOf(
  given: Arguments,
): PrefixExtractor | undefined {
  const bytes = given.count("segment");
  return bytes === undefined ? undefined : fixedPrefix(bytes);
}

function componentsOf(
  given: Arguments,
): Pick<
  DbOptions,
  "mergeOperator" | "blockTransformer" | "segmentExtractor" | "filterPolicies"
> {
  const mergeOperator = mergeOperatorOf(given.text("merge"));
  const blockTransformer = blockTransformerOf(given.text("transform"));
  const filterPolicies = filterPoliciesOf(given.text("filters"));
  const segmentExtractor = segmentExtractorOf(given);
  return {
    ...(mergeOperator === undefined ? {} : { mergeOperator }),
    ...(blockTransformer === undefined ? {} : { blockTransformer }),
    ...(filterPolicies === undefined ? {} : { filterPolicies }),
    ...(segmentExtractor === undefined ? {} : { segmentExtractor }),
  };
}

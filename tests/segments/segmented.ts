/**
 * Segmented databases for tests.
 *
 * @module
 */
import { toText } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import type { Manifest } from "../../lib/format/manifest.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import {
  type Db,
  type DbOptions,
  DbReader,
  fixedPrefix,
  type ObjectStore,
  type PrefixExtractor,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";

/** Nothing in the background. */
export const QUIET = {
  compactor_options: null,
  garbage_collector_options: null,
};

/** What a segmented database is made with. */
export function segmented(
  store: ObjectStore,
  segmentExtractor: PrefixExtractor = fixedPrefix(2),
): DbOptions {
  return { store, formatTarget: "0.15", segmentExtractor, settings: QUIET };
}

/** What a reader of it is opened with. */
export function readerOf(options: DbOptions) {
  const { settings: _, compactor: __, compactorModule: ___, ...components } =
    options;
  return components;
}

/** The message of a refusal of kind `"invalid"`. */
export async function refusal(call: () => Promise<unknown>): Promise<string> {
  const error: unknown = await assertRejects(call);
  assert(error instanceof DbError, String(error));
  const { kind, message } = error as DbError;
  assertEquals(kind, "invalid", message);
  return message;
}

/** The prefixes of all segments, as text. */
export function prefixesOf(db: Db | DbReader): string[] {
  const tree = db instanceof DbReader ? db.tree : db.status().tree;
  return tree.segments.map(({ prefix }) => toText(prefix));
}

/** The manifests of a database. */
export function manifestsOf(store: ObjectStore, root = "db"): ManifestStore {
  const runtime = systemRuntime;
  return new ManifestStore({ store, root, runtime, checksum: true });
}

/** The newest manifest of a database. */
export async function storedManifest(
  store: ObjectStore,
  root = "db",
): Promise<Manifest> {
  return (await manifestsOf(store, root).readLatest())!;
}

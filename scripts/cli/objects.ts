/**
 * A database's objects, read without opening it: nothing is written, no epoch
 * is raised.
 *
 * @module
 */
import { decodeManifest, type Manifest } from "../../lib/format/manifest.ts";
import {
  manifestName,
  manifestPrefix,
  parseManifestId,
  parseSstId,
  parseWalId,
  sstPrefix,
  walPrefix,
} from "../../lib/format/paths.ts";
import { DbError } from "../../mod.ts";
import type { Place } from "./database.ts";

/**
 * Reads a manifest.
 *
 * @param place Where the database is.
 * @param id Its number; the newest unless given.
 * @returns The manifest.
 * @throws {DbError} Kind `"invalid"` if there is none with that number; `"data"` if there is no database, or it is damaged.
 */
export async function readManifest(
  place: Place,
  id: number | undefined,
): Promise<Manifest> {
  const { store, path } = place;
  const number = id ?? await newestManifest(place);
  const found = await store.get(manifestName(path, number));
  if (found === undefined) {
    throw new DbError("invalid", `There is no manifest ${number} in "${path}"`);
  }
  return decodeManifest(number, found.bytes);
}

/**
 * Sizes of the SSTs.
 *
 * @param place Where the database is.
 * @returns Bytes by id.
 */
export async function listSizes(
  { store, path }: Place,
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for await (const { name, size } of store.list(sstPrefix(path))) {
    const id = parseSstId(path, name);
    if (id !== undefined) sizes.set(id, size);
  }
  return sizes;
}

/**
 * The WAL files.
 *
 * @param place Where the database is.
 * @returns Numbers and bytes, ascending.
 */
export async function listWal(
  { store, path }: Place,
): Promise<{ readonly id: number; readonly bytes: number }[]> {
  const files: { id: number; bytes: number }[] = [];
  for await (const { name, size } of store.list(walPrefix(path))) {
    const id = parseWalId(path, name);
    if (id !== undefined) files.push({ id, bytes: size });
  }
  return files;
}

async function newestManifest({ store, path }: Place): Promise<number> {
  let newest: number | undefined;
  for await (const { name } of store.list(manifestPrefix(path))) {
    newest = parseManifestId(path, name) ?? newest;
  }
  if (newest !== undefined) return newest;
  throw new DbError(
    "data",
    `there is no database at "${path}" in this store`,
  );
}

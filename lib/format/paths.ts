/**
 * Object names: every name in a database's folder, in both directions. The only
 * place that spells one.
 *
 * ```text
 * <root>/manifest/<20 digits>.manifest         ids 1, 2, 3 …
 * <root>/compactions/<20 digits>.compactions   ids 1, 2, 3 …
 * <root>/wal/<20 digits>.sst                   ids 1, 2, 3 …, no gaps
 * <root>/compacted/<ULID>.sst
 * <root>/gc/{manifest,compactions}.boundary
 * ```
 *
 * A root is the database's path without slashes at its ends; the empty root puts
 * the folders at the store's top. Parsers take foreign names too and answer
 * `undefined` for whatever is not exactly such a name, so that a stray file in a
 * folder is ignored rather than fatal.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { isUlid, type Ulid } from "../base/ids.ts";

const DIGITS = 20;
const DIGITS_REGEXP = /^[0-9]{20}$/;

/** The two sequences of numbered objects that a boundary file protects. */
export type BoundaryKind = "manifest" | "compactions";

/**
 * Folder of the manifests.
 *
 * @param root The database's path.
 * @returns A prefix that ends in a slash.
 */
export function manifestPrefix(root: string): string {
  return join(root, "manifest/");
}

/**
 * Folder of the compactor's state.
 *
 * @param root The database's path.
 * @returns A prefix that ends in a slash.
 */
export function compactionsPrefix(root: string): string {
  return join(root, "compactions/");
}

/**
 * Folder of the WAL files.
 *
 * @param root The database's path.
 * @returns A prefix that ends in a slash.
 */
export function walPrefix(root: string): string {
  return join(root, "wal/");
}

/**
 * Folder of the SSTs of L0 and of the sorted runs.
 *
 * @param root The database's path.
 * @returns A prefix that ends in a slash.
 */
export function sstPrefix(root: string): string {
  return join(root, "compacted/");
}

/**
 * Folder of the collector's boundary files.
 *
 * @param root The database's path.
 * @returns A prefix that ends in a slash.
 */
export function boundaryPrefix(root: string): string {
  return join(root, "gc/");
}

/**
 * Name of a manifest.
 *
 * @param root The database's path.
 * @param id Its number.
 * @returns The object's name.
 */
export function manifestName(root: string, id: number): string {
  return `${manifestPrefix(root)}${padId(id)}.manifest`;
}

/**
 * Name of a state file of the compactor.
 *
 * @param root The database's path.
 * @param id Its number.
 * @returns The object's name.
 */
export function compactionsName(root: string, id: number): string {
  return `${compactionsPrefix(root)}${padId(id)}.compactions`;
}

/**
 * Name of a WAL file.
 *
 * @param root The database's path.
 * @param id Its number.
 * @returns The object's name.
 */
export function walName(root: string, id: number): string {
  return `${walPrefix(root)}${padId(id)}.sst`;
}

/**
 * Name of an SST of L0 or of a sorted run.
 *
 * @param root The database's path.
 * @param id Its ULID.
 * @returns The object's name.
 */
export function sstName(root: string, id: Ulid): string {
  return `${sstPrefix(root)}${id}.sst`;
}

/**
 * Name of a boundary file.
 *
 * @param root The database's path.
 * @param kind The sequence of objects it protects.
 * @returns The object's name.
 */
export function boundaryName(root: string, kind: BoundaryKind): string {
  return `${boundaryPrefix(root)}${kind}.boundary`;
}

/**
 * The inverse of {@linkcode manifestName}.
 *
 * @param root The database's path.
 * @param name An object's name.
 * @returns The number, or `undefined` where the name is no manifest's.
 */
export function parseManifestId(
  root: string,
  name: string,
): number | undefined {
  return parseId(name, manifestPrefix(root), ".manifest");
}

/**
 * The inverse of {@linkcode compactionsName}.
 *
 * @param root The database's path.
 * @param name An object's name.
 * @returns The number, or `undefined` where the name is no such file's.
 */
export function parseCompactionsId(
  root: string,
  name: string,
): number | undefined {
  return parseId(name, compactionsPrefix(root), ".compactions");
}

/**
 * The inverse of {@linkcode walName}.
 *
 * @param root The database's path.
 * @param name An object's name.
 * @returns The number, or `undefined` where the name is no WAL file's.
 */
export function parseWalId(root: string, name: string): number | undefined {
  return parseId(name, walPrefix(root), ".sst");
}

/**
 * The inverse of {@linkcode sstName}.
 *
 * @param root The database's path.
 * @param name An object's name.
 * @returns The ULID, or `undefined` where the name is no SST's.
 */
export function parseSstId(root: string, name: string): Ulid | undefined {
  const text = between(name, sstPrefix(root), ".sst");
  return text !== undefined && isUlid(text) ? text : undefined;
}

function join(root: string, name: string): string {
  return root === "" ? name : `${root}/${name}`;
}

function padId(id: number): string {
  if (!Number.isSafeInteger(id) || id < 0) {
    throw new DbError("internal", `Cannot name an object: its number is ${id}`);
  }
  return String(id).padStart(DIGITS, "0");
}

function parseId(
  name: string,
  prefix: string,
  suffix: string,
): number | undefined {
  const digits = between(name, prefix, suffix);
  if (digits === undefined || !DIGITS_REGEXP.test(digits)) return undefined;
  const id = Number(digits);
  return Number.isSafeInteger(id) ? id : undefined;
}

function between(
  name: string,
  prefix: string,
  suffix: string,
): string | undefined {
  if (!name.startsWith(prefix) || !name.endsWith(suffix)) return undefined;
  if (name.length < prefix.length + suffix.length) return undefined;
  return name.slice(prefix.length, name.length - suffix.length);
}

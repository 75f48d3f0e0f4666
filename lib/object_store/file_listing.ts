/**
 * The files of a directory tree in the order of their names.
 *
 * @module
 */
import type { FileStat, Vfs } from "../vfs/vfs.ts";
import { compareNames } from "./object_name.ts";
import { TEMP_DIRECTORY } from "./temp_files.ts";

/** Which files {@linkcode walkFiles} yields. */
export interface WalkOptions {
  /** The disk. */
  readonly vfs: Vfs;
  /** Absolute path of the directory that names are relative to. */
  readonly root: string;
  /** What a name must begin with. */
  readonly prefix: string;
  /** Only names greater than this. */
  readonly startAfter: string | undefined;
}

/**
 * Walks a tree in the order of its files' names. What appears or vanishes
 * meanwhile may be seen or not.
 *
 * @param options Where and which.
 * @returns Names relative to the root, and what the disk knows of each.
 */
export function* walkFiles(
  options: WalkOptions,
): Generator<{ name: string; stat: FileStat }, void, void> {
  const { prefix } = options;
  if (prefix.startsWith(`${TEMP_DIRECTORY}/`)) return;
  yield* walk(options, prefix.slice(0, prefix.lastIndexOf("/") + 1));
}

/** `directory` is the part of the names that is settled: empty, or ends with a slash. */
function* walk(
  options: WalkOptions,
  directory: string,
): Generator<{ name: string; stat: FileStat }, void, void> {
  const { vfs, root, prefix, startAfter } = options;
  const names: string[] = [];
  const path = directory === "" ? root : `${root}/${directory.slice(0, -1)}`;
  for (const { name, kind } of vfs.list(path) ?? []) {
    if (directory === "" && name === TEMP_DIRECTORY) continue;
    if (kind === "other") continue;
    // With its slash a directory sorts as the names below it do: after "a-b"
    // and "a.b", before "a0".
    const full = `${directory}${name}${kind === "directory" ? "/" : ""}`;
    if (full.startsWith(prefix) || prefix.startsWith(full)) names.push(full);
  }
  for (const name of names.sort(compareNames)) {
    const isDirectory = name.endsWith("/");
    if (startAfter !== undefined && compareNames(name, startAfter) <= 0) {
      // Some of its files may still come after, if only the directory's own
      // name does not.
      if (!isDirectory || !startAfter.startsWith(name)) continue;
    }
    if (isDirectory) {
      yield* walk(options, name);
      continue;
    }
    const stat = vfs.stat(`${root}/${name}`);
    if (stat?.kind === "file") yield { name, stat };
  }
}

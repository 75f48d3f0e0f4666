/**
 * Gives a temporary file the name of an object.
 *
 * Where nothing may have the name yet, by `link`: atomic and exclusive, whoever
 * else tries. Where something has it, by `replaceFile`; an overwrite too, so
 * that one never comes between another's check and its rename.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import { throwIfAborted } from "../base/errors.ts";
import {
  type FileStat,
  parentOf,
  posixCodeOf,
  type Vfs,
  VfsError,
} from "../vfs/vfs.ts";
import type { FileDirectories } from "./file_directories.ts";
import { replaceFile } from "./file_replace.ts";
import { etagOf, type HeldInodes, statObject } from "./file_version.ts";
import type { PutOptions, PutResult } from "./object_store.ts";

/** What {@linkcode installFile} needs. */
export interface InstallOptions {
  /** The disk. */
  readonly vfs: Vfs;
  /** Timers. */
  readonly runtime: Runtime;
  /** Makes the object's directory again if somebody removed it. */
  readonly directories: FileDirectories;
  /** Keeps the inode of what is replaced. */
  readonly held: HeldInodes;
  /** Absolute path of the temporary file; its name stays, for the caller to remove. */
  readonly temp: string;
  /** Absolute path of the object's file. */
  readonly path: string;
  /** On what condition. */
  readonly mode: NonNullable<PutOptions["mode"]>;
  /** Ends the waiting with the signal's reason. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Gives a temporary file the name of an object, if the condition holds.
 *
 * @param options Which file, which name, on what condition.
 * @returns The object's ETag, or what the put lost to.
 */
export async function installFile(options: InstallOptions): Promise<PutResult> {
  const { vfs, temp, path, mode, signal } = options;
  for (;;) {
    throwIfAborted(signal);
    if (typeof mode === "string") {
      const etag = etagOf(statTemp(vfs, temp));
      if (await linkFile(options)) return { ok: true, etag };
    }
    const present = statObject(vfs, path);
    if (mode === "create") return { ok: false, reason: "exists" };
    const isMeant = present !== undefined &&
      (mode === "overwrite" || etagOf(present) === mode.ifMatch);
    const etag = isMeant ? await replace(options, present) : undefined;
    if (etag !== undefined) return { ok: true, etag };
    // Removed, or replaced by another: an overwrite starts over.
    if (mode !== "overwrite") return { ok: false, reason: "changed" };
  }
}

async function linkFile(options: InstallOptions): Promise<boolean> {
  const { vfs, directories, temp, path } = options;
  try {
    return vfs.link(temp, path);
  } catch (error) {
    if (posixCodeOf(error) !== "ENOENT") throw error;
    // Somebody removed the directory since it was made.
    statTemp(vfs, temp);
    directories.forget();
    await directories.ensure(parentOf(path));
    return vfs.link(temp, path);
  }
}

/** Answers the new ETag; `undefined`: the file is no longer the one given. */
async function replace(
  options: InstallOptions,
  present: FileStat,
): Promise<string | undefined> {
  const { vfs, runtime, held, temp, path, signal } = options;
  // The new file must be later, or its ETag could be that of an older one.
  if (statTemp(vfs, temp).modifiedMs <= present.modifiedMs) {
    vfs.setModified(temp, present.modifiedMs + 1);
  }
  const etag = etagOf(statTemp(vfs, temp));
  held.hold(path, present);
  const isReplaced = await replaceFile({
    vfs,
    runtime,
    temp,
    path,
    etag: etagOf(present),
    signal,
  });
  return isReplaced ? etag : undefined;
}

function statTemp(vfs: Vfs, temp: string): FileStat {
  const stat = vfs.stat(temp);
  if (stat === undefined) throw new VfsError("ENOENT", "link", temp);
  return stat;
}

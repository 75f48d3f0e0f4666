/**
 * What tells one version of a file from another.
 *
 * An ETag is the file's inode, time and size. It never comes back for a name,
 * though inodes do: a replacing file is always later than the one it replaces
 * (`file_install.ts`), and the inode of a file that loses its name is held
 * until its millisecond is over. It takes a clock that is set back by hand, to
 * the very millisecond, to break that.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import { type FileStat, type Vfs, VfsError, type VfsFile } from "../vfs/vfs.ts";
import { isNoFile } from "./open_files.ts";

/** Over that the oldest goes early. */
const MAX_HELD_INODES = 64;

/**
 * The version of a file.
 *
 * @param stat What the disk knows of it.
 * @returns An ETag, of characters that a file name may have.
 */
export function etagOf({ inode, modifiedMs, size }: FileStat): string {
  return [inode, modifiedMs, size].map((part) => part.toString(36)).join("-");
}

/**
 * What the disk knows of an object's file.
 *
 * @param vfs The disk.
 * @param path Absolute path of the file.
 * @returns What it knows; `undefined`: no such file.
 * @throws {VfsError} `EISDIR` if a directory is in its place.
 */
export function statObject(vfs: Vfs, path: string): FileStat | undefined {
  const stat = vfs.stat(path);
  if (stat === undefined || stat.kind === "file") return stat;
  throw new VfsError("EISDIR", "stat", path);
}

/**
 * The version of an object's file.
 *
 * @param vfs The disk.
 * @param path Absolute path of the file.
 * @returns Its ETag; `undefined`: no such file.
 */
export function etagAt(vfs: Vfs, path: string): string | undefined {
  const stat = statObject(vfs, path);
  return stat === undefined ? undefined : etagOf(stat);
}

/**
 * Keeps the inodes of files that lost their names, for as long as another file
 * with such an inode could get the same ETag.
 */
export class HeldInodes {
  readonly #vfs: Vfs;
  readonly #runtime: Runtime;
  #held: { readonly file: VfsFile; readonly modifiedMs: number }[] = [];

  /**
   * Constructs a new {@linkcode HeldInodes}.
   *
   * @param vfs The disk.
   * @param runtime The clock of the files' times.
   */
  constructor(vfs: Vfs, runtime: Runtime) {
    this.#vfs = vfs;
    this.#runtime = runtime;
  }

  /**
   * Holds the inode of a file that is about to lose its name, if it must be.
   *
   * @param path Absolute path of the file.
   * @param stat What the disk knows of it.
   */
  hold(path: string, stat: FileStat): void {
    this.release();
    if (stat.modifiedMs < Math.floor(this.#runtime.now())) return;
    try {
      const file = this.#vfs.open(path, "read");
      this.#held.push({ file, modifiedMs: stat.modifiedMs });
    } catch (error) {
      if (!isNoFile(error)) throw error;
    }
  }

  /** Lets go of the inodes whose time is over. */
  release(): void {
    if (this.#held.length === 0) return;
    const now = Math.floor(this.#runtime.now());
    const kept = this.#held
      .filter(({ modifiedMs }) => modifiedMs >= now)
      .slice(1 - MAX_HELD_INODES);
    for (const one of this.#held) if (!kept.includes(one)) one.file.close();
    this.#held = kept;
  }

  /** Lets go of all. */
  clear(): void {
    for (const { file } of this.#held) file.close();
    this.#held = [];
  }
}

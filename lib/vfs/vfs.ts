/**
 * The local disk, as far as the engine uses it.
 *
 * Reads, writes and changes of directories are synchronous: on the page cache
 * they cost a microsecond, and a promise costs ten times that. What waits for
 * the device itself, `sync` and `datasync`, is asynchronous, so that a disk
 * flush never holds up the event loop.
 *
 * Does not own: what a failure means for a caller of the database
 * (`disk_error.ts`).
 *
 * @module
 */

/** What a directory entry is; anything but a file or a directory is `"other"`. */
export type EntryKind = "file" | "directory" | "other";

/** What the disk knows of a file. */
export interface FileStat {
  /** What it is; links are followed. */
  readonly kind: EntryKind;
  /** Tells apart all files that exist at one time; used again afterwards. */
  readonly inode: bigint;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch, without a fraction. */
  readonly modifiedMs: number;
}

/** One name in a directory. */
export interface DirectoryEntry {
  /** The name, without the directory's. */
  readonly name: string;
  /** What it names. */
  readonly kind: EntryKind;
}

/**
 * How a file is opened: to read it; as a new file, which must not exist; or to
 * read it and write at its end, made if absent.
 */
export type OpenMode = "read" | "create" | "append";

/** An open file. */
export interface VfsFile {
  /**
   * Fills `buffer` from `position`.
   *
   * @returns The bytes read; fewer than asked for only at the end of the file.
   */
  readAt(buffer: Uint8Array, position: number): number;
  /** Writes all of `bytes` at the end of the file. */
  append(bytes: Uint8Array): void;
  /** Writes all of `bytes` from `position`; not for files opened to append. */
  writeAt(bytes: Uint8Array, position: number): void;
  /** Cuts the file, or extends it with zeros. */
  truncate(size: number): void;
  /** What the disk knows of the file. */
  stat(): FileStat;
  /** Resolves when the bytes written so far, and the size, survive a power loss. */
  datasync(): Promise<void>;
  /** Like {@linkcode datasync}, and so do the file's times. */
  sync(): Promise<void>;
  /** Gives the descriptor back; closing twice is fine. */
  close(): void;
}

/**
 * A disk. Every method throws what `node:fs` would: an `Error` whose `code` is
 * the POSIX name, unless it answers for that case itself.
 */
export interface Vfs {
  /** The absolute form of a path, by the present working directory. */
  absolute(path: string): string;
  /** Opens a file. */
  open(path: string, mode: OpenMode): VfsFile;
  /** What is at a path; `undefined`: nothing. */
  stat(path: string): FileStat | undefined;
  /** The entries of a directory, in no order; `undefined`: no such directory. */
  list(path: string): DirectoryEntry[] | undefined;
  /**
   * Makes a directory whose parent exists.
   *
   * @returns Whether it was made; `false`: something has the name already.
   */
  makeDirectory(path: string): boolean;
  /**
   * Gives an existing file a second name, atomically.
   *
   * @returns Whether it was; `false`: something has that name already.
   */
  link(existing: string, path: string): boolean;
  /** Gives a file a new name and takes that name from whatever file had it, atomically. */
  rename(from: string, to: string): void;
  /**
   * Removes a name of a file.
   *
   * @returns Whether it was there.
   */
  remove(path: string): boolean;
  /** Sets the time a file was last modified. */
  setModified(path: string, modifiedMs: number): void;
  /**
   * Resolves when names made in and taken from a directory survive a power
   * loss. On file systems that cannot say, resolves at once.
   */
  syncDirectory(path: string): Promise<void>;
}

/** A failure of the disk with its POSIX name. */
export class VfsError extends Error {
  /** The POSIX name, such as `ENOENT`. */
  readonly code: string;

  /**
   * Constructs a new {@linkcode VfsError}.
   *
   * @param code The POSIX name.
   * @param operation What was tried.
   * @param path On what.
   */
  constructor(code: string, operation: string, path: string) {
    super(`${code}: ${operation} '${path}'`);
    this.name = "VfsError";
    this.code = code;
  }
}

/**
 * The POSIX name of a failure of the disk.
 *
 * @param error What was thrown.
 * @returns The name, or `undefined` where the error is of another sort.
 */
export function posixCodeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // Deno's permission errors carry a class name and no code.
  if (error.name === "NotCapable" || error.name === "PermissionDenied") {
    return "EACCES";
  }
  return "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/**
 * The directory part of a path.
 *
 * @param path An absolute path.
 * @returns The path up to its last slash; `/` for the root itself.
 */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? "/" : path.slice(0, slash);
}

/**
 * The disk under Deno, Bun and Node: the only module that uses `node:fs`.
 *
 * The module is asked for when a disk is first needed and not imported, so
 * that a bundle for a browser that never opens one builds and runs.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type {
  DirectoryEntry,
  EntryKind,
  FileStat,
  OpenMode,
  Vfs,
  VfsFile,
} from "./vfs.ts";
import { posixCodeOf } from "./vfs.ts";

type NodeFs = typeof import("node:fs");
type NodePath = typeof import("node:path");

/** Answers of `fsync` on a directory where the file system has no such thing. */
const CANNOT_SYNC_DIRECTORY = new Set(["EINVAL", "ENOTSUP", "EISDIR"]);
const OPEN_FLAGS = { read: "r", create: "wx+", append: "a+" } as const;
const NS_PER_MS = 1_000_000n;

let vfs: Vfs | undefined;

/**
 * The disk of this machine.
 *
 * @returns The same object every time.
 * @throws {DbError} Kind `"invalid"` where the runtime has no disk.
 */
export function nodeVfs(): Vfs {
  vfs ??= new NodeVfs(builtin("node:fs"), builtin("node:path"));
  return vfs;
}

function builtin<Module>(name: string): Module {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => unknown };
  };
  const module = process?.getBuiltinModule?.(name);
  if (module === undefined) {
    throw new DbError(
      "invalid",
      "Cannot use the local disk: this runtime has none; use another store",
    );
  }
  return module as Module;
}

class NodeVfs implements Vfs {
  readonly #fs: NodeFs;
  readonly #path: NodePath;

  constructor(fs: NodeFs, path: NodePath) {
    this.#fs = fs;
    this.#path = path;
  }

  absolute(path: string): string {
    return this.#path.resolve(path);
  }

  open(path: string, mode: OpenMode): VfsFile {
    return new NodeFile(this.#fs, this.#fs.openSync(path, OPEN_FLAGS[mode]));
  }

  stat(path: string): FileStat | undefined {
    // An error with its stack costs more than the call.
    const options = { bigint: true, throwIfNoEntry: false } as const;
    const stats = unlessAbsent(() => this.#fs.statSync(path, options));
    return stats === undefined ? undefined : toFileStat(stats);
  }

  list(path: string): DirectoryEntry[] | undefined {
    const entries = unlessAbsent(() =>
      this.#fs.readdirSync(path, { withFileTypes: true })
    );
    return entries?.map((entry) => ({
      name: entry.name,
      kind: entry.isSymbolicLink()
        ? this.stat(`${path}/${entry.name}`)?.kind ?? "other"
        : kindOf(entry),
    }));
  }

  makeDirectory(path: string): boolean {
    return unlessExists(() => this.#fs.mkdirSync(path));
  }

  link(existing: string, path: string): boolean {
    return unlessExists(() => this.#fs.linkSync(existing, path));
  }

  rename(from: string, to: string): void {
    this.#fs.renameSync(from, to);
  }

  remove(path: string): boolean {
    const removed = unlessAbsent(() => {
      this.#fs.unlinkSync(path);
      return true;
    });
    return removed === true;
  }

  setModified(path: string, modifiedMs: number): void {
    // Half a millisecond more: seconds as a double may come out a little low.
    const seconds = (modifiedMs + 0.5) / 1000;
    this.#fs.utimesSync(path, seconds, seconds);
  }

  async syncDirectory(path: string): Promise<void> {
    let directory: VfsFile | undefined;
    try {
      directory = this.open(path, "read");
      await directory.sync();
    } catch (error) {
      if (!CANNOT_SYNC_DIRECTORY.has(posixCodeOf(error) ?? "")) throw error;
    } finally {
      directory?.close();
    }
  }
}

class NodeFile implements VfsFile {
  readonly #fs: NodeFs;
  readonly #fd: number;
  #closed = false;

  constructor(fs: NodeFs, fd: number) {
    this.#fs = fs;
    this.#fd = fd;
  }

  readAt(buffer: Uint8Array, position: number): number {
    let filled = 0;
    while (filled < buffer.length) {
      const read = this.#fs.readSync(
        this.#fd,
        buffer,
        filled,
        buffer.length - filled,
        position + filled,
      );
      if (read === 0) break;
      filled += read;
    }
    return filled;
  }

  append(bytes: Uint8Array): void {
    let written = 0;
    while (written < bytes.length) {
      written += this.#fs.writeSync(
        this.#fd,
        bytes,
        written,
        bytes.length - written,
      );
    }
  }

  writeAt(bytes: Uint8Array, position: number): void {
    let written = 0;
    while (written < bytes.length) {
      written += this.#fs.writeSync(
        this.#fd,
        bytes,
        written,
        bytes.length - written,
        position + written,
      );
    }
  }

  truncate(size: number): void {
    this.#fs.ftruncateSync(this.#fd, size);
  }

  stat(): FileStat {
    return toFileStat(this.#fs.fstatSync(this.#fd, { bigint: true }));
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#fs.fdatasync(
        this.#fd,
        (error) => error === null ? resolve() : reject(error),
      )
    );
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#fs.fsync(
        this.#fd,
        (error) => error === null ? resolve() : reject(error),
      )
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#fs.closeSync(this.#fd);
  }
}

/** The fields used of Node's `BigIntStats`; Deno's and Bun's agree in these. */
interface Stats {
  isFile(): boolean;
  isDirectory(): boolean;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

function toFileStat(stats: Stats): FileStat {
  return {
    kind: kindOf(stats),
    inode: stats.ino,
    size: Number(stats.size),
    // Deno knows whole milliseconds only; cut where Bun and Node know more, so
    // that all of them say the same about one file.
    modifiedMs: Number(stats.mtimeNs / NS_PER_MS),
  };
}

function kindOf(
  entry: { isFile(): boolean; isDirectory(): boolean },
): EntryKind {
  if (entry.isFile()) return "file";
  return entry.isDirectory() ? "directory" : "other";
}

function unlessAbsent<Value>(body: () => Value): Value | undefined {
  try {
    return body();
  } catch (error) {
    const code = posixCodeOf(error);
    // ENOTDIR: a parent is a file, so there is nothing of that name either.
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function unlessExists(body: () => void): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (posixCodeOf(error) === "EEXIST") return false;
    throw error;
  }
}

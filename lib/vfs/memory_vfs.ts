/**
 * A disk in memory that can lose power.
 *
 * It keeps two pictures of everything: what a reader sees, and what was synced.
 * A file's bytes are synced by syncing the file; its name, by syncing the
 * directory that holds the name; and neither implies the other. `crash()`
 * throws the first picture away. As on a real disk, a change that was not
 * synced may survive all the same: a coin decides.
 *
 * Inode numbers of deleted files are given out again at once, as ext4 does.
 *
 * @module
 */
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import { type FileNode, MemoryFile, statOf } from "./memory_file.ts";
import {
  type DirectoryEntry,
  type FileStat,
  type OpenMode,
  parentOf,
  type Vfs,
  VfsError,
  type VfsFile,
} from "./vfs.ts";

/** What a {@linkcode MemoryVfs} is asked to do. */
export type VfsOperation =
  | Exclude<keyof Vfs, "absolute">
  | Exclude<keyof VfsFile, "close">;

/** Options of a {@linkcode MemoryVfs}. */
export interface MemoryVfsOptions {
  /** Clock of the files' times. */
  runtime?: Runtime;
  /**
   * Told of every call before it takes effect; makes it fail by throwing.
   *
   * ```ts ignore
   * onCall: (operation, path) => {
   *   if (operation === "append") throw new VfsError("ENOSPC", "write", path);
   * }
   * ```
   */
  onCall?: (operation: VfsOperation, path: string) => void;
}

interface DirectoryNode {
  readonly kind: "directory";
  readonly inode: bigint;
  readonly modifiedMs: number;
  entries: Map<string, Node>;
  synced: Map<string, Node>;
}

type Node = FileNode | DirectoryNode;

/** A disk in memory that can lose power. */
export class MemoryVfs implements Vfs {
  /** See {@linkcode MemoryVfsOptions.onCall}; may be changed. */
  onCall: (operation: VfsOperation, path: string) => void;
  readonly #runtime: Runtime;
  readonly #freeInodes: bigint[] = [];
  #lastInode = 0n;
  #root: DirectoryNode;
  /** Counts crashes: a descriptor of an earlier life is dead. */
  #life = 0;
  #openFiles = 0;

  /**
   * Constructs a new {@linkcode MemoryVfs} that holds an empty root directory.
   *
   * @param options Clock and failures.
   */
  constructor(options: MemoryVfsOptions = {}) {
    this.#runtime = options.runtime ?? systemRuntime;
    this.onCall = options.onCall ?? (() => {});
    this.#root = this.#newDirectory();
  }

  /** Descriptors that are open at present. */
  get openFiles(): number {
    return this.#openFiles;
  }

  /**
   * Loses power: forgets what was not synced, and every open descriptor.
   *
   * @param survives Asked about each change that was not synced; by default none survives.
   */
  crash(survives: () => boolean = () => false): void {
    this.#life++;
    this.#openFiles = 0;
    // A file that comes back may have a number that was given out again.
    this.#freeInodes.length = 0;
    const files = new Map<FileNode, number>();
    crashDirectory(this.#root, survives, files);
    for (const [file, names] of files) {
      // Bytes reach a disk in no order: all of them, none of them, or half.
      const synced = file.synced.length;
      const [all, half] = [survives(), survives()];
      const kept = all ? file.size : Math.max(synced, file.size >> 1);
      const bytes = all || half
        ? file.bytes.slice(0, kept)
        : file.synced.slice();
      file.bytes = bytes;
      file.size = bytes.length;
      file.synced = bytes.slice();
      file.references = names;
    }
  }

  /** {@inheritDoc Vfs.absolute} */
  absolute(path: string): string {
    const parts: string[] = [];
    for (const part of path.split("/")) {
      if (part === "..") parts.pop();
      else if (part !== "" && part !== ".") parts.push(part);
    }
    return `/${parts.join("/")}`;
  }

  /** {@inheritDoc Vfs.open} */
  open(path: string, mode: OpenMode): VfsFile {
    this.onCall("open", path);
    let node = this.#find(path);
    if (mode === "create" && node !== undefined) {
      throw new VfsError("EEXIST", "open", path);
    }
    if (node === undefined) {
      if (mode === "read") throw new VfsError("ENOENT", "open", path);
      node = this.#newFile();
      this.#directoryOf(path, "open").entries.set(nameOf(path), node);
      node.references++;
    }
    if (node.kind === "directory") throw new VfsError("EISDIR", "open", path);
    node.references++;
    this.#openFiles++;
    const life = this.#life;
    return new MemoryFile(node, path, {
      now: () => Math.floor(this.#runtime.now()),
      check: (operation) => {
        if (life !== this.#life) throw new VfsError("EBADF", operation, path);
        this.onCall(operation, path);
      },
      isAlive: () => life === this.#life,
      closed: (file) => {
        if (life !== this.#life) return;
        this.#openFiles--;
        this.#dropReference(file);
      },
    });
  }

  /** {@inheritDoc Vfs.stat} */
  stat(path: string): FileStat | undefined {
    this.onCall("stat", path);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node.kind === "file") return statOf(node);
    const { kind, inode, modifiedMs } = node;
    return { kind, inode, modifiedMs, size: 0 };
  }

  /** {@inheritDoc Vfs.list} */
  list(path: string): DirectoryEntry[] | undefined {
    this.onCall("list", path);
    const node = this.#find(path);
    if (node?.kind !== "directory") return undefined;
    return Array.from(node.entries, ([name, { kind }]) => ({ name, kind }));
  }

  /** {@inheritDoc Vfs.makeDirectory} */
  makeDirectory(path: string): boolean {
    this.onCall("makeDirectory", path);
    if (this.#find(path) !== undefined) return false;
    this.#directoryOf(path, "mkdir").entries.set(
      nameOf(path),
      this.#newDirectory(),
    );
    return true;
  }

  /** {@inheritDoc Vfs.link} */
  link(existing: string, path: string): boolean {
    this.onCall("link", path);
    const node = this.#fileAt(existing, "link");
    if (this.#find(path) !== undefined) return false;
    this.#directoryOf(path, "link").entries.set(nameOf(path), node);
    node.references++;
    return true;
  }

  /** {@inheritDoc Vfs.rename} */
  rename(from: string, to: string): void {
    this.onCall("rename", to);
    const node = this.#fileAt(from, "rename");
    const replaced = this.#find(to);
    if (replaced?.kind === "directory") {
      throw new VfsError("EISDIR", "rename", to);
    }
    // Two names of one file: POSIX leaves both.
    if (replaced === node) return;
    this.#directoryOf(to, "rename").entries.set(nameOf(to), node);
    this.#directoryOf(from, "rename").entries.delete(nameOf(from));
    if (replaced !== undefined) this.#dropReference(replaced);
  }

  /** {@inheritDoc Vfs.remove} */
  remove(path: string): boolean {
    this.onCall("remove", path);
    const node = this.#find(path);
    if (node === undefined) return false;
    if (node.kind === "directory") throw new VfsError("EISDIR", "unlink", path);
    this.#directoryOf(path, "unlink").entries.delete(nameOf(path));
    this.#dropReference(node);
    return true;
  }

  /** {@inheritDoc Vfs.setModified} */
  setModified(path: string, modifiedMs: number): void {
    this.onCall("setModified", path);
    this.#fileAt(path, "utime").modifiedMs = modifiedMs;
  }

  /** {@inheritDoc Vfs.syncDirectory} */
  async syncDirectory(path: string): Promise<void> {
    this.onCall("syncDirectory", path);
    const node = this.#find(path);
    if (node?.kind !== "directory") throw new VfsError("ENOENT", "fsync", path);
    const picture = new Map(node.entries);
    const life = this.#life;
    await Promise.resolve();
    if (life !== this.#life) throw new VfsError("EBADF", "fsync", path);
    node.synced = picture;
  }

  #find(path: string): Node | undefined {
    let node: Node = this.#root;
    for (const part of path.split("/")) {
      if (part === "") continue;
      const next: Node | undefined = node.kind === "directory"
        ? node.entries.get(part)
        : undefined;
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }

  #fileAt(path: string, operation: string): FileNode {
    const node = this.#find(path);
    if (node === undefined) throw new VfsError("ENOENT", operation, path);
    if (node.kind === "directory") throw new VfsError("EPERM", operation, path);
    return node;
  }

  #directoryOf(path: string, operation: string): DirectoryNode {
    const parent = parentOf(path);
    const node = this.#find(parent);
    if (node === undefined) {
      const code = this.#isBelowFile(parent) ? "ENOTDIR" : "ENOENT";
      throw new VfsError(code, operation, path);
    }
    if (node.kind === "file") throw new VfsError("ENOTDIR", operation, path);
    return node;
  }

  #isBelowFile(path: string): boolean {
    for (let above = path; above !== "/"; above = parentOf(above)) {
      if (this.#find(above)?.kind === "file") return true;
    }
    return false;
  }

  #newFile(): FileNode {
    return {
      kind: "file",
      inode: this.#freeInodes.pop() ?? ++this.#lastInode,
      bytes: new Uint8Array(0),
      size: 0,
      modifiedMs: Math.floor(this.#runtime.now()),
      references: 0,
      synced: new Uint8Array(0),
    };
  }

  #newDirectory(): DirectoryNode {
    return {
      kind: "directory",
      inode: ++this.#lastInode,
      modifiedMs: Math.floor(this.#runtime.now()),
      entries: new Map(),
      synced: new Map(),
    };
  }

  #dropReference(file: FileNode): void {
    if (--file.references === 0) this.#freeInodes.push(file.inode);
  }
}

function crashDirectory(
  directory: DirectoryNode,
  survives: () => boolean,
  files: Map<FileNode, number>,
): void {
  const { entries, synced } = directory;
  const left = new Map<string, Node>();
  for (const name of new Set([...synced.keys(), ...entries.keys()])) {
    const before = synced.get(name);
    const after = entries.get(name);
    const node = before === after || survives() ? after : before;
    if (node === undefined) continue;
    left.set(name, node);
    if (node.kind === "file") files.set(node, (files.get(node) ?? 0) + 1);
    else crashDirectory(node, survives, files);
  }
  directory.entries = left;
  directory.synced = new Map(left);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Descriptors kept open for synchronous reads.
 *
 * Objects are not changed once written, so an open descriptor serves what it
 * was opened on: an object that another process removes stays readable here
 * until its descriptor goes. So that no removed file keeps its space for long,
 * each opening also looks at the two descriptors that were unused the longest.
 *
 * @module
 */
import { posixCodeOf, type Vfs, type VfsFile } from "../vfs/vfs.ts";

interface OpenFile {
  readonly file: VfsFile;
  readonly path: string;
  readonly inode: bigint;
  readonly size: number;
  usedAt: number;
}

/** Descriptors looked at whenever another is opened. */
const SWEEP_COUNT = 2;

/** Reads files through a few descriptors. */
export class OpenFiles {
  readonly #vfs: Vfs;
  readonly #maxOpenFiles: number;
  readonly #files = new Map<string, OpenFile>();
  #uses = 0;
  #buffer = new Uint8Array(4096);

  /**
   * Constructs a new {@linkcode OpenFiles}.
   *
   * @param vfs The disk.
   * @param maxOpenFiles Most descriptors kept.
   */
  constructor(vfs: Vfs, maxOpenFiles: number) {
    this.#vfs = vfs;
    this.#maxOpenFiles = maxOpenFiles;
  }

  /**
   * Reads from a file; a range past the end is cut.
   *
   * @param name What the file is known by here.
   * @param pathOf Its absolute path; asked for only to open it.
   * @param start The first byte.
   * @param end The byte after the last.
   * @returns A view that the next call overwrites; `undefined`: no such file.
   */
  read(
    name: string,
    pathOf: (name: string) => string,
    start: number,
    end: number,
  ): Uint8Array | undefined {
    const open = this.#files.get(name) ?? this.#open(name, pathOf(name));
    if (open === undefined) return undefined;
    open.usedAt = ++this.#uses;
    const length = Math.min(end, open.size) - start;
    if (length <= 0) return this.#buffer.subarray(0, 0);
    if (length > this.#buffer.length) {
      this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    }
    const view = this.#buffer.subarray(0, length);
    const read = open.file.readAt(view, start);
    return read === length ? view : view.subarray(0, read);
  }

  /**
   * Lets go of a file that was removed or replaced.
   *
   * @param name What the file is known by here.
   */
  drop(name: string): void {
    this.#files.get(name)?.file.close();
    this.#files.delete(name);
  }

  /** Lets go of all files; they are opened again when they are needed. */
  clear(): void {
    for (const { file } of this.#files.values()) file.close();
    this.#files.clear();
  }

  #open(name: string, path: string): OpenFile | undefined {
    this.#sweep();
    let file: VfsFile;
    try {
      file = this.#vfs.open(path, "read");
    } catch (error) {
      if (isNoFile(error)) return undefined;
      throw error;
    }
    const { kind, inode, size } = file.stat();
    if (kind !== "file") {
      file.close();
      return undefined;
    }
    const open = { file, path, inode, size, usedAt: 0 };
    this.#files.set(name, open);
    return open;
  }

  #sweep(): void {
    const oldest = Array.from(this.#files).sort((a, b) =>
      a[1].usedAt - b[1].usedAt
    );
    for (const [name, { path, inode }] of oldest.slice(0, SWEEP_COUNT)) {
      if (this.#vfs.stat(path)?.inode !== inode) this.drop(name);
    }
    for (const [name] of oldest) {
      if (this.#files.size < this.#maxOpenFiles) return;
      this.drop(name);
    }
  }
}

/**
 * Whether opening failed because there is no file of that name.
 *
 * @param error What was thrown.
 * @returns Whether it did.
 */
export function isNoFile(error: unknown): boolean {
  const code = posixCodeOf(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "EISDIR";
}

/**
 * Directories of a `FileStore` that survive a power loss.
 *
 * A file survives only if its own directory and every one above are synced
 * too, up to the first that was there before. That another process made a
 * directory says nothing about whether it got round to syncing it, so each
 * store syncs the way to a directory once before its first file in there.
 *
 * @module
 */
import { parentOf, posixCodeOf, type Vfs, VfsError } from "../vfs/vfs.ts";

/** Makes directories and syncs them, below the root of one store. */
export class FileDirectories {
  readonly #vfs: Vfs;
  readonly #root: string;
  readonly #fsync: boolean;
  readonly #durable = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, Promise<void>>();

  /**
   * Constructs a new {@linkcode FileDirectories}.
   *
   * @param vfs The disk.
   * @param root Absolute path of the store's root, which need not exist.
   * @param fsync Whether to sync at all.
   */
  constructor(vfs: Vfs, root: string, fsync: boolean) {
    this.#vfs = vfs;
    this.#root = root;
    this.#fsync = fsync;
  }

  /**
   * Whether {@linkcode ensure} has nothing left to do.
   *
   * @param path Absolute path of a directory.
   * @returns Whether the directory is known to survive.
   */
  isDurable(path: string): boolean {
    return this.#durable.has(path);
  }

  /**
   * Makes a directory and all above it, where absent, so that they survive.
   *
   * @param path Absolute path of the root or of a directory below it.
   */
  async ensure(path: string): Promise<void> {
    if (this.#durable.has(path)) return;
    if (path === this.#root) {
      await this.#ensureRoot();
    } else {
      const parent = parentOf(path);
      await this.ensure(parent);
      this.#make(path);
      await this.sync(parent);
    }
    this.#durable.add(path);
  }

  /** Forgets what was ensured, after somebody removed directories. */
  forget(): void {
    this.#durable.clear();
  }

  /**
   * Resolves when all names made in a directory before this call survive.
   * Calls that come while the disk is busy with an earlier one share the next.
   *
   * @param path Absolute path of the directory.
   * @returns Resolves when it is synced.
   */
  sync(path: string): Promise<void> {
    if (!this.#fsync) return Promise.resolve();
    const running = this.#running.get(path);
    if (running === undefined) return this.#start(path);
    let waiting = this.#waiting.get(path);
    if (waiting === undefined) {
      const next = () => {
        this.#waiting.delete(path);
        return this.#start(path);
      };
      waiting = running.then(next, next);
      this.#waiting.set(path, waiting);
    }
    return waiting;
  }

  async #start(path: string): Promise<void> {
    const syncing = this.#vfs.syncDirectory(path);
    this.#running.set(path, syncing);
    try {
      await syncing;
    } finally {
      if (this.#running.get(path) === syncing) this.#running.delete(path);
    }
  }

  async #ensureRoot(): Promise<void> {
    const missing: string[] = [];
    let above = this.#root;
    while (this.#vfs.stat(above) === undefined && above !== "/") {
      missing.push(above);
      above = parentOf(above);
    }
    if (missing.length === 0) {
      this.#make(this.#root);
      await this.#syncAbove(this.#root);
    }
    for (const path of missing.reverse()) {
      this.#make(path);
      await this.sync(parentOf(path));
    }
  }

  /** The directory above a root that was there may be none of ours to open. */
  async #syncAbove(path: string): Promise<void> {
    try {
      await this.sync(parentOf(path));
    } catch (error) {
      const code = posixCodeOf(error);
      if (code !== "EACCES" && code !== "EPERM") throw error;
    }
  }

  #make(path: string): void {
    if (path === "/" || this.#vfs.makeDirectory(path)) return;
    if (this.#vfs.stat(path)?.kind === "directory") return;
    throw new VfsError("ENOTDIR", "mkdir", path);
  }
}

/**
 * Files of a `FileStore` on their way in: `.tmp/` under the store's root.
 *
 * A body is written to a temporary file and synced; only then does it get its
 * name. What a killed process left behind is removed before the first write
 * of another, by age: a process number says nothing, since two containers with
 * one volume have their own, and asking whether one lives takes permissions.
 * Removing the file of a process that merely slept is safe: giving the file its
 * name then fails, and the put with it.
 *
 * @module
 */
import { toHex } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { Runtime } from "../base/runtime.ts";
import { toDiskError } from "../vfs/disk_error.ts";
import { posixCodeOf, type Vfs, type VfsFile } from "../vfs/vfs.ts";
import { chunksOf } from "./body.ts";
import type { FileDirectories } from "./file_directories.ts";

/** The directory under a store's root; no object may be named so. */
export const TEMP_DIRECTORY = ".tmp";
/** The end of the names that `file_replace.ts` keeps here and removes itself. */
export const TICKET_SUFFIX = ".ticket";

/** A file nobody has written to for so long was left behind. */
const STALE_MS = 10 * 60_000;
/** Of names that are taken, or directories that vanish. */
const MAX_ATTEMPTS = 10;
/** Written in one go; the event loop has its turn in between. */
const SLICE_BYTES = 1024 * 1024;
/** The device begins with so many bytes while more are written. */
const SYNC_AHEAD_BYTES = 8 * 1024 * 1024;

/** What {@linkcode TempFiles} needs. */
export interface TempFilesOptions {
  /** The disk. */
  readonly vfs: Vfs;
  /** Clock and random names. */
  readonly runtime: Runtime;
  /** Makes the directory. */
  readonly directories: FileDirectories;
  /** Absolute path of the store's root. */
  readonly root: string;
  /** Whether to sync files. */
  readonly fsync: boolean;
}

/** Writes temporary files and removes old ones. */
export class TempFiles {
  /** Absolute path of the directory. */
  readonly directory: string;
  readonly #options: TempFilesOptions;
  #isCleaned = false;

  /**
   * Constructs a new {@linkcode TempFiles}.
   *
   * @param options Disk, clock and place.
   */
  constructor(options: TempFilesOptions) {
    this.#options = options;
    this.directory = `${options.root}/${TEMP_DIRECTORY}`;
  }

  /**
   * Writes a body to a new file that survives.
   *
   * @param body Bytes or a stream; a stream is taken over and not held in memory.
   * @param action What cannot be done if the disk fails, for the message.
   * @param signal Ends the writing with the signal's reason.
   * @returns Absolute path of the file; nothing is left of one that failed.
   * @throws {DbError} If the disk fails. A failure of the stream is thrown as it is.
   */
  async write(
    body: Uint8Array | ReadableStream<Uint8Array>,
    action: string,
    signal?: AbortSignal,
  ): Promise<string> {
    const { path, file } = await this.#create(action);
    const ahead = new SyncAhead(file, this.#options.fsync);
    try {
      if (body instanceof Uint8Array) {
        await this.#append(file, body, action, ahead);
      } else {
        for await (const chunk of chunksOf(body, signal)) {
          await this.#append(file, chunk, action, ahead);
        }
      }
      await this.#finish(file, path, action, ahead);
      return path;
    } catch (error) {
      discard(this.#options.vfs, path);
      throw error;
    } finally {
      // A descriptor may be another file's as soon as it is given back.
      await ahead.settled;
      file.close();
    }
  }

  /**
   * Removes what was left behind, once for each store.
   *
   * @param onTicket Told of every ticket, whatever its age.
   */
  clean(onTicket: (path: string) => void): void {
    if (this.#isCleaned) return;
    this.#isCleaned = true;
    const { vfs, runtime } = this.#options;
    for (const { name, kind } of vfs.list(this.directory) ?? []) {
      if (kind !== "file") continue;
      const path = `${this.directory}/${name}`;
      if (name.endsWith(TICKET_SUFFIX)) {
        onTicket(path);
        continue;
      }
      const modifiedMs = vfs.stat(path)?.modifiedMs ?? Infinity;
      if (runtime.now() - modifiedMs > STALE_MS) discard(vfs, path);
    }
  }

  async #create(action: string): Promise<{ path: string; file: VfsFile }> {
    const { vfs, runtime, directories } = this.#options;
    const random = new Uint8Array(8);
    for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
      runtime.randomFill(random);
      const path = `${this.directory}/${toHex(random)}`;
      try {
        await directories.ensure(this.directory);
        return { path, file: vfs.open(path, "create") };
      } catch (error) {
        const code = posixCodeOf(error);
        // Somebody removed the directory since it was made.
        if (code === "ENOENT") directories.forget();
        else if (code !== "EEXIST") throw toDiskError(error, action);
      }
    }
    throw new DbError(
      "unavailable",
      `Cannot ${action}: its temporary file in ${this.directory} cannot be made; is somebody removing the directory?`,
    );
  }

  async #append(
    file: VfsFile,
    bytes: Uint8Array,
    action: string,
    ahead: SyncAhead,
  ): Promise<void> {
    for (let start = 0; start < bytes.length; start += SLICE_BYTES) {
      if (start > 0) await this.#options.runtime.yield();
      const slice = bytes.subarray(start, start + SLICE_BYTES);
      try {
        file.append(slice);
      } catch (error) {
        throw toDiskError(error, action);
      }
      ahead.written(slice.length);
    }
  }

  async #finish(
    file: VfsFile,
    path: string,
    action: string,
    ahead: SyncAhead,
  ): Promise<void> {
    const { vfs, runtime, fsync } = this.#options;
    try {
      vfs.setModified(path, Math.floor(runtime.now()));
      await ahead.finish();
      if (fsync) await file.sync();
    } catch (error) {
      throw toDiskError(error, action);
    }
  }
}

/**
 * Syncs what is written of a file while more is written, so that the device
 * works all the time and the sync at the end has little left.
 */
class SyncAhead {
  readonly #file: VfsFile;
  readonly #isOn: boolean;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  constructor(file: VfsFile, isOn: boolean) {
    this.#file = file;
    this.#isOn = isOn;
  }

  /** Resolves when no sync is under way, whatever became of it. */
  get settled(): Promise<void> | undefined {
    return this.#syncing;
  }

  /** Notes that more was written. */
  written(bytes: number): void {
    this.#unsynced += bytes;
    if (
      !this.#isOn || this.#syncing !== undefined ||
      this.#unsynced < SYNC_AHEAD_BYTES
    ) return;
    this.#unsynced = 0;
    this.#syncing = this.#sync();
  }

  /** A sync that failed is told once: one that works later says nothing of its bytes. */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#syncing = undefined;
  }
}

/**
 * Removes a temporary file if that can be done: what is left is removed by a
 * later process, and there is a result or an error that matters more.
 *
 * @param vfs The disk.
 * @param path Absolute path of the file.
 */
export function discard(vfs: Vfs, path: string): void {
  try {
    vfs.remove(path);
  } catch (error) {
    if (posixCodeOf(error) === undefined) throw error;
  }
}

/**
 * An object store in a directory of the local disk.
 *
 * A put, in order: the directories above the file exist and survive; the body
 * is in a temporary file and survives; the file gets its name, by `link` where
 * nothing may have it yet (atomic and exclusive), else by `rename` under the
 * rules of `file_replace.ts`; the directory is synced. Only then it resolves.
 *
 * @module
 */
import { DbError, throwIfAborted } from "../base/errors.ts";
import { type Runtime, systemRuntime } from "../base/runtime.ts";
import { toDiskError } from "../vfs/disk_error.ts";
import { nodeVfs } from "../vfs/node_vfs.ts";
import { type FileStat, parentOf, type Vfs, type VfsFile } from "../vfs/vfs.ts";
import { dropBody } from "./body.ts";
import { FileDirectories } from "./file_directories.ts";
import { installFile } from "./file_install.ts";
import { walkFiles } from "./file_listing.ts";
import { removeOldTicket } from "./file_replace.ts";
import { etagAt, etagOf, HeldInodes } from "./file_version.ts";
import {
  checkByteRange,
  checkName,
  checkPrefix,
  resolveByteRange,
} from "./object_name.ts";
import {
  type CallOptions,
  type GetOptions,
  type GetResult,
  type ListOptions,
  type ObjectMeta,
  type ObjectStore,
  PUT_ID_KEY,
  type PutOptions,
  type PutResult,
  type SyncReads,
} from "./object_store.ts";
import { isNoFile, OpenFiles } from "./open_files.ts";
import { discard, TEMP_DIRECTORY, TempFiles } from "./temp_files.ts";

/** Options of a {@linkcode FileStore}. */
export interface FileStoreOptions {
  /**
   * Whether a put waits until it would survive a power loss. Without it a put
   * survives the end of the process only, and takes about a tenth of the time.
   *
   * @default {true}
   */
  fsync?: boolean;
  /**
   * Most files kept open for synchronous reads. More saves opening them again;
   * the limit of the process (`ulimit -n`) is shared with everything else.
   *
   * @default {128}
   */
  maxOpenFiles?: number;
  /** Clock, timers and random names. */
  runtime?: Runtime;
  /** The disk; this machine's unless given. */
  vfs?: Vfs;
}

/** Bytes read, or entries listed, before the event loop has its turn. */
const SLICE_BYTES = 1024 * 1024;
const SLICE_ENTRIES = 64;
const NO_METADATA = Object.freeze({});

/**
 * An object store in a directory of the local disk, for any number of
 * processes of one machine at once.
 *
 * All of them must name the same root: what is on its way is kept in `.tmp/`
 * there, and names beginning with `.tmp/` are refused. Names are paths, so
 * `a` and `a/b` cannot both exist. Metadata is not kept. Directories are made
 * as needed, and left when they are empty.
 *
 * Closing gives descriptors back and is not final.
 */
export class FileStore implements ObjectStore, SyncReads {
  /** Whether a stream's chunk may be used again once the next is asked for. */
  readonly takesChunksAtOnce: boolean = true;
  /** Absolute path of the directory. */
  readonly root: string;
  readonly #vfs: Vfs;
  readonly #runtime: Runtime;
  readonly #directories: FileDirectories;
  readonly #temps: TempFiles;
  readonly #files: OpenFiles;
  readonly #held: HeldInodes;
  /** Puts that are in place but could not be synced, by path. */
  readonly #unsettled = new Map<string, { putId: string; etag: string }>();

  /**
   * Constructs a new {@linkcode FileStore}; touches nothing yet.
   *
   * @param root The directory; made by the first put.
   * @param options Durability and limits.
   * @throws {DbError} Kind `"invalid"` where the runtime has no disk.
   */
  constructor(root: string, options: FileStoreOptions = {}) {
    const { fsync = true, maxOpenFiles = 128 } = options;
    if (!(maxOpenFiles >= 1)) {
      throw new DbError(
        "invalid",
        `FileStore: 'maxOpenFiles' must be >= 1, not ${maxOpenFiles}`,
      );
    }
    const vfs = options.vfs ?? nodeVfs();
    const runtime = options.runtime ?? systemRuntime;
    this.root = vfs.absolute(root);
    this.#vfs = vfs;
    this.#runtime = runtime;
    this.#directories = new FileDirectories(vfs, this.root, fsync);
    this.#temps = new TempFiles({
      vfs,
      runtime,
      directories: this.#directories,
      root: this.root,
      fsync,
    });
    this.#files = new OpenFiles(vfs, maxOpenFiles);
    this.#held = new HeldInodes(vfs, runtime);
  }

  /** A `file:` URL that `openStore` turns into the same store. */
  get url(): string {
    return `file://${this.root.split("/").map(encodeURIComponent).join("/")}`;
  }

  /** {@inheritDoc ObjectStore.get} */
  async get(name: string, options: GetOptions = {}): Promise<GetResult> {
    const { range, signal } = options;
    throwIfAborted(signal);
    const path = this.#pathOf(name);
    checkByteRange(range);
    let file: VfsFile | undefined;
    try {
      file = this.#vfs.open(path, "read");
      const stat = file.stat();
      if (stat.kind !== "file") return undefined;
      const { start, end } = resolveByteRange(range, stat.size);
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length; done += SLICE_BYTES) {
        if (done > 0) await this.#runtime.yield();
        throwIfAborted(signal);
        const slice = bytes.subarray(done, done + SLICE_BYTES);
        if (file.readAt(slice, start + done) !== slice.length) {
          throw new DbError("unavailable", `Cannot read ${path}: it was cut`);
        }
      }
      return { meta: toMeta(name, stat), bytes };
    } catch (error) {
      if (file === undefined && isNoFile(error)) return undefined;
      throw toDiskError(error, `read ${path}`);
    } finally {
      file?.close();
    }
  }

  /** {@inheritDoc ObjectStore.head} */
  // deno-lint-ignore require-await -- a refused call rejects
  async head(
    name: string,
    options: CallOptions = {},
  ): Promise<ObjectMeta | undefined> {
    throwIfAborted(options.signal);
    const path = this.#pathOf(name);
    const stat = onDisk(`read ${path}`, () => this.#vfs.stat(path));
    return stat?.kind === "file" ? toMeta(name, stat) : undefined;
  }

  /** {@inheritDoc ObjectStore.put} */
  async put(
    name: string,
    body: Uint8Array | ReadableStream<Uint8Array>,
    options: PutOptions = {},
  ): Promise<PutResult> {
    const { mode = "overwrite", signal } = options;
    throwIfAborted(signal);
    const path = this.#pathOf(name);
    const action = `write ${path}`;
    this.#held.release();
    const lost = onDisk(action, () => this.#lost(path, mode));
    if (lost !== undefined) {
      dropBody(body);
      return await this.#settle(path, lost, options);
    }
    try {
      this.#temps.clean((ticket) => removeOldTicket(this.#vfs, ticket));
      await this.#directories.ensure(parentOf(path));
    } catch (error) {
      throw toDiskError(error, action);
    }
    const temp = await this.#temps.write(body, action, signal);
    let result: PutResult;
    try {
      result = await installFile({
        vfs: this.#vfs,
        runtime: this.#runtime,
        directories: this.#directories,
        held: this.#held,
        temp,
        path,
        mode,
        signal,
      });
    } catch (error) {
      throw toDiskError(error, action);
    } finally {
      discard(this.#vfs, temp);
    }
    if (!result.ok) return await this.#settle(path, result, options);
    this.#files.drop(name);
    await this.#makeDurable(path, result.etag, options);
    return result;
  }

  /** {@inheritDoc ObjectStore.delete} */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const path = this.#pathOf(name);
    try {
      this.#files.drop(name);
      const stat = this.#vfs.stat(path);
      if (stat?.kind !== "file") return;
      this.#held.hold(path, stat);
      if (this.#vfs.remove(path)) await this.#directories.sync(parentOf(path));
    } catch (error) {
      throw toDiskError(error, `delete ${path}`, "unknown");
    }
  }

  /** {@inheritDoc ObjectStore.list} */
  async *list(
    prefix: string,
    options: ListOptions = {},
  ): AsyncGenerator<ObjectMeta, void, void> {
    const { startAfter, signal } = options;
    throwIfAborted(signal);
    checkPrefix(prefix);
    const { root } = this;
    const files = walkFiles({ vfs: this.#vfs, root, prefix, startAfter });
    for (let count = 1;; count++) {
      const next = onDisk(`list ${root}`, () => files.next());
      if (next.done === true) return;
      const { name, stat } = next.value;
      yield toMeta(name, stat);
      if (count % SLICE_ENTRIES === 0) await this.#runtime.yield();
      throwIfAborted(signal);
    }
  }

  /**
   * {@inheritDoc SyncReads.readSync}
   *
   * Meant for objects that do not change once written: one that another
   * process has removed or replaced may still be served as it was.
   */
  readSync(
    name: string,
    range: { readonly start: number; readonly end: number },
  ): Uint8Array | undefined {
    const { start, end } = range;
    if (!(start >= 0 && end >= start)) {
      throw new DbError("invalid", `Cannot read the range ${start}..${end}`);
    }
    try {
      return this.#files.read(name, this.#pathOf, start, end);
    } catch (error) {
      throw toDiskError(error, `read ${this.root}/${name}`);
    }
  }

  /** {@inheritDoc ObjectStore.close} */
  // deno-lint-ignore require-await -- a failure rejects
  async close(): Promise<void> {
    this.#files.clear();
    this.#held.clear();
  }

  readonly #pathOf = (name: string): string => {
    checkName(name);
    if (name === TEMP_DIRECTORY || name.startsWith(`${TEMP_DIRECTORY}/`)) {
      throw new DbError(
        "invalid",
        `Cannot use "${name}" as an object name: FileStore keeps "${TEMP_DIRECTORY}/" for itself`,
      );
    }
    return `${this.root}/${name}`;
  };

  /** Whether the put has lost before a byte is written. */
  #lost(
    path: string,
    mode: NonNullable<PutOptions["mode"]>,
  ): PutResult | undefined {
    if (mode === "overwrite") return undefined;
    const etag = etagAt(this.#vfs, path);
    if (mode === "create") {
      return etag === undefined ? undefined : { ok: false, reason: "exists" };
    }
    return etag === mode.ifMatch ? undefined : { ok: false, reason: "changed" };
  }

  async #makeDurable(
    path: string,
    etag: string,
    options: PutOptions,
  ): Promise<void> {
    try {
      await this.#directories.sync(parentOf(path));
      this.#unsettled.delete(path);
    } catch (error) {
      const putId = options.metadata?.[PUT_ID_KEY];
      if (putId !== undefined) this.#unsettled.set(path, { putId, etag });
      throw toDiskError(error, `write ${path}`, "unknown");
    }
  }

  /**
   * A put that lost to itself has won: the same put was in place before, and
   * only syncing the directory failed.
   */
  async #settle(
    path: string,
    lost: PutResult,
    options: PutOptions,
  ): Promise<PutResult> {
    const earlier = this.#unsettled.get(path);
    const isOwn = earlier !== undefined &&
      earlier.putId === options.metadata?.[PUT_ID_KEY] &&
      earlier.etag === etagAt(this.#vfs, path);
    if (!isOwn) return lost;
    await this.#makeDurable(path, earlier.etag, options);
    return { ok: true, etag: earlier.etag };
  }
}

function toMeta(name: string, stat: FileStat): ObjectMeta {
  return {
    name,
    size: stat.size,
    lastModified: stat.modifiedMs,
    etag: etagOf(stat),
    metadata: NO_METADATA,
  };
}

function onDisk<Value>(action: string, body: () => Value): Value {
  try {
    return body();
  } catch (error) {
    throw toDiskError(error, action);
  }
}

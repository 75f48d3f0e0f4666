/**
 * The manifests of one database: read, listed, and opened for changes.
 *
 * Owns: their names and encoding as numbered objects, and changes by those who
 * hold no epoch.
 * Does not own: what a change is (`tree_edit.ts`), nor how it meets another
 * process's change (`held_manifest.ts`).
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import { Boundary } from "../cas/boundary.ts";
import { FencedObject } from "../cas/fenced_object.ts";
import { NumberedObject } from "../cas/numbered_object.ts";
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from "../format/manifest.ts";
import {
  boundaryName,
  manifestName,
  manifestPrefix,
  parseManifestId,
} from "../format/paths.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { HeldManifest } from "./held_manifest.ts";

/** What {@linkcode ManifestStore} is made of. */
export interface ManifestStoreOptions {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The clock. */
  readonly runtime: Runtime;
  /** Whether to write the trailer that makes damage detectable. */
  readonly checksum: boolean;
  /**
   * A look older than this proves nothing about numbers that do not exist: they
   * may have come and gone. Half of the collectors' minimum age.
   *
   * @default {150000}
   */
  readonly staleAfterMs?: number;
  /** Told about lost races; silent unless given. */
  readonly logger?: Logger;
}

/** One stored manifest, as a listing shows it. */
export interface ManifestFile {
  /** Its number. */
  readonly id: number;
  /** Its bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
}

/** Whose epoch a manifest is held under. */
export type ManifestRole = "writer" | "compactor";

/** Options of {@linkcode ManifestStore.open}. */
export interface OpenManifestOptions {
  /** The first manifest, where there is none yet; absent: that is an error of kind `"data"`. */
  readonly create?: Manifest;
  /**
   * Runs on the manifest found, before the epoch is raised; throws where the
   * database cannot be opened as configured.
   */
  readonly check?: (manifest: Manifest) => void;
  /** Longest the epoch may take to raise, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends the opening early. */
  readonly signal?: AbortSignal;
}

const DEFAULT_STALE_AFTER_MS = 150_000;
/** A number taken by others this often means more than bad luck. */
const MAX_LOST_RACES = 1000;

/** Reads the manifests of one database, and opens them for changes. */
export class ManifestStore {
  readonly #options: ManifestStoreOptions;
  readonly #object: NumberedObject<Manifest>;

  /**
   * Constructs a new {@linkcode ManifestStore}; no I/O.
   *
   * @param options What it is made of.
   */
  constructor(options: ManifestStoreOptions) {
    const { store, root, checksum } = options;
    this.#options = options;
    this.#object = new NumberedObject({
      store,
      boundary: new Boundary(store, boundaryName(root, "manifest")),
      format: {
        what: "manifest",
        prefix: manifestPrefix(root),
        name: (id) => manifestName(root, id),
        parse: (name) => parseManifestId(root, name),
        encode: (manifest: Manifest) => encodeManifest(manifest, { checksum }),
        decode: decodeManifest,
      },
    });
  }

  /**
   * Finds the latest manifest, by a listing.
   *
   * @param signal Ends the call.
   * @returns The manifest, or `undefined` where there is no database.
   */
  async readLatest(signal?: AbortSignal): Promise<Manifest | undefined> {
    return (await this.#object.readLatest(undefined, signal))?.value;
  }

  /**
   * Finds the latest manifest from one seen lately, by probing.
   *
   * @param seen The latest one seen before.
   * @param signal Ends the call.
   * @returns The latest; `seen` itself where there is no newer one.
   */
  async readNewer(seen: Manifest, signal?: AbortSignal): Promise<Manifest> {
    const last = { id: seen.id, value: seen };
    return (await this.#object.readLatest(last, signal) ?? last).value;
  }

  /**
   * Reads one manifest.
   *
   * @param id Its number.
   * @param signal Ends the call.
   * @returns The manifest, or `undefined` where it does not exist (any more).
   */
  async read(id: number, signal?: AbortSignal): Promise<Manifest | undefined> {
    return (await this.#object.read(id, signal))?.value;
  }

  /**
   * Lists the stored manifests, ascending.
   *
   * @param signal Ends the iteration.
   * @returns Numbers, sizes and times.
   */
  async *list(
    signal?: AbortSignal,
  ): AsyncGenerator<ManifestFile, void, void> {
    for await (const { id, meta } of this.#object.list(signal)) {
      yield { id, size: meta.size, lastModified: meta.lastModified };
    }
  }

  /**
   * Changes the latest manifest without an epoch, as everybody may do who changes
   * neither the tree nor the log: checkpoints are made and removed like that.
   *
   * @param edit From the latest manifest to the next; its argument itself means no change. Pure, and must bear meeting its own result.
   * @param seen The latest manifest seen lately; saves a listing.
   * @param signal Ends the attempts.
   * @returns The stored manifest.
   * @throws {DbError} Kind `"data"` if there is no database; what `edit` throws.
   */
  async update(
    edit: (manifest: Manifest) => Manifest,
    seen?: Manifest,
    signal?: AbortSignal,
  ): Promise<Manifest> {
    let latest = seen === undefined
      ? await this.readLatest(signal)
      : await this.readNewer(seen, signal);
    for (let attempt = 0; attempt < MAX_LOST_RACES; attempt++) {
      if (latest === undefined) {
        throw new DbError(
          "data",
          `failed to find latest manifest: there is no database at "${this.#options.root}" in this store`,
        );
      }
      const edited = edit(latest);
      if (edited === latest) return latest;
      const id = latest.id + 1;
      const next = { ...edited, id };
      if (await this.#object.create(id, next, signal)) return next;
      latest = (await this.#object.readLatestThoroughly(signal))?.value;
    }
    throw new DbError(
      "unavailable",
      "Cannot change the manifest: other processes keep changing it",
    );
  }

  /**
   * Raises a role's epoch: every older holder is fenced from now on.
   *
   * @param role Whose epoch.
   * @param options What to create or refuse, and how long to try.
   * @returns The manifest, held.
   * @throws {DbError} Kind `"unavailable"` if others keep winning until the time is over; what `check` throws.
   */
  async open(
    role: ManifestRole,
    options: OpenManifestOptions,
  ): Promise<HeldManifest> {
    const { runtime, staleAfterMs = DEFAULT_STALE_AFTER_MS } = this.#options;
    const openedAtMs = runtime.now();
    const fenced = await FencedObject.open({
      object: this.#object,
      epoch: role === "writer" ? WRITER_EPOCH : COMPACTOR_EPOCH,
      runtime,
      ...options,
    });
    return new HeldManifest({ fenced, runtime, staleAfterMs, openedAtMs });
  }
}

const WRITER_EPOCH = {
  role: "writer",
  get: (manifest: Manifest) => manifest.writerEpoch,
  set: (manifest: Manifest, writerEpoch: number) => ({
    ...manifest,
    writerEpoch,
  }),
};

const COMPACTOR_EPOCH = {
  role: "compactor",
  get: (manifest: Manifest) => manifest.compactorEpoch,
  set: (manifest: Manifest, compactorEpoch: number) => ({
    ...manifest,
    compactorEpoch,
  }),
};

/**
 * The manifests of one database: read, listed, and opened for changes.
 *
 * Owns: their names and encoding as numbered objects.
 * Does not own: what a change is (`tree_edit.ts`), nor how it meets another
 * process's change (`held_manifest.ts`).
 *
 * @module
 */
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
import { History } from "./history.ts";

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

/**
 * Reads the manifests of one database, and opens them for changes. Without an
 * epoch everybody may change what is neither the tree nor the log: checkpoints are
 * made and removed like that.
 */
export class ManifestStore extends History<Manifest> {
  readonly #options: ManifestStoreOptions;

  /**
   * Constructs a new {@linkcode ManifestStore}; no I/O.
   *
   * @param options What it is made of.
   */
  constructor(options: ManifestStoreOptions) {
    const { store, root, checksum } = options;
    const object = new NumberedObject({
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
    super(
      object,
      "manifest",
      `failed to find latest manifest: there is no database at "${root}" in this store`,
    );
    this.#options = options;
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
      object: this.object,
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

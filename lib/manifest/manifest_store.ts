/**
 * The manifests of one database: read, listed, followed, and changed by
 * compare-and-swap.
 *
 * Owns: which manifest is the latest, who may change it, and how a change meets
 * another process's change.
 * Does not own: what a change is (`tree_edit.ts`).
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Manifest } from "../format/manifest.ts";
import type { ObjectStore } from "../object_store/object_store.ts";

/** What {@linkcode ManifestStore} is made of. */
export interface ManifestStoreOptions {
  /** Where the database lives. */
  store: ObjectStore;
  /** The database's path. */
  root: string;
  /** The clock. */
  runtime: Runtime;
  /** Whether to write the trailer that makes damage detectable. */
  checksum: boolean;
  /** Told about stray files and lost races; silent unless given. */
  logger?: Logger;
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

/** Options of {@linkcode ManifestStore.openWriter}. */
export interface OpenManifestOptions {
  /** The first manifest, where there is none yet; absent: that is an error. */
  create?: Manifest;
  /**
   * Runs on the manifest found, before the epoch is raised; throws where the
   * database cannot be opened as configured.
   */
  check?: (manifest: Manifest) => void;
  /** Longest the epoch may take to raise, in milliseconds. */
  timeoutMs: number;
  /** Ends the opening early. */
  signal?: AbortSignal;
}

/** Reads the manifests of one database, and opens them for changes. */
export declare class ManifestStore {
  constructor(options: ManifestStoreOptions);
  /** The latest manifest, or `undefined` where there is no database. */
  readLatest(): Promise<Manifest | undefined>;
  /** One manifest, or `undefined` where it does not exist (any more). */
  read(id: number): Promise<Manifest | undefined>;
  /** All stored manifests, ascending. */
  list(): AsyncIterable<ManifestFile>;
  /** Raises the role's epoch: every older holder is fenced from now on. */
  open(role: ManifestRole, options: OpenManifestOptions): Promise<HeldManifest>;
}

/** The manifest as held under one epoch. */
export declare class HeldManifest {
  /** The epoch it is held under. */
  readonly epoch: number;
  /** The newest manifest seen. */
  readonly latest: Manifest;
  /** Looks for newer manifests; throws `closed` (`fenced`) where the epoch was taken over. */
  refresh(): Promise<Manifest>;
  /**
   * Applies an edit to the latest manifest and stores it; again after a lost
   * race, so `edit` must be pure and bear being applied to its own result.
   * Returning its argument writes nothing.
   */
  update(edit: (manifest: Manifest) => Manifest): Promise<Manifest>;
  /** Milliseconds since a look at the store last showed that the epoch holds. */
  readonly msSinceLook: number;
  /** Nothing to do where the last look is younger than `maxAgeMs`; else looks, thoroughly. */
  confirm(maxAgeMs: number): Promise<void> | undefined;
}

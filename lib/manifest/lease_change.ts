/**
 * One change of the manifest by a lease of views.
 *
 * Owns: what a change adds, refreshes and removes, and whether the manifest has
 * moved on too far for it.
 * Does not own: which views need what (`view_lease.ts`).
 *
 * @module
 */
import type { Ulid, Uuid } from "../base/ids.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";
import {
  addCheckpoint,
  deleteCheckpoints,
  findCheckpoint,
  refreshCheckpoint,
} from "./checkpoints.ts";
import { handlesOf } from "./tree_edit.ts";

/** Name of the checkpoints of leases, for whoever lists them. */
export const LEASE_NAME = "open view";

/** SSTs that something keeps. */
export interface KeptSsts {
  /** Their ids. */
  readonly ssts: ReadonlySet<Ulid>;
}

/** A checkpoint of somebody else, and what it keeps. */
export interface LeaseSource extends KeptSsts {
  /** The checkpoint. */
  readonly source: Checkpoint;
}

/** A checkpoint that a change made, and what it keeps. */
export interface AddedCheckpoint extends KeptSsts {
  /** Its id. */
  readonly id: Uuid;
}

/** What a {@linkcode LeaseChange} does. */
export interface LeaseChangeOptions {
  /** Of the checkpoint of the next manifest. */
  readonly id: Uuid;
  /** One more checkpoint for each source. */
  readonly copies: readonly (LeaseSource & AddedCheckpoint)[];
  /** What the next manifest should keep. */
  readonly needed: ReadonlySet<Ulid>;
  /** The manifest for which the sources were found. */
  readonly basis: number;
  /** Checkpoints to refresh, those that are still there. */
  readonly refreshed: readonly Uuid[];
  /** Checkpoints to remove. */
  readonly removed: readonly Uuid[];
  /** The time. */
  readonly nowMs: number;
  /** How long checkpoints live from now on. */
  readonly lifetimeMs: number;
}

/** One change of the manifest, applied until it is stored. */
export class LeaseChange {
  /** Whether the manifest has lost SSTs or sources since the plan was made. */
  isOutdated = false;
  readonly #options: LeaseChangeOptions;
  /** What the present checkpoint keeps, by the manifest it would refer to. */
  readonly #kept = new Map<number, ReadonlySet<Ulid>>();
  #manifestId: number | undefined;

  /**
   * Constructs a new {@linkcode LeaseChange}.
   *
   * @param options What it does.
   */
  constructor(options: LeaseChangeOptions) {
    this.#options = options;
  }

  /**
   * The edit.
   *
   * @param manifest The latest manifest; may be the edit's own result.
   * @returns The next one; `manifest` itself where nothing changes, or the change {@linkcode isOutdated}.
   */
  apply(manifest: Manifest): Manifest {
    const { id, copies, needed, basis, nowMs, lifetimeMs } = this.#options;
    const ssts = ownSsts(manifest);
    const isNew = manifest.id !== basis &&
      findCheckpoint(manifest, id) === undefined;
    this.isOutdated = isNew && (
      copies.some(({ source }) => !findCheckpoint(manifest, source.id)) ||
      [...needed].some((each) => !ssts.has(each))
    );
    if (this.isOutdated) return manifest;
    const options = { lifetimeMs, name: LEASE_NAME };
    let next = manifest;
    if ([...needed].some((each) => ssts.has(each))) {
      this.#kept.set(manifest.id + 1, ssts);
      next = addCheckpoint(next, id, nowMs, options);
    }
    for (const { id, source } of copies) {
      next = addCheckpoint(next, id, nowMs, { ...options, source: source.id });
    }
    for (const id of this.#options.refreshed) {
      if (findCheckpoint(next, id) === undefined) continue;
      next = refreshCheckpoint(next, id, nowMs, lifetimeMs);
    }
    next = deleteCheckpoints(next, this.#options.removed);
    this.#manifestId = findCheckpoint(next, id)?.manifestId;
    return next;
  }

  /**
   * The checkpoints that were made, once the change is stored.
   *
   * @returns Each with what it keeps.
   */
  added(): AddedCheckpoint[] {
    const { id, copies } = this.#options;
    const ssts = this.#kept.get(this.#manifestId ?? -1);
    return ssts === undefined ? [...copies] : [{ id, ssts }, ...copies];
  }
}

/**
 * The SSTs of its own database that a manifest refers to. Another database's
 * files are kept by the checkpoint that its clones have there.
 *
 * @param manifest The manifest.
 * @returns Their ids; the caller's own set.
 */
export function ownSsts(manifest: Manifest): Set<Ulid> {
  const ssts = new Set<Ulid>();
  for (const { id } of handlesOf(manifest)) ssts.add(id);
  for (const { sstIds } of manifest.externalDbs) {
    for (const id of sstIds) ssts.delete(id);
  }
  return ssts;
}

/**
 * What nothing keeps.
 *
 * @param ssts SSTs.
 * @param keepers What keeps some of them.
 * @returns The rest.
 */
export function unkept(
  ssts: Iterable<Ulid>,
  keepers: readonly KeptSsts[],
): Set<Ulid> {
  const rest = new Set(ssts);
  for (const { ssts } of keepers) {
    for (const id of rest) if (ssts.has(id)) rest.delete(id);
  }
  return rest;
}

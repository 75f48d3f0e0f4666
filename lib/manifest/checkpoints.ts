/**
 * Pure edits of the checkpoints in a manifest.
 *
 * Owns: what a checkpoint refers to, and when it ends.
 * Does not own: storing the result: the writer changes the manifest it holds,
 * anybody else the latest one, without an epoch. Readers of the past, backups and
 * clones must not need the writer.
 *
 * A checkpoint keeps the manifest it refers to, and with it every file that
 * manifest names, from every collector. Files store whole seconds; a checkpoint
 * lives at least as long as it was asked to.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import { isUuid, type Uuid } from "../base/ids.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";

/** What a checkpoint that is to be made shall be. */
export interface CheckpointOptions {
  /** Milliseconds until it ends; it never does unless given. */
  lifetimeMs?: number;
  /** A name to find it by; need not be unique. */
  name?: string;
  /** Another checkpoint to refer to the same state as; the present one unless given. */
  source?: Uuid;
}

/** A checkpoint that was made. */
export interface CheckpointRef {
  /** Its id. */
  readonly id: Uuid;
  /** Number of the manifest it keeps. */
  readonly manifestId: number;
}

/** Seconds are stored in 32 bits. */
const MAX_SECONDS = 0xffff_ffff;

/**
 * Adds a checkpoint. It refers to the manifest that is its first one to contain
 * it, the next, or to what its source refers to.
 *
 * @param manifest The manifest.
 * @param id The new checkpoint's id; one that exists stays as it is.
 * @param nowMs The time.
 * @param options What it shall be.
 * @returns The new manifest; `manifest` itself where the checkpoint exists.
 * @throws {DbError} Kind `"data"` if the source does not exist; `"invalid"` if an option is.
 */
export function addCheckpoint(
  manifest: Manifest,
  id: Uuid,
  nowMs: number,
  options: CheckpointOptions = {},
): Manifest {
  if (findCheckpoint(manifest, id) !== undefined) return manifest;
  const { source, name, lifetimeMs } = options;
  const manifestId = source === undefined
    ? manifest.id + 1
    : requireCheckpoint(manifest, source).manifestId;
  const checkpoint: Checkpoint = {
    id,
    manifestId,
    createTimeS: Math.floor(nowMs / 1000),
    expireTimeS: expiryOf(nowMs, lifetimeMs),
    ...(name === undefined || name === "" ? {} : { name }),
  };
  return { ...manifest, checkpoints: [...manifest.checkpoints, checkpoint] };
}

/**
 * Gives a checkpoint a new lifetime, from now on.
 *
 * @param manifest The manifest.
 * @param id The checkpoint.
 * @param nowMs The time.
 * @param lifetimeMs Milliseconds until it ends; `undefined`: it never does.
 * @returns The new manifest; `manifest` itself where nothing changes.
 * @throws {DbError} Kind `"data"` if the checkpoint does not exist; `"invalid"` if the lifetime is.
 */
export function refreshCheckpoint(
  manifest: Manifest,
  id: Uuid,
  nowMs: number,
  lifetimeMs: number | undefined,
): Manifest {
  const expireTimeS = expiryOf(nowMs, lifetimeMs);
  const known = requireCheckpoint(manifest, id);
  if (known.expireTimeS === expireTimeS) return manifest;
  return {
    ...manifest,
    checkpoints: manifest.checkpoints.map((checkpoint) =>
      checkpoint === known ? { ...checkpoint, expireTimeS } : checkpoint
    ),
  };
}

/**
 * Removes checkpoints; those that do not exist are fine.
 *
 * @param manifest The manifest.
 * @param ids The checkpoints.
 * @returns The new manifest; `manifest` itself where none of them exists.
 */
export function deleteCheckpoints(
  manifest: Manifest,
  ids: readonly Uuid[],
): Manifest {
  return keepOnly(manifest, ({ id }) => !ids.includes(id));
}

/**
 * Removes the checkpoints whose time is over.
 *
 * @param manifest The manifest.
 * @param nowMs The time.
 * @returns The new manifest; `manifest` itself where all are alive.
 */
export function dropExpired(manifest: Manifest, nowMs: number): Manifest {
  return keepOnly(manifest, (checkpoint) => !isExpired(checkpoint, nowMs));
}

/**
 * Whether a checkpoint's time is over.
 *
 * @param checkpoint The checkpoint.
 * @param nowMs The time.
 * @returns Whether it is.
 */
export function isExpired(
  { expireTimeS }: Checkpoint,
  nowMs: number,
): boolean {
  return expireTimeS !== undefined && expireTimeS * 1000 <= nowMs;
}

/**
 * Finds a checkpoint.
 *
 * @param manifest The manifest.
 * @param id Its id.
 * @returns The checkpoint, or `undefined`.
 */
export function findCheckpoint(
  manifest: Manifest,
  id: Uuid,
): Checkpoint | undefined {
  return manifest.checkpoints.find((checkpoint) => checkpoint.id === id);
}

/**
 * Finds a checkpoint that must exist.
 *
 * @param manifest The manifest.
 * @param id Its id.
 * @returns The checkpoint.
 * @throws {DbError} Kind `"data"` if it does not exist; `"invalid"` if `id` is no UUID.
 */
export function requireCheckpoint(manifest: Manifest, id: Uuid): Checkpoint {
  const known = findCheckpoint(manifest, checkedCheckpointId(id));
  if (known !== undefined) return known;
  throw new DbError("data", `checkpoint missing. checkpoint_id=\`${id}\``);
}

/**
 * Checks the id of a checkpoint as a user gave it.
 *
 * @param id Any text.
 * @returns The id.
 * @throws {DbError} Kind `"invalid"` if it is no UUID.
 */
export function checkedCheckpointId(id: string): Uuid {
  const uuid = typeof id === "string" ? id.toLowerCase() : id;
  if (typeof uuid === "string" && isUuid(uuid)) return uuid;
  throw new DbError(
    "invalid",
    `invalid checkpoint_id UUID: ${JSON.stringify(id)}`,
  );
}

function keepOnly(
  manifest: Manifest,
  isKept: (checkpoint: Checkpoint) => boolean,
): Manifest {
  const checkpoints = manifest.checkpoints.filter(isKept);
  return checkpoints.length === manifest.checkpoints.length
    ? manifest
    : { ...manifest, checkpoints };
}

function expiryOf(
  nowMs: number,
  lifetimeMs: number | undefined,
): number | undefined {
  if (lifetimeMs === undefined) return undefined;
  const seconds = Math.ceil((nowMs + lifetimeMs) / 1000);
  if (lifetimeMs > 0 && seconds <= MAX_SECONDS) return seconds;
  throw new DbError(
    "invalid",
    `a checkpoint's lifetimeMs must be above 0 and end before the year 2106, not ${lifetimeMs}; leave it out for one that never ends`,
  );
}

/**
 * Which state of a database a reader shows.
 *
 * Owns: finding its manifest. Does not own: the view made of it.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Uuid } from "../base/ids.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";
import {
  checkedCheckpointId,
  requireCheckpoint,
} from "../manifest/checkpoints.ts";
import type { ManifestStore } from "../manifest/manifest_store.ts";

/** A reader that shows a checkpoint: what it keeps, and nothing that came later. */
export interface CheckpointMode {
  /** The checkpoint's id, as `Db.createCheckpoint` gave it. */
  readonly checkpoint: Uuid;
}

/** The manifest that a reader reads by. */
export interface ReaderBasis {
  /** The manifest. */
  readonly manifest: Manifest;
  /** The checkpoint that keeps it; `undefined`: it is the latest. */
  readonly checkpoint: Checkpoint | undefined;
}

/**
 * Checks option `mode` of `DbReader.open`.
 *
 * @param mode What the caller gave.
 * @returns Id of the checkpoint; `undefined`: the reader shows the latest state.
 * @throws {DbError} Kind `"invalid"` if it is neither absent nor a checkpoint's id.
 */
export function checkedMode(
  mode: CheckpointMode | undefined,
): Uuid | undefined {
  if (mode === undefined) return undefined;
  const isObject = typeof mode === "object" && mode !== null;
  if (!isObject || Object.keys(mode).join() !== "checkpoint") {
    throw new DbError(
      "invalid",
      `option 'mode' must be { checkpoint: id }, not ${JSON.stringify(mode)}`,
    );
  }
  return checkedCheckpointId(mode.checkpoint);
}

/**
 * Finds the manifest that a reader reads by.
 *
 * @param manifests The database's manifests.
 * @param root The database's path, for the message.
 * @param checkpointId See {@linkcode checkedMode}.
 * @param signal Ends the search with its reason.
 * @returns The manifest.
 * @throws {DbError} Kind `"data"` if there is no database, or no such checkpoint.
 */
export async function findBasis(
  manifests: ManifestStore,
  root: string,
  checkpointId: Uuid | undefined,
  signal: AbortSignal | undefined,
): Promise<ReaderBasis> {
  const latest = await manifests.readLatest(signal);
  if (latest === undefined) {
    throw new DbError(
      "data",
      `failed to find latest manifest: there is no database at "${root}" in this store`,
    );
  }
  if (checkpointId === undefined) {
    return { manifest: latest, checkpoint: undefined };
  }
  const checkpoint = requireCheckpoint(latest, checkpointId);
  const { manifestId } = checkpoint;
  const manifest = manifestId === latest.id
    ? latest
    : await manifests.read(manifestId, signal);
  if (manifest !== undefined) return { manifest, checkpoint };
  throw new DbError(
    "data",
    `manifest ${manifestId} is missing, which checkpoint ${checkpointId} should keep`,
  );
}

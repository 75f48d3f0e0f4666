/**
 * Checkpoints as the writer makes them: it knows rows that no manifest does.
 *
 * Owns: what is flushed first, and which WAL files belong to a checkpoint.
 * Does not own: the entry in the manifest (`manifest/checkpoints.ts`).
 *
 * @module
 */
import { DbError, throwIfAborted } from "../base/errors.ts";
import { randomUuid } from "../base/ids.ts";
import type { Runtime } from "../base/runtime.ts";
import {
  addCheckpoint,
  type CheckpointOptions,
  type CheckpointRef,
  requireCheckpoint,
} from "../manifest/checkpoints.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import type { Wal } from "../wal/wal.ts";

/** Options of `Db.createCheckpoint`. */
export interface DbCheckpointOptions extends CheckpointOptions {
  /**
   * `"all"` flushes first, so that every row written so far is in it. `"durable"`
   * takes what would survive a crash now, some of it in the WAL.
   *
   * @default {"all"}
   */
  scope?: "all" | "durable";
  /** Ends the wait; the checkpoint may be made all the same. */
  signal?: AbortSignal;
}

/** What {@linkcode newCheckpoint} works with. */
export interface NewCheckpointParts {
  readonly manifest: HeldManifest;
  readonly wal: Wal;
  readonly runtime: Runtime;
  /** Puts all rows into L0. */
  flush(signal: AbortSignal | undefined): Promise<void>;
}

/**
 * Makes a checkpoint.
 *
 * @param parts The database.
 * @param options Scope, lifetime, name, source.
 * @returns Its id, and the manifest it keeps.
 * @throws {DbError} Kind `"invalid"` if an option is; `"data"` if the source does not exist.
 */
export async function newCheckpoint(
  { manifest, wal, runtime, flush }: NewCheckpointParts,
  { scope = "all", signal, ...options }: DbCheckpointOptions,
): Promise<CheckpointRef> {
  throwIfAborted(signal);
  if (scope !== "all" && scope !== "durable") {
    throw new DbError(
      "invalid",
      `scope must be "all" or "durable", not ${JSON.stringify(scope)}`,
    );
  }
  const id = randomUuid(runtime);
  const nowMs = runtime.now();
  // What is wrong with the options is said before anything is flushed.
  addCheckpoint(manifest.latest, id, nowMs, withoutSource(options));
  if (scope === "all" && options.source === undefined) await flush(signal);
  const stored = await manifest.update((latest) => {
    const next = addCheckpoint(latest, id, nowMs, options);
    if (next === latest) return latest;
    // Whoever reads the checkpoint replays the log up to here.
    const nextWalId = Math.max(latest.nextWalId, wal.lastFlushedId + 1);
    return { ...next, nextWalId };
  }, signal);
  return { id, manifestId: requireCheckpoint(stored, id).manifestId };
}

function withoutSource({ source: _, ...rest }: CheckpointOptions) {
  return rest;
}

/**
 * Uploaded memtables into the manifest, in sequence order.
 *
 * @module
 */
import type { LsmState } from "../lsm/lsm_state.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { addL0, type L0Addition, tidy } from "../manifest/tree_edit.ts";
import type { Wal } from "../wal/wal.ts";
import type { L0Upload } from "./l0_upload.ts";

/** What a commit works with. */
export interface L0CommitOptions {
  /** Knows the live snapshots. */
  readonly lsm: LsmState;
  /** Must have what L0 gets. */
  readonly wal: Wal;
  /** The manifest under this writer's epoch. */
  readonly manifest: HeldManifest;
}

/**
 * The uploads that may enter the manifest now: from the oldest on, as far as they
 * are done and the log has all their rows.
 *
 * @param uploads All uploads, oldest first.
 * @param wal The log.
 * @returns The ones that may.
 */
export function takeCommittable(
  uploads: readonly L0Upload[],
  wal: Wal,
): L0Upload[] {
  const ready: L0Upload[] = [];
  for (const upload of uploads) {
    if (upload.addition === undefined) break;
    if (wal.enabled && upload.frozen.lastSeq > wal.durable.level) break;
    ready.push(upload);
  }
  return ready;
}

/**
 * Stores a manifest that names the uploads' SSTs. After a lost race, or a reply
 * that never came, the edit is made again on what is stored by then.
 *
 * @param uploads What {@linkcode takeCommittable} gave.
 * @param options What to work with.
 * @param signal Ends the attempt.
 */
export async function commitL0(
  uploads: readonly L0Upload[],
  options: L0CommitOptions,
  signal: AbortSignal,
): Promise<void> {
  const { lsm, wal, manifest } = options;
  const additions = uploads.map(({ addition }): L0Addition => addition!);
  await manifest.update((latest) => {
    const added = addL0(latest, additions, {
      nextWalId: wal.lastFlushedId + 1,
      oldestSnapshotSeq: lsm.snapshots.oldestSeq,
    });
    return added === latest ? latest : tidy(added);
  }, signal);
}

/**
 * What keeps a reader's files: it has one view for all its life.
 *
 * @module
 */
import type { Logger } from "../base/log.ts";
import type { Runtime } from "../base/runtime.ts";
import type { ManifestStore } from "../manifest/manifest_store.ts";
import { ViewLease } from "../manifest/view_lease.ts";
import type { ReaderBasis } from "./reader_mode.ts";

/** What collectors keep unless they are told otherwise. */
const MIN_AGE_MS = 300_000;

/**
 * Makes the lease of a reader's view. It writes nothing for a reader that is
 * closed within two minutes, unless its checkpoint may end by then; after that it
 * needs leave to change the manifest, and says so where it has none.
 *
 * @param manifests The database's manifests; changed without an epoch.
 * @param basis What the reader reads by.
 * @param runtime Clock and timers.
 * @param logger Told where files cannot be kept.
 * @returns The lease, not started.
 */
export function openReaderLease(
  manifests: ManifestStore,
  { manifest, checkpoint }: ReaderBasis,
  runtime: Runtime,
  logger: Logger,
): ViewLease {
  const views = [{ manifest, rests: 0 }];
  return new ViewLease({
    heldViews: () => views,
    manifests: {
      refresh: (signal) => manifests.update((next) => next, undefined, signal),
      update: (edit, signal) => manifests.update(edit, undefined, signal),
      read: (id, signal) => manifests.read(id, signal),
    },
    minAgeMs: MIN_AGE_MS,
    atOnce: checkpoint?.expireTimeS !== undefined &&
      checkpoint.expireTimeS * 1000 - runtime.now() < MIN_AGE_MS,
    runtime,
    logger,
  });
}

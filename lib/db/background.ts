/**
 * What runs beside an open database, whether or not anybody calls it: the
 * compactor, the collector, and the lease of views that are read for long.
 *
 * Owns: their beginning and end. Does not own: what they do.
 *
 * @module
 */
import type { Compactor } from "../compactor/compactor.ts";
import type { Flusher } from "../flush/flusher.ts";
import type { Manifest } from "../format/manifest.ts";
import { Collector } from "../gc/collector.ts";
import type { LsmState } from "../lsm/lsm_state.ts";
import { CompactionsStore } from "../manifest/compactions_store.ts";
import type { HeldManifest } from "../manifest/held_manifest.ts";
import { ManifestStore } from "../manifest/manifest_store.ts";
import { ViewLease } from "../manifest/view_lease.ts";
import { openDbCompactor } from "./compacting.ts";
import type { Opening } from "./engine_parts.ts";

/** What runs beside one open database. */
export class Background {
  readonly #lease: ViewLease;
  readonly #collector: Collector | undefined;
  /** Merges SSTs, unless another process does. */
  readonly compactor: Compactor | undefined;

  /**
   * Constructs a new {@linkcode Background}; nothing runs yet.
   *
   * @param lease Keeps the files of views that are read for long.
   * @param collector Deletes what nothing needs, unless somebody else does.
   * @param compactor Merges SSTs, unless somebody else does.
   */
  constructor(
    lease: ViewLease,
    collector: Collector | undefined,
    compactor: Compactor | undefined,
  ) {
    this.#lease = lease;
    this.#collector = collector;
    this.compactor = compactor;
  }

  /** Begins. */
  start(): void {
    this.#lease.start();
    this.#collector?.start();
    this.compactor?.start();
  }

  /**
   * Ends everything.
   *
   * @param isOwner Whether the database is still this writer's to change.
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(isOwner: boolean): Promise<void> {
    await this.compactor?.stop();
    await this.#collector?.stop();
    await this.#lease.stop(isOwner);
  }
}

/**
 * Makes what runs beside an open database.
 *
 * @param opening What the opening knows.
 * @param parts The database.
 * @returns It, at rest.
 */
export function openBackground(
  opening: Opening,
  parts: { manifest: HeldManifest; state: LsmState; flusher: Flusher },
): Background {
  const { store, root, runtime, logger, recorder, settings } = opening;
  const { manifest, state, flusher } = parts;
  const checksum = opening.options.manifestChecksum ?? true;
  const files = { store, root, runtime, checksum };
  const stored = new ManifestStore({ ...files, logger });
  const manifests = {
    knownId: () => manifest.latest.id,
    refresh: (signal?: AbortSignal) => manifest.refresh(signal),
    update: async (
      edit: (manifest: Manifest) => Manifest,
      signal?: AbortSignal,
    ) => {
      const updated = await manifest.update(edit, signal);
      // The flusher alone shows readers a new manifest.
      flusher.poke();
      return updated;
    },
    read: (id: number, signal?: AbortSignal) => stored.read(id, signal),
  };
  const onFailure = (error: unknown) => opening.fail(error);
  const lease = new ViewLease({
    heldViews: () => state.heldViews(),
    manifests,
    minAgeMs: settings.viewMinAgeMs,
    runtime,
    logger,
    onFailure,
  });
  const gcStores = opening.storesOf("gc");
  const collector = settings.gc === undefined ? undefined : new Collector({
    ...gcStores,
    root,
    manifests,
    compactions: new CompactionsStore({ ...files, store: gcStores.store }),
    options: settings.gc,
    filter: opening.options.gcFilter,
    runtime,
    logger,
    recorder,
    onFailure,
  });
  const compactor = openDbCompactor(opening, parts);
  return new Background(lease, collector, compactor);
}

/**
 * One pass of the collector: what every task of it shares.
 *
 * Owns: the picture of the database that decides, and the notes on files.
 * Does not own: any rule (`live_set.ts`), when passes are (`schedule.ts`).
 *
 * The picture is taken once and may be old by the time the last file goes: it
 * only ever shows too much as alive. What is made afterwards is younger than the
 * cutoff, or refers to what the picture refers to.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { Compactions } from "../format/compactions.ts";
import type { Checkpoint, Manifest } from "../format/manifest.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { keeperOf, type LiveManifests } from "./live_set.ts";
import { GC_RESOURCES, type GcResource, type GcTask } from "./options.ts";
import type { Outcome } from "./schedule.ts";
import type { GcFailure, GcReport, GcVerdict } from "./verdict.ts";

/** The state of a database, as one pass sees it. */
export interface Picture {
  /** The compactor's state; `undefined` where there is none. Older than the manifest. */
  readonly compactions: Compactions | undefined;
  /** The latest manifest, without the checkpoints whose time is over. */
  readonly latest: Manifest;
  /** Those checkpoints. */
  readonly expired: readonly Checkpoint[];
  /** By the collector's clock, in milliseconds since the epoch. */
  readonly nowMs: number;
}

/** What a {@linkcode Pass} is made of. */
export interface PassOptions {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** Where its WAL lives. */
  readonly walStore: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The state that decides. */
  readonly picture: Picture;
  /** Reads a manifest. */
  readonly readManifest: (id: number) => Promise<Manifest | undefined>;
  /** Whether nothing is deleted, whatever the tasks say. */
  readonly dryRun: boolean;
  /** Whether every file is noted, also those that need no look to be kept. */
  readonly wantsAll: boolean;
  /** Ends the pass. */
  readonly signal: AbortSignal | undefined;
}

/** One pass. */
export class Pass implements Outcome {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** Where its WAL lives. */
  readonly walStore: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The state that decides. */
  readonly picture: Picture;
  /** Whether nothing is deleted, whatever the tasks say. */
  readonly dryRun: boolean;
  /** Whether every file is noted, also those that need no look to be kept. */
  readonly wantsAll: boolean;
  /** Ends the pass. */
  readonly signal: AbortSignal | undefined;
  readonly #readManifest: PassOptions["readManifest"];
  readonly #verdicts: GcVerdict[] = [];
  readonly #failures: GcFailure[] = [];
  readonly #deleted: Record<GcVerdict["resource"], number>;
  #bytes = 0;
  #ripensAtMs = Infinity;
  #live: Promise<LiveManifests> | undefined;

  /**
   * Constructs a new {@linkcode Pass}.
   *
   * @param options What it is made of.
   */
  constructor(options: PassOptions) {
    this.store = options.store;
    this.walStore = options.walStore;
    this.root = options.root;
    this.picture = options.picture;
    this.dryRun = options.dryRun;
    this.wantsAll = options.wantsAll;
    this.signal = options.signal;
    this.#readManifest = options.readManifest;
    this.#deleted = Object.fromEntries(
      ["checkpoint", ...GC_RESOURCES].map((resource) => [resource, 0]),
    ) as Record<GcVerdict["resource"], number>;
    this.#noteCheckpoints();
  }

  /** See {@linkcode Outcome.ripensAtMs}. */
  get ripensAtMs(): number {
    return this.#ripensAtMs;
  }

  /**
   * The manifests that count; reads the ones that checkpoints keep, afresh in
   * each pass and once in it.
   *
   * @returns The manifests.
   * @throws {DbError} Kind `"data"` if one is missing: what it referred to is unknown then.
   */
  live(): Promise<LiveManifests> {
    return this.#live ??= this.#readLive();
  }

  /**
   * Takes a note on a file.
   *
   * @param verdict What became of it.
   */
  note(verdict: GcVerdict): void {
    const { resource, fate, bytes } = verdict;
    if (fate === "deleted" || fate === "would-delete") {
      this.#deleted[resource]++;
      this.#bytes += bytes;
    }
    if (fate === "failed") {
      this.#failures.push({ resource, error: new Error(verdict.reason) });
    }
    if (this.wantsAll) this.#verdicts.push(verdict);
  }

  /**
   * Takes a note on a task that could not do its work.
   *
   * @param resource The task.
   * @param error What failed.
   */
  noteFailure(resource: GcResource, error: unknown): void {
    this.#failures.push({ resource, error });
  }

  /**
   * Whether a file is too young to be deleted, by its store's clock.
   *
   * @param lastModified When it was written.
   * @param task The task.
   * @returns Why it is kept, or `undefined` where it is old enough.
   */
  youngReason(lastModified: number, { minAgeMs }: GcTask): string | undefined {
    if (this.picture.nowMs - lastModified > minAgeMs) return undefined;
    this.ripens(lastModified + minAgeMs + 1);
    return `younger than min_age (${minAgeMs} ms)`;
  }

  /**
   * Takes a note on when a file that is kept may become old enough.
   *
   * @param ms By the system clock.
   */
  ripens(ms: number): void {
    this.#ripensAtMs = Math.min(this.#ripensAtMs, ms);
  }

  /** See {@linkcode Outcome.hasFailed}. */
  hasFailed(resource: GcResource): boolean {
    return this.#failures.some((failure) => failure.resource === resource);
  }

  /** See {@linkcode Outcome.hasDeleted}. */
  hasDeleted(resource: GcResource): boolean {
    return this.#deleted[resource] > 0;
  }

  /**
   * What the pass did so far.
   *
   * @returns The report.
   */
  report(): GcReport {
    return {
      deleted: { ...this.#deleted },
      bytes: this.#bytes,
      dryRun: this.dryRun,
      failures: [...this.#failures],
      verdicts: [...this.#verdicts],
    };
  }

  #noteCheckpoints(): void {
    const resource = "checkpoint";
    const { latest, expired } = this.picture;
    const note = (
      { id: name, expireTimeS }: Checkpoint,
      fate: GcVerdict["fate"],
    ) => {
      const reason = expireTimeS === undefined
        ? "never expires"
        : `expires at ${new Date(expireTimeS * 1000).toISOString()}`;
      this.note({ resource, name, bytes: 0, fate, reason });
    };
    const fate = this.dryRun ? "would-delete" : "deleted";
    for (const checkpoint of expired) note(checkpoint, fate);
    for (const checkpoint of latest.checkpoints) {
      note(checkpoint, "kept");
      const { expireTimeS } = checkpoint;
      if (expireTimeS !== undefined) this.ripens(expireTimeS * 1000);
    }
  }

  async #readLive(): Promise<LiveManifests> {
    const { latest } = this.picture;
    const pinned = new Map<number, Manifest>();
    for (const { manifestId } of latest.checkpoints) {
      if (manifestId === latest.id || pinned.has(manifestId)) continue;
      const manifest = await this.#readManifest(manifestId);
      if (manifest === undefined) {
        const keeper = keeperOf(latest, manifestId);
        throw new DbError(
          "data",
          `manifest ${manifestId}, which ${keeper} refers to, is missing: nothing is deleted that it may need; delete the checkpoint if nobody does`,
        );
      }
      pinned.set(manifestId, manifest);
    }
    return { latest, pinned };
  }
}

/**
 * Keeps the files of views that are read for long.
 *
 * Owns: checkpoints, refreshed while a view needs them, that every collector in
 * every process honours.
 * Does not own: views (`lsm/`), what a checkpoint is (`checkpoints.ts`).
 *
 * A collector keeps what the latest manifest refers to, and whatever is younger
 * than its `min_age`. A scan may take longer than that over SSTs that compaction
 * has replaced meanwhile. So a view that has been held for half of `min_age` gets
 * checkpoints: they are few, since most reads end before, and scans that began at
 * the same time share them.
 *
 * ```text
 * SSTs that the latest manifest has        a checkpoint of the next one keeps them
 * SSTs that are replaced since             whoever replaced them left a checkpoint of
 *                                          the manifest before, for 15 minutes: one
 *                                          more of the same manifest keeps them
 * ```
 *
 * A process that dies leaves its checkpoints to expire. One that sleeps longer
 * than they live may find files gone; its reads fail with kind `"data"`.
 *
 * @module
 */
import { DbError, messageOf } from "../base/errors.ts";
import { randomUuid, type Ulid, type Uuid } from "../base/ids.ts";
import type { Logger } from "../base/log.ts";
import { Loop } from "../base/loop.ts";
import type { Runtime } from "../base/runtime.ts";
import type { Manifest } from "../format/manifest.ts";
import { deleteCheckpoints, findCheckpoint, isExpired } from "./checkpoints.ts";
import {
  type KeptSsts,
  LeaseChange,
  type LeaseSource,
  ownSsts,
  unkept,
} from "./lease_change.ts";

/** A view, as far as its files matter. */
export interface LeasedView {
  /** The manifest whose SSTs it reads. */
  readonly manifest: Manifest;
  /** How often it came to rest; while this stays the same, whoever held it still does. */
  readonly rests: number;
}

/** The manifests, as a lease reaches them. */
export interface LeaseManifests {
  /** Finds the latest one. */
  refresh(signal?: AbortSignal): Promise<Manifest>;
  /** Changes the latest one. */
  update(
    edit: (manifest: Manifest) => Manifest,
    signal?: AbortSignal,
  ): Promise<Manifest>;
  /** Reads one by its number. */
  read(id: number, signal?: AbortSignal): Promise<Manifest | undefined>;
}

/** What a {@linkcode ViewLease} is made of. */
export interface ViewLeaseOptions {
  /** The views that are held now. */
  heldViews(): readonly LeasedView[];
  /** The manifests. */
  readonly manifests: LeaseManifests;
  /** The least `min_age` of the collectors that may run. */
  readonly minAgeMs: number;
  /**
   * Whether views are leased when they are first seen: something else keeps their
   * files, and not for long.
   *
   * @default {false}
   */
  readonly atOnce?: boolean;
  /** Clock, timers and randomness. */
  readonly runtime: Runtime;
  /** Told of views whose files cannot be kept. */
  readonly logger: Logger;
  /** Told once if the database was taken over or closed; the lease ends then. */
  readonly onFailure?: (error: DbError) => void;
}

/** Looks at the views in one `min_age`; a view is leased after four. */
const LOOKS = 8;
const LOOKS_BEFORE_LEASE = 3;
/** However short `min_age` is; whoever replaces SSTs keeps them for minutes. */
const MIN_LOOK_MS = 100;
/** Others may change the manifest while its past is read. */
const MAX_ATTEMPTS = 8;
/** Removing the last checkpoints must not hold up a close for ever: they expire. */
const MAX_STOP_MS = 5_000;

/** One checkpoint of the lease. */
interface Pin extends KeptSsts {
  readonly id: Uuid;
  /** The views that need it. */
  readonly views: Set<LeasedView>;
  readonly expireTimeS: number;
}

/** How long a view has been held without a break. */
interface Hold {
  readonly sinceMs: number;
  readonly rests: number;
}

/** Keeps the files of views that are read for long. */
export class ViewLease {
  readonly #options: ViewLeaseOptions;
  readonly #lookMs: number;
  readonly #lifetimeMs: number;
  readonly #loop: Loop;
  readonly #abort = new AbortController();
  #holds = new Map<LeasedView, Hold>();
  #pins: readonly Pin[] = [];
  /** For each view the SSTs that could not be kept. */
  readonly #lost = new WeakMap<LeasedView, number>();

  /**
   * Constructs a new {@linkcode ViewLease}; it rests until {@linkcode start}.
   *
   * @param options What it is made of.
   */
  constructor(options: ViewLeaseOptions) {
    const { minAgeMs, runtime, logger } = options;
    this.#options = options;
    this.#lookMs = Math.max(MIN_LOOK_MS, minAgeMs / LOOKS);
    // Whole seconds, and half of it must be left for a refresh to come in time.
    this.#lifetimeMs = Math.max(2 * minAgeMs, 4000);
    this.#loop = new Loop({
      runtime,
      body: () => this.#round(),
      onFailure: (error) => logger.error(`view lease: ${messageOf(error)}`),
    });
  }

  /** Ids of the checkpoints it has made and not removed. */
  get checkpoints(): Uuid[] {
    return this.#pins.map(({ id }) => id);
  }

  /** Begins to watch the views. */
  start(): void {
    this.#loop.poke();
  }

  /**
   * Ends the lease.
   *
   * @param remove Whether to remove its checkpoints; otherwise they expire.
   * @returns Resolves when nothing runs any more; never rejects.
   */
  async stop(remove: boolean): Promise<void> {
    this.#abort.abort();
    await this.#loop.stop();
    const ids = this.checkpoints;
    if (!remove || ids.length === 0) return;
    this.#pins = [];
    const deadline = new AbortController();
    const { runtime, manifests, logger } = this.#options;
    const cancel = runtime.after(MAX_STOP_MS, () => deadline.abort());
    try {
      await manifests.update(
        (manifest) => deleteCheckpoints(manifest, ids),
        deadline.signal,
      );
    } catch (error) {
      logger.warn(`checkpoints are left to expire: ${messageOf(error)}`);
    } finally {
      cancel();
    }
  }

  async #round(): Promise<number | undefined> {
    const { logger, onFailure } = this.#options;
    try {
      await this.#renew(this.#longHeld());
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      if (error instanceof DbError && error.kind === "closed") {
        onFailure?.(error);
        return undefined;
      }
      logger.warn(
        `cannot keep the files of an open view, trying again: ${
          messageOf(error)
        }`,
      );
    }
    return this.#lookMs;
  }

  /** The views that were held at several looks in a row, without a break. */
  #longHeld(): LeasedView[] {
    const nowMs = this.#options.runtime.monotonicMs();
    const { atOnce = false } = this.#options;
    const leaseAfterMs = atOnce ? 0 : LOOKS_BEFORE_LEASE * this.#lookMs;
    const holds = new Map<LeasedView, Hold>();
    const old: LeasedView[] = [];
    for (const view of this.#options.heldViews()) {
      const known = this.#holds.get(view);
      const { rests } = view;
      const hold = known?.rests === rests ? known : { sinceMs: nowMs, rests };
      holds.set(view, hold);
      const ageMs = nowMs - hold.sinceMs;
      if (ageMs >= leaseAfterMs) old.push(view);
    }
    this.#holds = holds;
    return old;
  }

  /** Makes, refreshes and removes checkpoints until every view has its own. */
  async #renew(views: readonly LeasedView[]): Promise<void> {
    for (const pin of this.#pins) pin.views.clear();
    for (const view of views) this.#share(view);
    const bare = views.filter((view) =>
      this.#missing(view).size > (this.#lost.get(view) ?? 0)
    );
    if (bare.length === 0 && !this.#needsChange()) return;
    const { manifests } = this.#options;
    const { signal } = this.#abort;
    let latest = await manifests.refresh(signal);
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const change = await this.#plan(latest, bare);
      latest = await manifests.update((next) => change.apply(next), signal);
      if (!change.isOutdated) return this.#settle(latest, change, bare);
    }
    throw new DbError("unavailable", "the manifest changes too fast");
  }

  /**
   * Lets a view share the checkpoints that are there, the newest ones first: the
   * older ones have less that it needs, and shall go with the views they are for.
   */
  #share(view: LeasedView): void {
    const needed = ownSsts(view.manifest);
    for (const { ssts, views } of this.#pins.toReversed()) {
      const before = needed.size;
      for (const id of needed) if (ssts.has(id)) needed.delete(id);
      if (needed.size < before) views.add(view);
    }
  }

  /** The SSTs of a view that no checkpoint of the lease keeps. */
  #missing({ manifest }: LeasedView): Set<Ulid> {
    return unkept(ownSsts(manifest), this.#pins);
  }

  #needsChange(): boolean {
    return this.#pins.some((pin) => pin.views.size === 0 || this.#isAging(pin));
  }

  #isAging({ expireTimeS }: Pin): boolean {
    const leftMs = expireTimeS * 1000 - this.#options.runtime.now();
    return leftMs < this.#lifetimeMs / 2;
  }

  async #plan(
    latest: Manifest,
    bare: readonly LeasedView[],
  ): Promise<LeaseChange> {
    const needed = new Set(bare.flatMap((view) => [...this.#missing(view)]));
    const sources = await this.#findSources(latest, bare, needed);
    const { runtime } = this.#options;
    return new LeaseChange({
      id: randomUuid(runtime),
      copies: sources.map((source) => ({ ...source, id: randomUuid(runtime) })),
      needed: unkept(needed, sources),
      basis: latest.id,
      refreshed: idsOf(this.#pins, (pin) => pin.views.size > 0),
      removed: idsOf(this.#pins, (pin) => pin.views.size === 0),
      nowMs: runtime.now(),
      lifetimeMs: this.#lifetimeMs,
    });
  }

  /** The checkpoints of others that keep what the latest manifest has no more. */
  async #findSources(
    latest: Manifest,
    bare: readonly LeasedView[],
    needed: ReadonlySet<Ulid>,
  ): Promise<LeaseSource[]> {
    const { runtime, manifests } = this.#options;
    const gone = unkept(needed, [{ ssts: ownSsts(latest) }]);
    if (gone.size === 0) return [];
    const oldest = Math.min(...bare.map(({ manifest }) => manifest.id));
    const sources: LeaseSource[] = [];
    for (const checkpoint of latest.checkpoints) {
      const { manifestId } = checkpoint;
      if (manifestId < oldest || isExpired(checkpoint, runtime.now())) continue;
      const manifest = await manifests.read(manifestId, this.#abort.signal);
      if (manifest === undefined) continue;
      const ssts = ownSsts(manifest);
      const before = gone.size;
      for (const id of gone) if (ssts.has(id)) gone.delete(id);
      if (gone.size < before) sources.push({ source: checkpoint, ssts });
    }
    return sources;
  }

  /** Takes note of what is stored now. */
  #settle(
    stored: Manifest,
    change: LeaseChange,
    bare: readonly LeasedView[],
  ): void {
    const pins: Pin[] = [];
    const added = change.added().map((each) => ({
      ...each,
      views: new Set<LeasedView>(),
    }));
    for (const pin of [...this.#pins, ...added]) {
      const expireTimeS = findCheckpoint(stored, pin.id)?.expireTimeS;
      if (expireTimeS !== undefined) pins.push({ ...pin, expireTimeS });
    }
    this.#pins = pins;
    for (const view of bare) {
      this.#share(view);
      const lost = this.#missing(view).size;
      if (lost === 0) continue;
      this.#lost.set(view, lost);
      this.#options.logger.warn(
        `${lost} SSTs of an open view of manifest ${view.manifest.id} may be collected: nothing keeps them`,
      );
    }
  }
}

function idsOf(pins: readonly Pin[], matches: (pin: Pin) => boolean): Uuid[] {
  return pins.filter(matches).map(({ id }) => id);
}

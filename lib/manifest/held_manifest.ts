/**
 * The manifest as one process holds it, under the writer's or the compactor's
 * epoch.
 *
 * Owns: how old the last look is, and what a process must do that slept.
 * Does not own: the compare-and-swap (`cas/fenced_object.ts`).
 *
 * Writer and compactor change the same object, each its own fields. Both read the
 * other's from what is stored: an edit is a function from the latest manifest to
 * the next, applied again after a lost race. So nothing is merged field by field,
 * and what one process wrote cannot be undone by another's older copy.
 *
 * ```text
 * look    probe number N + 1; where the last look is stale, list instead: N + 1 may
 *         have been written and collected meanwhile
 * edit    pure; meets its own result where the reply to a put was lost
 * create  N + 1            exists → look, check the epoch, edit again
 *         then the collector's mark: N + 1 at or below it → as if it existed
 * ```
 *
 * @module
 */
import { abortable } from "../base/abort.ts";
import type { Runtime } from "../base/runtime.ts";
import type { FencedObject } from "../cas/fenced_object.ts";
import type { Numbered } from "../cas/numbered_object.ts";
import type { Manifest } from "../format/manifest.ts";

/** What a {@linkcode HeldManifest} is made of. */
export interface HeldManifestOptions {
  /** The object, held. */
  readonly fenced: FencedObject<Manifest>;
  /** The clock. */
  readonly runtime: Runtime;
  /** A look older than this proves little. */
  readonly staleAfterMs: number;
  /** When the opening began, by the system clock. */
  readonly openedAtMs: number;
}

/** The manifest, held under an epoch. */
export class HeldManifest {
  readonly #fenced: FencedObject<Manifest>;
  readonly #runtime: Runtime;
  readonly #staleAfterMs: number;
  /** When the last look began, by the system clock. */
  #lookedAtMs: number;
  #shown: Manifest;

  /**
   * Constructs a new {@linkcode HeldManifest}; see `ManifestStore.open`.
   *
   * @param options What it is made of.
   */
  constructor(options: HeldManifestOptions) {
    this.#fenced = options.fenced;
    this.#runtime = options.runtime;
    this.#staleAfterMs = options.staleAfterMs;
    this.#lookedAtMs = options.openedAtMs;
    this.#shown = numbered(this.#fenced.latest);
  }

  /** The epoch it is held under. */
  get epoch(): number {
    return this.#fenced.epoch;
  }

  /** The newest manifest seen; the same object until a newer one is. */
  get latest(): Manifest {
    const { latest } = this.#fenced;
    if (latest.id !== this.#shown.id) this.#shown = numbered(latest);
    return this.#shown;
  }

  /**
   * Milliseconds since a look at the store last showed that the epoch holds.
   *
   * By the clock that showed more: the monotonic one may stand still while the
   * machine sleeps, and the system clock may be set back.
   */
  get msSinceLook(): number {
    return Math.max(
      this.#fenced.msSinceLook,
      this.#runtime.now() - this.#lookedAtMs,
    );
  }

  /**
   * Looks for a newer manifest.
   *
   * @param signal Ends the wait.
   * @returns The latest manifest.
   * @throws {DbError} Kind `"closed"` (`fenced`) if the epoch was taken over.
   */
  async refresh(signal?: AbortSignal): Promise<Manifest> {
    await abortable(this.#refresh(), signal);
    return this.latest;
  }

  /**
   * Changes the manifest.
   *
   * @param edit From the latest manifest to the next; its argument itself means no change. Pure, and must bear meeting its own result.
   * @param signal Ends the wait; the change may still take effect.
   * @returns The stored manifest.
   * @throws {DbError} Kind `"closed"` (`fenced`) if the epoch was taken over; what `edit` throws.
   */
  async update(
    edit: (manifest: Manifest) => Manifest,
    signal?: AbortSignal,
  ): Promise<Manifest> {
    await abortable(this.#update(edit), signal);
    return this.latest;
  }

  /**
   * Makes sure that the epoch held a short time ago.
   *
   * @param maxAgeMs How long ago the last look may be.
   * @returns `undefined` where it is younger; else a promise that rejects with kind `"closed"` (`fenced`) if the epoch was taken over.
   */
  confirm(maxAgeMs: number): Promise<void> | undefined {
    if (this.msSinceLook < maxAgeMs) return undefined;
    return this.#refresh("thoroughly");
  }

  /**
   * Ends what is under way; see `FencedObject.close`.
   *
   * @returns Resolves when no request is made any more; never rejects.
   */
  close(): Promise<void> {
    return this.#fenced.close();
  }

  async #refresh(
    how: "probe" | "thoroughly" = this.#isStale() ? "thoroughly" : "probe",
  ): Promise<void> {
    const lookedAtMs = this.#runtime.now();
    await this.#fenced.refresh(how);
    this.#lookedAtMs = lookedAtMs;
  }

  async #update(edit: (manifest: Manifest) => Manifest): Promise<void> {
    // The next number may have been written and collected since.
    if (this.#isStale()) await this.#refresh("thoroughly");
    const before = this.#fenced.latest;
    const lookedAtMs = this.#runtime.now();
    const after = await this.#fenced.update((value) => {
      const base = numbered({ id: this.#fenced.latest.id, value });
      const edited = edit(base);
      return edited === base ? value : edited;
    });
    if (after === before) return;
    this.#lookedAtMs = lookedAtMs;
  }

  #isStale(): boolean {
    return this.msSinceLook >= this.#staleAfterMs;
  }
}

/** A manifest knows its number; an edited one still has the old one. */
function numbered({ id, value }: Numbered<Manifest>): Manifest {
  return value.id === id ? value : { ...value, id };
}

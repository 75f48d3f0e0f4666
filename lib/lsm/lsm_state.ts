/**
 * The state of one open database: an immutable view in one mutable cell.
 *
 * Owns: which view is current, and the step from one to the next.
 * Does not own: when to freeze, flush or refresh. A step is synchronous, so no
 * reader ever sees half of it.
 *
 * @module
 */
import type { MemoryBudget } from "../base/budget.ts";
import { DbError, invariant } from "../base/errors.ts";
import { Pulse } from "../base/watch.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { Manifest, Tree } from "../format/manifest.ts";
import { SeqTracker } from "../format/seq_tracker.ts";
import { Memtable } from "../memtable/memtable.ts";
import type { SstStore } from "../sst/sst_store.ts";
import {
  type FrozenMemtable,
  LsmView,
  type TableSet,
  type TableTree,
} from "./lsm_view.ts";
import { SnapshotRegistry } from "./snapshots.ts";

/** What {@linkcode LsmState} is made of. */
export interface LsmStateOptions {
  /** Where memtables live. */
  kernel: Kernel;
  /** What memtables are charged to. */
  budget: MemoryBudget;
  /** Makes tables of the manifest's handles. */
  ssts: SstStore;
  /** The manifest to begin with. */
  manifest: Manifest;
}

/** The one mutable cell of a database's tree. */
export class LsmState {
  /** Live snapshots and transactions; they pin versions. */
  readonly snapshots: SnapshotRegistry = new SnapshotRegistry();
  /** Fires whenever a memtable was frozen or retired, or a manifest installed. */
  readonly changed: Pulse = new Pulse();
  /** Told whenever a manifest became current. */
  onInstalled: () => void = () => {};
  readonly #kernel: Kernel;
  readonly #budget: MemoryBudget;
  readonly #ssts: SstStore;
  #view: LsmView;
  #tracker = new SeqTracker();
  /** Encoded bytes of frozen memtables that are not uploaded yet. */
  #frozenBytes = 0;
  readonly #uploaded = new WeakSet<FrozenMemtable>();
  /** Views that are not current any more and that readers may still hold. */
  readonly #retired = new Set<LsmView>();
  #disposed = false;

  /**
   * Constructs a new {@linkcode LsmState} with an empty memtable.
   *
   * @param options What it is made of.
   */
  constructor(options: LsmStateOptions) {
    const { kernel, budget, ssts, manifest } = options;
    this.#kernel = kernel;
    this.#budget = budget;
    this.#ssts = ssts;
    this.#view = this.#makeView(
      new Memtable(kernel, budget),
      [],
      manifest,
      this.#tablesOf(manifest),
      true,
    );
  }

  /** The current picture; take it once for each read. */
  get view(): LsmView {
    return this.#view;
  }

  /** Notes when sequence numbers of the active memtable were given out. */
  get tracker(): SeqTracker {
    return this.#tracker;
  }

  /** Encoded bytes of rows in memory that no upload covers yet. */
  get unflushedBytes(): number {
    return this.#view.active.encodedBytes + this.#frozenBytes;
  }

  /**
   * Freezes the active memtable and puts an empty one in its place.
   *
   * @param replayAfterWalId The last WAL file known to be stored.
   * @returns The frozen memtable, or `undefined` where there was no row.
   * @throws {DbError} Kind `"unavailable"` if there is no memory for another memtable, `"closed"` if the state was disposed of; nothing has changed then.
   */
  freeze(replayAfterWalId: number): FrozenMemtable | undefined {
    if (this.#disposed) throw new DbError("closed", "the database is closed");
    const { active, frozen, manifest } = this.#view;
    if (active.rows === 0) return undefined;
    const next = new Memtable(this.#kernel, this.#budget);
    active.charge();
    const added: FrozenMemtable = {
      memtable: active,
      replayAfterWalId,
      lastSeq: active.lastSeq,
      tracker: this.#tracker,
    };
    this.#tracker = new SeqTracker();
    this.#frozenBytes += active.encodedBytes;
    this.#swap(
      this.#makeView(
        next,
        [added, ...frozen],
        manifest,
        this.#view,
        true,
      ),
    );
    return added;
  }

  /**
   * As {@linkcode freeze}, for those who can do without: where there is no memory
   * for another memtable, rows stay where they are.
   *
   * @param replayAfterWalId The last WAL file known to be stored.
   * @returns The frozen memtable, or `undefined` where nothing was frozen.
   */
  tryFreeze(replayAfterWalId: number): FrozenMemtable | undefined {
    try {
      return this.freeze(replayAfterWalId);
    } catch (error) {
      if (error instanceof DbError && error.kind === "unavailable") return;
      throw error;
    }
  }

  /**
   * Says that a frozen memtable's rows are in the store; readers keep it until
   * {@linkcode install} retires it, but writers need not wait for it any more.
   *
   * @param memtable The memtable.
   */
  uploaded(memtable: FrozenMemtable): void {
    if (this.#uploaded.has(memtable)) return;
    this.#uploaded.add(memtable);
    this.#frozenBytes -= memtable.memtable.encodedBytes;
    this.changed.fire();
  }

  /**
   * Makes a manifest current, and drops the memtables it covers in the same
   * step.
   *
   * @param manifest The manifest, as stored.
   * @param retired Frozen memtables whose rows it names, oldest ones first.
   */
  install(manifest: Manifest, retired: readonly FrozenMemtable[] = []): void {
    const { active, frozen } = this.#view;
    for (const memtable of retired) this.uploaded(memtable);
    const kept = frozen.filter((memtable) => !retired.includes(memtable));
    invariant(
      kept.length + retired.length === frozen.length,
      "a memtable is retired once",
    );
    this.#swap(
      this.#makeView(active, kept, manifest, this.#tablesOf(manifest), false),
    );
    this.onInstalled();
  }

  /**
   * The views that readers hold, current or not: scans, and reads that wait for
   * the store.
   *
   * @returns The views, in no particular order.
   */
  heldViews(): LsmView[] {
    return [...this.#retired, this.#view].filter(({ isHeld }) => isHeld);
  }

  /** Lets go of the current view, and ends reads; the state is not used afterwards. */
  dispose(): void {
    this.#disposed = true;
    this.#ssts.close();
    this.#view.retire();
  }

  #makeView(
    active: Memtable,
    frozen: readonly FrozenMemtable[],
    manifest: Manifest,
    tables: TableSet,
    fresh: boolean,
  ): LsmView {
    const view = new LsmView(active, frozen, manifest, tables);
    // The view holds a new memtable from now on; its maker's reference ends.
    if (fresh) active.release();
    return view;
  }

  #swap(next: LsmView): void {
    const previous = this.#view;
    this.#view = next;
    previous.retire();
    this.#retired.add(previous);
    for (const view of this.#retired) {
      if (!view.isHeld) this.#retired.delete(view);
    }
    this.changed.fire();
  }

  #tablesOf(manifest: Manifest): TableSet {
    return {
      ...this.#treeOf(manifest, manifest.tree),
      segments: manifest.segments.map((segment) => ({
        prefix: segment.prefix,
        ...this.#treeOf(manifest, segment),
      })),
    };
  }

  #treeOf(manifest: Manifest, tree: Tree): TableTree {
    const { externalDbs } = manifest;
    return {
      l0: tree.l0.map((handle) => this.#ssts.table(handle, externalDbs)),
      runs: tree.runs.map(({ id, ssts }) => ({
        id,
        tables: ssts.map((handle) => this.#ssts.table(handle, externalDbs)),
      })),
    };
  }
}

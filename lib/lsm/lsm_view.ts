/**
 * An immutable picture of the tree, to read from.
 *
 * @module
 */
import type { Manifest } from "../format/manifest.ts";
import type { SeqTracker } from "../format/seq_tracker.ts";
import type { Memtable } from "../memtable/memtable.ts";
import type { SstTable } from "../sst/sst_table.ts";

/** A memtable that takes no more writes and waits to be flushed. */
export interface FrozenMemtable {
  /** Its rows. */
  readonly memtable: Memtable;
  /** WAL files up to this one hold nothing but its rows and older ones. */
  readonly replayAfterWalId: number;
  /** The largest sequence number in it. */
  readonly lastSeq: bigint;
  /** When some of its sequence numbers were given out. */
  readonly tracker: SeqTracker;
}

/** A sorted run, ready to read. */
export interface TableRun {
  /** See `SortedRun.id`. */
  readonly id: number;
  /** Ascending by key. */
  readonly tables: readonly SstTable[];
}

/** What is stored under one tree of the manifest. */
export interface TableTree {
  /** Newest first. */
  readonly l0: readonly SstTable[];
  /** Newest first. */
  readonly runs: readonly TableRun[];
}

/** The stored trees of a manifest, ready to read. */
export interface TableSet extends TableTree {
  /** The trees of segments, ascending by prefix. */
  readonly segments: readonly (TableTree & { readonly prefix: Uint8Array })[];
}

/**
 * Every source of rows at one moment, newest first: the active memtable, the
 * frozen ones, L0, the sorted runs. Whoever reads across an `await` acquires the
 * view first, so that nothing in it is freed meanwhile.
 */
export class LsmView implements TableSet {
  /** Takes the writes. */
  readonly active: Memtable;
  /** Newest first. */
  readonly frozen: readonly FrozenMemtable[];
  /** The manifest that names the tables. */
  readonly manifest: Manifest;
  /** See {@linkcode TableTree.l0}. */
  readonly l0: readonly SstTable[];
  /** See {@linkcode TableTree.runs}. */
  readonly runs: readonly TableRun[];
  /** See {@linkcode TableSet.segments}. */
  readonly segments: TableSet["segments"];
  #references = 1;
  /** References that no reader has: the state's, while this is its current view. */
  #stateReferences = 1;
  #rests = 0;

  /**
   * Constructs a new {@linkcode LsmView}, referenced once, by the state.
   *
   * @param active The memtable that takes the writes.
   * @param frozen The frozen ones, newest first.
   * @param manifest The manifest.
   * @param tables The manifest's trees.
   */
  constructor(
    active: Memtable,
    frozen: readonly FrozenMemtable[],
    manifest: Manifest,
    tables: TableSet,
  ) {
    this.active = active;
    this.frozen = frozen;
    this.manifest = manifest;
    this.l0 = tables.l0;
    this.runs = tables.runs;
    this.segments = tables.segments;
    active.acquire();
    for (const { memtable } of frozen) memtable.acquire();
    for (const table of tablesOf(tables)) table.acquire();
  }

  /** Whether a reader has acquired it and not let go. */
  get isHeld(): boolean {
    return this.#references > this.#stateReferences;
  }

  /** How often the last reader let go. While this stays the same, a reader that held it still does. */
  get rests(): number {
    return this.#rests;
  }

  /** Keeps everything in the view until {@linkcode release}. */
  acquire(): void {
    this.#references++;
  }

  /** Gives back one reference; the last one lets go of the sources. */
  release(): void {
    this.#references--;
    if (this.#references === this.#stateReferences) this.#rests++;
    if (this.#references === 0) this.#dispose();
  }

  /** Gives back the state's reference: another view is current now. */
  retire(): void {
    this.#stateReferences = 0;
    this.#references--;
    if (this.#references === 0) this.#dispose();
  }

  #dispose(): void {
    this.active.release();
    for (const { memtable } of this.frozen) memtable.release();
    for (const table of tablesOf(this)) table.release();
  }
}

/**
 * Every table of every tree, in no particular order.
 *
 * @param tables The trees.
 * @returns The tables.
 */
export function* tablesOf(tables: TableSet): Generator<SstTable> {
  for (const tree of [tables, ...tables.segments]) {
    yield* tree.l0;
    for (const run of tree.runs) yield* run.tables;
  }
}

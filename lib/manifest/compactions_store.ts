/**
 * The compactions files of one database: read, listed, and changed, by the one
 * compactor under its epoch and by everybody else without one.
 *
 * Owns: their names, encoding and version as numbered objects.
 * Does not own: what a change is (`compactor/compaction_state.ts`).
 *
 * The compactor's epoch is raised in the manifest first, then the same number is
 * written here: whoever finds a number as high or higher here was overtaken in
 * between. Workers and users who submit a compaction leave the epoch as it is.
 *
 * @module
 */
import type { Runtime } from "../base/runtime.ts";
import { Boundary } from "../cas/boundary.ts";
import { FencedObject } from "../cas/fenced_object.ts";
import { type Numbered, NumberedObject } from "../cas/numbered_object.ts";
import {
  type Compaction,
  type Compactions,
  decodeCompactions,
  encodeCompactions,
  initialCompactions,
} from "../format/compactions.ts";
import {
  boundaryName,
  compactionsName,
  compactionsPrefix,
  parseCompactionsId,
} from "../format/paths.ts";
import type { ObjectStore } from "../object_store/object_store.ts";
import { History } from "./history.ts";

/** What {@linkcode CompactionsStore} is made of. */
export interface CompactionsStoreOptions {
  /** Where the database lives. */
  readonly store: ObjectStore;
  /** The database's path. */
  readonly root: string;
  /** The clock. */
  readonly runtime: Runtime;
  /** Whether to write the trailer that makes damage detectable. */
  readonly checksum: boolean;
  /**
   * A look older than this proves nothing about numbers that do not exist: they
   * may have come and gone. Half of the collectors' minimum age.
   *
   * @default {150000}
   */
  readonly staleAfterMs?: number;
}

/** Options of {@linkcode CompactionsStore.open}. */
export interface OpenCompactionsOptions {
  /** The epoch, as raised in the manifest. */
  readonly epoch: number;
  /** The version to write. */
  readonly version: 1 | 2;
  /** Longest the epoch may take to write, in milliseconds. */
  readonly timeoutMs: number;
  /** Ends the opening early. */
  readonly signal?: AbortSignal | undefined;
}

/** A change of the compactor's state: pure, and bears meeting its own result. */
export type CompactionsEdit = (state: Compactions) => Compactions;

const DEFAULT_STALE_AFTER_MS = 150_000;

/**
 * Reads the compactions files of one database, and changes them. Workers do so
 * without an epoch, and users who submit a compaction; the file's version stays as
 * it is then.
 */
export class CompactionsStore extends History<Compactions> {
  readonly #options: CompactionsStoreOptions;

  /**
   * Constructs a new {@linkcode CompactionsStore}; no I/O.
   *
   * @param options What it is made of.
   */
  constructor(options: CompactionsStoreOptions) {
    const { store, root, checksum } = options;
    const object = new NumberedObject({
      store,
      boundary: new Boundary(store, boundaryName(root, "compactions")),
      format: {
        what: "compactions file",
        prefix: compactionsPrefix(root),
        name: (id) => compactionsName(root, id),
        parse: (name) => parseCompactionsId(root, name),
        encode: (state: Compactions) => encodeCompactions(state, { checksum }),
        decode: decodeCompactions,
      },
    });
    super(
      object,
      "compactions file",
      "there is no compactions file: no compactor was ever started on this database",
    );
    this.#options = options;
  }

  /**
   * Writes the compactor's epoch, creating the first file where there is none.
   *
   * @param options The epoch, the version, and how long to try.
   * @returns The state, held.
   * @throws {DbError} Kind `"closed"` (`fenced`) if a compactor that started later was here already; `"unavailable"` if others keep winning until the time is over.
   */
  async open(options: OpenCompactionsOptions): Promise<HeldCompactions> {
    const { epoch, version, timeoutMs, signal } = options;
    let isOpen = false;
    const fenced = await FencedObject.open({
      object: this.object,
      epoch: {
        role: "compactor",
        get: ({ compactorEpoch }: Compactions) => compactorEpoch,
        set: (state: Compactions, compactorEpoch: number) => ({
          ...state,
          version: isOpen ? version : versionFor(state, version),
          compactorEpoch,
        }),
      },
      runtime: this.#options.runtime,
      create: initialCompactions(version),
      take: epoch,
      timeoutMs,
      signal,
    });
    isOpen = true;
    const { runtime, staleAfterMs = DEFAULT_STALE_AFTER_MS } = this.#options;
    return new HeldCompactions(fenced, runtime, staleAfterMs);
  }
}

/** The compactor's state, held under its epoch. */
export class HeldCompactions {
  readonly #fenced: FencedObject<Compactions>;
  readonly #runtime: Runtime;
  readonly #staleAfterMs: number;
  /** When the last look began, by the system clock, which goes on while a machine sleeps. */
  #lookedAtMs: number;

  /**
   * Constructs a new {@linkcode HeldCompactions}; see `CompactionsStore.open`.
   *
   * @param fenced The object, held.
   * @param runtime The clock.
   * @param staleAfterMs A look older than this proves little.
   */
  constructor(
    fenced: FencedObject<Compactions>,
    runtime: Runtime,
    staleAfterMs: number,
  ) {
    this.#fenced = fenced;
    this.#runtime = runtime;
    this.#staleAfterMs = staleAfterMs;
    this.#lookedAtMs = runtime.now();
  }

  /** The epoch it is held under. */
  get epoch(): number {
    return this.#fenced.epoch;
  }

  /** The newest state seen. */
  get latest(): Compactions {
    return numbered(this.#fenced.latest);
  }

  /** Milliseconds since a look at the store last showed that the epoch holds. */
  get msSinceLook(): number {
    return Math.max(
      this.#fenced.msSinceLook,
      this.#runtime.now() - this.#lookedAtMs,
    );
  }

  /**
   * Looks for a newer state.
   *
   * @returns The latest state.
   * @throws {DbError} Kind `"closed"` (`fenced`) if another compactor took over.
   */
  async refresh(): Promise<Compactions> {
    const isStale = this.msSinceLook >= this.#staleAfterMs;
    const lookedAtMs = this.#runtime.now();
    const latest = await this.#fenced.refresh(isStale ? "thoroughly" : "probe");
    this.#lookedAtMs = lookedAtMs;
    return numbered(latest);
  }

  /**
   * Changes the state.
   *
   * @param edit From the latest state to the next; its argument itself means no change.
   * @returns The stored state.
   * @throws {DbError} Kind `"closed"` (`fenced`) if another compactor took over; what `edit` throws.
   */
  async update(edit: CompactionsEdit): Promise<Compactions> {
    // The next number may have been written and collected since.
    if (this.msSinceLook >= this.#staleAfterMs) await this.refresh();
    const lookedAtMs = this.#runtime.now();
    const before = this.#fenced.latest;
    const after = await this.#fenced.update(edit);
    if (after !== before) this.#lookedAtMs = lookedAtMs;
    return numbered(after);
  }

  /**
   * Ends what is under way; see `FencedObject.close`.
   *
   * @returns Resolves when no request is made any more; never rejects.
   */
  close(): Promise<void> {
    return this.#fenced.close();
  }
}

/** A state knows its number; an edited one still has the old one. */
function numbered({ id, value }: Numbered<Compactions>): Compactions {
  return value.id === id ? value : { ...value, id };
}

/**
 * The version that can hold a state as it was found: the compactor writes its
 * epoch before anything else, and only then brings the rest into its own form.
 */
function versionFor(state: Compactions, wanted: 1 | 2): 1 | 2 {
  const { compactions } = state;
  return wanted === 1
    ? compactions.some(needsVersion2) ? 2 : 1
    : compactions.some(needsVersion1)
    ? 1
    : 2;
}

function needsVersion2(
  { spec, status, worker, context }: Compaction,
): boolean {
  return spec.kind === "drain" || spec.segment.length > 0 ||
    worker !== undefined || context !== undefined ||
    status === "compacted" || status === "scheduled";
}

/** Version 2 would take a destination that nobody said for run 0. */
function needsVersion1({ spec, status }: Compaction): boolean {
  return spec.kind === "tiered" && spec.destination === undefined &&
    status !== "completed" && status !== "failed";
}

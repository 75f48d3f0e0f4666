/**
 * What the bench asks of a database, and the list of those it knows.
 *
 * @module
 */

/**
 * What the database is opened for.
 *
 * `"durable"`: single writes that must survive before they are reported;
 * `"write"`: many writes that need not; `"read"`: everything is there already.
 */
export type Profile = "durable" | "write" | "read";

/** A call's result: engines that answer at once are not made to wait. */
export type Now<Value> = Value | Promise<Value>;

/**
 * Where compactions run: in the caller's event loop, in a thread beside it, or in
 * as many threads as there are processors.
 */
export type Place = "inline" | "worker" | "threads";

/** What a compaction of everything has done. */
export interface CompactionFigure {
  /** Bytes of the SSTs that went in. */
  readonly inputBytes: number;
  /** Bytes of the SSTs that came out. */
  readonly outputBytes: number;
  /** Milliseconds from the call until the tree has the new SSTs. */
  readonly ms: number;
}

/** What an engine offers whose tree of SSTs can be told what to do. */
export interface TreeControl {
  /** Where its compactions can run. */
  readonly places: readonly Place[];
  /**
   * Opens a new database that compacts nothing until it is told to.
   *
   * @param directory An empty folder.
   * @param l0Bytes About the size of an L0 SST.
   * @param place Where compactions run.
   */
  openHeld(directory: string, l0Bytes: number, place: Place): Promise<void>;
  /**
   * Has the compactor, or its threads, work on these rows until their code is
   * compiled, and leaves the database empty; only where there is such code.
   */
  warmUp?(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
  ): Promise<void>;
  /** Compacts everything written, and waits for it; flushes before the clock starts. */
  compact(): Promise<CompactionFigure>;
  /**
   * Waits until the compactor of a database with defaults has nothing to do any
   * more; only where that can be told.
   *
   * @returns Bytes of the SSTs in the tree.
   */
  settled?(): Promise<number>;
}

/** One database under test; keys and values are bytes in all of them. */
export interface BenchEngine {
  /** What `putDurable` waits for; printed beside its figure. */
  readonly durability: string;
  /** Control over the tree; none where the engine has no such thing. */
  readonly tree?: TreeControl;
  /** Opens or creates the database in `directory`. */
  open(directory: string, profile: Profile): Promise<void>;
  /** Writes one row; it need not survive yet. */
  put(key: Uint8Array, value: Uint8Array): Promise<unknown> | undefined;
  /** Writes one row; done when it would survive, by the engine's own word. */
  putDurable(key: Uint8Array, value: Uint8Array): Promise<unknown> | undefined;
  /** Writes rows `start` to `end` at once; they need not survive yet. */
  writeBatch(
    keys: readonly Uint8Array[],
    values: readonly Uint8Array[],
    start: number,
    end: number,
  ): Promise<unknown> | undefined;
  /** Makes everything written so far survive. */
  flush(): Promise<void>;
  /** Brings the rows into the shape in which they are read best. */
  settle(): Promise<void>;
  /** Reads one value. */
  get(key: Uint8Array): Now<Uint8Array | undefined>;
  /** Reads every row, or every row of a prefix, with the fastest call there is. */
  scan(prefix?: Uint8Array): Promise<number>;
  /** Closes the database. */
  close(): Promise<void>;
}

/** The engines, in the order in which they run and are shown. */
export const ENGINE_NAMES = [
  "shale",
  "slatedb-uniffi",
  "classic-level",
  "lmdb",
  "sqlite",
] as const;

/** One of {@linkcode ENGINE_NAMES}. */
export type EngineName = typeof ENGINE_NAMES[number];

/**
 * Loads an engine's module, and with it the native library of that one alone.
 *
 * @param name Which engine.
 * @returns A closed engine.
 */
export async function loadEngine(name: EngineName): Promise<BenchEngine> {
  switch (name) {
    case "shale":
      return (await import("./engines/shale.ts")).createShale();
    case "slatedb-uniffi":
      return (await import("./engines/slatedb_uniffi.ts")).createSlatedb();
    case "classic-level":
      return (await import("./engines/classic_level.ts")).createLevel();
    case "lmdb":
      return (await import("./engines/lmdb.ts")).createLmdb();
    case "sqlite":
      return (await import("./engines/sqlite.ts")).createSqlite();
  }
}

/**
 * A database that both engines have in turn, or at the same time.
 *
 * Owns: where it is, what it must contain, and comparing the two. Does not own:
 * who writes it; each case opens its writers itself.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import {
  Admin,
  type Compactions,
  type CompactionSpec,
  type CompactorProcessOptions,
  type Db,
  DbReader,
  FileStore,
  fixedPrefix,
  type FormatTarget,
  type Manifest,
} from "../../../mod.ts";
import { assertEquals } from "../../support/assert.ts";
import {
  assertReads,
  concatOperator,
  type Readable,
} from "../../support/db_ops.ts";
import { ModelDb } from "../../support/model_db.ts";
import type { Op } from "../../support/op.ts";
import { TempDir } from "../../support/temp_dir.ts";
import { applyJudge, applyShale, fromLines } from "../cases.ts";
import type { Judge, JudgeStore } from "../judge.ts";
import { policiesOf } from "../layouts.ts";
import { openShale, type ShaleOpen } from "../shale.ts";

/** How the database is made. */
export interface SharedDbOptions {
  readonly formatTarget?: FormatTarget;
  /** Bytes of the segment prefix. */
  readonly segment?: number;
  /** As `JudgeStore` has them. */
  readonly filters?: string;
}

/** A compactor of either engine that finds work at once. */
export const QUICK = {
  poll_interval: "50ms",
  commit_compacted_interval: "50ms",
  worker_heartbeat_timeout: "2s",
  worker: {
    compactions_poll_interval: "50ms",
    heartbeat_interval: "200ms",
    max_sst_size: 20_000,
  },
} as const;

/** Room for any number of SSTs in L0. */
const ROOMY = {
  l0_max_ssts: 1000,
  l0_max_ssts_per_key: 1000,
  min_filter_keys: 10,
};

/** Settings of a writer of either engine that runs nothing in the background. */
export const ALONE = {
  ...ROOMY,
  manifest_poll_interval: "100ms",
  compactor_options: null,
  garbage_collector_options: null,
} as const;

/** How Shale opens to compact when it is told to. */
export const COMPACTS = {
  compactor: "inline",
  settings: { compactor_options: {} },
} as const;

/** A database in a directory of its own, and what it must contain. */
export class SharedDb implements AsyncDisposable {
  /** What every key must be. */
  readonly model: ModelDb = new ModelDb();
  /** Shale's door to the directory. */
  readonly store: FileStore;
  /** Where SlateDB finds it. */
  readonly place: JudgeStore;
  readonly #dir: TempDir;
  readonly #options: SharedDbOptions;

  private constructor(dir: TempDir, options: SharedDbOptions) {
    const { segment, filters } = options;
    this.#dir = dir;
    this.#options = options;
    this.store = new FileStore(dir.path);
    this.place = {
      store: dir.path,
      path: "db",
      ...(segment === undefined ? {} : { segment }),
      ...(filters === undefined ? {} : { filters }),
    };
  }

  /** Makes a directory; no database is in it yet. */
  static async create(options: SharedDbOptions = {}): Promise<SharedDb> {
    return new SharedDb(await TempDir.create(), options);
  }

  /** Opens it with Shale, which leaves compacting to others. */
  openShale(options: Partial<ShaleOpen> = {}): Promise<Db> {
    return openShale({
      ...this.#components(),
      dir: this.#dir.path,
      compactor: "off",
      ...options,
      settings: { ...ALONE, ...options.settings },
    });
  }

  /** Opens it with SlateDB, which leaves compacting to others. */
  async openJudge(judge: Judge, settings: object = {}): Promise<void> {
    await judge.open({ ...this.place, settings: { ...ALONE, ...settings } });
  }

  /** Has Shale's writer do operations. */
  async applyShale(db: Db, ops: readonly Op[]): Promise<void> {
    await applyShale(db, this.model, ops);
  }

  /** Has SlateDB's writer do operations. */
  async applyJudge(judge: Judge, ops: readonly Op[]): Promise<void> {
    await applyJudge(judge, this.model, ops);
  }

  /** Options of a compactor or worker of Shale. */
  compactorOptions(compactor: object = QUICK): CompactorProcessOptions {
    const { segmentExtractor: _, ...components } = this.#components();
    return {
      ...components,
      store: this.store,
      mergeOperator: concatOperator,
      settings: { min_filter_keys: 10, compactor_options: { ...compactor } },
    };
  }

  /** Shale's view of the files. */
  get admin(): Admin {
    return Admin.open("db", { store: this.store });
  }

  /** The latest manifest. */
  async manifest(): Promise<Manifest> {
    return (await this.admin.readManifest())!;
  }

  /** The latest state of whichever compactor there is. */
  async compactions(): Promise<Compactions | undefined> {
    return await this.admin.readCompactions();
  }

  /** Compares what readers of both engines see with the model. */
  async assertRows(judge: Judge, what = "rows"): Promise<void> {
    // The model does not know SlateDB's clock.
    const rows = fromLines(await judge.read(this.place));
    assertEquals(
      rows.map(bare),
      this.model.rows().map(bare),
      `${what}, by SlateDB`,
    );
    await using reader = await DbReader.open("db", {
      ...this.#components(),
      store: this.store,
      mergeOperator: concatOperator,
    });
    await assertReads(reader as unknown as Readable, rows, this.model.keys);
  }

  #components() {
    const { formatTarget, segment, filters } = this.#options;
    return {
      ...(formatTarget === undefined ? {} : { formatTarget }),
      ...(segment === undefined
        ? {}
        : { segmentExtractor: fixedPrefix(segment) }),
      ...(filters === undefined ? {} : { filterPolicies: policiesOf(filters) }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await this.#dir[Symbol.asyncDispose]();
  }
}

function bare({ k, v, seq }: { k: string; v: string; seq: bigint }) {
  return { k, v, seq };
}

/** A compaction as SlateDB's `submit_compaction` takes it. */
export function specLine(spec: CompactionSpec): unknown {
  const sources = [
    ...spec.l0ViewIds.map((id) => ({ SstView: id })),
    ...spec.runIds.map((id) => ({ SortedRun: id })),
  ];
  const segment = [...spec.segment];
  return spec.kind === "drain"
    ? { DrainSegment: { segment, sources } }
    : { Tiered: { segment, sources, destination: spec.destination } };
}

/** `l0 3, runs 2 0`: SSTs of L0 and ids of runs, tree by tree. */
export function shapeOf({ tree, segments }: Manifest): string {
  return [tree, ...segments].map(({ l0, runs }) =>
    `l0 ${l0.length}, runs ${runs.map(({ id }) => id).join(" ")}`.trim()
  ).join("; ");
}

/**
 * Looks again and again until something is so.
 *
 * @param what What is waited for, for the error.
 * @param isSo Whether it is.
 */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!await isSo()) {
    if (Date.now() > endMs) throw new Error(`${what}: not within a minute`);
    await pause(20);
  }
}

/**
 * A database made of files that a test puts there one by one, and collectors
 * over it.
 *
 * @module
 */
import { toBytes } from "../../lib/base/bytes.ts";
import { type Ulid, ulidFromBits } from "../../lib/base/ids.ts";
import type { Logger } from "../../lib/base/log.ts";
import {
  type Compaction,
  type CompactionStatus,
  encodeCompactions,
} from "../../lib/format/compactions.ts";
import {
  initialManifest,
  type Manifest,
  type SstHandle,
} from "../../lib/format/manifest.ts";
import { compactionsName, sstName, walName } from "../../lib/format/paths.ts";
import { FENCE_FILE } from "../../lib/format/wal_file.ts";
import { Collector, type RunOptions } from "../../lib/gc/collector.ts";
import {
  type GarbageCollectorSettings,
  resolveGcOptions,
} from "../../lib/gc/options.ts";
import type { GcFilter } from "../../lib/gc/sweep.ts";
import { CompactionsStore } from "../../lib/manifest/compactions_store.ts";
import type { HeldManifest } from "../../lib/manifest/held_manifest.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { MemoryRecorder } from "../../lib/metrics/memory_recorder.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { FaultStore } from "../../lib/testing/fault_store.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";

export const ROOT = "db";
export const SECOND = 1000;
export const MINUTE = 60_000;

/** How a {@linkcode GcWorld} is made. */
export interface GcWorldOptions {
  /** Gives the WAL a store of its own. */
  readonly ownWalStore?: boolean;
}

/** A database of files without meaning. */
export class GcWorld {
  readonly runtime = new ManualRuntime();
  readonly memory = new MemoryStore({ runtime: this.runtime });
  readonly store = new FaultStore(this.memory, { runtime: this.runtime });
  readonly walMemory: MemoryStore;
  readonly walStore: ObjectStore;
  readonly recorder = new MemoryRecorder();
  readonly logged: string[] = [];
  readonly manifests: ManifestStore;
  #held: HeldManifest | undefined;
  #random = 0n;

  private constructor({ ownWalStore = false }: GcWorldOptions) {
    const { runtime, store, memory } = this;
    this.walMemory = ownWalStore ? new MemoryStore({ runtime }) : memory;
    this.walStore = ownWalStore ? this.walMemory : store;
    this.manifests = new ManifestStore({
      store,
      root: ROOT,
      runtime,
      checksum: true,
    });
  }

  /** Makes a database with manifests 1 and 2, and a writer that holds them. */
  static async create(options: GcWorldOptions = {}): Promise<GcWorld> {
    const world = new GcWorld(options);
    world.#held = await world.manifests.open("writer", {
      create: initialManifest(),
      timeoutMs: MINUTE,
    });
    return world;
  }

  /** The manifest, as its writer holds it. */
  get held(): HeldManifest {
    return this.#held!;
  }

  /** Changes the manifest. */
  async edit(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    return await this.held.update(edit);
  }

  /** A ULID of some time ago; later ones of one time are greater. */
  ulid(ageMs = 0): Ulid {
    const ms = BigInt(this.runtime.now() - ageMs);
    return ulidFromBits((ms << 80n) | ++this.#random);
  }

  /** Puts an SST made some time ago. */
  async sst(ageMs = 0): Promise<Ulid> {
    const id = this.ulid(ageMs);
    await this.memory.put(sstName(ROOT, id), toBytes(id));
    return id;
  }

  /** Puts a WAL file: with rows, as far as anybody can tell without reading it; or a fence. */
  async wal(id: number, kind: "rows" | "fence" | "empty" = "rows") {
    const body = kind === "rows"
      ? new Uint8Array(400)
      : kind === "fence"
      ? FENCE_FILE
      : new Uint8Array(0);
    await this.walMemory.put(walName(ROOT, id), body);
  }

  /** Puts a compactions file with jobs of these ids. */
  async compactions(id: number, jobs: readonly [Ulid, CompactionStatus][]) {
    const compactions = jobs.map(([id, status]): Compaction => ({
      id,
      status,
      spec: {
        kind: "tiered",
        segment: new Uint8Array(0),
        l0ViewIds: [],
        runIds: [1],
        destination: 1,
      },
      outputs: [],
    }));
    const state = { id, version: 2, compactorEpoch: 1, compactions } as const;
    await this.memory.put(
      compactionsName(ROOT, id),
      encodeCompactions(state, { checksum: true }),
    );
  }

  /** A collector; of its own, as another process would have it, or the writer's. */
  collector(
    settings: GarbageCollectorSettings = {},
    options: { filter?: GcFilter; embedded?: boolean } = {},
  ): Collector {
    const { runtime, store, walStore, manifests, held, recorder } = this;
    return new Collector({
      store,
      walStore,
      root: ROOT,
      manifests: {
        knownId: options.embedded === true ? () => held.latest.id : undefined,
        refresh: (signal) =>
          options.embedded === true
            ? held.refresh(signal)
            : manifests.update((manifest) => manifest, undefined, signal),
        update: (edit, signal) =>
          options.embedded === true
            ? held.update(edit, signal)
            : manifests.update(edit, undefined, signal),
        read: (id, signal) => manifests.read(id, signal),
      },
      compactions: new CompactionsStore({
        store,
        root: ROOT,
        runtime,
        checksum: true,
      }),
      options: resolveGcOptions(settings),
      filter: options.filter,
      runtime,
      logger: this.logger,
      recorder,
    });
  }

  /** Runs every task once; what became of each file, by its name without folder. */
  async collect(
    settings: GarbageCollectorSettings = {},
    options: RunOptions & { filter?: GcFilter } = {},
  ): Promise<Map<string, string>> {
    const { filter, ...run } = options;
    const report = await this.collector(
      settings,
      filter === undefined ? {} : { filter },
    ).run({ verdicts: true, ...run });
    return new Map(report.verdicts.map(({ name, fate, reason }) => [
      shorten(name).replace(/\.sst$/, ""),
      `${fate}: ${reason}`,
    ]));
  }

  /** The names in one of the database's folders, without extension and zeros. */
  async names(folder: string): Promise<string[]> {
    const store = folder === "wal" ? this.walMemory : this.memory;
    const names: string[] = [];
    for await (const { name } of store.list(`${ROOT}/${folder}/`)) {
      names.push(shorten(name).replace(/\..*$/, ""));
    }
    return names;
  }

  /** Writes down what is logged. */
  get logger(): Logger {
    const log = (level: string) => (message: string) =>
      void this.logged.push(`${level}: ${message}`);
    return {
      debug: log("debug"),
      info: log("info"),
      warn: log("warn"),
      error: log("error"),
    };
  }
}

/** An object's name without its folder, a number without leading zeros. */
function shorten(name: string): string {
  return name.split("/").at(-1)!.replace(/^0*(\d+)(?=\.)/, "$1");
}

/** A handle of an SST. */
export function handleOf(id: Ulid): SstHandle {
  return {
    id,
    viewId: id,
    formatVersion: 2,
    info: {
      firstEntry: toBytes("a"),
      lastEntry: toBytes("z"),
      indexOffset: 100,
      indexBytes: 50,
      filterOffset: 100,
      filterBytes: 0,
      statsOffset: 0,
      statsBytes: 0,
      compression: "none",
      sstType: "compacted",
      filterFormat: "legacy",
    },
  };
}

/** Puts SSTs on top of L0, the last one uppermost. */
export function withL0(...ids: Ulid[]): (manifest: Manifest) => Manifest {
  return (manifest) => ({
    ...manifest,
    tree: {
      ...manifest.tree,
      l0: [...ids.map(handleOf).reverse(), ...manifest.tree.l0],
    },
  });
}

/** Replaces L0 by one run. */
export function withRun(id: number, ...ssts: Ulid[]) {
  return (manifest: Manifest): Manifest => ({
    ...manifest,
    tree: {
      l0: [],
      runs: [{ id, ssts: ssts.map(handleOf) }],
      lastCompactedL0: manifest.tree.l0[0]!.viewId,
    },
  });
}

/**
 * Compactors over databases that were written before.
 *
 * @module
 */
import { Db, type DbOptions } from "../../mod.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { Compactor } from "../../lib/compactor/compactor.ts";
import type { CompactionWorker } from "../../lib/compactor/job_claims.ts";
import {
  openCompactionWorker,
  openCompactor,
  type OpenCompactorOptions,
  type OpenWorkerOptions,
} from "../../lib/compactor/open.ts";
import type { Compactions } from "../../lib/format/compactions.ts";
import type { Manifest } from "../../lib/format/manifest.ts";
import { CompactionsStore } from "../../lib/manifest/compactions_store.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { handlesOf } from "../../lib/manifest/tree_edit.ts";
import { sstName } from "../../lib/format/paths.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { assert } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";

const kernel = await Kernel.create();

/** What the tests' compactors and workers have in common. */
function components(store: ObjectStore) {
  return {
    kernel,
    runtime: systemRuntime,
    logger: silentLogger,
    recorder: noRecorder,
    store,
    root: "db",
    manifestChecksum: true,
    encoding: {
      blockBytes: 1024,
      compression: "none",
      filterBitsPerKey: 10,
      minFilterKeys: 10,
    },
    mergeOperator: concatOperator,
  } as const;
}

/** A compactor, and what ended it. */
export interface TestCompactor extends AsyncDisposable {
  compactor: Compactor;
  failures: DbError[];
}

/** Makes a compactor beside, not inside, a database. */
export function compactorOf(
  store: ObjectStore,
  options: Partial<OpenCompactorOptions> = {},
): TestCompactor {
  const failures: DbError[] = [];
  const compactor = openCompactor({
    ...components(store),
    settings: {},
    formatTarget: "interop",
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return {
    compactor,
    failures,
    [Symbol.asyncDispose]: () => compactor.stop(),
  };
}

/** Makes a worker in a process of its own, as far as it can tell. */
export function workerOf(
  store: ObjectStore,
  options: Partial<OpenWorkerOptions> = {},
): CompactionWorker & { failures: DbError[] } {
  const failures: DbError[] = [];
  const worker = openCompactionWorker({
    ...components(store),
    settings: {},
    onFailure: (error) => failures.push(error),
    ...options,
  });
  return Object.assign(worker, { failures });
}

/** Opens a database that compacts nothing by itself and is never too full. */
export function openDb(
  store: ObjectStore,
  options: Partial<DbOptions> = {},
): Promise<Db> {
  return Db.open("db", {
    store,
    mergeOperator: concatOperator,
    ...options,
    settings: {
      compactor_options: null,
      l0_max_ssts: 1000,
      l0_max_ssts_per_key: 1000,
      ...options.settings,
    },
  });
}

/** Writes rounds of keys, each round an SST of L0, and closes the database. */
export async function fill(
  store: ObjectStore,
  rounds: number,
  keysPerRound = 20,
  options: Partial<DbOptions> & { keys?: number } = {},
): Promise<void> {
  const { keys = 50, ...rest } = options;
  await using db = await openDb(store, rest);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < keysPerRound; i++) {
      const key = `key${String((i * 7 + round * 3) % keys).padStart(3, "0")}`;
      if ((i + round) % 9 === 0) await db.delete(key, NOT_DURABLE);
      else if (i % 5 === 0) await db.merge(key, `+${round}`, NOT_DURABLE);
      else await db.put(key, `value ${round} of ${i}`, NOT_DURABLE);
    }
    await db.flush({ target: "memtable" });
  }
}

const NOT_DURABLE = { awaitDurable: false };

/** Everything a database shows. */
export async function contentOf(store: ObjectStore): Promise<string[]> {
  await using db = await openDb(store);
  const shown: string[] = [];
  for await (const { key, value, seq } of db.scan()) {
    const decoder = new TextDecoder();
    shown.push(`${decoder.decode(key)}=${decoder.decode(value)}@${seq}`);
  }
  return shown;
}

/** The latest manifest. */
export async function manifestOf(store: ObjectStore): Promise<Manifest> {
  return (await manifestsOf(store).readLatest())!;
}

/** Access to the manifests. */
export function manifestsOf(store: ObjectStore): ManifestStore {
  return new ManifestStore({
    store,
    root: "db",
    runtime: systemRuntime,
    checksum: true,
  });
}

/** Access to the compactions files. */
export function compactionsOf(store: ObjectStore): CompactionsStore {
  return new CompactionsStore({
    store,
    root: "db",
    runtime: systemRuntime,
    checksum: true,
  });
}

/** The latest compactions file. */
export async function stateOf(
  store: ObjectStore,
): Promise<Compactions | undefined> {
  return await compactionsOf(store).readLatest();
}

/** `l0 3, runs 2:4 0:1`: SSTs of L0, and of each run. */
export function shapeOf({ tree }: Manifest): string {
  const runs = tree.runs.map(({ id, ssts }) => `${id}:${ssts.length}`);
  return `l0 ${tree.l0.length}, runs ${runs.join(" ")}`.trim();
}

/** Checks that every SST of the latest manifest and of live checkpoints exists. */
export async function assertWhole(store: ObjectStore): Promise<void> {
  const manifests = manifestsOf(store);
  const latest = (await manifests.readLatest())!;
  const pinned = await Promise.all(
    latest.checkpoints.map(({ manifestId }) => manifests.read(manifestId)),
  );
  for (const manifest of [latest, ...pinned]) {
    assert(manifest !== undefined, "a checkpoint's manifest is missing");
    for (const { id } of handlesOf(manifest!)) {
      const found = await store.head(sstName("db", id));
      assert(found !== undefined, `SST ${id} of manifest ${manifest!.id}`);
    }
  }
}

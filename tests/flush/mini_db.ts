/**
 * The parts of a writer without its public face: log, tree, flusher and manifest,
 * wired as an opened database wires them.
 */
import { MemoryBudget } from "../../lib/base/budget.ts";
import { toBytes, toText } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import { silentLogger } from "../../lib/base/log.ts";
import { noRecorder } from "../../lib/base/metrics.ts";
import { compareRows, type Row } from "../../lib/base/row.ts";
import type { Runtime } from "../../lib/base/runtime.ts";
import { BlockCache } from "../../lib/cache/block_cache.ts";
import { RowFlag } from "../../lib/codec/abi.ts";
import { readRow } from "../../lib/codec/row_record.ts";
import { Flusher, type FlusherOptions } from "../../lib/flush/flusher.ts";
import { initialManifest, type Manifest } from "../../lib/format/manifest.ts";
import { sstName } from "../../lib/format/paths.ts";
import { FENCE_FILE } from "../../lib/format/wal_file.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import { LsmState } from "../../lib/lsm/lsm_state.ts";
import type { HeldManifest } from "../../lib/manifest/held_manifest.ts";
import { ManifestStore } from "../../lib/manifest/manifest_store.ts";
import { handlesOf } from "../../lib/manifest/tree_edit.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import { decodeSection } from "../../lib/sst/section.ts";
import { SstEncoder } from "../../lib/sst/sst_encoder.ts";
import { SstStore } from "../../lib/sst/sst_store.ts";
import { NoWal } from "../../lib/wal/no_wal.ts";
import { ObjectWal } from "../../lib/wal/object_wal.ts";
import { fenceWal } from "../../lib/wal/object_wal_fence.ts";
import { replayWal } from "../../lib/wal/object_wal_replay.ts";
import type { Wal } from "../../lib/wal/wal.ts";
import { type SectionDecoder, WalFile } from "../../lib/wal/wal_file.ts";
import { assert } from "../support/assert.ts";
import { rowsOf } from "../wal/memtable_rows.ts";
import { KERNEL } from "../wal/wal_harness.ts";

export interface MiniDbOptions extends Partial<FlusherOptions> {
  store: ObjectStore;
  runtime: Runtime;
  mergeOperator?: MergeOperator;
  walEnabled?: boolean;
  l0SstBytes?: number;
  walMinAgeMs?: number;
  flushIntervalMs?: number;
}

interface Parts {
  manifest: HeldManifest;
  lsm: LsmState;
  wal: Wal;
  flusher: Flusher;
  failures: DbError[];
  seq: bigint;
}

const DECODE: SectionDecoder = (compression, stored, what) =>
  decodeSection(
    { kernel: KERNEL, compression, transformer: undefined },
    stored,
    what,
  );

export class MiniDb {
  readonly manifest: HeldManifest;
  readonly lsm: LsmState;
  readonly wal: Wal;
  readonly flusher: Flusher;
  /** What ended it. */
  readonly failures: DbError[];
  seq: bigint;
  readonly #options: MiniDbOptions;

  private constructor(options: MiniDbOptions, parts: Parts) {
    this.#options = options;
    this.manifest = parts.manifest;
    this.lsm = parts.lsm;
    this.wal = parts.wal;
    this.flusher = parts.flusher;
    this.failures = parts.failures;
    this.seq = parts.seq;
  }

  static async open(options: MiniDbOptions): Promise<MiniDb> {
    const { store } = options;
    const manifest = await openManifest(options);
    const lastId = await fenceWal({
      store,
      root: "db",
      replayAfterWalId: manifest.latest.replayAfterWalId,
      fence: FENCE_FILE,
      checkEpoch: async () => (await manifest.refresh()).replayAfterWalId,
    });
    const from = manifest.latest.replayAfterWalId + 1;
    const { lastL0Seq } = manifest.latest;
    const ssts = openSsts(options);
    const lsm = new LsmState({
      kernel: KERNEL,
      budget: new MemoryBudget(),
      ssts,
      manifest: manifest.latest,
    });
    const failures: DbError[] = [];
    const onFailure = (error: DbError) => {
      failures.push(error);
      wal.durable.fail(error);
    };
    const wal: Wal = openWal(options, manifest, lastId, onFailure, () => {
      lsm.freeze(wal.lastFlushedId);
      flusher.poke();
    });
    const flusher = new Flusher({
      l0MaxSsts: 8,
      l0MaxSstsPerKey: 8,
      l0FlushParallelism: 4,
      manifestPollIntervalMs: 1000,
      manifestPollExact: false,
      isBusy: () => false,
      logger: silentLogger,
      ...options,
      kernel: KERNEL,
      recorder: noRecorder,
      lsm,
      wal,
      manifest,
      ssts,
      newEncoder: () => newEncoder(options, "compacted"),
      onFailure,
    });
    const parts = { manifest, lsm, wal, flusher, failures, seq: 0n };
    const db = new MiniDb(options, parts);
    flusher.start();
    await db.#replay(from, lastId - 1, lastL0Seq);
    return db;
  }

  async #replay(from: number, to: number, lastL0Seq: bigint): Promise<void> {
    const { store, runtime, l0SstBytes = Infinity } = this.#options;
    const { lsm, wal, flusher, manifest } = this;
    const { lastSeq } = await replayWal({
      kernel: KERNEL,
      store,
      root: "db",
      runtime,
      logger: silentLogger,
      decodeSection: DECODE,
      from,
      to,
      lastL0Seq,
      mergeOperator: this.#options.mergeOperator,
      memtable: () => lsm.view.active,
      isFull: () => lsm.view.active.encodedBytes >= l0SstBytes,
      freeze: (stamp) => {
        wal.durable.raise(lsm.view.active.lastSeq);
        lsm.freeze(stamp);
        flusher.poke();
      },
      explainGap: () => manifest.refresh(),
    });
    wal.durable.raise(lastSeq);
    this.seq = lastSeq;
  }

  /** One batch; the value of each row says where it comes from. */
  write(keys: readonly string[], more: {
    kind?: "put" | "merge" | "delete";
    expireTs?: bigint;
  } = {}): bigint {
    const { kind = "put", expireTs } = more;
    const { active } = this.lsm.view;
    const seq = ++this.seq;
    const before = active.encodedBytes;
    const flags = (kind === "merge" ? RowFlag.MERGE : 0) |
      (kind === "delete" ? RowFlag.TOMBSTONE : 0) |
      (expireTs === undefined ? 0 : RowFlag.EXPIRE);
    let first = 0;
    for (const key of keys) {
      const record = active.insert(
        toBytes(key),
        toBytes(kind === "delete" ? "" : `${key}@${seq};`),
        flags | RowFlag.CREATE,
        seq,
        BigInt(Math.floor(this.#options.runtime.now())),
        expireTs ?? 0n,
      );
      first ||= record;
    }
    this.wal.append(active, first, active.encodedBytes - before, seq);
    if (active.encodedBytes >= (this.#options.l0SstBytes ?? Infinity)) {
      this.freeze();
    }
    return seq;
  }

  freeze(): void {
    this.lsm.freeze(this.wal.lastFlushedId);
    this.flusher.poke();
  }

  /** Everything into L0. */
  async flush(): Promise<void> {
    if (this.wal.enabled) await this.wal.flush();
    this.freeze();
    await this.flusher.flush();
  }

  /** Ends without flushing, as a crash does. */
  async crash(): Promise<void> {
    await this.flusher.stop();
    await this.wal.close({ flush: false });
    this.lsm.dispose();
  }

  async close(): Promise<void> {
    await this.flush();
    await this.crash();
  }

  /** Every row of every source, in row order; none may be there twice. */
  async rows(from: ObjectStore = this.#options.store): Promise<Row[]> {
    const { active, frozen, manifest } = this.lsm.view;
    const rows = [active, ...frozen.map(({ memtable }) => memtable)]
      .flatMap(rowsOf);
    rows.push(...await storedRows(from, manifest));
    rows.sort(compareRows);
    rows.forEach((row, i) => {
      const next = rows[i + 1];
      assert(
        next === undefined || compareRows(row, next) !== 0,
        `${toText(row.key)}@${row.seq} is there twice`,
      );
    });
    return rows;
  }
}

function openManifest(options: MiniDbOptions): Promise<HeldManifest> {
  const { store, runtime, walMinAgeMs = 300_000 } = options;
  const manifests = new ManifestStore({
    store,
    root: "db",
    runtime,
    checksum: true,
    staleAfterMs: walMinAgeMs / 2,
  });
  return manifests.open("writer", {
    create: initialManifest(),
    timeoutMs: 300_000,
  });
}

function openSsts({ store, runtime }: MiniDbOptions): SstStore {
  return new SstStore({
    kernel: KERNEL,
    store,
    root: "db",
    cache: new BlockCache(KERNEL, new MemoryBudget()),
    runtime,
    recorder: noRecorder,
    logger: silentLogger,
  });
}

function newEncoder(
  { runtime }: MiniDbOptions,
  sstType: "wal" | "compacted",
): SstEncoder {
  return new SstEncoder(KERNEL, {
    sstType,
    blockBytes: 1024,
    compression: "none",
    filterBitsPerKey: 10,
    minFilterKeys: 1000,
    runtime,
  });
}

function openWal(
  options: MiniDbOptions,
  manifest: HeldManifest,
  lastId: number,
  onFailure: (error: DbError) => void,
  requestFlush: () => void,
): Wal {
  const { store, runtime, flushIntervalMs = 100 } = options;
  const { l0SstBytes = Infinity, walMinAgeMs = 300_000 } = options;
  const durableSeq = manifest.latest.lastL0Seq;
  const shared = { runtime, lastId, durableSeq, flushIntervalMs };
  if (options.walEnabled === false) {
    return new NoWal({ ...shared, requestFlush });
  }
  return new ObjectWal({
    ...shared,
    store,
    root: "db",
    recorder: noRecorder,
    newEncoder: () => newEncoder(options, "wal"),
    maxFileBytes: l0SstBytes,
    confirmOwnership: () => manifest.confirm(walMinAgeMs / 2),
    onFailure,
  });
}

/** The rows of every SST a manifest names. */
export async function storedRows(
  store: ObjectStore,
  manifest: Manifest,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const { id } of handlesOf(manifest)) {
    const object = await store.get(sstName("db", id));
    assert(object !== undefined, `SST ${id} is missing`);
    // A WAL file is an SST like any other.
    const file = new WalFile(0, object!, {
      kernel: KERNEL,
      decodeSection: DECODE,
    });
    for await (const { pointer, bytes } of file.records()) {
      for (let at = pointer; at < pointer + bytes;) {
        rows.push(readRow(KERNEL, at));
        at += KERNEL.u32[(at + 36) >> 2]!;
      }
    }
  }
  return rows;
}

/** `key@seq` of each row, in row order. */
export function names(rows: readonly Row[]): string[] {
  return rows.map(({ key, seq }) => `${toText(key)}@${seq}`);
}

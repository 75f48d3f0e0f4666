/**
 * DESIGN §9, and rows 6, 13 and 24 of §7: what a database does that is opened
 * with nothing but a store, and what the options change.
 *
 * @module
 */
import { MemoryBudget } from "../../lib/base/budget.ts";
import { resolveSettings } from "../../lib/db/settings.ts";
import { decodeIndex } from "../../lib/format/sst_index.ts";
import { dataEnd } from "../../lib/format/sst_info.ts";
import {
  CHECKSUM_BYTES,
  decodeSstFooter,
  decodeSstTail,
  FOOTER_BYTES,
} from "../../lib/format/sst_layout.ts";
import {
  Db,
  type DbOptions,
  MemoryStore,
  type ObjectStore,
  WriteBatch,
} from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { hasMagic } from "../support/checksum.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { test } from "../support/test.ts";

const MIB = 1024 * 1024;
const LATER = { awaitDurable: false };

/** A clock by which every step takes 5 ms. */
class SlowClock extends ManualClock {
  #elapsedMs = 0;

  override monotonicMs(): number {
    return this.#elapsedMs += 5;
  }
}

async function filesOf(
  store: ObjectStore,
  prefix: string,
): Promise<Uint8Array[]> {
  const files: Uint8Array[] = [];
  for await (const { name } of store.list(prefix)) {
    files.push((await store.get(name))!.bytes);
  }
  return files;
}

test("DESIGN 9: settings have SlateDB's defaults", () => {
  const { gc, ...others } = resolveSettings({});
  assert(gc !== undefined);
  assertEquals(others, {
    flushIntervalMs: 100,
    walEnabled: true,
    manifestPollIntervalMs: 1000,
    manifestPollExact: false,
    manifestUpdateTimeoutMs: 300_000,
    minFilterKeys: 1000,
    filterBitsPerKey: 10,
    l0SstBytes: 64 * MIB,
    maxWalFlushesBeforeL0Flush: 4096,
    l0MaxSsts: 8,
    l0MaxSstsPerKey: 8,
    l0FlushParallelism: 4,
    maxUnflushedBytes: 1024 * MIB,
    maxUnflushedMemtables: Infinity,
    compression: "none",
    defaultTtlMs: undefined,
    objectStoreMaxRetries: undefined,
    walMinAgeMs: 300_000,
    viewMinAgeMs: 300_000,
  });
  assertEquals(new MemoryBudget().cacheBytes, 64 * MIB);
});

test("DESIGN 9: a database opened with a store alone writes what every version reads", async () => {
  const store = new MemoryStore();
  const db = await Db.open("db", { store });
  const batch = new WriteBatch();
  for (let i = 0; i < 3000; i++) batch.put(`key${i}`, "x".repeat(100));
  await db.write(batch, LATER);
  await db.close();

  for (const manifest of await filesOf(store, "db/manifest/")) {
    assertEquals([...manifest.subarray(0, 2)], [0, 1]);
    assert(hasMagic(manifest));
  }
  const [fence] = await filesOf(store, "db/wal/");
  assertEquals(fence!.length, 114);
  const [sst] = await filesOf(store, "db/compacted/");
  const footer = decodeSstFooter(sst!.subarray(-FOOTER_BYTES));
  const info = decodeSstTail(sst!.subarray(footer.metaOffset));
  assertEquals(footer.version, 2);
  assertEquals([info.compression, info.filterFormat], ["none", "legacy"]);
  // Ten bits a row, the number of probes in front and a checksum behind.
  assertEquals(info.filterBytes, 3000 * 10 / 8 + 2 + CHECKSUM_BYTES);
  const index = sst!.subarray(
    info.indexOffset,
    info.indexOffset + info.indexBytes - CHECKSUM_BYTES,
  );
  const { offsets } = decodeIndex(index, dataEnd(info));
  for (let i = 1; i < offsets.length; i++) {
    const bytes = offsets[i]! - offsets[i - 1]! - CHECKSUM_BYTES;
    assert(bytes <= 4096 && bytes > 3900, `a block of ${bytes} bytes`);
  }
});

test("DESIGN 7.6: compactions files have version 1 unless formatTarget is newer", async () => {
  for (const formatTarget of [undefined, "interop", "0.15"] as const) {
    const store = new MemoryStore();
    const options = formatTarget === undefined ? {} : { formatTarget };
    const db = await openCompacted({ store, ...options });
    await db.close();
    const files = await filesOf(store, "db/compactions/");
    assert(files.length > 0);
    const version = formatTarget === "0.15" ? 2 : 1;
    for (const file of files) {
      assertEquals([...file.subarray(0, 2)], [0, version]);
    }
  }
});

test("DESIGN 7.13: replay and inline compaction let others have their turn", async () => {
  const store = new MemoryStore();
  const settings = { flush_interval: null, compactor_options: null };
  const writer = await Db.open("db", { store, settings });
  for (let layer = 0; layer < 2; layer++) {
    const batch = new WriteBatch();
    for (let i = 0; i < 5000; i++) batch.put(`key${i}`, "x".repeat(200));
    await writer.write(batch, LATER);
    if (layer === 0) await writer.flush({ target: "memtable" });
  }
  await writer.close({ flush: "wal" });

  const runtime = new SlowClock();
  await using db = await Db.open("db", { store, runtime });
  assert(runtime.yields >= 10, `${runtime.yields} yields of a replay`);
  await db.flush({ target: "memtable" });
  runtime.yields = 0;
  await db.compact();
  assert(runtime.yields >= 10, `${runtime.yields} yields of a compaction`);
  assertEquals(db.status().tree.runs.length, 1);
});

test("DESIGN 7.24: the compactor runs in this event loop, unless it is switched off", async () => {
  await using inline = await openCompacted({ store: new MemoryStore() });
  assertEquals(inline.status().tree.runs.length, 1);
  const off: Omit<DbOptions, "store">[] = [
    { compactor: "off" },
    { settings: { compactor_options: null } },
    { settings: { compactor_options: null }, compactor: "worker" },
  ];
  for (const options of off) {
    const store = new MemoryStore();
    await using db = await Db.open("db", { store, ...options });
    for (let i = 0; i < 6; i++) {
      await db.put("a", "1", LATER);
      await db.flush({ target: "memtable" });
    }
    const error = await db.compact().catch((error) => error);
    assertEquals(error?.kind, "invalid");
    assertEquals(db.status().tree.l0.length, 6);
    assertEquals((await filesOf(store, "db/compactions/")).length, 0);
  }
});

async function openCompacted(options: DbOptions): Promise<Db> {
  const db = await Db.open("db", options);
  for (const key of ["a", "b"]) {
    await db.put(key, "1", LATER);
    await db.flush({ target: "memtable" });
  }
  await db.compact();
  return db;
}

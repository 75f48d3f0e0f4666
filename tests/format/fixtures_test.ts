/**
 * Every file of every database that the real engines wrote is read, and written
 * again as the same bytes.
 *
 * @module
 */
import { compareBytes, concatBytes, toHex } from "../../lib/base/bytes.ts";
import { rangeContains } from "../../lib/base/key_range.ts";
import type { Row } from "../../lib/base/row.ts";
import {
  decodeCompactions,
  encodeCompactions,
} from "../../lib/format/compactions.ts";
import {
  encodeBloom,
  encodeCompositeFilters,
  encodeLegacyFilter,
} from "../../lib/format/filter_block.ts";
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from "../../lib/format/manifest.ts";
import {
  parseCompactionsId,
  parseManifestId,
  parseSstId,
  parseWalId,
  sstName,
} from "../../lib/format/paths.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import { encodeIndex } from "../../lib/format/sst_index.ts";
import { dataEnd } from "../../lib/format/sst_info.ts";
import { encodeSstTail } from "../../lib/format/sst_layout.ts";
import { encodeStats } from "../../lib/format/sst_stats.ts";
import {
  decodeSeqKey,
  hasNoBlocks,
  isFence,
} from "../../lib/format/wal_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type Fixture,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { KERNEL, readSstFile, type SstFile } from "./sst_file.ts";

const ROOT = "db";

for (const { engine, name } of listFixtures()) {
  test(`formats of ${engine}/${name} are read and written alike`, async () => {
    const fixture = await loadFixture(engine, name);
    const ssts = new Map<string, SstFile>();
    const wals = new Map<number, SstFile>();
    for (const [file, bytes] of fixture.files) {
      const kinds = [
        checkManifest(file, bytes),
        checkCompactions(file, bytes),
        checkBoundary(file, bytes),
      ];
      const id = parseSstId(ROOT, file);
      const wal = parseWalId(ROOT, file);
      if (id !== undefined) ssts.set(id, readSst(fixture, bytes));
      if (wal !== undefined && bytes.length > 0) {
        wals.set(wal, readSst(fixture, bytes));
      }
      if (wal !== undefined) {
        assert(isFence(bytes) === !wals.get(wal)?.blocks[0]);
      }
      const known = kinds.filter((kind) => kind).length;
      assertEquals(
        known + Number(id !== undefined || wal !== undefined),
        1,
        file,
      );
    }
    for (const sst of ssts.values()) checkTreeSst(sst);
    for (const wal of wals.values()) checkWalFile(wal);
    checkHandles(fixture, ssts);
    checkRows(fixture, ssts, wals);
  });
}

function checkManifest(file: string, bytes: Uint8Array): boolean {
  const id = parseManifestId(ROOT, file);
  if (id === undefined) return false;
  const manifest = decodeManifest(id, bytes);
  const version = manifest.segmentExtractorName === undefined ? 1 : 2;
  assertEquals(bytes[1], version);
  assertSame(encodeManifest(manifest, { checksum: false }), bytes, file);
  assertSame(
    SeqTracker.decode(manifest.sequenceTracker!).encode(),
    manifest.sequenceTracker!,
    file,
  );
  const sealed = encodeManifest(manifest, { checksum: true });
  assertEquals(decodeManifest(id, sealed), manifest);
  for (const other of [1, 2] as const) {
    if (other < version) continue;
    const options = { checksum: true, version: other };
    const { walObjectStoreUri: _, ...rest } = manifest;
    assertEquals(decodeManifest(id, encodeManifest(rest, options)), rest);
  }
  return true;
}

function checkCompactions(file: string, bytes: Uint8Array): boolean {
  const id = parseCompactionsId(ROOT, file);
  if (id === undefined) return false;
  const state = decodeCompactions(id, bytes);
  // Of L0 alone, version 1 of ours says "submitted" where SlateDB's says "running".
  const compactions = state.compactions.map((compaction) => {
    const { spec, status } = compaction;
    return state.version === 1 && status === "running" &&
        spec.kind === "tiered" && spec.runIds.length === 0
      ? { ...compaction, status: "submitted" as const }
      : compaction;
  });
  if (
    compactions.every((compaction, i) => compaction === state.compactions[i])
  ) {
    assertSame(encodeCompactions(state, { checksum: false }), bytes, file);
  }
  const sealed = encodeCompactions(state, { checksum: true });
  assertEquals(decodeCompactions(id, sealed), { ...state, compactions });
  return true;
}

function checkBoundary(file: string, bytes: Uint8Array): boolean {
  if (!file.startsWith("db/gc/")) return false;
  assert(/^\d+$/.test(new TextDecoder().decode(bytes)));
  return true;
}

function readSst(fixture: Fixture, bytes: Uint8Array): SstFile {
  const plusOne = fixture.info.transform === "plus one";
  const sst = readSstFile(
    bytes,
    plusOne ? (stored) => stored.map((byte) => byte - 1) : undefined,
  );
  const { info } = sst;
  assertSame(encodeSstTail(info, sst.metaOffset), sst.tail, "tail");
  assertSame(encodeIndex(sst.index), sst.rawIndex, "index");
  if (sst.stats) assertSame(encodeStats(sst.stats), sst.rawStats!, "stats");
  if (sst.rawFilter !== undefined) {
    const [filter] = sst.filters;
    const encoded = info.filterFormat === "legacy"
      ? encodeLegacyFilter(filter!.probes, filter!.bits)
      : encodeCompositeFilters(sst.filters.map(encodeBloom));
    assertSame(encoded, sst.rawFilter, "filter");
  }
  assertEquals(info.filterOffset, dataEnd(info));
  assertEquals(info.indexOffset, info.filterOffset + info.filterBytes);
  const end = info.indexOffset + info.indexBytes;
  assertEquals(end + info.statsBytes, sst.metaOffset);
  assertEquals(hasNoBlocks(info), sst.blocks.length === 0);
  return sst;
}

/** Trap: a separator is a bound, not a key, and the first one is empty. */
function checkTreeSst(sst: SstFile): void {
  const rows = sst.blocks.flat();
  const { info, index, stats } = sst;
  assertEquals(info.sstType, "compacted");
  assertSame(info.firstEntry!, rows[0]!.key, "first entry");
  assertSame(info.lastEntry!, rows.at(-1)!.key, "last entry");
  index.firstKeys.forEach((separator, i) => {
    if (i === 0) return assertEquals(separator.length, 0);
    const before = sst.blocks[i - 1]!.at(-1)!.key;
    const after = sst.blocks[i]![0]!.key;
    const order = compareBytes(before, separator);
    assert(order < 0 || (order === 0 && compareBytes(before, after) === 0));
    assert(compareBytes(separator, after) <= 0);
  });
  for (const { key } of rows) {
    const block = seek(sst, key);
    assert(
      sst.blocks.slice(block, block + 2).flat().some((row) =>
        compareBytes(row.key, key) === 0
      ),
    );
  }
  const count = (kind: string) => rows.filter((r) => r.kind === kind).length;
  const sum = (of: (row: Row) => number) => rows.reduce((n, r) => n + of(r), 0);
  assertEquals(stats!.puts, count("put"));
  assertEquals(stats!.deletes, count("delete"));
  assertEquals(stats!.merges, count("merge"));
  assertEquals(stats!.rawKeyBytes, sum((row) => row.key.length));
  assertEquals(stats!.rawValueBytes, sum((row) => row.value.length));
  assertEquals(
    stats!.blocks.map((block) => block.puts + block.deletes + block.merges),
    sst.blocks.map((block) => block.length),
  );
  for (const { name, probes, bits } of sst.filters) {
    if (name.endsWith(":wh=0")) continue;
    for (const { key } of rows) assert(mayContain(bits, probes, key));
  }
}

/** Block to look at by the kernel's own search in the packed index. */
function seek(sst: SstFile, key: Uint8Array): number {
  const { rawIndex } = sst;
  const stored = KERNEL.copyIn(rawIndex);
  const unpack = (index: number) =>
    KERNEL.exports.index_unpack(
      stored,
      rawIndex.length,
      Number.MAX_SAFE_INTEGER,
      index,
      offsets,
    );
  const offsets = KERNEL.alloc(8 * (1 + sst.blocks.length));
  const index = KERNEL.alloc(unpack(0));
  unpack(index);
  const length = KERNEL.scratchKey(key);
  const block = KERNEL.exports.index_seek(
    index,
    KERNEL.scratchPointer,
    length,
  );
  for (const pointer of [stored, offsets, index]) KERNEL.free(pointer);
  return block;
}

function mayContain(
  bits: Uint8Array,
  probes: number,
  key: Uint8Array,
): boolean {
  const { exports } = KERNEL;
  const pointer = KERNEL.copyIn(bits);
  const length = KERNEL.scratchKey(key);
  const hash = exports.siphash13(KERNEL.scratchPointer, length);
  const found = exports.bloom_probe(pointer, bits.length, probes, hash);
  exports.free(pointer);
  return found === 1;
}

function checkWalFile(wal: SstFile): void {
  const { info } = wal;
  assertEquals(info.lastEntry, undefined);
  if (wal.blocks.length === 0) return;
  assertEquals(info.sstType, "wal");
  assertEquals([info.filterBytes, info.statsBytes], [0, 0]);
  assertEquals(decodeSeqKey(info.firstEntry!), wal.blocks[0]![0]!.seq);
  assertEquals(
    wal.index.firstKeys.map(decodeSeqKey),
    wal.blocks.map((block) => block[0]!.seq),
  );
}

function handlesOf(manifest: Manifest) {
  return [manifest.tree, ...manifest.segments].flatMap((tree) => [
    ...tree.l0,
    ...tree.runs.flatMap((run) => run.ssts),
  ]);
}

/** A manifest's copy of an info is the info, wherever the SST still exists. */
function checkHandles(fixture: Fixture, ssts: Map<string, SstFile>): void {
  for (const [file, bytes] of fixture.files) {
    const id = parseManifestId(ROOT, file);
    if (id === undefined) continue;
    for (const handle of handlesOf(decodeManifest(id, bytes))) {
      const sst = ssts.get(handle.id);
      if (sst === undefined) continue;
      assert(fixture.files.has(sstName(ROOT, handle.id)));
      assertEquals(handle.info, sst.info);
      assertEquals(handle.formatVersion, sst.version);
    }
  }
}

function checkRows(
  fixture: Fixture,
  ssts: Map<string, SstFile>,
  wals: Map<number, SstFile>,
): void {
  const manifest = latest(fixture);
  const rows = handlesOf(manifest).flatMap((handle) =>
    ssts.get(handle.id)!.blocks.flat().filter((row) =>
      rangeContains(handle.visibleRange ?? {}, row.key)
    )
  );
  for (const [id, wal] of wals) {
    if (id <= manifest.replayAfterWalId) continue;
    for (const row of wal.blocks.flat()) {
      if (row.seq > manifest.lastL0Seq) rows.push(row);
    }
  }
  const versions = Map.groupBy(rows, (row) => toHex(row.key));
  const read = [...versions.keys()].sort().flatMap((key) =>
    fold(versions.get(key)!)
  );
  assertEquals(
    read,
    fixture.expected.map(({ key, value, seq }) => ({ key, value, seq })),
  );
}

function latest(fixture: Fixture): Manifest {
  let newest: Manifest | undefined;
  for (const [file, bytes] of fixture.files) {
    const id = parseManifestId(ROOT, file);
    if (id !== undefined && id > (newest?.id ?? 0)) {
      newest = decodeManifest(id, bytes);
    }
  }
  return newest!;
}

/** The value of a key: operands concatenated upon the newest value. */
function fold(versions: Row[]) {
  const newestFirst = versions.sort((a, b) => a.seq > b.seq ? -1 : 1);
  const { key, kind, seq } = newestFirst[0]!;
  if (kind === "delete") return [];
  const end = newestFirst.findIndex((row) => row.kind !== "merge");
  const base = newestFirst[end];
  const operands = end < 0 ? newestFirst : newestFirst.slice(0, end);
  const parts = operands.map((row) => row.value).reverse();
  if (base?.kind === "put") parts.unshift(base.value);
  return [{ key, value: concatBytes(parts), seq }];
}

function assertSame(actual: Uint8Array, expected: Uint8Array, what: string) {
  assertEquals(toHex(actual), toHex(expected), what);
}

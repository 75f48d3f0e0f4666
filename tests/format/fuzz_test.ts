/**
 * No decoder trusts a byte: damaged files give an error of kind `"data"` or
 * something harmless, in bounded time and memory.
 *
 * @module
 */
import { Builder } from "flatbuffers";
import { decodeCompactions } from "../../lib/format/compactions.ts";
import {
  decodeBloom,
  decodeFilters,
  encodeBloom,
  encodeCompositeFilters,
} from "../../lib/format/filter_block.ts";
import {
  finishBuffer,
  writeRefs,
  writeTable,
} from "../../lib/format/flatbuffer_writer.ts";
import { writeUlid } from "../../lib/format/id_table.ts";
import { decodeManifest, encodeManifest } from "../../lib/format/manifest.ts";
import {
  parseCompactionsId,
  parseManifestId,
  parseSstId,
  parseWalId,
} from "../../lib/format/paths.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import { decodeIndex, encodeIndex } from "../../lib/format/sst_index.ts";
import {
  decodeSstInfo,
  type SstInfo,
  validateSstInfo,
  writeSstInfo,
} from "../../lib/format/sst_info.ts";
import {
  checkChecksum,
  decodeSstFooter,
  decodeSstTail,
} from "../../lib/format/sst_layout.ts";
import { encodeStateFile } from "../../lib/format/state_file.ts";
import { decodeStats } from "../../lib/format/sst_stats.ts";
import { isFence } from "../../lib/format/wal_file.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { loadFixture } from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { assertDamage, fuzz, fuzzOnce } from "./damage.ts";
import { readSstFile } from "./sst_file.ts";

const RUNS = 3000;
const ULID = "01M7Y8V1CWVX7ZD4NJ9X3V0DFB";
const INFO: SstInfo = {
  indexOffset: 0,
  indexBytes: 28,
  filterOffset: 0,
  filterBytes: 0,
  statsOffset: 0,
  statsBytes: 0,
  compression: "none",
  sstType: "compacted",
  filterFormat: "legacy",
};

/** Files of databases with much in their state, by kind. */
async function samples() {
  const manifests: Uint8Array[] = [];
  const compactions: Uint8Array[] = [];
  const ssts: Uint8Array[] = [];
  const wals: Uint8Array[] = [];
  for (
    const [engine, name] of [
      ["slatedb-0.15", "segments"],
      ["slatedb-0.15", "checkpoints"],
      ["slatedb-0.15", "filter_prefix"],
      ["slatedb-0.12", "runs_merge"],
    ] as const
  ) {
    const { files } = await loadFixture(engine, name);
    for (const [file, bytes] of files) {
      if (parseManifestId("db", file) !== undefined) manifests.push(bytes);
      if (parseCompactionsId("db", file) !== undefined) compactions.push(bytes);
      if (parseSstId("db", file) !== undefined) ssts.push(bytes);
      if (parseWalId("db", file) !== undefined) wals.push(bytes);
    }
  }
  return { manifests, compactions, ssts, wals };
}

test("decodeManifest() survives damage", async () => {
  const { manifests } = await samples();
  fuzz((bytes) => decodeManifest(1, bytes), manifests, RUNS);
});

test("decodeCompactions() survives damage", async () => {
  const { compactions } = await samples();
  fuzz((bytes) => decodeCompactions(1, bytes), compactions, RUNS);
});

test("decodeSstFooter() and decodeSstTail() survive damage", async () => {
  const { ssts } = await samples();
  const tails = ssts.map((bytes) => readSstFile(bytes).tail);
  fuzz(decodeSstTail, tails, RUNS);
  fuzz(
    (bytes) => {
      const info = decodeSstInfo(bytes);
      validateSstInfo(info, 100_000);
    },
    tails.map((tail) => tail.subarray(0, tail.length - 14)),
    RUNS,
  );
  fuzz(decodeSstFooter, tails.map((tail) => tail.slice(-10)), RUNS);
  fuzz((bytes) => checkChecksum(bytes, "block"), ssts, 100);
});

test("decodeIndex() survives damage", async () => {
  const { ssts } = await samples();
  const indexes = ssts.map((bytes) => readSstFile(bytes).rawIndex);
  fuzz((bytes) => decodeIndex(bytes, 100_000), indexes, RUNS);
});

test("decodeStats() and decodeFilters() survive damage", async () => {
  const { ssts } = await samples();
  const files = ssts.map((bytes) => readSstFile(bytes));
  fuzz(decodeStats, files.map((file) => file.rawStats!), RUNS);
  const filters = files.flatMap((file) => file.rawFilter ?? []);
  const decode = (format: "legacy" | "composite") => (bytes: Uint8Array) =>
    decodeFilters(bytes, format).map(decodeBloom);
  fuzz(decode("composite"), filters, RUNS);
  fuzz(decode("legacy"), filters, 300);
});

test("isFence() survives damage", async () => {
  const { wals } = await samples();
  fuzz(isFence, wals.filter((bytes) => bytes.length < 300), RUNS);
});

test("SeqTracker.decode() survives damage", () => {
  const tracker = new SeqTracker();
  for (let i = 0n; i < 50n; i++) tracker.record(i ** 4n, Number(i ** 3n) * 60);
  fuzz((bytes) => SeqTracker.decode(bytes).encode(), [tracker.encode()], RUNS);
});

test("decodeManifest() survives a cut at every length", async () => {
  const { manifests } = await samples();
  for (const bytes of manifests.slice(0, 3)) {
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      fuzzOnce(() => decodeManifest(1, cut));
    }
  }
});

test("decodeManifest() finds every changed byte of a file with a trailer", async () => {
  const { manifests } = await samples();
  for (const bytes of manifests.slice(0, 2)) {
    const manifest = decodeManifest(1, bytes);
    const sealed = encodeManifest(manifest, { checksum: true });
    for (let i = 0; i < sealed.length; i++) {
      const damaged = sealed.slice();
      damaged[i]! ^= 0x10;
      // Without its magic the trailer is not one, but the content is whole.
      const inMagic = i >= sealed.length - 8 && i < sealed.length - 4;
      if (inMagic) assertEquals(decodeManifest(1, damaged), manifest);
      else assertDamage(() => decodeManifest(1, damaged));
    }
  }
});

test("decodeManifest() does not follow one reference a million times", () => {
  const builder = new Builder(1024);
  const id = writeUlid(builder, ULID);
  const info = writeSstInfo(builder, INFO);
  const sst = writeTable(builder, [[0, "ref", id], [1, "ref", info]]);
  const ssts = writeRefs(builder, new Array(20_000).fill(sst));
  const run = writeTable(builder, [[0, "u32", 1], [1, "ref", ssts]]);
  const runs = writeRefs(builder, new Array(20_000).fill(run));
  const none = writeRefs(builder, []);
  const root = writeTable(builder, [
    [8, "ref", none],
    [9, "ref", runs],
    [11, "ref", none],
  ]);
  const file = encodeStateFile(1, finishBuffer(builder, root), false);
  const message = assertDamage(() => decodeManifest(1, file));
  assertStringIncludes(message, "more references than bytes");
});

test("decodeIndex() does not repeat one long separator", () => {
  const builder = new Builder(1024);
  const key = builder.createByteVector(new Uint8Array(60_000));
  const entries = Array.from(
    { length: 5000 },
    (_, i) => writeTable(builder, [[0, "u64", i], [1, "ref", key]]),
  );
  const list = writeRefs(builder, entries);
  const root = writeTable(builder, [[0, "ref", list]]);
  const bytes = finishBuffer(builder, root);
  assertDamage(() => decodeIndex(bytes, 100_000));
});

test("decodeIndex() does not believe a count", () => {
  const bytes = encodeIndex({ offsets: [0], firstKeys: [new Uint8Array(1)] });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const count = view.getUint32(at, true);
    view.setUint32(at, 0xffff_ffff, true);
    fuzzOnce(() => decodeIndex(bytes, 100));
    view.setUint32(at, count, true);
  }
});

test("SeqTracker.decode() does not believe a count", () => {
  const bytes = new Uint8Array(100);
  bytes.set([1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
  assertDamage(() => SeqTracker.decode(bytes));
});

test("decodeFilters() does not believe a length", () => {
  const bytes = encodeCompositeFilters([
    encodeBloom({ name: "_bf", probes: 6, bits: new Uint8Array(10) }),
  ]);
  bytes.fill(0xff, 7, 15);
  assertDamage(() => decodeFilters(bytes, "composite"));
  bytes.fill(0, 7, 15);
  bytes.set([0xff, 0xff], 0);
  assertDamage(() => decodeFilters(bytes, "composite"));
  const [filter] = decodeFilters(new Uint8Array(1), "legacy");
  assertDamage(() => decodeBloom(filter!));
});

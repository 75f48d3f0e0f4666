import { concatBytes } from "../../lib/base/bytes.ts";
import { decodeIndex } from "../../lib/format/sst_index.ts";
import { encodeSstTail } from "../../lib/format/sst_layout.ts";
import {
  decodeSeqKey,
  encodeSeqKey,
  FENCE_FILE,
  hasNoBlocks,
  isFence,
} from "../../lib/format/wal_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { loadFixture } from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";
import { readSstFile } from "./sst_file.ts";

test("FENCE_FILE is the fence that SlateDB 0.12 writes", async () => {
  const { files } = await loadFixture("slatedb-0.12", "kinds_wal");
  assertEquals(FENCE_FILE, files.get("db/wal/00000000000000000001.sst")!);
  assertEquals(FENCE_FILE.length, 114);
});

test("FENCE_FILE is an SST without rows", () => {
  const sst = readSstFile(FENCE_FILE);
  assert(hasNoBlocks(sst.info));
  assertEquals(decodeIndex(sst.rawIndex, 0).firstKeys, []);
  assertEquals(sst.stats!.puts, 0);
  assertEquals(sst.info.firstEntry, undefined);
});

test("isFence() knows both kinds of fence, and files with rows", async () => {
  assert(isFence(FENCE_FILE));
  assert(isFence(new Uint8Array(0)));
  const { files } = await loadFixture("slatedb-0.15", "kinds_wal");
  const wals = [...files].filter(([name]) => name.startsWith("db/wal/"));
  assertEquals(
    wals.map(([_, bytes]) => isFence(bytes)),
    wals.map(([_, bytes]) => bytes.length === 0),
  );
});

test("isFence() knows the smallest SST of a WAL without rows", () => {
  const { rawIndex, info } = readSstFile(FENCE_FILE);
  const { statsOffset: _, ...rest } = info;
  const tail = encodeSstTail(
    { ...rest, sstType: "wal", statsOffset: 0, statsBytes: 0 },
    rawIndex.length + 4,
  );
  const file = concatBytes([FENCE_FILE.subarray(0, 28), tail]);
  assert(isFence(file));
});

test("isFence() refuses what is neither empty nor an SST", () => {
  assertDamage(() => isFence(new Uint8Array(5)));
  assertDamage(() => isFence(FENCE_FILE.subarray(0, 100)));
  const far = FENCE_FILE.slice();
  far[far.length - 4] = 0xff;
  assertDamage(() => isFence(far));
});

/** Trap: seqs reach 2^64 - 1, far beyond what a number holds. */
test("encodeSeqKey() orders seqs as bytes, all 64 bits of them", () => {
  for (const seq of [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    assertEquals(decodeSeqKey(encodeSeqKey(seq)), seq);
  }
  assertEquals([...encodeSeqKey(258n)], [0, 0, 0, 0, 0, 0, 1, 2]);
  assertDamage(() => decodeSeqKey(new Uint8Array(7)));
});

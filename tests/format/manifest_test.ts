import { fromHex, toBytes, toHex } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { MAX_SEQ, MIN_TIMESTAMP } from "../../lib/base/row.ts";
import {
  type Checkpoint,
  decodeManifest,
  encodeManifest,
  initialManifest,
  type Manifest,
  type SstHandle,
} from "../../lib/format/manifest.ts";
import { manifestToJson } from "../../lib/format/manifest_json.ts";
import {
  decodeStateFile,
  encodeStateFile,
} from "../../lib/format/state_file.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";

const ULIDS = [
  "01M7Y8V1CWVX7ZD4NJ9X3V0DFB",
  "01M7Y8V2HMD7MHW4QC6989F5T1",
  "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
  "00000000000000000000000000",
] as const;
const UUID = "9a0b1c2d-3e4f-4a5b-8c6d-7e8f90a1b2c3";
const CHECKPOINT: Checkpoint = {
  id: UUID,
  manifestId: 3,
  createTimeS: 1_700_000_000,
  expireTimeS: 1_700_000_600,
  name: "nightly – ü",
};

function handle(id: string, change: Partial<SstHandle> = {}): SstHandle {
  return {
    id,
    viewId: id,
    formatVersion: 2,
    info: {
      firstEntry: toBytes("a"),
      lastEntry: toBytes("z"),
      indexOffset: 400,
      indexBytes: 52,
      filterOffset: 390,
      filterBytes: 10,
      statsOffset: 452,
      statsBytes: 92,
      compression: "lz4",
      sstType: "compacted",
      filterFormat: "legacy",
    },
    ...change,
  };
}

/** A manifest that uses every field of version 1. */
function fullManifest(): Manifest {
  return {
    ...initialManifest(),
    id: 9,
    initialized: false,
    writerEpoch: 5,
    compactorEpoch: 2 ** 52,
    replayAfterWalId: 12,
    nextWalId: 15,
    tree: {
      l0: [
        handle(ULIDS[1], {
          visibleRange: { lower: { key: toBytes("b"), inclusive: true } },
        }),
        handle(ULIDS[0], { formatVersion: 1 }),
      ],
      runs: [
        {
          id: 0xffff_ffff,
          ssts: [handle(ULIDS[2], {
            visibleRange: {
              lower: { key: new Uint8Array(0), inclusive: false },
              upper: { key: toBytes("m"), inclusive: true },
            },
          })],
        },
        { id: 0, ssts: [] },
      ],
      lastCompactedL0: ULIDS[3],
    },
    lastL0ClockTick: -1n,
    lastL0Seq: MAX_SEQ,
    recentSnapshotMinSeq: 2n ** 53n + 1n,
    checkpoints: [CHECKPOINT, {
      id: UUID,
      manifestId: 1,
      createTimeS: 0,
      expireTimeS: undefined,
      writerEpoch: 4,
    }],
    externalDbs: [{
      path: "parent/db",
      sourceCheckpointId: UUID,
      finalCheckpointId: "00000000-0000-0000-0000-000000000001",
      sstIds: [ULIDS[0], ULIDS[2]],
    }, { path: "", sourceCheckpointId: UUID, sstIds: [] }],
    walObjectStoreUri: "",
  };
}

function segmented(): Manifest {
  const { walObjectStoreUri: _, ...rest } = fullManifest();
  return {
    ...rest,
    segmentExtractorName: "fixed4",
    segments: [
      {
        prefix: toBytes("abcd"),
        l0: [handle(ULIDS[0], { formatVersion: 1, viewId: ULIDS[3] })],
        runs: [{ id: 4, ssts: [handle(ULIDS[3], { viewId: ULIDS[2] })] }],
        lastCompactedL0: ULIDS[1],
      },
      { prefix: toBytes("abce"), l0: [], runs: [] },
    ],
  };
}

test("initialManifest() is written as SlateDB writes it", () => {
  const bytes = encodeManifest(initialManifest(), { checksum: false });
  assertEquals(bytes.length, 106);
  assertEquals(
    toHex(bytes.subarray(0, 42)),
    "000128000000" + "24002000000000000700" + "0000".repeat(5) +
      "08000c0018001000" + "0000".repeat(3) + "1400",
  );
  assertStringIncludes(toHex(bytes), "0000000000000080" + "0d00000001");
  assertEquals(decodeManifest(0, bytes), initialManifest());
});

/** Trap: the number inside is 0, the seen WAL is one less than the next. */
test("decodeManifest() takes the number from the file name", () => {
  const bytes = encodeManifest(fullManifest(), { checksum: false });
  assertEquals(decodeManifest(9, bytes), fullManifest());
  assertEquals(decodeManifest(77, bytes).id, 77);
});

test("decodeManifest() is the inverse of encodeManifest(), in both versions", () => {
  const { walObjectStoreUri: _, ...full } = fullManifest();
  for (const checksum of [true, false]) {
    for (const version of [1, 2] as const) {
      const bytes = encodeManifest(full, { checksum, version });
      assertEquals(bytes[1], version);
      assertEquals(decodeManifest(9, bytes), full);
    }
    const bytes = encodeManifest(segmented(), { checksum });
    assertEquals(bytes[1], 2);
    assertEquals(decodeManifest(9, bytes), segmented());
  }
});

test("encodeManifest() keeps seqs and clocks of 64 bits", () => {
  const limits = { lastL0Seq: MAX_SEQ, lastL0ClockTick: MIN_TIMESTAMP };
  for (const version of [1, 2] as const) {
    const bytes = encodeManifest(
      { ...initialManifest(), ...limits },
      { checksum: false, version },
    );
    const { lastL0Seq, lastL0ClockTick } = decodeManifest(0, bytes);
    assertEquals({ lastL0Seq, lastL0ClockTick }, limits);
  }
});

test("encodeManifest() takes the older version where it can", () => {
  const extractor = { ...initialManifest(), segmentExtractorName: "x" };
  assertEquals(encodeManifest(extractor, { checksum: false })[1], 2);
  for (const manifest of [extractor, segmented()]) {
    const error = assertThrows(() =>
      encodeManifest(manifest, { checksum: false, version: 1 })
    );
    assert(error instanceof DbError && error.kind === "invalid");
  }
});

test("encodeManifest() lists an SST once, however many views there are", () => {
  const views = ULIDS.map((viewId) => handle(ULIDS[0], { viewId }));
  const manifest = { ...initialManifest(), tree: { l0: views, runs: [] } };
  const one = { ...initialManifest(), tree: { l0: [views[0]!], runs: [] } };
  const options = { checksum: false, version: 2 } as const;
  const bytes = encodeManifest(manifest, options);
  const perView = (bytes.length - encodeManifest(one, options).length) / 3;
  assert(perView < 80, `${perView} bytes a view`);
  assertEquals(decodeManifest(0, bytes), manifest);
});

test("decodeManifest() wants runs and segments in order", () => {
  const runs = [{ id: 1, ssts: [] }, { id: 1, ssts: [] }];
  const prefixes = [["ab", "abc"], ["a", "a"], [""]];
  const bad: Manifest[] = [
    { ...initialManifest(), tree: { l0: [], runs } },
    { ...segmented(), segments: [{ prefix: toBytes("x"), l0: [], runs }] },
    ...prefixes.map((names) => ({
      ...segmented(),
      segments: names.map((name) => ({
        prefix: toBytes(name),
        l0: [],
        runs: [],
      })),
    })),
  ];
  for (const manifest of bad) {
    const bytes = encodeManifest(manifest, { checksum: false });
    assertDamage(() => decodeManifest(1, bytes));
  }
});

test("decodeManifest() sorts segments", () => {
  const { segments } = segmented();
  const bytes = encodeManifest(
    { ...segmented(), segments: segments.toReversed() },
    { checksum: false },
  );
  assertEquals(decodeManifest(1, bytes).segments, segments);
});

test("decodeManifest() refuses other versions and nothing at all", () => {
  const bytes = encodeManifest(initialManifest(), { checksum: false });
  bytes[1] = 3;
  assertStringIncludes(
    assertDamage(() => decodeManifest(1, bytes)),
    "Unsupported manifest version 3: versions 1 and 2 are known",
  );
  assertDamage(() => decodeManifest(1, new Uint8Array(1)));
  assertDamage(() => decodeManifest(1, fromHex("0001")!));
});

test("decodeManifest() refuses a number beyond what a number holds", () => {
  for (
    const name of ["writerEpoch", "replayAfterWalId", "nextWalId"] as const
  ) {
    const manifest = { ...initialManifest(), [name]: 2 ** 53 + 2 };
    const bytes = encodeManifest(manifest, { checksum: false });
    assertDamage(() => decodeManifest(1, bytes));
  }
});

test("decodeManifest() refuses numbers that leave none to count on with", () => {
  const names = [
    "writerEpoch",
    "compactorEpoch",
    "replayAfterWalId",
    "nextWalId",
  ] as const;
  for (const name of names) {
    for (const value of [2 ** 52 + 2, Number.MAX_SAFE_INTEGER]) {
      const manifest = { ...initialManifest(), [name]: value };
      const bytes = encodeManifest(manifest, { checksum: false });
      assertStringIncludes(
        assertDamage(() => decodeManifest(1, bytes)),
        name.endsWith("Epoch") ? "an impossible epoch" : "WAL number",
      );
    }
  }
});

test("decodeManifest() refuses an SST whose sections cannot be", () => {
  const { info } = handle(ULIDS[0]);
  for (
    const change of [
      { filterOffset: 2 ** 40 },
      { indexOffset: 1 },
      { indexBytes: 0 },
      { statsOffset: 2 ** 53 - 1 },
    ]
  ) {
    const l0 = [handle(ULIDS[0], { info: { ...info, ...change } })];
    for (const version of [1, 2] as const) {
      const bytes = encodeManifest(
        { ...initialManifest(), tree: { l0, runs: [] } },
        { checksum: false, version },
      );
      assertStringIncludes(
        assertDamage(() => decodeManifest(1, bytes)),
        "The SST info is damaged",
      );
    }
  }
});

test("encodeStateFile() appends a trailer that decodeStateFile() checks", () => {
  const content = toBytes("content");
  const plain = encodeStateFile(2, content, false);
  const sealed = encodeStateFile(2, content, true);
  assertEquals(toHex(plain), "0002" + toHex(content));
  assertEquals(toHex(sealed.subarray(9, 13)), toHex(toBytes("SHL1")));
  assertEquals(sealed.length, plain.length + 8);
  for (const file of [plain, sealed]) {
    assertEquals(decodeStateFile(file, "x"), { version: 2, content });
  }
  sealed[4]! ^= 1;
  assertStringIncludes(
    assertDamage(() => decodeStateFile(sealed, "manifest")),
    "The manifest is damaged: its checksum differs",
  );
});

/** Trap: an expiry of 0 means never. */
test("manifestToJson() shows everything in plain JSON", () => {
  const json = JSON.parse(JSON.stringify(manifestToJson(segmented())));
  assertEquals(json.manifest_id, 9);
  assertEquals(json.writer_epoch, 5);
  assertEquals(json.replay_after_wal_id, 12);
  assertEquals(json.wal_id_last_seen, 14);
  assertEquals(json.last_l0_seq, "18446744073709551615");
  assertEquals(json.recent_snapshot_min_seq, "9007199254740993");
  assertEquals(json.last_l0_clock_tick, -1);
  assertEquals(json.l0[0].visible_range, {
    start: { key: "62", inclusive: true },
    end: null,
  });
  assertEquals(json.l0[0].first_entry, "61");
  assertEquals(json.compacted[0].id, 0xffff_ffff);
  assertEquals(json.segments[0].prefix, "61626364");
  assertEquals(json.segments[0].l0[0].view_id, ULIDS[3]);
  assertEquals(json.checkpoints[0].expire_time_s, 1_700_000_600);
  assertEquals(json.checkpoints[1].expire_time_s, null);
  assertEquals(json.external_dbs[0].sst_ids, [ULIDS[0], ULIDS[2]]);
});

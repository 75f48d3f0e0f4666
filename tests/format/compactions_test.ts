import { toBytes, toHex } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import {
  type Compaction,
  type Compactions,
  decodeCompactions,
  encodeCompactions,
  initialCompactions,
  type TieredSpec,
} from "../../lib/format/compactions.ts";
import type { SstHandle } from "../../lib/format/manifest.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";

const ID = "01M7Y8V1CWVX7ZD4NJ9X3V0DFB";
const OTHER = "01M7Y8V2HMD7MHW4QC6989F5T1";
const OUTPUT: SstHandle = {
  id: OTHER,
  viewId: OTHER,
  formatVersion: 2,
  info: {
    firstEntry: toBytes("a"),
    indexOffset: 10,
    indexBytes: 28,
    filterOffset: 10,
    filterBytes: 0,
    statsOffset: 0,
    statsBytes: 0,
    compression: "none",
    sstType: "compacted",
    filterFormat: "composite",
  },
};
const SPEC: TieredSpec = {
  kind: "tiered",
  segment: new Uint8Array(0),
  l0ViewIds: [OTHER, ID],
  runIds: [7, 3],
  destination: 3,
};

function compaction(change: Partial<Compaction> = {}): Compaction {
  return { id: ID, spec: SPEC, status: "running", outputs: [], ...change };
}

function state(version: 1 | 2, ...compactions: Compaction[]): Compactions {
  return { id: 5, version, compactorEpoch: 8, compactions };
}

function roundTrip(compactions: Compactions): Compactions {
  const bytes = encodeCompactions(compactions, { checksum: true });
  return decodeCompactions(compactions.id, bytes);
}

test("encodeCompactions() writes an empty file as SlateDB 0.12 does", () => {
  const empty = { ...initialCompactions(1), compactorEpoch: 1 };
  assertEquals(
    toHex(encodeCompactions(empty, { checksum: false })),
    "0001" + "1000000000000000" + "0800140008000400" + "08000000" +
      "10000000" + "0100000000000000" + "00000000" + "00000000",
  );
  assertEquals(roundTrip(empty), empty);
});

test("decodeCompactions() is the inverse of encodeCompactions()", () => {
  const first = state(
    1,
    compaction(),
    compaction({ status: "completed", outputs: [OUTPUT] }),
    compaction({ status: "failed", spec: { ...SPEC, l0ViewIds: [] } }),
  );
  assertEquals(roundTrip(first), first);
  const second = state(
    2,
    ...first.compactions,
    compaction({ status: "scheduled" }),
    compaction({
      status: "compacted",
      spec: { ...SPEC, segment: toBytes("abcd"), destination: 0 },
      outputs: [OUTPUT],
      worker: { id: "worker-1", lastHeartbeatMs: 1_700_000_000_000 },
      context: {
        subcompactions: [
          {
            range: { upper: { key: toBytes("m"), inclusive: false } },
            outputs: [OUTPUT],
          },
          {
            range: { lower: { key: toBytes("m"), inclusive: true } },
            outputs: [],
          },
        ],
        retentionMinSeq: 2n ** 64n - 1n,
      },
    }),
    compaction({
      spec: {
        kind: "drain",
        segment: toBytes("abcd"),
        l0ViewIds: [ID],
        runIds: [1],
      },
    }),
    compaction({ context: { subcompactions: [], retentionMinSeq: 0n } }),
  );
  assertEquals(roundTrip(second), second);
});

test("decodeCompactions() does not know where version 1 puts L0 alone", () => {
  const spec = { ...SPEC, runIds: [], destination: 4 };
  const [read] = roundTrip(state(1, compaction({ spec }))).compactions;
  assertEquals((read!.spec as TieredSpec).destination, undefined);
  const [again] = roundTrip(state(2, compaction({ spec }))).compactions;
  assertEquals((again!.spec as TieredSpec).destination, 4);
});

test("encodeCompactions() does not say of L0 alone that it runs, where it cannot say into which run", () => {
  const alone = { ...SPEC, runIds: [], destination: 4 };
  const statusesOf = (version: 1 | 2) =>
    roundTrip(state(
      version,
      compaction({ spec: alone }),
      compaction({ spec: alone, status: "completed" }),
      compaction(),
    )).compactions.map(({ status }) => status);
  assertEquals(statusesOf(1), ["submitted", "completed", "running"]);
  assertEquals(statusesOf(2), ["running", "completed", "running"]);
});

test("decodeCompactions() takes the lowest run for the destination in version 1", () => {
  const spec = { ...SPEC, runIds: [9, 2, 5], destination: 2 };
  const [read] = roundTrip(state(1, compaction({ spec }))).compactions;
  assertEquals((read!.spec as TieredSpec).destination, 2);
});

test("decodeCompactions() takes an absent destination for 0 in version 2", () => {
  const spec = { ...SPEC, destination: undefined };
  const [read] = roundTrip(state(2, compaction({ spec }))).compactions;
  assertEquals((read!.spec as TieredSpec).destination, 0);
});

test("encodeCompactions() refuses what version 1 cannot say", () => {
  const worker = { id: "w", lastHeartbeatMs: 1 };
  const context = { subcompactions: [], retentionMinSeq: 1n };
  const foreign: Partial<Compaction>[] = [
    { status: "scheduled" },
    { status: "compacted" },
    { worker },
    { context },
    { spec: { ...SPEC, segment: toBytes("s") } },
    { spec: { ...SPEC, kind: "drain" } },
  ];
  for (const change of foreign) {
    const error = assertThrows(() => roundTrip(state(1, compaction(change))));
    assert(error instanceof DbError && error.kind === "invalid");
    assertStringIncludes(String(error), ID);
  }
});

test("encodeCompactions() takes the version given over the state's own", () => {
  const options = { checksum: false, version: 2 } as const;
  const bytes = encodeCompactions(state(1, compaction()), options);
  assertEquals(decodeCompactions(5, bytes), state(2, compaction()));
});

test("decodeCompactions() refuses an epoch that leaves none to count on with", () => {
  const lie = { ...initialCompactions(1), compactorEpoch: 2 ** 53 - 1 };
  const bytes = encodeCompactions(lie, { checksum: false });
  assertDamage(() => decodeCompactions(1, bytes));
});

test("decodeCompactions() refuses other versions", () => {
  const bytes = encodeCompactions(state(1), { checksum: false });
  bytes[1] = 9;
  assertStringIncludes(
    assertDamage(() => decodeCompactions(1, bytes)),
    "Unsupported compactions file version 9",
  );
});

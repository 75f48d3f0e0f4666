/**
 * What a reader must see of rows, worked out slowly; and random rows in layers.
 *
 * @module
 */
import fc from "fast-check";
import { compareBytes, concatBytes, toHex } from "../../lib/base/bytes.ts";
import type { KeyRange } from "../../lib/base/key_range.ts";
import { compareRows, type Entry, type Row } from "../../lib/base/row.ts";
import { foldForRead } from "../../lib/iter/fold.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import type { Layers } from "./view.ts";

/** Concatenates operands behind the value. */
export const CONCAT: MergeOperator = {
  merge: (_key, existing, operand) =>
    concatBytes(existing === undefined ? [operand] : [existing, operand]),
};

/** What decides about visibility. */
export interface Sight {
  seqMax: bigint;
  nowMs: number;
  hideExpired: boolean;
}

/** Every visible entry, ascending. */
export function visibleEntries(rows: readonly Row[], sight: Sight): Entry[] {
  const versions = new Map<string, Row[]>();
  for (const row of rows.toSorted(compareRows)) {
    if (row.seq > sight.seqMax) continue;
    const key = toHex(row.key);
    versions.set(key, [...versions.get(key) ?? [], row]);
  }
  return [...versions.values()].flatMap((rows) => visibleEntry(rows, sight))
    .sort((a, b) => compareBytes(a.key, b.key));
}

function visibleEntry(versions: readonly Row[], sight: Sight): Entry[] {
  const group: Row[] = [];
  for (const row of versions) {
    const expired = sight.hideExpired && row.expireTs !== undefined &&
      row.expireTs <= BigInt(sight.nowMs);
    if (row.kind === "merge") {
      if (!expired) group.push(row);
      continue;
    }
    if (row.kind === "put" && !expired) group.push(row);
    break;
  }
  const newest = group[0];
  if (newest === undefined) return [];
  const row = newest.kind === "merge" ? foldForRead(group, CONCAT) : newest;
  const { key, value, seq, createTs = 0n, expireTs } = row;
  return [{ key, value, seq, createTs, expireTs }];
}

/** A key of few letters, so that rows meet. */
export const arbitraryKey: fc.Arbitrary<Uint8Array> = fc.uint8Array({
  minLength: 1,
  maxLength: 3,
  max: 3,
});

const arbitraryRow: fc.Arbitrary<Row> = fc.record({
  key: arbitraryKey,
  kind: fc.constantFrom("put", "put", "put", "merge", "delete"),
  expireTs: fc.option(fc.bigInt({ min: 1n, max: 4n }), { nil: undefined }),
  valueBytes: fc.constantFrom(0, 1, 20, 400),
}).map(({ key, kind, expireTs, valueBytes }) => ({
  key,
  value: new Uint8Array(kind === "delete" ? 0 : valueBytes),
  seq: 0n,
  kind,
  createTs: 0n,
  ...(expireTs === undefined || kind === "delete" ? {} : { expireTs }),
}));

/** Rows in the order of writes, and the layers they came to lie in. */
export interface Written {
  rows: Row[];
  layers: Layers;
}

/** Random rows: whichever layer is newer has the newer rows. */
export const arbitraryWritten: fc.Arbitrary<Written> = fc.tuple(
  fc.array(arbitraryRow, { maxLength: 150 }),
  fc.array(fc.nat(150), { minLength: 5, maxLength: 5 }),
  fc.array(fc.nat(60), { maxLength: 4 }),
).map(([unnumbered, cuts, tableCuts]) => {
  const rows = unnumbered.map((row, i): Row => ({
    ...row,
    value: row.value.fill(i + 1),
    seq: BigInt(i + 1),
    createTs: BigInt(10 * i),
  }));
  const [a, b, c, d, e] = cuts.sort((x, y) => x - y) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const part = (from: number, to?: number) =>
    rows.slice(from, to).sort(compareRows);
  const layers: Layers = {
    active: part(e),
    frozen: [part(d, e)],
    l0: [part(c, d), part(b, c)].filter((rows) => rows.length > 0),
    runs: [part(a, b), part(0, a)].filter((rows) => rows.length > 0)
      .map((rows) => cutRun(rows, tableCuts)),
  };
  return { rows, layers };
});

/** Cuts a run anywhere, also between the versions of a key. */
function cutRun(rows: Row[], cuts: readonly number[]): Row[][] {
  const edges = [...new Set([0, ...cuts, rows.length])]
    .filter((edge) => edge <= rows.length).sort((a, b) => a - b);
  return edges.slice(1).map((end, i) => rows.slice(edges[i], end));
}

/** Any sight of rows that {@linkcode arbitraryWritten} makes. */
export const arbitrarySight: fc.Arbitrary<Sight> = fc.record({
  seqMax: fc.oneof(fc.constant(1000n), fc.bigInt({ min: 0n, max: 150n })),
  nowMs: fc.nat(4),
  hideExpired: fc.boolean(),
});

/** Any range that is not empty. */
export const arbitraryRange: fc.Arbitrary<KeyRange> = fc.record({
  lower: fc.record({ key: arbitraryKey, inclusive: fc.boolean() }),
  upper: fc.record({ key: arbitraryKey, inclusive: fc.boolean() }),
}, { requiredKeys: [] }).filter(({ lower, upper }) =>
  lower === undefined || upper === undefined ||
  compareBytes(lower.key, upper.key) < 0
);

/** An entry without getters. */
export function plain(entry: Entry): Entry {
  const { key, value, seq, createTs, expireTs } = entry;
  return { key, value, seq, createTs, expireTs };
}

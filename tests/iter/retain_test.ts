import fc from "fast-check";
import { test } from "../support/test.ts";
import { assertEquals } from "../support/assert.ts";
import type { Row } from "../../lib/base/row.ts";
import { retainVersions } from "../../lib/iter/retain.ts";
import { rows, showAll } from "./rows.ts";

function retain(
  text: string,
  retainSeq: number,
  { now = 0, dropTombstones = false } = {},
): string {
  return showAll(retainVersions(rows(text), {
    retainSeq: BigInt(retainSeq),
    nowMs: BigInt(now),
    dropTombstones,
  }));
}

test("retainVersions() keeps all above the oldest snapshot and one at or below it", () => {
  assertEquals(retain("a@9=x a@7=y a@5=z a@3=w", 6), "a@9=x a@7=y a@5=z");
  assertEquals(retain("a@9=x a@7=y", 9), "a@9=x");
  assertEquals(retain("a@9=x a@7=y", 0), "a@9=x a@7=y");
});

test("retainVersions() keeps what a retained merge operand rests on", () => {
  assertEquals(
    retain("a@9+x a@7+y a@5=z a@3=w", 9),
    "a@9+x a@7+y a@5=z",
  );
  assertEquals(retain("a@9=x a@7+y a@5=z", 9), "a@9=x");
});

test("retainVersions() turns expired puts into tombstones and drops expired operands", () => {
  assertEquals(retain("a@9=x~5 a@7=y", 9, { now: 5 }), "a@9!");
  assertEquals(retain("a@9=x~6 a@7=y", 9, { now: 5 }), "a@9=x~6");
  assertEquals(retain("a@9+x~5 a@7=y a@5=z", 9, { now: 5 }), "a@7=y");
});

test("retainVersions() drops tombstones at the old end only", () => {
  const dropTombstones = true;

  assertEquals(retain("a@9! a@7=y", 9, { dropTombstones }), "");
  assertEquals(retain("a@9! a@7=y", 7, { dropTombstones }), "a@9! a@7=y");
  assertEquals(retain("a@9=x a@7! a@5!", 5, { dropTombstones }), "a@9=x");
  assertEquals(
    retain("a@9=x~1 a@7=y~1", 9, { dropTombstones, now: 1 }),
    "",
  );
});

const arbitraryVersions: fc.Arbitrary<Row[]> = fc.uniqueArray(
  fc.record({
    seq: fc.bigInt({ min: 1n, max: 12n }),
    kind: fc.constantFrom("put", "merge", "delete"),
    expireTs: fc.option(fc.bigInt({ min: 1n, max: 4n }), { nil: undefined }),
  }),
  { selector: ({ seq }) => seq, maxLength: 8 },
).map((versions) =>
  versions.sort((a, b) => Number(b.seq - a.seq)).map((version): Row => {
    const { seq, kind, expireTs } = version;
    return {
      key: new Uint8Array([1]),
      value: kind === "delete"
        ? new Uint8Array(0)
        : new Uint8Array([Number(seq)]),
      seq,
      kind,
      ...(expireTs === undefined || kind === "delete" ? {} : { expireTs }),
    };
  })
);

/** What a reader at `seq` and `now` makes of versions: the operands, then the base. */
function visible(versions: readonly Row[], seq: bigint, now: bigint): number[] {
  const found: number[] = [];
  for (const row of versions) {
    if (row.seq > seq) continue;
    const expired = row.expireTs !== undefined && row.expireTs <= now;
    if (row.kind === "merge") {
      if (!expired) found.push(row.value[0]!);
      continue;
    }
    if (row.kind === "put" && !expired) found.push(row.value[0]!);
    break;
  }
  return found;
}

test("property: retainVersions() changes nothing for readers at or above the oldest snapshot", () => {
  fc.assert(fc.property(
    arbitraryVersions,
    fc.bigInt({ min: 0n, max: 12n }),
    fc.bigInt({ min: 0n, max: 4n }),
    fc.boolean(),
    (versions, retainSeq, nowMs, dropTombstones) => {
      const kept = retainVersions(versions, {
        retainSeq,
        nowMs,
        dropTombstones,
      });

      for (let seq = retainSeq; seq <= 13n; seq++) {
        assertEquals(
          visible(kept, seq, nowMs),
          visible(versions, seq, nowMs),
        );
      }
    },
  ));
});

import fc from "fast-check";
import { test } from "../support/test.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { concatBytes } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import {
  foldForRead,
  foldForRewrite,
  MAX_OPERANDS,
} from "../../lib/iter/fold.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import { rows, show, showAll } from "./rows.ts";

const CONCAT: MergeOperator = {
  merge: (_key, existing, operand) =>
    concatBytes(existing === undefined ? [operand] : [existing, operand]),
};

function rewrite(text: string, barrier: number): string {
  return showAll(foldForRewrite(rows(text), CONCAT, BigInt(barrier)));
}

test("foldForRead() folds operands oldest first onto the value beneath", () => {
  assertEquals(show(foldForRead(rows("a@9+x a@7+y a@5=z"), CONCAT)), "a@9=zyx");
  assertEquals(show(foldForRead(rows("a@9+x a@7+y a@5!"), CONCAT)), "a@9=yx");
});

test("foldForRead() without a base answers what the operands make", () => {
  const folded = foldForRead(rows("a@9+x a@7+y"), CONCAT);

  assertEquals(new TextDecoder().decode(folded.value), "yx");
});

test("foldForRead() takes the largest seq and createTs and the earliest expireTs", () => {
  const folded = foldForRead(rows("a@9+x~50 a@7+y a@5=z~40"), CONCAT);

  assertEquals(
    [folded.seq, folded.createTs, folded.expireTs],
    [9n, 90n, 40n],
  );
});

test("foldForRead() never gives the operator more operands than it promises", () => {
  const sizes: number[] = [];
  const operator: MergeOperator = {
    merge: CONCAT.merge,
    mergeBatch: (_key, existing, operands) => {
      sizes.push(operands.length);
      return concatBytes([
        ...(existing === undefined ? [] : [existing]),
        ...operands,
      ]);
    },
  };
  const count = 2 * MAX_OPERANDS + 50;
  const text = Array.from(
    { length: count },
    (_, i) => `a@${count - i + 1}+${i % 10}`,
  );

  const folded = foldForRead(
    [...rows(text.join(" ")), ...rows("a@1=<")],
    operator,
  );

  assertEquals(sizes, [50, MAX_OPERANDS, MAX_OPERANDS, 3]);
  assertEquals(
    new TextDecoder().decode(folded.value),
    "<" + text.map((_, i) => i % 10).reverse().join(""),
  );
});

test("foldForRead() is invalid without an operator, or where the operator fails", () => {
  const cause = new Error("no good");
  const failing: MergeOperator = {
    merge() {
      throw cause;
    },
  };

  const missing = assertThrows(() =>
    foldForRead(rows("a@9+x"), undefined)
  ) as DbError;
  const failed = assertThrows(() =>
    foldForRead(rows("a@9+x"), failing)
  ) as DbError;

  assertEquals([missing.kind, failed.kind], ["invalid", "invalid"]);
  assertStringIncludes(missing.message, "merge operator missing");
  assertEquals(failed.cause, cause);
});

test("foldForRewrite() folds only at or below the barrier", () => {
  assertEquals(rewrite("a@9+x a@7+y a@5=z", 9), "a@9=zyx");
  assertEquals(rewrite("a@9+x a@7+y a@5=z", 8), "a@9+x a@7=zy");
  assertEquals(rewrite("a@9+x a@7+y a@5=z", 6), "a@9+x a@7+y a@5=z");
});

test("foldForRewrite() leaves a merge operand where nothing is beneath", () => {
  assertEquals(rewrite("a@9+x a@7+y", 9), "a@9+yx");
  assertEquals(rewrite("a@9+x a@7!", 9), "a@9=x");
});

test("foldForRewrite() never combines rows of different expiry", () => {
  assertEquals(
    rewrite("a@9+x~5 a@8+y~5 a@7+z a@5=w~5", 9),
    "a@9+yx~5 a@7+z a@5=w~5",
  );
  assertEquals(rewrite("a@9+x~5 a@5=w~5", 9), "a@9=wx~5");
});

test("foldForRewrite() passes over puts and tombstones", () => {
  assertEquals(rewrite("a@9=x a@7+y a@5=z", 9), "a@9=x a@7=zy");
  assertEquals(rewrite("", 9), "");
});

test("property: foldForRewrite() keeps what any reader at or above the barrier sees", () => {
  const arbitraryKind = fc.constantFrom("=", "+", "!");
  fc.assert(fc.property(
    fc.array(arbitraryKind, { maxLength: 8 }),
    fc.integer({ min: 0, max: 9 }),
    (kinds, barrier) => {
      const versions = rows(
        kinds.map((kind, i) => `a@${9 - i}${kind}${kind === "!" ? "" : i}`)
          .join(" "),
      );
      const folded = foldForRewrite(versions, CONCAT, BigInt(barrier));

      for (let seq = barrier; seq <= 10; seq++) {
        assertEquals(read(folded, seq), read(versions, seq));
      }
    },
  ));
});

function read(versions: ReturnType<typeof rows>, seq: number): string {
  const seen = versions.filter((row) => row.seq <= BigInt(seq));
  const end = seen.findIndex((row) => row.kind !== "merge");
  const group = end === -1 ? seen : seen.slice(0, end + 1);
  if (group.length === 0 || group[0]!.kind === "delete") return "";
  if (group[0]!.kind === "put") {
    return new TextDecoder().decode(group[0]!.value);
  }
  return new TextDecoder().decode(foldForRead(group, CONCAT).value);
}

import type { DbError } from "../../lib/base/errors.ts";
import { type SeqInput, Sequence } from "../../lib/write/sequence.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("Sequence.next() counts up, and takes over from a caller's number", () => {
  const sequence = new Sequence(0n);

  assertEquals(
    [
      sequence.next(undefined),
      sequence.next(5),
      sequence.next(10n),
      sequence.next(0),
      sequence.next(0n),
    ],
    [1n, 5n, 10n, 11n, 12n],
  );
});

test("Sequence.next() refuses a number that is not greater, in SlateDB's words", () => {
  const sequence = new Sequence(11n);

  const error = assertThrows(() => sequence.next(7)) as DbError;

  assertEquals(error.kind, "invalid");
  assertEquals(
    error.message,
    "invalid sequence number, must be greater than the current max. provided=`7`, current=`11`",
  );
  assertEquals(sequence.last, 11n);
});

for (
  const chosen of [
    ...[-1, -1n, 1.5, NaN, Infinity, (1n << 64n) - 1n],
    ...["5", "x", null, true, [7]],
  ]
) {
  test(`Sequence.next() refuses ${JSON.stringify(String(chosen))}`, () => {
    const input = chosen as SeqInput;
    const error = assertThrows(() => new Sequence(0n).next(input)) as DbError;
    assertEquals(error.kind, "invalid");
  });
}

test("Sequence.next() gives out 2^64 - 2 and then is exhausted", () => {
  const sequence = new Sequence((1n << 64n) - 3n);

  assertEquals(sequence.next(undefined), (1n << 64n) - 2n);
  const error = assertThrows(() => sequence.next(undefined)) as DbError;

  assertEquals(error.kind, "invalid");
});

import fc from "fast-check";
import type { DbError } from "../../lib/base/errors.ts";
import {
  intersect,
  isAbove,
  isBelow,
  type KeyRange,
  rangeContains,
  resolveRange,
} from "../../lib/base/key_range.ts";
import {
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../support/assert.ts";
import { test } from "../support/test.ts";

const text = (value: string) => new TextEncoder().encode(value);

test("resolveRange() keeps bounds and copies their keys", () => {
  const key = text("b");

  const range = resolveRange({ gt: key, lte: "d" });
  key[0] = 0;

  assertEquals(range, {
    lower: { key: text("b"), inclusive: false },
    upper: { key: text("d"), inclusive: true },
  });
});

test("resolveRange() turns a prefix into bounds, also one of 0xff bytes alone", () => {
  assertEquals(resolveRange({ prefix: "ab" }), {
    lower: { key: text("ab"), inclusive: true },
    upper: { key: text("ac"), inclusive: false },
  });
  assertEquals(resolveRange({ prefix: new Uint8Array([0xff]) }), {
    lower: { key: new Uint8Array([0xff]), inclusive: true },
  });
  assertEquals(resolveRange({ prefix: "" }), {});
});

test("resolveRange() applies the other bounds to what follows the prefix", () => {
  assertEquals(resolveRange({ prefix: "p/", gt: "b", lt: "d" }), {
    lower: { key: text("p/b"), inclusive: false },
    upper: { key: text("p/d"), inclusive: false },
  });
});

test("resolveRange() takes an inclusive empty key as no bound", () => {
  assertEquals(resolveRange({ gte: "" }), {});
});

for (
  const [options, message] of [
    [{ gte: "b", lt: "a" }, "range start must not be greater than range end"],
    [{ gte: "a", lt: "a" }, "range must be non-empty"],
    [{ gt: "a", lte: "a" }, "range must be non-empty"],
    [{ gt: "a", gte: "a" }, "`gt` or `gte`"],
    [{ lt: "a", lte: "a" }, "`lt` or `lte`"],
  ] as const
) {
  test(`resolveRange() refuses ${JSON.stringify(options)}`, () => {
    const error = assertThrows(() => resolveRange(options)) as DbError;

    assertEquals(error.kind, "invalid");
    assertStringIncludes(error.message, message);
  });
}

const bound = fc.option(
  fc.record({
    key: fc.uint8Array({ maxLength: 2, max: 3 }),
    inclusive: fc.boolean(),
  }),
  { nil: undefined },
);
const range = fc.record({ lower: bound, upper: bound }).map((
  { lower, upper },
): KeyRange => ({
  ...(lower === undefined ? {} : { lower }),
  ...(upper === undefined ? {} : { upper }),
}));
const key = fc.uint8Array({ maxLength: 3, max: 3 });

test("intersect() contains exactly the keys that both ranges contain", () => {
  fc.assert(fc.property(range, range, key, (a, b, probe) => {
    const both = intersect(a, b);
    const expected = rangeContains(a, probe) && rangeContains(b, probe);
    assertEquals(both !== undefined && rangeContains(both, probe), expected);
  }));
});

test("a key is below, above or inside a range that is not reversed", () => {
  fc.assert(fc.property(range, key, (a, probe) => {
    const { lower, upper } = a;
    if (
      lower !== undefined && upper !== undefined &&
      intersect(a, a) === undefined
    ) return;
    const places = [
      isBelow(a, probe),
      rangeContains(a, probe),
      isAbove(a, probe),
    ];
    assertEquals(places.filter(Boolean).length, 1);
  }));
});

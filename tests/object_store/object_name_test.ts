import fc from "fast-check";
import {
  checkName,
  checkPrefix,
  compareNames,
  resolveByteRange,
} from "../../lib/object_store/object_name.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const encoder = new TextEncoder();
// Units around the surrogates, where the order of UTF-16 is another.
const arbitraryText = fc.string({
  unit: fc.constantFrom(
    "a",
    "b",
    "/",
    ".",
    "\u00e9",
    "\ud7ff",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ),
  maxLength: 6,
});

test("property: compareNames() is the order of UTF-8", () => {
  fc.assert(fc.property(arbitraryText, arbitraryText, (a, b) => {
    const [left, right] = [encoder.encode(a), encoder.encode(b)];
    let expected = 0;
    for (let i = 0; i < Math.max(left.length, right.length); i++) {
      expected ||= Math.sign((left[i] ?? -1) - (right[i] ?? -1));
    }
    assertEquals(Math.sign(compareNames(a, b)), expected);
  }));
});

test("property: checkPrefix() takes every beginning of a name that checkName() takes", () => {
  fc.assert(fc.property(arbitraryText, fc.nat(12), (name, length) => {
    try {
      checkName(name);
    } catch {
      return;
    }
    const prefix = name.slice(0, length);
    if (prefix.isWellFormed()) checkPrefix(prefix);
  }));
});

test("checkName() counts bytes, not characters", () => {
  checkName("é".repeat(512));
  assertThrows(() => checkName("é".repeat(513)));
  checkName("x".repeat(1024));
});

test("property: resolveByteRange() stays within the object", () => {
  const offset = fc.nat(20);
  const range = fc.oneof(
    fc.record({ suffix: offset }),
    fc.record({ start: offset }),
    fc.tuple(offset, offset).map(([start, length]) => ({
      start,
      end: start + length,
    })),
  );
  fc.assert(fc.property(range, offset, (range, size) => {
    const { start, end } = resolveByteRange(range, size);
    assert(0 <= start && start <= end && end <= size);
  }));
});

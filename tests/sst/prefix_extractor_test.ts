import fc from "fast-check";
import { startsWith, toBytes } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import {
  delimiterPrefix,
  fixedPrefix,
  type PrefixExtractor,
  prefixLengthOf,
} from "../../lib/sst/prefix_extractor.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("fixedPrefix() is the first bytes of a key, under SlateDB's usual name", () => {
  const extractor = fixedPrefix(3);

  assertEquals(extractor.name, "fixed3");
  assertEquals(prefixLengthOf(extractor, toBytes("abcd"), "key"), 3);
  assertEquals(prefixLengthOf(extractor, toBytes("abc"), "prefix"), 3);
  assertEquals(prefixLengthOf(extractor, toBytes("ab"), "key"), undefined);
});

test("delimiterPrefix() ends behind the first delimiter", () => {
  const cases: [number | string | Uint8Array, string, number | undefined][] = [
    ["/", "a/b/c", 2],
    ["/", "/", 1],
    ["/", "abc", undefined],
    [0x2f, "ab/", 3],
    ["::", "a:b::c", 5],
    ["::", "a:", undefined],
    [Uint8Array.of(0), "a\0b", 2],
  ];
  for (const [delimiter, key, length] of cases) {
    const extractor = delimiterPrefix(delimiter);
    assertEquals(prefixLengthOf(extractor, toBytes(key), "key"), length, key);
  }
  assertEquals(delimiterPrefix("/").name, "delimiter2f");
  assertEquals(delimiterPrefix(0).name, "delimiter00");
});

test("extractors with impossible arguments are refused", () => {
  for (const bytes of [0, -1, 1.5, 65_536, NaN]) {
    const error = assertThrows(() => fixedPrefix(bytes)) as DbError;
    assertEquals(error.kind, "invalid");
  }
  for (const delimiter of ["", new Uint8Array(0), 256, -1, 0.5]) {
    const error = assertThrows(() => delimiterPrefix(delimiter)) as DbError;
    assertEquals(error.kind, "invalid");
  }
});

test("prefixLengthOf() believes no answer that is no length", () => {
  const answers: unknown[] = [-1, 4, 1.5, NaN, "2", null];
  for (const answer of answers) {
    const extractor = {
      name: "odd",
      prefixLength: () => answer,
    } as unknown as PrefixExtractor;
    const error = assertThrows(() =>
      prefixLengthOf(extractor, toBytes("abc"), "key")
    ) as DbError;
    assertEquals(error.kind, "invalid", String(answer));
  }
  const cause = new Error("no idea");
  const error = assertThrows(() =>
    prefixLengthOf(
      {
        name: "failing",
        prefixLength: () => {
          throw cause;
        },
      },
      toBytes("abc"),
      "key",
    )
  ) as DbError;
  assertEquals([error.kind, error.cause], ["invalid", cause]);
});

test("property: ready-made extractors answer for a key by its prefix alone", () => {
  const byte = fc.constantFrom(0, 1, 0x2f, 0xff);
  const bytes = fc.array(byte, { maxLength: 8 })
    .map((all) => Uint8Array.from(all));
  const extractors = fc.oneof(
    fc.integer({ min: 1, max: 4 }).map(fixedPrefix),
    fc.array(byte, { minLength: 1, maxLength: 2 })
      .map((all) => delimiterPrefix(Uint8Array.from(all))),
  );
  fc.assert(fc.property(extractors, bytes, bytes, (extractor, key, other) => {
    const length = prefixLengthOf(extractor, key, "key");
    if (length === undefined) return;
    const prefix = key.subarray(0, length);
    assertEquals(prefixLengthOf(extractor, prefix, "prefix"), length);
    if (startsWith(other, prefix)) {
      assertEquals(prefixLengthOf(extractor, other, "key"), length);
    }
    const otherLength = prefixLengthOf(extractor, other, "key");
    if (otherLength === undefined) return;
    const otherPrefix = other.subarray(0, otherLength);
    assert(
      length === otherLength || !startsWith(otherPrefix, prefix),
      "no prefix begins with another",
    );
  }));
});

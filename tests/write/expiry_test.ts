import type { DbError } from "../../lib/base/errors.ts";
import { expiryOf, keptTtl } from "../../lib/write/expiry.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("expiryOf() adds the lifetime to the stamp", () => {
  assertEquals(expiryOf({ ttlMs: 50 }, 1000n, undefined), 1050n);
  assertEquals(expiryOf({ ttlMs: 0 }, 1000n, undefined), 1000n);
});

test("expiryOf() applies the default, which Infinity switches off", () => {
  assertEquals(expiryOf({}, 1000n, 7), 1007n);
  assertEquals(expiryOf({ ttlMs: Infinity }, 1000n, 7), undefined);
  assertEquals(expiryOf({}, 1000n, undefined), undefined);
});

test("expiryOf() takes an absolute time, also a bigint in the past", () => {
  assertEquals(expiryOf({ expiresAtMs: 5 }, 1000n, 7), 5n);
  assertEquals(expiryOf({ expiresAtMs: -5n }, 1000n, 7), -5n);
});

test("expiryOf() makes a lifetime past the end of time endless", () => {
  assertEquals(expiryOf({ ttlMs: 1e19 }, 1000n, undefined), undefined);
});

for (
  const options of [
    { ttlMs: -1 },
    { ttlMs: NaN },
    { ttlMs: null as unknown as number },
    { expiresAtMs: 1.5 },
    { expiresAtMs: 1n << 63n },
    { ttlMs: 1, expiresAtMs: 2 },
  ]
) {
  test(`expiryOf() refuses ${Object.entries(options).join("; ")}`, () => {
    const error = assertThrows(() => expiryOf(options, 0n, 1)) as DbError;
    assertEquals(error.kind, "invalid");
  });
}

test("keptTtl() stays as it was when the caller's object changes", () => {
  const options: { ttlMs?: number; expiresAtMs?: number } = { ttlMs: 5 };

  const kept = keptTtl(options);
  options.expiresAtMs = 7;

  assertEquals(kept, { ttlMs: 5 });
});

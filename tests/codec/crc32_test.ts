import fc from "fast-check";
import { crc32, crc32ByTables } from "../../lib/codec/crc32.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { utf8 } from "./kernels.ts";

const byTables = crc32ByTables();

test("crc32() gives the published check value", () => {
  for (const sum of [crc32, byTables]) {
    assertEquals(sum(utf8("123456789")), 0xcbf43926);
    assertEquals(sum(new Uint8Array(0)), 0);
  }
});

test("crc32() goes on from a seed, by tables as in the runtime", () => {
  const bytes = fc.uint8Array({ maxLength: 100 });
  fc.assert(fc.property(bytes, bytes, (first, second) => {
    const whole = Uint8Array.from([...first, ...second]);
    const expected = crc32(whole);
    for (const sum of [crc32, byTables]) {
      assertEquals(sum(whole), expected);
      assertEquals(sum(second, sum(first)), expected);
    }
  }));
});

import fc from "fast-check";
import { toBytes } from "../../lib/base/bytes.ts";
import { crc32, crc32ByTables } from "../../lib/codec/crc32.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("crc32() is CRC-32 (IEEE)", () => {
  assertEquals(crc32(toBytes("123456789")), 0xcbf43926);
  assertEquals(crc32(new Uint8Array(0)), 0);
});

test("crc32ByTables() agrees with the runtime", () => {
  const byTables = crc32ByTables();
  assertEquals(byTables(toBytes("123456789")), 0xcbf43926);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    assertEquals(byTables(bytes), crc32(bytes));
    assertEquals(byTables(bytes.subarray(3)), crc32(bytes.subarray(3)));
  }));
});

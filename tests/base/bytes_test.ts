import fc from "fast-check";
import {
  compareBytes,
  concatBytes,
  fromHex,
  prefixSuccessor,
  showKey,
  startsWith,
  toHex,
} from "../../lib/base/bytes.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

const bytes = fc.uint8Array({ maxLength: 6 });

test("compareBytes() orders like the hexadecimal text", () => {
  fc.assert(fc.property(bytes, bytes, (a, b) => {
    const [x, y] = [toHex(a), toHex(b)];
    const expected = x < y ? -1 : x > y ? 1 : 0;
    assertEquals(Math.sign(compareBytes(a, b)), expected);
  }));
});

test("fromHex() inverts toHex() and refuses anything else", () => {
  fc.assert(fc.property(bytes, (a) => {
    assertEquals(toHex(fromHex(toHex(a))!), toHex(a));
  }));
  assertEquals(fromHex("abc"), undefined);
  assertEquals(fromHex("zz"), undefined);
});

test("prefixSuccessor() is the least key above every key with the prefix", () => {
  fc.assert(fc.property(bytes, bytes, (prefix, key) => {
    const successor = prefixSuccessor(prefix);
    if (successor === undefined) {
      assertEquals(prefix.every((byte) => byte === 0xff), true);
      return;
    }
    const inside = compareBytes(key, prefix) >= 0 &&
      compareBytes(key, successor) < 0;
    assertEquals(inside, startsWith(key, prefix));
  }));
});

test("concatBytes() joins its parts in order", () => {
  fc.assert(fc.property(fc.array(bytes), (parts) => {
    assertEquals(toHex(concatBytes(parts)), parts.map(toHex).join(""));
  }));
});

test("showKey() prints text as text, bytes as hexadecimal, and cuts what is long", () => {
  assertEquals(showKey(new TextEncoder().encode("sku/7")), '"sku/7"');
  assertEquals(showKey(new Uint8Array([0, 255])), "0x00ff");
  assertEquals(
    showKey(new TextEncoder().encode("a".repeat(50))),
    `"${"a".repeat(40)}"… (50 bytes)`,
  );
});

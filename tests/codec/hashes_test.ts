import fc from "fast-check";
import { crc32 } from "../../lib/codec/crc32.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS, utf8 } from "./kernels.ts";

const [kernel, twin] = KERNELS.map(([, create]) => create()) as [
  Kernel,
  Kernel,
];

type Hash = "crc32" | "siphash13";

/** Hashes a copy that begins `shift` bytes past an aligned address. */
function hash(on: Kernel, name: Hash, bytes: Uint8Array, shift = 0) {
  const pointer = on.alloc(bytes.length + shift);
  on.u8.set(bytes, pointer + shift);
  const value = on.exports[name](pointer + shift, bytes.length);
  on.free(pointer);
  return value;
}

function siphash(on: Kernel, text: string): string {
  const value = hash(on, "siphash13", utf8(text)) as bigint;
  return BigInt.asUintN(64, value).toString(16).padStart(16, "0");
}

for (const [name, create] of KERNELS) {
  const on = create();

  test(`crc32() of the ${name} gives the published check value`, () => {
    const crc = hash(on, "crc32", utf8("123456789")) as number;
    assertEquals(crc >>> 0, 0xcbf43926);
    assertEquals(hash(on, "crc32", new Uint8Array(0)), 0);
  });

  test(`siphash13() of the ${name} gives the file format's values`, () => {
    assertEquals(siphash(on, ""), "d1fba762150c532c");
    assertEquals(siphash(on, "apple"), "e4305d08716d0e44");
  });

  test(`bloom_add() of the ${name} makes the file format's example`, () => {
    const keys = ["apple", "apricot", "banana"];
    const { pointer, bytes } = build(
      on,
      keys.map((key) => hash(on, "siphash13", utf8(key)) as bigint),
      4,
      6,
    );
    assertEquals(bytes.toHex(), "3978a620");
    for (const key of keys) {
      const value = hash(on, "siphash13", utf8(key)) as bigint;
      assertEquals(on.exports.bloom_probe(pointer, 4, 6, value), 1);
    }
    on.free(pointer);
  });

  test(`bloom_probe() of the ${name} finds nothing in an empty filter`, () => {
    assertEquals(on.exports.bloom_probe(8, 0, 6, 1n), 0);
    const { pointer } = build(on, [], 16, 6);
    assertEquals(on.exports.bloom_probe(pointer, 16, 6, 0n), 0);
    on.free(pointer);
  });
}

/** Builds a filter, so many hashes a call; the caller frees it. */
function build(
  on: Kernel,
  hashes: readonly bigint[],
  filterBytes: number,
  probes: number,
  step = Infinity,
) {
  const list = on.copyIn(
    new Uint8Array(BigInt64Array.from(hashes).buffer),
  );
  const pointer = on.copyIn(new Uint8Array(filterBytes));
  for (let at = 0; at < hashes.length; at += step) {
    const count = Math.min(step, hashes.length - at);
    on.exports.bloom_add(list + 8 * at, count, pointer, filterBytes, probes);
  }
  on.free(list);
  return { pointer, bytes: on.slice(pointer, filterBytes) };
}

test("crc32() agrees with its twin and the runtime's", () => {
  const input = fc.uint8Array({ maxLength: 200 });
  fc.assert(fc.property(input, fc.nat(7), (bytes, shift) => {
    const crc = hash(kernel, "crc32", bytes, shift);
    assertEquals(crc, hash(twin, "crc32", bytes));
    assertEquals((crc as number) >>> 0, crc32(bytes));
  }));
});

test("siphash13() agrees with its twin", () => {
  const input = fc.uint8Array({ maxLength: 300 });
  fc.assert(fc.property(input, fc.nat(7), (bytes, shift) => {
    const value = hash(kernel, "siphash13", bytes, shift);
    assertEquals(value, hash(twin, "siphash13", bytes));
  }));
});

test("bloom_add() and bloom_probe() agree with their twins", () => {
  const input = fc.record({
    hashes: fc.array(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n })),
    absent: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    filterBytes: fc.integer({ min: 1, max: 40 }),
    probes: fc.integer({ min: 1, max: 30 }),
    step: fc.integer({ min: 1, max: 12 }),
  });
  fc.assert(fc.property(input, (given) => {
    const { hashes, absent, filterBytes, probes, step } = given;
    const [mine, other] = [kernel, twin].map((on) => {
      // In as many calls as it may be, the bits are the same.
      const most = on === kernel ? step : Infinity;
      const { pointer, bytes } = build(on, hashes, filterBytes, probes, most);
      const hits = [...hashes, absent].map((value) =>
        on.exports.bloom_probe(pointer, filterBytes, probes, value)
      );
      on.free(pointer);
      assert(hashes.every((_, i) => hits[i] === 1));
      return { bytes, hits };
    });
    assertEquals(mine, other);
  }));
});

test("bloom_probe_key() is bloom_probe() of the key's hash", () => {
  const input = fc.record({
    keys: fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 4 }),
    absent: fc.uint8Array({ maxLength: 20 }),
    filterBytes: fc.integer({ min: 1, max: 8 }),
  });
  for (const on of [kernel, twin]) {
    fc.assert(fc.property(input, ({ keys, absent, filterBytes }) => {
      const hashOf = (key: Uint8Array) => hash(on, "siphash13", key) as bigint;
      const { pointer } = build(on, keys.map(hashOf), filterBytes, 6);
      for (const key of [...keys, absent]) {
        const at = on.copyIn(key);
        assertEquals(
          on.exports.bloom_probe_key(pointer, filterBytes, 6, at, key.length),
          on.exports.bloom_probe(pointer, filterBytes, 6, hashOf(key)),
        );
        on.free(at);
      }
      on.free(pointer);
    }));
  }
});

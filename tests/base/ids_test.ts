import fc from "fast-check";
import {
  isUlid,
  isUuid,
  randomUuid,
  ulidFromBits,
  UlidSource,
  ulidTimeMs,
  ulidToBits,
  uuidFromBits,
  uuidToBits,
} from "../../lib/base/ids.ts";
import { type Runtime, systemRuntime } from "../../lib/base/runtime.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

const bits = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });

test("ulidFromBits() and ulidToBits() are inverse and keep order", () => {
  fc.assert(fc.property(bits, bits, (a, b) => {
    assert(isUlid(ulidFromBits(a)));
    assertEquals(ulidToBits(ulidFromBits(a)), a);
    assertEquals(ulidFromBits(a) < ulidFromBits(b), a < b);
  }));
});

test("uuidFromBits() and uuidToBits() are inverse", () => {
  fc.assert(fc.property(bits, (a) => {
    assert(isUuid(uuidFromBits(a)));
    assertEquals(uuidToBits(uuidFromBits(a)), a);
  }));
});

test("randomUuid() has version 4", () => {
  assertEquals(randomUuid(systemRuntime)[14], "4");
});

test("UlidSource.next() only rises, also when the clock stands or goes back", () => {
  const clock = [5000, 5000, 4000, 6000, 1];
  const runtime: Runtime = { ...systemRuntime, now: () => clock.shift()! };
  const source = new UlidSource(runtime);

  const ids = Array.from({ length: 5 }, () => source.next());

  assertEquals(ids, [...new Set(ids)].sort());
  assertEquals(ulidTimeMs(ids[0]!), 5000);
  assertEquals(ulidTimeMs(ids[3]!), 6000);
});

test("UlidSource.observe() puts later ids above one seen elsewhere", () => {
  const runtime: Runtime = { ...systemRuntime, now: () => 1000 };
  const source = new UlidSource(runtime);
  const foreign = ulidFromBits((9000n << 80n) | 7n);

  source.observe(foreign);

  assert(source.next() > foreign);
});

test("UlidSource: two that count from the same one do not meet", () => {
  const runtime: Runtime = { ...systemRuntime, now: () => 1000 };
  const seen = ulidFromBits((9000n << 80n) | 7n);
  const ids = [new UlidSource(runtime), new UlidSource(runtime)].flatMap(
    (source) => {
      source.observe(seen);
      return Array.from({ length: 100 }, () => source.next());
    },
  );
  assertEquals(new Set(ids).size, 200);
  for (const id of ids) assertEquals(ulidTimeMs(id), 9000);
});

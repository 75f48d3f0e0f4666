import { BufferPool } from "../../lib/base/buffer_pool.ts";
import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("BufferPool.take() gives a buffer out once, and only one that is long enough", () => {
  const pool = new BufferPool(2, 100);
  const buffer = pool.take(50);
  pool.give(buffer);

  assertEquals(pool.take(60).length, 60);
  assertStrictEquals(pool.take(40), buffer);
  assertEquals(pool.take(40).length, 40);
});

test("BufferPool keeps neither more nor longer buffers than it may", () => {
  const pool = new BufferPool(1, 100);
  const [first, second] = [pool.take(10), pool.take(10)];
  for (const buffer of [first, second, pool.take(101)]) pool.give(buffer);

  assertStrictEquals(pool.take(10), second);
});

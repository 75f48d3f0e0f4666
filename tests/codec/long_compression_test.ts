import fc from "fast-check";
import {
  type Compression,
  COMPRESSIONS,
  decompress,
} from "../../lib/codec/compression.ts";
import { compressInSteps } from "../../lib/codec/long_compression.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS } from "./kernels.ts";

const [, createKernel] = KERNELS[0]!;
const kernel = createKernel();

/** Bytes in which runs, repetitions and noise follow one another. */
function bytesOf(parts: readonly (readonly [number, number])[]): Uint8Array {
  const total = parts.reduce((sum, [bytes]) => sum + bytes, 0);
  const all = new Uint8Array(total);
  let at = 0;
  let seed = 1;
  for (const [bytes, period] of parts) {
    for (let i = 0; i < bytes; i++, at++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      all[at] = period === 0 ? seed >>> 24 : i % period;
    }
  }
  return all;
}

async function roundTrip(
  compression: Compression,
  raw: Uint8Array,
): Promise<number> {
  let pauses = 0;
  const stored = await compressInSteps(kernel, compression, raw, () => {
    pauses++;
    return undefined;
  });
  assertEquals(decompress(kernel, compression, stored).length, raw.length);
  assert(
    decompress(kernel, compression, stored).every((byte, i) => byte === raw[i]),
    compression,
  );
  assert(stored.length <= raw.length * 1.01 + 64, compression);
  return pauses;
}

test("property: compressInSteps() gives what any decoder reads", async () => {
  const part = fc.tuple(
    fc.oneof(fc.integer({ min: 1, max: 90_000 }), fc.constant(65_536)),
    fc.constantFrom(0, 0, 1, 7, 100, 300),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...COMPRESSIONS),
      fc.array(part, { minLength: 1, maxLength: 6 }),
      async (compression, parts) => {
        await roundTrip(compression, bytesOf(parts));
      },
    ),
    { numRuns: 80 },
  );
});

test("compressInSteps() takes noise, and matches at the edges of pieces", async () => {
  const cases = [
    [[65_536 * 3, 0]],
    [[65_536 * 3, 1]],
    [[65_536 * 2 + 1, 0]],
    [[65_536 * 2 + 4, 7]],
    [[65_535, 0], [65_537, 1], [65_536, 0], [13, 1]],
    [[65_536, 1], [65_536 * 2, 0]],
    [[65_536 * 2, 0], [70_000, 1]],
  ] as const;
  for (const compression of COMPRESSIONS) {
    for (const parts of cases) await roundTrip(compression, bytesOf(parts));
  }
});

test("compressInSteps() compresses a bounded part at a time", async () => {
  const raw = bytesOf([[300_000, 0], [300_000, 9]]);
  for (const compression of COMPRESSIONS) {
    const pauses = await roundTrip(compression, raw);
    const least = compression === "none" ? 0 : raw.length / 65_536;
    assert(pauses >= least, `${compression}: ${pauses} pauses`);
  }
});

test("compressInSteps() ends where a pause rejects", async () => {
  const raw = new Uint8Array(300_000);
  const used = kernel.exports.memory_used();
  for (const compression of COMPRESSIONS) {
    if (compression === "none") continue;
    const enough = new Error("enough");
    const pause = () => Promise.reject(enough);
    const reason = await assertRejects(() =>
      compressInSteps(kernel, compression, raw, pause)
    );
    assertEquals(reason, enough);
  }
  assertEquals(kernel.exports.memory_used(), used);
});

/**
 * What every decoder must do with damaged bytes.
 *
 * @module
 */
import { DbError } from "../../lib/base/errors.ts";
import { assertThrows, fail } from "../support/assert.ts";
import { Random } from "../support/random.ts";

/** Asserts that `body` throws an error of kind `"data"`; returns its message. */
export function assertDamage(body: () => unknown): string {
  const error = assertThrows(body);
  if (error instanceof DbError && error.kind === "data") return error.message;
  fail(`not an error of kind "data": ${error}`);
}

/** A copy of `bytes` after a few accidents. */
export function damage(bytes: Uint8Array, random: Random): Uint8Array {
  let damaged = new Uint8Array(bytes);
  for (let accidents = random.between(1, 4); accidents > 0; accidents--) {
    const at = random.below(damaged.length + 1);
    const accident = random.below(5);
    if (accident === 0) damaged = damaged.slice(0, at);
    if (damaged.length === 0) return damaged;
    const index = at % damaged.length;
    if (accident === 1) damaged[index]! ^= 1 << random.below(8);
    if (accident === 2) damaged[index] = random.pick([0, 1, 0x7f, 0x80, 0xff]);
    if (accident === 3) damaged.fill(random.pick([0, 0xff]), index, index + 4);
    if (accident === 4) damaged.copyWithin(at, random.below(damaged.length));
  }
  return damaged;
}

/**
 * Runs a decoder over damaged copies of `samples` and over noise. It may succeed
 * or throw an error of kind `"data"`, nothing else.
 */
export function fuzz(
  decode: (bytes: Uint8Array) => unknown,
  samples: readonly Uint8Array[],
  runs: number,
): void {
  for (let seed = 0; seed < runs; seed++) {
    const random = new Random(seed);
    const noise = new Uint8Array(random.below(200))
      .map(() => random.below(256));
    const sample = random.chance(0.9) ? random.pick(samples) : noise;
    const input = damage(sample, random);
    fuzzOnce(() => decode(input), `seed ${seed}: `);
  }
}

/** Runs `body`, which may throw an error of kind `"data"`, nothing else. */
export function fuzzOnce(body: () => unknown, label = ""): void {
  try {
    body();
  } catch (error) {
    if (error instanceof DbError && error.kind === "data") return;
    fail(`${label}${error instanceof Error ? error.stack : error}`);
  }
}

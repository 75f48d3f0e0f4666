/**
 * Randomness that can be replayed: every choice follows from one seed, and a
 * failing test names the seed it ran with.
 *
 * @module
 */
import process from "node:process";

/** A seeded source of choices (mulberry32). */
export class Random {
  #state: number;

  /**
   * Constructs a new {@linkcode Random}.
   *
   * @param seed Any integer; equal seeds make equal choices.
   */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True once in `1 / probability` times. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One of `choices`. */
  pick<Choice>(choices: readonly Choice[]): Choice {
    return choices[this.below(choices.length)]!;
  }

  /** One name of `weights`, as often as its weight says. */
  weighted<Name extends string>(weights: Readonly<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as [Name, number][];
    let rest = this.next() * entries.reduce((sum, [, w]) => sum + w, 0);
    for (const [name, weight] of entries) {
      rest -= weight;
      if (rest < 0) return name;
    }
    return entries.at(-1)![0];
  }

  /** A source of its own, so that its user cannot disturb this one's choices. */
  fork(): Random {
    return new Random(this.below(2 ** 32));
  }
}

/**
 * Runs `body` with a seed that a failure names: `SHALE_SEED=… ` replays it.
 *
 * @param defaultSeed The seed unless the environment gives one.
 * @param body The test.
 */
export async function withSeed(
  defaultSeed: number,
  body: (random: Random, seed: number) => Promise<void>,
): Promise<void> {
  const seed = Number(process.env["SHALE_SEED"] ?? defaultSeed);
  try {
    await body(new Random(seed), seed);
  } catch (error) {
    throw new Error(`replay with SHALE_SEED=${seed}: ${describe(error)}`, {
      cause: error,
    });
  }
}

/**
 * How many rounds a long test runs: `SHALE_ROUNDS` multiplies the default, so
 * that `SHALE_ROUNDS=10` makes every such test ten times as long.
 *
 * @param rounds Rounds of an ordinary run.
 * @returns At least 1.
 */
export function roundsOf(rounds: number): number {
  const factor = Number(process.env["SHALE_ROUNDS"] ?? 1);
  return Math.max(1, Math.round(rounds * factor));
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

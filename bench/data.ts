/**
 * The rows of the bench: keys of 16 bytes, values of 100 bytes that compress to
 * about a half, in an order that no engine can profit from.
 *
 * @module
 */

/** Rows in the order in which they are written. */
export interface BenchData {
  /** `k`, fourteen digits, `0` or `1`. */
  readonly keys: readonly Uint8Array[];
  /** Fifty random bytes, twice. */
  readonly values: readonly Uint8Array[];
}

/** Bytes of one key. */
export const KEY_BYTES = 16;
/** Bytes of one value. */
export const VALUE_BYTES = 100;

/** Distinct values; more would only cost memory. */
const VALUES = 65_536;

/**
 * Makes rows; the same for the same arguments.
 *
 * @param rows How many.
 * @param last The key's last digit: `"0"` for keys that are written, `"1"` for keys that sort between those.
 * @returns Keys in permuted order, and a value for each.
 */
export function makeData(rows: number, last: "0" | "1" = "0"): BenchData {
  const distinct = Math.min(rows, VALUES);
  const valueBytes = makeValues(distinct);
  const keyBytes = new Uint8Array(rows * KEY_BYTES);
  const encoder = new TextEncoder();
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  const step = coprimeStep(rows);
  let n = 0;
  for (let i = 0; i < rows; i++) {
    const key = keyBytes.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
    encoder.encodeInto(keyText(n) + last, key);
    n = (n + step) % rows;
    keys.push(key);
    const at = (i % distinct) * VALUE_BYTES;
    values.push(valueBytes.subarray(at, at + VALUE_BYTES));
  }
  return { keys, values };
}

/**
 * Makes batches of rows with random keys, out of as many different ones as there
 * are rows; the same for the same arguments.
 *
 * @param rows How many in all.
 * @param batchRows How many in a batch.
 * @returns Batches, each valid until the next is asked for.
 */
export function* makeRandomBatches(
  rows: number,
  batchRows: number,
): Generator<BenchData> {
  const random = createRandom(11);
  const distinct = Math.min(rows, VALUES);
  const valueBytes = makeValues(distinct);
  const keyBytes = new Uint8Array(batchRows * KEY_BYTES);
  const encoder = new TextEncoder();
  const keys: Uint8Array[] = Array.from(
    { length: batchRows },
    (_, i) => keyBytes.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES),
  );
  const values: Uint8Array[] = keys.slice();
  for (let done = 0; done < rows; done += batchRows) {
    const count = Math.min(batchRows, rows - done);
    for (let i = 0; i < count; i++) {
      encoder.encodeInto(keyText(random() % rows) + "0", keys[i]!);
      const at = (random() % distinct) * VALUE_BYTES;
      values[i] = valueBytes.subarray(at, at + VALUE_BYTES);
    }
    yield { keys: keys.slice(0, count), values: values.slice(0, count) };
  }
}

/**
 * The prefix that exactly 100 rows share.
 *
 * @param group Which hundred.
 * @returns Thirteen bytes.
 */
export function makePrefix(group: number): Uint8Array {
  return new TextEncoder().encode(keyText(group * 100).slice(0, 13));
}

/**
 * A xorshift generator: unsigned 32-bit integers, the same for the same seed.
 *
 * @param seed Not 0.
 * @returns The next number, each time it is called.
 */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function makeValues(count: number): Uint8Array {
  const random = createRandom(1);
  const bytes = new Uint8Array(count * VALUE_BYTES);
  for (let at = 0; at < bytes.length; at += VALUE_BYTES) {
    for (let i = 0; i < VALUE_BYTES / 2; i++) {
      const byte = random() & 0xff;
      bytes[at + i] = byte;
      bytes[at + i + VALUE_BYTES / 2] = byte;
    }
  }
  return bytes;
}

function keyText(n: number): string {
  return "k" + String(n).padStart(14, "0");
}

/** A step near the golden section of `rows` that visits every row once. */
function coprimeStep(rows: number): number {
  let step = Math.max(1, Math.floor(rows * 0.618));
  while (gcd(step, rows) !== 1) step++;
  return step;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/**
 * Identifiers: ULIDs of SSTs and jobs, UUIDs of checkpoints.
 *
 * @module
 */
import { DbError } from "./errors.ts";
import type { Runtime } from "./runtime.ts";

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_REGEXP = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const UUID_REGEXP =
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const RANDOM_BITS = 80n;
const RANDOM_MASK = (1n << RANDOM_BITS) - 1n;
const STEP_MASK = (1n << 64n) - 1n;

/** A ULID in its text form: 26 upper-case Crockford base32 characters. */
export type Ulid = string;

/** A UUID in its text form, lower case. */
export type Uuid = string;

/**
 * Whether `text` is a ULID.
 *
 * @param text Any text.
 * @returns Whether it is.
 */
export function isUlid(text: string): boolean {
  return ULID_REGEXP.test(text);
}

/**
 * A ULID as its 128-bit value.
 *
 * @param ulid The text form.
 * @returns The value.
 * @throws {DbError} Kind `"invalid"` if the text is no ULID.
 */
export function ulidToBits(ulid: Ulid): bigint {
  if (!isUlid(ulid)) throw new DbError("invalid", `invalid ULID: ${ulid}`);
  let bits = 0n;
  for (const digit of ulid) {
    bits = (bits << 5n) | BigInt(CROCKFORD.indexOf(digit));
  }
  return bits;
}

/**
 * The inverse of {@linkcode ulidToBits}.
 *
 * @param bits A 128-bit value.
 * @returns The text form.
 */
export function ulidFromBits(bits: bigint): Ulid {
  let text = "";
  for (let i = 0; i < 26; i++) {
    text = CROCKFORD[Number(bits & 31n)]! + text;
    bits >>= 5n;
  }
  return text;
}

/**
 * When a ULID was made, by the clock of its maker.
 *
 * @param ulid The text form.
 * @returns Milliseconds since the epoch.
 */
export function ulidTimeMs(ulid: Ulid): number {
  return Number(ulidToBits(ulid) >> RANDOM_BITS);
}

/** Makes ULIDs that only ever increase, whatever the clock does. */
export class UlidSource {
  readonly #runtime: Runtime;
  #last = 0n;

  /**
   * Constructs a new {@linkcode UlidSource}.
   *
   * @param runtime Clock and randomness.
   */
  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /**
   * Makes a ULID greater than every one made before.
   *
   * @returns The text form.
   */
  next(): Ulid {
    const random = new Uint8Array(10);
    this.#runtime.randomFill(random);
    let bits = BigInt(Math.max(0, Math.floor(this.#runtime.now())));
    for (const byte of random) bits = (bits << 8n) | BigInt(byte);
    // Within one millisecond, or after the clock went back, count upwards from
    // the last one: order of making is order of text. By random steps, since
    // another process may count from the same one.
    if (bits >> RANDOM_BITS <= this.#last >> RANDOM_BITS) {
      bits = this.#last + 1n + (bits & STEP_MASK);
    }
    this.#last = bits;
    return ulidFromBits(bits);
  }

  /**
   * Makes every later ULID greater than `ulid` too.
   *
   * @param ulid A ULID seen elsewhere.
   */
  observe(ulid: Ulid): void {
    const bits = ulidToBits(ulid);
    if (bits > this.#last && (bits & RANDOM_MASK) !== RANDOM_MASK) {
      this.#last = bits;
    }
  }
}

/**
 * Makes a random UUID (version 4).
 *
 * @param runtime Randomness.
 * @returns The text form.
 */
export function randomUuid(runtime: Runtime): Uuid {
  const bytes = new Uint8Array(16);
  runtime.randomFill(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  let bits = 0n;
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte);
  return uuidFromBits(bits);
}

/**
 * Whether `text` is a UUID in lower case.
 *
 * @param text Any text.
 * @returns Whether it is.
 */
export function isUuid(text: string): boolean {
  return UUID_REGEXP.test(text);
}

/**
 * A UUID as its 128-bit value.
 *
 * @param uuid The text form.
 * @returns The value.
 */
export function uuidToBits(uuid: Uuid): bigint {
  return BigInt(`0x${uuid.replaceAll("-", "")}`);
}

/**
 * The inverse of {@linkcode uuidToBits}.
 *
 * @param bits A 128-bit value.
 * @returns The text form.
 */
export function uuidFromBits(bits: bigint): Uuid {
  const hex = bits.toString(16).padStart(32, "0");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

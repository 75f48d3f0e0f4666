/**
 * When a row expires, from what its write said.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";

/** How long a row lives; at most one of the two. */
export interface TtlOptions {
  /**
   * Milliseconds after the write; `Infinity`: never, whatever `default_ttl`
   * says.
   */
  ttlMs?: number;
  /** Milliseconds since the epoch. */
  expiresAtMs?: number | bigint;
}

const MAX_I64 = (1n << 63n) - 1n;

/**
 * What a write said about expiry, for a commit that comes later: a copy, since
 * callers use one object for many writes.
 *
 * @param options What the write said.
 * @returns The same, the caller's changes apart.
 * @throws {DbError} Kind `"invalid"` if the options contradict or make no sense.
 */
export function keptTtl({ ttlMs, expiresAtMs }: TtlOptions): TtlOptions {
  const kept = {
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
  // Judged for real at the commit; a contradiction is told to its author.
  expiryOf(kept, 0n, undefined);
  return kept;
}

/**
 * When a row written now expires.
 *
 * @param options What the write said.
 * @param createTs The row's stamp.
 * @param defaultTtlMs What applies where the write said nothing.
 * @returns The time, or `undefined` for never.
 * @throws {DbError} Kind `"invalid"` if the options contradict or make no sense.
 */
export function expiryOf(
  options: TtlOptions,
  createTs: bigint,
  defaultTtlMs: number | undefined,
): bigint | undefined {
  const { ttlMs = defaultTtlMs, expiresAtMs } = options;
  if (expiresAtMs !== undefined) return absolute(options, expiresAtMs);
  if (ttlMs === undefined || ttlMs === Infinity) return undefined;
  if (typeof ttlMs !== "number" || !(ttlMs >= 0)) {
    throw new DbError(
      "invalid",
      `ttlMs must be a number >= 0 or Infinity, not ${ttlMs}`,
    );
  }
  const expireTs = createTs + BigInt(Math.floor(ttlMs));
  // SlateDB's rule: a lifetime past the end of time is no lifetime.
  return expireTs > MAX_I64 ? undefined : expireTs;
}

function absolute(
  { ttlMs }: TtlOptions,
  expiresAtMs: number | bigint,
): bigint {
  if (ttlMs !== undefined) {
    throw new DbError("invalid", "Give `ttlMs` or `expiresAtMs`, not both");
  }
  const whole = typeof expiresAtMs === "bigint" ||
    Number.isSafeInteger(expiresAtMs);
  const expireTs = whole ? BigInt(expiresAtMs) : MAX_I64 + 1n;
  if (expireTs > MAX_I64 || expireTs < -MAX_I64) {
    throw new DbError(
      "invalid",
      `expiresAtMs must be a whole number of milliseconds in 64 bits, not ${expiresAtMs}`,
    );
  }
  return expireTs;
}

/**
 * Durations in settings: `"100ms"`, `"1s"`, `"1s+500ms"`, or a number of
 * milliseconds.
 *
 * @module
 */
import { DbError } from "./errors.ts";

/** A duration as settings take it. */
export type Duration = string | number;

/** An interval that need not back off when idle. */
export interface PollInterval {
  /** How often. */
  interval: Duration;
  /** Whether the interval holds when idle, too. */
  exact?: boolean;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const PART_REGEXP = /^\s*(\d+(?:\.\d+)?)\s*([a-zµ]+)\s*$/;

/**
 * Reads a duration.
 *
 * @param value What the settings hold.
 * @param name The setting, for the message.
 * @returns Milliseconds.
 * @throws {DbError} Kind `"invalid"` if it is no duration.
 */
export function parseDuration(value: unknown, name: string): number {
  if (typeof value === "number" && value >= 0 && Number.isFinite(value)) {
    return value;
  }
  if (typeof value === "string") {
    const parts = value.split(/\+|(?<=[a-zµ])\s+(?=\d)/).map(parsePart);
    if (parts.every((part) => part !== undefined)) {
      return parts.reduce((sum, part) => sum + part, 0);
    }
  }
  throw new DbError(
    "invalid",
    `setting '${name}' must be a duration such as "100ms", "1s" or a number of milliseconds, not ${
      JSON.stringify(value)
    }`,
  );
}

/**
 * Reads an interval.
 *
 * @param value What the settings hold: a duration, or one that holds always.
 * @param name The setting, for the message.
 * @returns Milliseconds, and whether they hold when idle, too.
 * @throws {DbError} Kind `"invalid"` if it is no interval, or shorter than a millisecond.
 */
export function parseInterval(
  value: unknown,
  name: string,
): { ms: number; exact: boolean } {
  if (typeof value !== "object" || value === null) {
    return { ms: atLeastOne(parseDuration(value, name), name), exact: false };
  }
  for (const key of Object.keys(value)) {
    if (key === "interval" || key === "exact") continue;
    throw new DbError(
      "invalid",
      `unknown setting '${name}.${key}': known are interval and exact`,
    );
  }
  const { interval, exact = false } = value as Partial<PollInterval>;
  if (typeof exact !== "boolean") {
    throw new DbError(
      "invalid",
      `setting '${name}.exact' must be a boolean, not ${JSON.stringify(exact)}`,
    );
  }
  const ms = parseDuration(interval, `${name}.interval`);
  return { ms: atLeastOne(ms, name), exact };
}

function atLeastOne(ms: number, name: string): number {
  if (ms >= 1) return ms;
  throw new DbError("invalid", `setting '${name}' must be at least 1`);
}

function parsePart(text: string): number | undefined {
  const match = PART_REGEXP.exec(text);
  const unit = match === null ? undefined : UNIT_MS[match[2]!];
  return unit === undefined ? undefined : Number(match![1]) * unit;
}

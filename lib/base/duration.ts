/**
 * Durations in settings: `"100ms"`, `"1s"`, `"1s+500ms"`, or a number of
 * milliseconds.
 *
 * @module
 */
import { DbError } from "./errors.ts";

/** A duration as settings take it. */
export type Duration = string | number;

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

function parsePart(text: string): number | undefined {
  const match = PART_REGEXP.exec(text);
  const unit = match === null ? undefined : UNIT_MS[match[2]!];
  return unit === undefined ? undefined : Number(match![1]) * unit;
}

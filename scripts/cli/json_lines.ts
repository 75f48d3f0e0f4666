/**
 * One JSON object a line, with 64-bit integers unharmed.
 *
 * @module
 */
import { messageOf } from "../../lib/base/errors.ts";
import { DbError } from "../../mod.ts";

// Strings cannot match: a quote inside one is written \".
const LONG_INTEGER_REGEXP = /("\w+"\s*:\s*)(-?\d{16,})(?=\s*[,}])/g;

/**
 * Parses a line. Integers of more than 15 digits come out as strings, since
 * JavaScript's numbers would round them.
 *
 * @param line The line.
 * @param number Its number, for the message.
 * @returns The object.
 * @throws {DbError} Kind `"invalid"` if the line is no JSON object.
 */
export function parseJsonObject(
  line: string,
  number: number,
): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line.replaceAll(LONG_INTEGER_REGEXP, '$1"$2"'));
  } catch (error) {
    throw new DbError("invalid", `line ${number}: ${messageOf(error)}`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new DbError("invalid", `line ${number}: not a JSON object`);
}

/**
 * A member that is a 64-bit integer.
 *
 * @param object What {@linkcode parseJsonObject} returned.
 * @param name The member's name.
 * @param number The line's number, for the message.
 * @returns The integer; `undefined` where it is absent or null.
 * @throws {DbError} Kind `"invalid"` if it is something else.
 */
export function integerOf(
  object: Readonly<Record<string, unknown>>,
  name: string,
  number: number,
): bigint | undefined {
  const value = object[name];
  if (value === undefined || value === null) return undefined;
  if (/^-?\d+$/.test(String(value))) return BigInt(String(value));
  throw new DbError(
    "invalid",
    `line ${number}: "${name}" must be a whole number, not ${
      JSON.stringify(value)
    }`,
  );
}

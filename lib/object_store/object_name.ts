/**
 * Which names and ranges a store takes, and the order of names.
 *
 * Every store checks through here, so that a name one of them refuses is not
 * taken by another until the data moves.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";
import type { ByteRange } from "./object_store.ts";

/** What S3 allows; the other stores follow. */
const MAX_NAME_BYTES = 1024;
/** An empty, `.` or `..` part, or NUL. */
const BAD_PART_REGEXP = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;
const ENCODER = new TextEncoder();

/**
 * Checks the name of an object.
 *
 * @param name The name.
 * @throws {DbError} Kind `"invalid"` if no store could hold it.
 */
export function checkName(name: string): void {
  if (BAD_PART_REGEXP.test(name)) {
    throw new DbError(
      "invalid",
      `Cannot use ${
        JSON.stringify(name)
      } as an object name: it must be parts joined by "/", none of them empty, "." or ".."`,
    );
  }
  checkText(name);
}

/**
 * Checks the prefix of a listing: the beginning of some name, or nothing.
 *
 * @param prefix The prefix.
 * @throws {DbError} Kind `"invalid"` if no name could begin with it.
 */
export function checkPrefix(prefix: string): void {
  const slash = prefix.lastIndexOf("/");
  if (slash !== -1) checkName(prefix.slice(0, slash));
  if (prefix.includes("\0")) checkName(prefix);
  checkText(prefix);
}

function checkText(text: string): void {
  // Three bytes of UTF-8 are the most that one UTF-16 unit takes.
  const isLong = text.length * 3 > MAX_NAME_BYTES &&
    ENCODER.encode(text).length > MAX_NAME_BYTES;
  if (isLong) {
    throw new DbError(
      "invalid",
      `Cannot use an object name of more than ${MAX_NAME_BYTES} bytes: "${
        text.slice(0, 40)
      }…"`,
    );
  }
  if (!text.isWellFormed()) {
    throw new DbError(
      "invalid",
      `Cannot use ${
        JSON.stringify(text)
      } as an object name: it has half a surrogate pair`,
    );
  }
}

/**
 * The order of names: by their UTF-8 bytes, as stores list them.
 *
 * @param a One name.
 * @param b The other.
 * @returns Negative, zero or positive.
 */
export function compareNames(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for code points above all others. */
function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}

/**
 * Checks a range before anything is asked.
 *
 * @param range The range, if any.
 * @throws {DbError} Kind `"invalid"` if it is reversed, negative or no integer.
 */
export function checkByteRange(range: ByteRange | undefined): void {
  if (range === undefined) return;
  const isValid = "suffix" in range
    ? isOffset(range.suffix)
    : isOffset(range.start) &&
      (range.end === undefined ||
        isOffset(range.end) && range.end >= range.start);
  if (!isValid) {
    throw new DbError(
      "invalid",
      `Cannot read the range ${
        JSON.stringify(range)
      }: offsets must be integers >= 0, and the end not before the start`,
    );
  }
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/**
 * The bytes a range means in an object of a given size; cut at its end.
 *
 * @param range A checked range, or none for everything.
 * @param size Bytes of the object.
 * @returns Offsets with `0 <= start <= end <= size`.
 */
export function resolveByteRange(
  range: ByteRange | undefined,
  size: number,
): { readonly start: number; readonly end: number } {
  if (range === undefined) return { start: 0, end: size };
  if ("suffix" in range) {
    return { start: Math.max(0, size - range.suffix), end: size };
  }
  return {
    start: Math.min(range.start, size),
    end: Math.min(range.end ?? size, size),
  };
}

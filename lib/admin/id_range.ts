/**
 * Numbers of files, and ranges of them, as users give them.
 *
 * @module
 */
import { DbError } from "../base/errors.ts";

/** Numbers from `from` up to, not including, `to`. */
export interface IdRange {
  /** The first one; all below unless given. */
  from?: number;
  /** The first one that does not belong to it; all above unless given. */
  to?: number;
}

/**
 * The files of a listing whose numbers lie in a range.
 *
 * @param files The listing, ascending.
 * @param range The range.
 * @returns The files.
 */
export async function inRange<File extends { readonly id: number }>(
  files: AsyncIterable<File>,
  { from = 0, to = Infinity }: IdRange,
): Promise<File[]> {
  const found: File[] = [];
  for await (const file of files) {
    if (file.id >= to) break;
    if (file.id >= from) found.push(file);
  }
  return found;
}

/**
 * Checks a file's number as a user gave it.
 *
 * @param what What the file is called.
 * @param id The number.
 * @returns The number.
 * @throws {DbError} Kind `"invalid"` if it is none.
 */
export function checkedId(what: string, id: number): number {
  if (Number.isSafeInteger(id) && id >= 0) return id;
  throw new DbError("invalid", `a ${what} has a whole number, not ${id}`);
}

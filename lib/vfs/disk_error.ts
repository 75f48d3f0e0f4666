/**
 * What a failure of the disk means for a caller of the database, and what to
 * do about it.
 *
 * @module
 */
import { DbError, messageOf, type Outcome } from "../base/errors.ts";
import { posixCodeOf } from "./vfs.ts";

interface Meaning {
  /** What is the matter, and what to do. */
  readonly advice: string;
  /** Whether waiting may help. */
  readonly retryable: boolean;
  /** Set where the request itself cannot work. */
  readonly invalid?: boolean;
}

const FULL: Meaning = {
  advice: "the disk is full; free some space and try again",
  retryable: true,
};
const TOO_MANY_FILES: Meaning = {
  advice:
    "too many files are open; raise the limit (`ulimit -n`) or close something",
  retryable: true,
};
const NO_PERMISSION: Meaning = {
  advice:
    "this process has no permission; check the owner and mode of the path, or the permissions given to the runtime",
  retryable: false,
};
const IN_THE_WAY: Meaning = {
  advice:
    "one of its parents is a file, or the path itself is a directory; choose another name or move what is there",
  retryable: false,
  invalid: true,
};

const MEANINGS: Readonly<Record<string, Meaning>> = {
  ENOSPC: FULL,
  EDQUOT: { ...FULL, advice: "the disk quota is used up; free some space" },
  EMFILE: TOO_MANY_FILES,
  ENFILE: TOO_MANY_FILES,
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: {
    advice: "the file system is read-only; mount it writable or move the data",
    retryable: false,
  },
  ENOTDIR: IN_THE_WAY,
  EISDIR: IN_THE_WAY,
  ENAMETOOLONG: {
    advice: "a part of the name is longer than the file system allows",
    retryable: false,
    invalid: true,
  },
  EXDEV: {
    advice:
      "the store's directory spans two file systems; keep all of it on one",
    retryable: false,
    invalid: true,
  },
  EIO: {
    advice: "the device reported an error; check the disk",
    retryable: true,
  },
};

/**
 * Turns a failure of the disk into what the database throws; leaves every
 * other error as it is.
 *
 * @param error What was thrown.
 * @param action What could not be done, such as `write /data/a`.
 * @param outcome Whether it may have been done all the same.
 * @returns Something to throw.
 */
export function toDiskError(
  error: unknown,
  action: string,
  outcome: Outcome = "none",
): unknown {
  const code = posixCodeOf(error);
  if (error instanceof DbError || code === undefined) return error;
  const { advice, retryable, invalid } = MEANINGS[code] ??
    { advice: messageOf(error), retryable: true, invalid: false };
  return new DbError(
    invalid === true ? "invalid" : "unavailable",
    `Cannot ${action}: ${advice} (${code})`,
    { cause: error, retryable, outcome },
  );
}

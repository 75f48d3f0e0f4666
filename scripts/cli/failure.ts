/**
 * What a failed command says, and the status it ends with.
 *
 * @module
 */
import { messageOf, toDbError } from "../../lib/base/errors.ts";
import type { DbError, ErrorKind } from "../../mod.ts";

/** The exit status of each kind of error; 0 is success. */
export const EXIT_STATUS: Readonly<Record<ErrorKind, number>> = {
  internal: 1,
  invalid: 2,
  data: 3,
  unavailable: 4,
  closed: 5,
  transaction: 6,
};

/** A failed command, ready for the person who ran it. */
export interface Failure {
  /** See {@linkcode EXIT_STATUS}. */
  readonly status: number;
  /** What standard error shows. */
  readonly lines: readonly string[];
}

/**
 * Turns anything thrown into a status and one or two lines.
 *
 * @param error What was thrown.
 * @param debug Whether to show the stack as well.
 * @returns What to show.
 */
export function describeFailure(error: unknown, debug: boolean): Failure {
  const known: DbError = toDbError(error);
  const lines = [`error (${known.kind}): ${oneLine(known.message)}`];
  const cause = known.cause;
  if (cause !== undefined) {
    const reason = oneLine(messageOf(cause));
    if (!known.message.includes(reason)) lines.push(`cause: ${reason}`);
  }
  if (debug) lines.push(known.stack ?? "no stack");
  if (debug && cause instanceof Error) lines.push(cause.stack ?? "no stack");
  return { status: EXIT_STATUS[known.kind], lines };
}

function oneLine(message: string): string {
  return message.replaceAll(/\s*\n\s*/g, " ");
}

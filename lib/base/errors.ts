/**
 * The one error a caller of the database may want to handle.
 *
 * Owns: kinds, what each means for a retry, and the plain form in which an
 * error crosses a thread. A missing key is `undefined` and a lost race is a
 * value: neither is an error.
 *
 * @module
 */

/**
 * What the caller can do about a {@linkcode DbError}.
 *
 * | kind            | what to do                                            |
 * | --------------- | ----------------------------------------------------- |
 * | `"transaction"` | a conflict: run the transaction again, or drop it     |
 * | `"closed"`      | this handle is finished: open a new one               |
 * | `"unavailable"` | storage did not answer: try the operation again later |
 * | `"invalid"`     | the request cannot work as configured: change it      |
 * | `"data"`        | stored bytes are not what they should be: repair them |
 * | `"internal"`    | a bug in this library: report it                      |
 */
export type ErrorKind =
  | "transaction"
  | "closed"
  | "unavailable"
  | "invalid"
  | "data"
  | "internal";

/** Why a handle is closed: by its owner, by a newer writer, or by a failure. */
export type CloseReason = "clean" | "fenced" | "failed";

/** Whether the failed operation may have taken effect. */
export type Outcome = "none" | "unknown";

/** Details of a {@linkcode DbError}. */
export interface DbErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
  /**
   * Whether the same call may succeed later.
   *
   * @default {kind === "transaction" || kind === "unavailable"}
   */
  retryable?: boolean;
  /**
   * Whether the failed operation may have taken effect.
   *
   * @default {"none"}
   */
  outcome?: Outcome;
  /** Set for kind `"closed"`. */
  reason?: CloseReason;
}

/** An error a caller of the database may want to handle. */
export class DbError extends Error {
  /** What the caller can do about it. */
  readonly kind: ErrorKind;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** `"unknown"`: the operation failed, yet may have taken effect. */
  readonly outcome: Outcome;
  /** Why the handle is closed; set for kind `"closed"` alone. */
  readonly reason: CloseReason | undefined;

  /**
   * Constructs a new {@linkcode DbError}.
   *
   * @param kind What the caller can do about it.
   * @param message What is wrong and what to do; not part of the API.
   * @param options The cause and the details.
   */
  constructor(kind: ErrorKind, message: string, options: DbErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : {});
    this.name = "DbError";
    this.kind = kind;
    this.retryable = options.retryable ??
      (kind === "transaction" || kind === "unavailable");
    this.outcome = options.outcome ?? "none";
    this.reason = kind === "closed" ? options.reason ?? "clean" : undefined;
  }
}

/** A {@linkcode DbError} as plain data, for `postMessage` and `--json`. */
export interface PlainError {
  /** See {@linkcode DbError.kind}. */
  kind: ErrorKind;
  /** The message. */
  message: string;
  /** See {@linkcode DbError.retryable}. */
  retryable: boolean;
  /** See {@linkcode DbError.outcome}. */
  outcome: Outcome;
  /** See {@linkcode DbError.reason}. */
  reason?: CloseReason;
  /** Message of the cause, where there is one. */
  cause?: string;
}

/**
 * Turns anything thrown into plain data.
 *
 * @param error What was thrown.
 * @returns Data that survives a structured clone.
 */
export function toPlainError(error: unknown): PlainError {
  const known = toDbError(error);
  return {
    kind: known.kind,
    message: known.message,
    retryable: known.retryable,
    outcome: known.outcome,
    ...(known.reason === undefined ? {} : { reason: known.reason }),
    ...(known.cause === undefined ? {} : { cause: messageOf(known.cause) }),
  };
}

/**
 * The inverse of {@linkcode toPlainError}.
 *
 * @param plain What came over from another thread.
 * @returns An error to throw.
 */
export function fromPlainError(plain: PlainError): DbError {
  const { kind, message, retryable, outcome, reason, cause } = plain;
  return new DbError(kind, message, {
    retryable,
    outcome,
    ...(reason === undefined ? {} : { reason }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Leaves a {@linkcode DbError} as it is and wraps anything else as a bug.
 *
 * @param error What was thrown.
 * @returns A {@linkcode DbError}.
 */
export function toDbError(error: unknown): DbError {
  if (error instanceof DbError) return error;
  return new DbError("internal", messageOf(error), { cause: error });
}

/**
 * The same error for somebody whose operation may have taken effect.
 *
 * @param error The error.
 * @returns One with outcome `"unknown"`; `error` itself where it has that.
 */
export function withUnknownOutcome(error: DbError): DbError {
  if (error.outcome === "unknown") return error;
  const { kind, message, retryable, reason, cause } = error;
  return new DbError(kind, message, {
    retryable,
    outcome: "unknown",
    ...(reason === undefined ? {} : { reason }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The message of anything thrown.
 *
 * @param error What was thrown.
 * @returns Its message, or the thing as text.
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Throws kind `"internal"` unless `condition` holds; never stripped.
 *
 * @param condition What must be true here.
 * @param message What is wrong when it is not.
 * @throws {DbError} If the condition does not hold.
 */
export function invariant(
  condition: unknown,
  message: string,
): asserts condition {
  if (!condition) throw new DbError("internal", `Broken invariant: ${message}`);
}

/**
 * Throws the signal's reason as it is when the signal has fired.
 *
 * @param signal The caller's signal, if any.
 */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw signal.reason;
}

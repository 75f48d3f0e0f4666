/**
 * Requirements as data, and the few expectations they are written with; tied
 * to no test framework.
 *
 * @module
 */
import { equalBytes } from "../base/bytes.ts";
import { DbError, type ErrorKind } from "../base/errors.ts";

/** One requirement, checked against a fresh subject. */
export interface SuiteCase<Subject> {
  /** What must hold, as a sentence that starts with the method. */
  readonly name: string;
  /** Rejects when it does not hold. */
  run(subject: Subject): Promise<void>;
}

/**
 * Throws unless both values hold the same.
 *
 * @param actual What there is.
 * @param expected What there should be; plain data and bytes.
 * @param what What is compared, for the message.
 */
export function expectSame(
  actual: unknown,
  expected: unknown,
  what = "value",
): void {
  if (isSame(actual, expected)) return;
  throw new Error(`${what} is ${show(actual)}, expected ${show(expected)}`);
}

/**
 * Throws unless a call rejects with a `DbError` of one kind.
 *
 * @param call The call.
 * @param kind The kind.
 * @param what What was called, for the message.
 */
export async function expectDbError(
  call: () => unknown,
  kind: ErrorKind,
  what = "call",
): Promise<void> {
  const error = await failureOf(call);
  const found = error instanceof DbError ? error.kind : show(error);
  expectSame(found, kind, `kind of error of ${what}`);
}

/**
 * Throws unless a call rejects with the very thing given.
 *
 * @param call The call.
 * @param reason What it must reject with.
 * @param what What was called, for the message.
 */
export async function expectReason(
  call: () => unknown,
  reason: unknown,
  what = "call",
): Promise<void> {
  const error = await failureOf(call);
  if (error === reason) return;
  throw new Error(
    `${what} failed with ${show(error)}, expected ${show(reason)}`,
  );
}

async function failureOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
}

function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return equalBytes(a, b);
  }
  if (typeof a !== "object" || typeof b !== "object") return false;
  if (a === null || b === null) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  for (const key of keys) {
    if (!isSame(Reflect.get(a, key), Reflect.get(b, key))) return false;
  }
  return true;
}

function show(value: unknown): string {
  if (value instanceof Error) return String(value);
  if (value instanceof Uint8Array) {
    const shown = Array.from(value.subarray(0, 16)).join(" ");
    return `${value.length} bytes [${shown}${value.length > 16 ? " …" : ""}]`;
  }
  return JSON.stringify(value) ?? String(value);
}

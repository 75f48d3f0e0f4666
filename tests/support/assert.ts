/**
 * Asserts of `@std/assert` with types: the npm build of that package ships
 * none, so the names used here are declared once.
 */
import * as std from "@std/assert";

type Asserts = {
  assert(condition: unknown, message?: string): void;
  assertEquals<Value>(actual: Value, expected: Value, message?: string): void;
  assertNotEquals<Value>(
    actual: Value,
    expected: Value,
    message?: string,
  ): void;
  assertStrictEquals<Value>(
    actual: Value,
    expected: Value,
    message?: string,
  ): void;
  assertStringIncludes(
    actual: string,
    expected: string,
    message?: string,
  ): void;
  assertMatch(actual: string, expected: RegExp, message?: string): void;
  assertThrows(body: () => unknown, message?: string): unknown;
  assertRejects(body: () => Promise<unknown>, message?: string): Promise<
    unknown
  >;
  fail(message?: string): never;
};

const typed = std as unknown as Asserts;

/** Throws unless `condition` is truthy. */
export const assert: Asserts["assert"] = typed.assert;
/** Throws unless both values are deeply equal. */
export const assertEquals: Asserts["assertEquals"] = typed.assertEquals;
/** Throws if both values are deeply equal. */
export const assertNotEquals: Asserts["assertNotEquals"] =
  typed.assertNotEquals;
/** Throws unless both are the same value. */
export const assertStrictEquals: Asserts["assertStrictEquals"] =
  typed.assertStrictEquals;
/** Throws unless `actual` contains `expected`. */
export const assertStringIncludes: Asserts["assertStringIncludes"] =
  typed.assertStringIncludes;
/** Throws unless `actual` matches `expected`. */
export const assertMatch: Asserts["assertMatch"] = typed.assertMatch;
/** Throws unless `body` throws; returns what it threw. */
export const assertThrows: Asserts["assertThrows"] = typed.assertThrows;
/** Rejects unless `body` rejects; resolves with the reason. */
export const assertRejects: Asserts["assertRejects"] = typed.assertRejects;
/** Always throws. */
export const fail: Asserts["fail"] = typed.fail;

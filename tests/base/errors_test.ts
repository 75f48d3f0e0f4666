import {
  DbError,
  fromPlainError,
  invariant,
  toDbError,
  toPlainError,
} from "../../lib/base/errors.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("DbError is retryable by its kind unless told otherwise", () => {
  assertEquals(new DbError("unavailable", "x").retryable, true);
  assertEquals(new DbError("transaction", "x").retryable, true);
  assertEquals(new DbError("data", "x").retryable, false);
  assertEquals(
    new DbError("unavailable", "x", { retryable: false }).retryable,
    false,
  );
});

test("DbError has a reason for kind closed alone, and a cause only where there is one", () => {
  assertEquals(new DbError("closed", "x").reason, "clean");
  assertEquals(
    new DbError("data", "x", { reason: "fenced" }).reason,
    undefined,
  );
  assertEquals("cause" in new DbError("data", "x"), false);
});

test("fromPlainError() restores what toPlainError() sent through a structured clone", () => {
  const error = new DbError("closed", "gone", {
    reason: "fenced",
    outcome: "unknown",
    cause: new Error("why"),
  });

  const copy = fromPlainError(structuredClone(toPlainError(error)));

  assert(copy instanceof DbError);
  assertEquals(
    [copy.kind, copy.message, copy.reason, copy.outcome, copy.cause],
    ["closed", "gone", "fenced", "unknown", "why"],
  );
});

test("toDbError() keeps a DbError and wraps anything else as internal", () => {
  const known = new DbError("data", "x");
  assertEquals(toDbError(known) === known, true);
  const wrapped = toDbError(new TypeError("oops"));
  assertEquals([wrapped.kind, wrapped.message], ["internal", "oops"]);
});

test("invariant() throws kind internal", () => {
  invariant(true, "fine");
  const error = assertThrows(() => invariant(false, "order")) as DbError;
  assertEquals(error.kind, "internal");
});

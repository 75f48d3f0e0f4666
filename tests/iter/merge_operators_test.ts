import fc from "fast-check";
import type { DbError } from "../../lib/base/errors.ts";
import {
  decodeJsonDocument,
  jsonMergePatchOperator,
} from "../../lib/iter/json_merge_patch.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import {
  appendOperator,
  counterOperator,
  decodeCounter,
  encodeCounter,
  maxOperator,
  minOperator,
} from "../../lib/iter/merge_operators.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const KEY = new Uint8Array([1]);
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);

function fold(operator: MergeOperator, operands: readonly Uint8Array[]) {
  return operands.reduce<Uint8Array | undefined>(
    (existing, operand) => operator.merge(KEY, existing, operand),
    undefined,
  )!;
}

const json = fc.jsonValue({ maxDepth: 2, depthSize: "small" }).map((value) =>
  bytes(JSON.stringify(value))
);
const OPERATORS = [
  [
    "counterOperator()",
    counterOperator(),
    fc.bigInt({
      min: -(1n << 63n),
      max: (1n << 63n) - 1n,
    }).map(encodeCounter),
  ],
  ["maxOperator()", maxOperator(), fc.uint8Array({ maxLength: 3 })],
  ["minOperator()", minOperator(), fc.uint8Array({ maxLength: 3 })],
  ["appendOperator()", appendOperator(), fc.uint8Array({ maxLength: 3 })],
  ["appendOperator(',')", appendOperator(","), fc.uint8Array({ maxLength: 3 })],
  ["jsonMergePatchOperator()", jsonMergePatchOperator(), json],
] as const;

for (const [name, operator, operand] of OPERATORS) {
  const several = fc.array(operand as fc.Arbitrary<Uint8Array>, {
    minLength: 1,
    maxLength: 6,
  });

  test(`property: ${name} folds alike however its operands are grouped`, () => {
    fc.assert(fc.property(several, fc.nat(5), (operands, cut) => {
      const at = 1 + cut % operands.length;
      const [older, newer] = [operands.slice(0, at), operands.slice(at)];
      const whole = fold(operator, operands);
      const grouped = newer.length === 0
        ? fold(operator, older)
        : operator.merge(KEY, fold(operator, older), fold(operator, newer));
      assertEquals(show(name, grouped), show(name, whole));
    }));
  });

  test(`property: ${name} folds a batch like one after another`, () => {
    fc.assert(fc.property(several, (operands) => {
      if (operator.mergeBatch === undefined) return;
      assertEquals(
        operator.mergeBatch(KEY, undefined, operands),
        fold(operator, operands),
      );
    }));
  });
}

/** Members of JSON objects have no order. */
function show(name: string, value: Uint8Array): unknown {
  return name.startsWith("json") ? JSON.parse(text(value)) : value;
}

test("decodeCounter() reads signed unless told otherwise, and refuses other lengths", () => {
  const minusOne = encodeCounter(-1);

  assertEquals(decodeCounter(minusOne), -1n);
  assertEquals(decodeCounter(minusOne, { signed: false }), (1n << 64n) - 1n);
  const error = assertThrows(() => decodeCounter(bytes("abc"))) as DbError;
  assertEquals(error.kind, "data");
});

test("jsonMergePatchOperator() follows the examples of RFC 7396", () => {
  const cases: [string, string, unknown][] = [
    ['{"a":"b"}', '{"a":"c"}', { a: "c" }],
    ['{"a":"b"}', '{"b":"c"}', { a: "b", b: "c" }],
    ['{"a":"b"}', '{"a":null}', {}],
    ['{"a":"b","b":"c"}', '{"a":null}', { b: "c" }],
    ['{"a":["b"]}', '{"a":"c"}', { a: "c" }],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', { a: { b: "d" } }],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', { a: [1] }],
    ['["a","b"]', '["c","d"]', ["c", "d"]],
    ['{"a":"b"}', '["c"]', ["c"]],
    ['{"a":"foo"}', '"bar"', "bar"],
    ["[1,2]", '{"a":"b","c":null}', { a: "b" }],
    ["{}", '{"a":{"bb":{"ccc":null}}}', { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases) {
    const merged = jsonMergePatchOperator().merge(
      KEY,
      bytes(target),
      bytes(patch),
    );
    assertEquals(decodeJsonDocument(merged), expected);
  }
});

test("jsonMergePatchOperator() takes __proto__ as a name among others", () => {
  const merged = jsonMergePatchOperator().merge(
    KEY,
    bytes("{}"),
    bytes('{"__proto__":{"x":1}}'),
  );

  assertEquals(text(merged), '{"__proto__":{"x":1}}');
});

test("jsonMergePatchOperator() refuses what is not JSON", () => {
  const error = assertThrows(() =>
    jsonMergePatchOperator().merge(KEY, undefined, bytes("{"))
  ) as DbError;
  assertEquals(error.kind, "data");
});

/** RFC 7396, section 2, to the letter. */
function rfc7396(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    return patch;
  }
  const isDocument = typeof target === "object" && target !== null &&
    !Array.isArray(target);
  const result = new Map(Object.entries(isDocument ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, rfc7396(result.get(name), value));
  }
  return Object.fromEntries(result);
}

test("property: jsonMergePatchOperator() comes to what the patches do one by one", () => {
  fc.assert(fc.property(fc.array(json, { minLength: 1 }), (patches) => {
    const folded = fold(jsonMergePatchOperator(), patches);

    assertEquals(
      decodeJsonDocument(folded),
      patches.map((patch) => JSON.parse(text(patch))).reduce(
        rfc7396,
        undefined,
      ),
    );
  }));
});

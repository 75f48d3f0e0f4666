/**
 * JSON merge patches (RFC 7396) as merge operands.
 *
 * Patches alone do not compose: after `{"a":null}` then `{"a":{"x":1}}` whatever
 * was in `a` must be gone, and no patch says so. So what is stored keeps `null`s
 * (they may still have to remove something beneath) and wraps a member that
 * replaces whatever is beneath it. {@linkcode decodeJsonDocument} reads a value
 * without either.
 *
 * @module
 */
import { toBytes, toText } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";
import type { MergeOperator } from "./merge_operator.ts";

/** The one member of an object that stands for "this, whatever is beneath". */
const REPLACED = "\u0000=";

type JsonObject = { readonly [name: string]: unknown };

/**
 * Combines JSON merge patches: members replace members, `null` removes one.
 *
 * @returns The operator; {@linkcode decodeJsonDocument} reads its values.
 */
export function jsonMergePatchOperator(): MergeOperator {
  return {
    merge: (_key, existing, operand) => {
      const patch = parseJson(operand);
      const result = existing === undefined
        ? patch
        : compose(parseJson(existing), patch);
      return toBytes(JSON.stringify(result));
    },
  };
}

/**
 * The document that a value of {@linkcode jsonMergePatchOperator} stands for.
 *
 * @param bytes A value.
 * @returns The document.
 * @throws {DbError} Kind `"data"` if it is not JSON.
 */
export function decodeJsonDocument(bytes: Uint8Array): unknown {
  return documentOf(parseJson(bytes));
}

/** One patch that does what `older` and then `newer` do. */
function compose(older: unknown, newer: unknown): unknown {
  if (!isObject(newer) || isReplacement(newer)) return newer;
  if (isReplacement(older)) return replacement(apply(older[REPLACED], newer));
  if (!isObject(older)) return replacement(apply(undefined, newer));
  return withMembers(
    older,
    newer,
    (name, value) =>
      Object.hasOwn(older, name) ? compose(older[name], value) : value,
  );
}

/** What RFC 7396 makes of a document. */
function apply(document: unknown, patch: unknown): unknown {
  if (isReplacement(patch)) return patch[REPLACED];
  if (!isObject(patch)) return patch;
  const target = isObject(document) ? document : {};
  const result = withMembers(
    target,
    patch,
    (name, value) =>
      apply(Object.hasOwn(target, name) ? target[name] : undefined, value),
  );
  return Object.fromEntries(
    Object.entries(result).filter(([name]) =>
      !Object.hasOwn(patch, name) || patch[name] !== null
    ),
  );
}

function documentOf(value: unknown): unknown {
  return apply(undefined, value);
}

/** `base` with each member of `patch` put through `change`. */
function withMembers(
  base: JsonObject,
  patch: JsonObject,
  change: (name: string, value: unknown) => unknown,
): JsonObject {
  const members = new Map(Object.entries(base));
  for (const [name, value] of Object.entries(patch)) {
    members.set(name, change(name, value));
  }
  // Unlike assignment this takes "__proto__" as a name among others.
  return Object.fromEntries(members);
}

function replacement(value: unknown): JsonObject {
  return { [REPLACED]: value };
}

function isReplacement(value: unknown): value is JsonObject {
  return isObject(value) && Object.hasOwn(value, REPLACED);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(toText(bytes));
  } catch (cause) {
    throw new DbError("data", "a JSON merge patch must be JSON", { cause });
  }
}

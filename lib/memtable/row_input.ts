/**
 * Keys and values as callers give them: checked, and as bytes.
 *
 * Text is encoded into two buffers that live as long as the thread, one for
 * keys and one for values, since a fresh array would cost more than the rest of
 * a put. So what comes out must be used before the next call, or copied.
 *
 * @module
 */
import type { Bytes } from "../base/bytes.ts";
import { DbError } from "../base/errors.ts";

/** No key of a row is longer than this. */
export const MAX_KEY_BYTES = 65_535;

/** No value of a row is longer than this. */
export const MAX_VALUE_BYTES = 0xffff_ffff;

const ENCODER = new TextEncoder();

class TextBuffer {
  #bytes = new Uint8Array(4096);

  encode(text: string): Uint8Array {
    // UTF-8 takes three bytes at most for each unit of UTF-16.
    if (text.length * 3 > this.#bytes.length) {
      this.#bytes = new Uint8Array(text.length * 3);
    }
    const { written } = ENCODER.encodeInto(text, this.#bytes);
    return this.#bytes.subarray(0, written);
  }
}

const KEY_BUFFER = new TextBuffer();
const VALUE_BUFFER = new TextBuffer();

/**
 * The bytes of a key, its length checked.
 *
 * @param key What the caller gave.
 * @returns Bytes valid until the next call; the caller's own where those were bytes.
 * @throws {DbError} Kind `"invalid"` if it is empty, too long, or neither bytes nor text.
 */
export function checkedKey(key: Bytes): Uint8Array {
  const bytes = checkedBytes(key, "key", KEY_BUFFER);
  if (bytes.length === 0) throw new DbError("invalid", "key cannot be empty");
  if (bytes.length > MAX_KEY_BYTES) {
    throw new DbError(
      "invalid",
      `key size must be <= u16::MAX: ${bytes.length} bytes given, ${MAX_KEY_BYTES} allowed`,
    );
  }
  return bytes;
}

/**
 * The bytes of a value, its length checked.
 *
 * @param value What the caller gave.
 * @returns Bytes valid until the next call; the caller's own where those were bytes.
 * @throws {DbError} Kind `"invalid"` if it is too long, or neither bytes nor text.
 */
export function checkedValue(value: Bytes): Uint8Array {
  const bytes = checkedBytes(value, "value", VALUE_BUFFER);
  if (bytes.length > MAX_VALUE_BYTES) {
    throw new DbError(
      "invalid",
      `value size must be <= u32::MAX: ${bytes.length} bytes given`,
    );
  }
  return bytes;
}

function checkedBytes(
  value: Bytes,
  what: string,
  buffer: TextBuffer,
): Uint8Array {
  if (typeof value === "string") return buffer.encode(value);
  if (value instanceof Uint8Array) return value;
  throw new DbError(
    "invalid",
    `${what} must be a Uint8Array or a string, not ${
      value === null ? "null" : typeof value
    }`,
  );
}

/**
 * Byte strings: order, prefixes, text.
 *
 * @module
 */

/** What a caller may give as key or value; a string is its UTF-8 bytes. */
export type Bytes = Uint8Array | string;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** The empty byte string. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/**
 * The bytes of `value`, without a copy where it is bytes already.
 *
 * @param value Bytes, or text to encode as UTF-8.
 * @returns Bytes that may be the caller's own.
 */
export function toBytes(value: Bytes): Uint8Array {
  return typeof value === "string" ? ENCODER.encode(value) : value;
}

/**
 * Decodes UTF-8; bytes that are not UTF-8 become replacement characters.
 *
 * @param bytes The bytes.
 * @returns Their text.
 */
export function toText(bytes: Uint8Array): string {
  return DECODER.decode(bytes);
}

/**
 * Bytewise order, shorter first among equals: the order of keys.
 *
 * @param a One byte string.
 * @param b The other.
 * @returns Negative, zero or positive.
 */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/**
 * Whether both hold the same bytes.
 *
 * @param a One byte string.
 * @param b The other.
 * @returns Whether they are equal.
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/**
 * Joins byte strings.
 *
 * @param parts The parts, in order.
 * @returns A fresh array.
 */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<
  ArrayBuffer
> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Up to here a loop beats the set-up of a bulk copy. */
const MAX_LOOP_BYTES = 24;

/**
 * Copies a piece into an array of its own. Bun keeps short arrays inside of its
 * heap, where they cost less than a view; in Deno they cost ten times as much.
 *
 * @param bytes What holds the piece.
 * @param start Where it begins.
 * @param length How long it is.
 * @returns The copy.
 */
export function copyOut(
  bytes: Uint8Array<ArrayBuffer>,
  start: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  if (length > MAX_LOOP_BYTES) return bytes.slice(start, start + length);
  const copy = new Uint8Array(length);
  for (let i = 0; i < length; i++) copy[i] = bytes[start + i]!;
  return copy;
}

/**
 * Whether `bytes` begins with `prefix`.
 *
 * @param bytes The byte string.
 * @param prefix The prefix; empty always matches.
 * @returns Whether it does.
 */
export function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[i] !== prefix[i]) return false;
  }
  return true;
}

/**
 * The smallest byte string greater than every one that begins with `prefix`.
 *
 * @param prefix The prefix.
 * @returns The successor, or `undefined` where none exists (only 0xff bytes).
 */
export function prefixSuccessor(prefix: Uint8Array): Uint8Array | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue;
    const successor = prefix.slice(0, i + 1);
    successor[i]!++;
    return successor;
  }
  return undefined;
}

/**
 * Lower-case hexadecimal.
 *
 * @param bytes The bytes.
 * @returns Two digits a byte.
 */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

/**
 * The inverse of {@linkcode toHex}.
 *
 * @param text Hexadecimal digits, upper or lower case.
 * @returns The bytes, or `undefined` where the text is not hexadecimal.
 */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  }
  return bytes;
}

/**
 * A key as it should stand in a message: text where it is printable ASCII,
 * hexadecimal otherwise, cut when long.
 *
 * @param key The key.
 * @returns Text for a message.
 */
export function showKey(key: Uint8Array): string {
  const shown = key.subarray(0, 40);
  const rest = key.length > shown.length ? `… (${key.length} bytes)` : "";
  const printable = shown.every((byte) => byte >= 0x20 && byte < 0x7f);
  return (printable ? `"${toText(shown)}"` : `0x${toHex(shown)}`) + rest;
}

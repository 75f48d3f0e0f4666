/**
 * Rows as lines: JSON for programs, text for people.
 *
 * @module
 */
import { toHex, toText } from "../../lib/base/bytes.ts";
import type { Entry } from "../../mod.ts";

/**
 * A 64-bit value as JSON: a number where JavaScript's are exact, else a string.
 *
 * @param value The value; `undefined` is null.
 * @returns JSON text.
 */
export function jsonInteger(value: bigint | number | undefined): string {
  if (value === undefined) return "null";
  const exact = value <= Number.MAX_SAFE_INTEGER &&
    value >= Number.MIN_SAFE_INTEGER;
  return exact ? String(value) : `"${value}"`;
}

/**
 * A row as one line of JSON, in the form of the reference databases.
 *
 * @param entry The row.
 * @param hex Whether keys and values are hexadecimal, or text.
 * @returns JSON without a line end.
 */
export function jsonRow(entry: Entry, hex: boolean): string {
  const show = hex ? toHex : toText;
  return `{"k":${JSON.stringify(show(entry.key))},"v":${
    JSON.stringify(show(entry.value))
  },"seq":${jsonInteger(entry.seq)},"create_ts":${
    jsonInteger(entry.createTs)
  },"expire_ts":${jsonInteger(entry.expireTs)}}`;
}

/**
 * A row as one line of text: key, tab, value.
 *
 * @param entry The row.
 * @param hex Whether keys and values are hexadecimal, or text.
 * @returns Text without a line end.
 */
export function textRow(
  entry: { readonly key: Uint8Array; readonly value: Uint8Array },
  hex: boolean,
): string {
  const show = hex ? toHex : escapeText;
  return `${show(entry.key)}\t${show(entry.value)}`;
}

/**
 * Bytes as text that keeps to its line: control characters, and bytes that are
 * no UTF-8, stand as `\xNN`.
 *
 * @param bytes The bytes.
 * @returns Printable text.
 */
export function escapeText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = "";
    for (const byte of bytes) {
      text += byte < 0x7f ? String.fromCharCode(byte) : escaped(byte);
    }
  }
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\x00-\x1f\x7f]/g, (c) => escaped(c.charCodeAt(0)));
}

function escaped(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

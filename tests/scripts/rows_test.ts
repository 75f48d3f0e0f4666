import { parseJsonObject } from "../../scripts/cli/json_lines.ts";
import { escapeText, jsonInteger, jsonRow } from "../../scripts/cli/rows.ts";
import { readLines } from "../../scripts/cli/terminal.ts";
import { formatBytes, formatDuration } from "../../scripts/display.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

const ENCODER = new TextEncoder();

test("jsonInteger() writes a string where a number would be inexact", () => {
  assertEquals(jsonInteger(undefined), "null");
  assertEquals(jsonInteger(9007199254740991n), "9007199254740991");
  assertEquals(jsonInteger(9007199254740992n), '"9007199254740992"');
  assertEquals(jsonInteger(-5n), "-5");
});

test("jsonRow() has the form of the reference databases", () => {
  const entry = {
    key: ENCODER.encode('a"'),
    value: Uint8Array.of(255),
    seq: 7n,
    createTs: 12n,
    expireTs: undefined,
  };
  const rest = '"seq":7,"create_ts":12,"expire_ts":null}';
  assertEquals(jsonRow(entry, true), `{"k":"6122","v":"ff",${rest}`);
  assertEquals(jsonRow(entry, false), `{"k":"a\\"","v":"\ufffd",${rest}`);
});

test("escapeText() keeps to one line and shows what is no text", () => {
  assertEquals(escapeText(ENCODER.encode("a\tü\n")), "a\\x09ü\\x0a");
  assertEquals(escapeText(Uint8Array.of(97, 0xff, 0)), "a\\xff\\x00");
});

test("parseJsonObject() keeps long integers and strings that look like them", () => {
  const line =
    '{"seq":18446744073709551614, "k":"\\"a\\":1234567890123456789,"}';
  assertEquals(parseJsonObject(line, 1), {
    seq: "18446744073709551614",
    k: '"a":1234567890123456789,',
  });
  for (const bad of ["", "[]", "null", "{"]) {
    assertThrows(() => parseJsonObject(bad, 3));
  }
});

test("readLines() splits where lines end, wherever chunks do", async () => {
  async function* chunks() {
    for (const byte of ENCODER.encode("ä\n\nb\r\nc")) yield Uint8Array.of(byte);
  }
  const lines = await Array.fromAsync(readLines(chunks()));
  assertEquals(lines, ["ä", "b\r", "c"]);
});

test("formatBytes() and formatDuration() show three digits", () => {
  assertEquals(
    [0, 999, 1024, 123_456, 64 * 1024 * 1024].map(formatBytes),
    ["0 B", "999 B", "1.00 KiB", "121 KiB", "64.0 MiB"],
  );
  assertEquals(
    [1234, 12.3, 0.0015, 0.00025].map(formatDuration),
    ["1.23 s", "12.3 ms", "1.50 µs", "250 ns"],
  );
});

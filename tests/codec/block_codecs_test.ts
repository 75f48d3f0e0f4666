import fc from "fast-check";
import { AbiError } from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { type CodecName, KERNELS, runCodec, utf8 } from "./kernels.ts";

const { MALFORMED, OUTPUT_FULL } = AbiError;
const [kernel, twin] = KERNELS.map(([, create]) => create()) as [
  Kernel,
  Kernel,
];

/** Text that repeats itself at every distance. */
const prose = utf8(
  Array.from(
    { length: 4_000 },
    (_, i) => `{"id":${i * 7919 % 1000},"name":"row ${i % 37}"}`,
  ).join("\n"),
);

/** Bytes that repeat, with what does not repeat between them. */
const repetitive = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.record({ byte: fc.nat(255), count: fc.nat(400) }).map((
      { byte, count },
    ) => new Uint8Array(count).fill(byte)),
    fc.record({ at: fc.nat(60_000), count: fc.nat(300) }).map((
      { at, count },
    ) => prose.subarray(at, at + count)),
  ),
  { maxLength: 12 },
).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])));

interface Format {
  readonly encode: CodecName;
  readonly decode: CodecName;
  /** The most that so many bytes can take. */
  readonly worst: (bytes: number) => number;
}

const FORMATS: readonly Format[] = [
  {
    encode: "snappy_encode",
    decode: "snappy_decode",
    worst: (bytes) => 32 + bytes + Math.floor(bytes / 6),
  },
  {
    encode: "lz4_encode",
    decode: "lz4_decode",
    worst: (bytes) => 16 + bytes + Math.floor(bytes / 255),
  },
];

for (const { encode, decode, worst } of FORMATS) {
  const roundTrip = (from: Kernel, to: Kernel, bytes: Uint8Array) => {
    const packed = runCodec(from, encode, bytes, worst(bytes.length));
    assert(packed.result >= 0, `${encode}: ${packed.result}`);
    const unpacked = runCodec(to, decode, packed.output, bytes.length);
    assertEquals(unpacked.result, bytes.length);
    assertEquals(unpacked.output, new Uint8Array(bytes));
    return packed.output;
  };

  test(`${encode}() makes what ${decode}() and the twin take back`, () => {
    fc.assert(fc.property(repetitive, (bytes) => {
      roundTrip(kernel, kernel, bytes);
      roundTrip(kernel, twin, bytes);
      roundTrip(twin, kernel, bytes);
    }));
  });

  test(`${encode}() takes inputs of every short length`, () => {
    for (let length = 0; length < 80; length++) {
      roundTrip(kernel, twin, prose.subarray(0, length));
      roundTrip(kernel, twin, new Uint8Array(length));
    }
  });

  test(`${encode}() finds what repeats, and bears what does not`, () => {
    const packed = roundTrip(kernel, kernel, prose);
    assert(packed.length * 4 < prose.length, `${packed.length} bytes`);
    const noise = new Uint8Array(200_000);
    for (let i = 0; i < noise.length; i++) {
      noise[i] = Math.imul(i + 1, 0x9e3779b1) >>> 24;
    }
    roundTrip(kernel, kernel, noise);
    const far = new Uint8Array(300_000);
    far.set(prose.subarray(0, 70_000), 10);
    far.set(prose.subarray(0, 70_000), 90_000);
    roundTrip(kernel, kernel, far);
    const zeros = roundTrip(kernel, kernel, new Uint8Array(1 << 20));
    assert(zeros.length < 60_000);
  });

  test(`${encode}() writes no more than it may`, () => {
    const bytes = prose.subarray(0, 3_000);
    const whole = runCodec(kernel, encode, bytes, worst(bytes.length)).result;
    for (let capacity = 0; capacity < whole; capacity++) {
      const { result } = runCodec(kernel, encode, bytes, capacity);
      assertEquals(result, OUTPUT_FULL);
    }
    assertEquals(runCodec(kernel, encode, bytes, whole).result, whole);
  });

  // What is left of an LZ4 block may be a block, but never of the same length.
  test(`${decode}() makes no whole output of a truncated input`, () => {
    const bytes = prose.subarray(0, 2_000);
    const { output } = runCodec(kernel, encode, bytes, worst(bytes.length));
    for (let length = 0; length < output.length; length++) {
      const cut = output.subarray(0, length);
      for (const on of [kernel, twin]) {
        const { result } = runCodec(on, decode, cut, bytes.length);
        assert(result < 0 || result < bytes.length && decode === "lz4_decode");
      }
    }
  });

  test(`${decode}() treats damaged input as its twin does`, () => {
    const damage = fc.array(
      fc.record({ at: fc.nat(1_000), byte: fc.nat(255) }),
      { maxLength: 4 },
    );
    const input = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.tuple(repetitive, damage).map(([bytes, changes]) => {
        const packed = runCodec(kernel, encode, bytes, worst(bytes.length));
        for (const { at, byte } of changes) {
          packed.output[at % (packed.output.length || 1)] = byte;
        }
        return packed.output;
      }),
    );
    fc.assert(
      fc.property(input, fc.nat(5_000), (bytes, capacity) => {
        const mine = runCodec(kernel, decode, bytes, capacity);
        const other = runCodec(twin, decode, bytes, capacity);
        assertEquals(Math.max(mine.result, -1), Math.max(other.result, -1));
        assertEquals(mine.output, other.output);
      }),
      { numRuns: 500 },
    );
  });
}

type Vector = readonly [what: string, bytes: number[], expected: string];

const AB = [0x61, 0x62];
const DECODED = "abababababa";

/** Elements by the letter of the format. */
const SNAPPY: readonly Vector[] = [
  ["nothing", [0], ""],
  ["a literal", [2, 0x04, ...AB], "ab"],
  ["a copy with 11 bits of offset", [11, 0x04, ...AB, 0x15, 2], DECODED],
  ["a copy with 16 bits of offset", [11, 0x04, ...AB, 0x22, 2, 0], DECODED],
  [
    "a copy with 32 bits of offset",
    [11, 0x04, ...AB, 0x23, 2, 0, 0, 0],
    DECODED,
  ],
  ["a length in 1 byte", [2, 0xf0, 1, ...AB], "ab"],
  ["a length in 2 bytes", [2, 0xf4, 1, 0, ...AB], "ab"],
  ["a length in 3 bytes", [2, 0xf8, 1, 0, 0, ...AB], "ab"],
  ["a length in 4 bytes", [2, 0xfc, 1, 0, 0, 0, ...AB], "ab"],
];

const LZ4: readonly Vector[] = [
  ["nothing", [0], ""],
  ["literals", [0x20, ...AB], "ab"],
  [
    "a match",
    [0x25, ...AB, 2, 0, 0x50, 0x63, 0x63, 0x63, 0x63, 0x63],
    `${DECODED}ccccc`,
  ],
  ["a match, then nothing", [0x25, ...AB, 2, 0, 0x00], DECODED],
  [
    "a literal length in 2 bytes",
    [0xf0, 0, ...utf8("fifteen letters")],
    "fifteen letters",
  ],
  [
    "a match length in 3 bytes",
    [0x1f, 0x61, 1, 0, 255, 0, 0x00],
    "a".repeat(1 + 15 + 255 + 4),
  ],
];

for (
  const [decode, vectors] of [["snappy_decode", SNAPPY], [
    "lz4_decode",
    LZ4,
  ]] as const
) {
  test(`${decode}() decodes hand-made streams`, () => {
    for (const on of [kernel, twin]) {
      for (const [what, bytes, expected] of vectors) {
        const { length } = expected;
        const coded = runCodec(on, decode, Uint8Array.from(bytes), length);
        assertEquals(coded.result, length, what);
        assertEquals(coded.output, utf8(expected), what);
        if (length === 0) continue;
        const tight = runCodec(on, decode, Uint8Array.from(bytes), length - 1);
        assertEquals(tight.result, OUTPUT_FULL, what);
      }
    }
  });
}

test("snappy_decode() refuses what the format does not allow", () => {
  const bad: readonly (readonly [string, number[]])[] = [
    ["no preamble", []],
    ["an unfinished preamble", [0x80]],
    ["a preamble of 6 bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x00]],
    ["a preamble of 33 bits", [0xff, 0xff, 0xff, 0xff, 0x7f]],
    ["a length of 4 GiB", [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61]],
    ["too little", [3, 0x04, ...AB]],
    ["too much", [1, 0x04, ...AB]],
    ["a copy at the start", [4, 0x01, 1]],
    ["an offset of 0", [11, 0x04, ...AB, 0x15, 0]],
    ["an offset before the start", [11, 0x04, ...AB, 0x15, 3]],
    ["an offset of 4 GiB", [11, 0x04, ...AB, 0x23, 255, 255, 255, 255]],
    ["a copy past the end", [10, 0x04, ...AB, 0x15, 2]],
    ["a literal of 4 GiB", [2, 0xfc, 255, 255, 255, 255, ...AB]],
  ];
  for (const on of [kernel, twin]) {
    for (const [what, bytes] of bad) {
      const { result } = runCodec(
        on,
        "snappy_decode",
        Uint8Array.from(bytes),
        64,
      );
      assertEquals(result, MALFORMED, what);
    }
  }
});

test("lz4_decode() refuses what the format does not allow", () => {
  const bad: readonly (readonly [string, number[], number])[] = [
    ["no token", [], MALFORMED],
    ["an unfinished literal", [0x30, ...AB], MALFORMED],
    ["an unfinished length", [0xf0, 255], OUTPUT_FULL],
    ["an offset of one byte", [0x25, ...AB, 2], MALFORMED],
    ["no sequence after a match", [0x25, ...AB, 2, 0], MALFORMED],
    ["an offset of 0", [0x25, ...AB, 0, 0, 0], MALFORMED],
    ["an offset before the start", [0x25, ...AB, 3, 0, 0], MALFORMED],
    ["a match at the start", [0x05, 1, 0, 0], MALFORMED],
    [
      "a match that is too long",
      [0x1f, 0x61, 1, 0, ...new Array(5_000).fill(255), 0, 0],
      OUTPUT_FULL,
    ],
  ];
  for (const [what, bytes, expected] of bad) {
    const input = Uint8Array.from(bytes);
    assertEquals(
      runCodec(kernel, "lz4_decode", input, 64).result,
      expected,
      what,
    );
    assert(runCodec(twin, "lz4_decode", input, 64).result < 0, what);
  }
});

test("snappy_length() tells what a preamble claims, unless it cannot be", () => {
  const claims: readonly (readonly [number[], number])[] = [
    [[0], 0],
    [[11, 0x04, ...AB, 0x15, 2], 11],
    [[0xe8, 0x07, ...new Array(48).fill(0)], 1000],
    [[0xe8, 0x07, ...new Array(40).fill(0)], MALFORMED],
    [[0xff, 0xff, 0xff, 0xff, 0x0f], MALFORMED],
    [[0x80], MALFORMED],
    [[], MALFORMED],
  ];
  for (const on of [kernel, twin]) {
    for (const [bytes, expected] of claims) {
      const pointer = on.copyIn(Uint8Array.from(bytes));
      assertEquals(on.exports.snappy_length(pointer, bytes.length), expected);
      on.free(pointer);
    }
  }
});

import fc from "fast-check";
import process from "node:process";
import { toHex } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import {
  compress,
  COMPRESSIONS,
  decompress,
} from "../../lib/codec/compression.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { compressZstd, decompressZstd } from "../../lib/codec/zstd.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { fillMemory } from "../support/grown_memory.ts";
import { Random } from "../support/random.ts";
import { test } from "../support/test.ts";
import { assertDamage, fuzz } from "../format/damage.ts";

const KERNELS = [Kernel.createSync(), Kernel.reference()];
const KERNEL = KERNELS[0]!;
const MIB = 1024 * 1024;
const zlib = process.getBuiltinModule("node:zlib");

function noise(length: number, alphabet: number): Uint8Array {
  const random = new Random(length);
  return new Uint8Array(length).map(() => random.below(alphabet));
}

test("decompress() is the inverse of compress()", () => {
  const contents = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 30, minLength: 1 }).map((bytes) =>
      new Uint8Array(5000).map((_, i) => bytes[i % bytes.length]!)
    ),
  );
  fc.assert(fc.property(contents, (raw) => {
    for (const kernel of KERNELS) {
      for (const compression of COMPRESSIONS) {
        const stored = compress(kernel, compression, raw);
        assertEquals(
          toHex(decompress(kernel, compression, stored)),
          toHex(raw),
          compression,
        );
      }
    }
  }));
});

test("decompress() takes large sections, compressible or not", () => {
  for (const raw of [noise(2 * MIB, 256), noise(2 * MIB, 3)]) {
    for (const compression of COMPRESSIONS) {
      const stored = compress(KERNEL, compression, raw);
      const read = decompress(KERNEL, compression, stored);
      assertEquals(read.length, raw.length);
      assert(read.every((byte, i) => byte === raw[i]), compression);
    }
  }
});

test("compress() and decompress() give kernel memory back", () => {
  const used = KERNEL.exports.memory_used();
  for (const compression of COMPRESSIONS) {
    const stored = compress(KERNEL, compression, noise(5000, 5));
    decompress(KERNEL, compression, stored);
    const damaged = stored.subarray(0, stored.length >> 1);
    if (compression === "none") continue;
    assertDamage(() => decompress(KERNEL, compression, damaged));
  }
  assertEquals(KERNEL.exports.memory_used(), used);
});

test("decompress() survives damage", () => {
  const used = KERNEL.exports.memory_used();
  for (const compression of COMPRESSIONS) {
    const samples = [noise(600, 4), noise(100, 256), new Uint8Array(3000)]
      .map((raw) => compress(KERNEL, compression, raw));
    fuzz((bytes) => decompress(KERNEL, compression, bytes, MIB), samples, 500);
  }
  assertEquals(KERNEL.exports.memory_used(), used);
});

test("decompress() bounds what comes out", () => {
  const raw = new Uint8Array(4 * MIB);
  for (const compression of COMPRESSIONS) {
    if (compression === "none") continue;
    const bomb = compress(KERNEL, compression, raw);
    assert(bomb.length < raw.length / 10);
    assertEquals(
      decompress(KERNEL, compression, bomb, raw.length).length,
      raw.length,
    );
    assertDamage(() => decompress(KERNEL, compression, bomb, raw.length - 1));
  }
});

test("decompress() does not believe a length", () => {
  const snappy = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
  assertDamage(() => decompress(KERNEL, "snappy", snappy));
  const lz4 = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0]);
  assertDamage(() => decompress(KERNEL, "lz4", lz4));
  assertDamage(() => decompress(KERNEL, "lz4", lz4.subarray(0, 3)));
  lz4.set([1, 0, 0, 0]);
  assertDamage(() => decompress(KERNEL, "lz4", lz4));
});

test("decompressZstd() reads without the runtime's help", () => {
  for (const raw of [noise(300_000, 7), noise(10, 256), new Uint8Array(0)]) {
    const stored = compressZstd(zlib, raw);
    const read = decompressZstd(undefined, stored, raw.length);
    assertEquals(toHex(read), toHex(raw));
    if (raw.length === 0) continue;
    assertThrows(() => decompressZstd(undefined, stored, raw.length - 1));
  }
});

test("decompressZstd() wants whole frames", () => {
  const raw = noise(300_000, 7);
  const stored = compressZstd(zlib, raw);
  for (const runtime of [zlib, undefined]) {
    for (const cut of [1, 4, 1000, stored.length - 5]) {
      const part = stored.subarray(0, stored.length - cut);
      assertThrows(() => decompressZstd(runtime, part, MIB));
    }
  }
});

test("decompressZstd() takes several frames, and skips those made for it", () => {
  const frame = compressZstd(zlib, new Uint8Array([1, 2, 3]));
  const skippable = [0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
  const bytes = new Uint8Array([...skippable, ...frame, ...frame]);
  for (const runtime of [zlib, undefined]) {
    assertEquals([...decompressZstd(runtime, bytes, 6)], [1, 2, 3, 1, 2, 3]);
    assertThrows(() => decompressZstd(runtime, bytes, 5));
  }
});

test("decompressZstd() reserves no window that a frame merely asks for", () => {
  // A window of 2^41 bytes, one empty last block.
  const window = new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, 0, 0xf8, 1, 0, 0]);
  // One segment of 2^63 bytes.
  const single = new Uint8Array(16);
  single.set([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x80, 1]);
  for (const runtime of [zlib, undefined]) {
    assertThrows(() => decompressZstd(runtime, window, MIB));
    assertThrows(() => decompressZstd(runtime, single, MIB));
  }
});

test("decompressZstd() without the runtime's help survives damage", () => {
  const samples = [noise(600, 4), noise(100, 256), noise(9000, 2)]
    .map((raw) => compressZstd(zlib, raw));
  fuzz(
    (bytes) => {
      try {
        decompressZstd(undefined, bytes, MIB);
      } catch (error) {
        throw new DbError("data", "damaged", { cause: error });
      }
    },
    samples,
    500,
  );
});

test("compressZstd() says what to do where the runtime cannot write", () => {
  const error = assertThrows(() => compressZstd(undefined, new Uint8Array(1)));
  assert(error instanceof DbError && error.kind === "invalid");
});

test("compress() takes what lies in a memory that grows meanwhile", () => {
  for (const compression of COMPRESSIONS) {
    for (const leave of [0, 5000]) {
      const kernel = Kernel.createSync();
      const raw = noise(4096, 5);
      const at = kernel.copyIn(raw);
      fillMemory(kernel, leave);

      const view = kernel.u8.subarray(at, at + raw.length);
      const stored = compress(kernel, compression, view);

      assertEquals(
        toHex(decompress(kernel, compression, stored)),
        toHex(raw),
        `${compression}, ${leave} bytes left`,
      );
    }
  }
});

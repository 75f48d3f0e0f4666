import { DbError } from "../../lib/base/errors.ts";
import { ABI_VERSION, KERNEL_SYMBOLS } from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS, utf8 } from "./kernels.ts";

for (const [name, create] of KERNELS) {
  test(`Kernel.exports of the ${name} has every function of the interface`, () => {
    const { exports } = create();
    for (const symbol of Object.keys(KERNEL_SYMBOLS)) {
      const found = typeof exports[symbol as keyof typeof KERNEL_SYMBOLS];
      assertEquals(found, "function", symbol);
    }
    assertEquals(exports.abi_version(), ABI_VERSION);
  });

  test(`Kernel.scratchKey() of the ${name} writes bytes and text alike`, () => {
    const kernel = create();
    const texts = [
      "",
      "a key",
      "exactly twenty-four long",
      "a key that is longer than what a loop copies",
      "Schlüssel",
      "键",
      "🗝".repeat(40),
      "lone \ud800 surrogate",
      "x".repeat(5_000),
      "short again",
    ];
    for (const text of texts) {
      const expected = utf8(text);
      for (const key of [text, expected]) {
        const bytes = kernel.scratchKey(key);
        assertEquals(kernel.slice(kernel.scratchPointer, bytes), expected);
      }
    }
  });

  test(`Kernel.u8 of the ${name} survives growth of the memory`, () => {
    const kernel = create();
    const pointer = kernel.copyIn(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0xff));
    const { u8, u32, view } = kernel;
    kernel.alloc(kernel.exports.memory.buffer.byteLength);
    assertEquals([u8.length, u32.length], [0, 0]);
    assertThrows(() => view.getUint8(pointer));
    assertEquals(kernel.u32[pointer >> 2], 0x04030201);
    assertEquals(kernel.u8[pointer + 4], 5);
    assertEquals(kernel.view.getUint16(pointer, true), 0x0201);
    assertEquals(kernel.readU64(pointer), 0xff07060504030201n);
    assertEquals(kernel.readI64(pointer), 0xff07060504030201n - (1n << 64n));
  });

  test(`Kernel.copyIn() of the ${name} says when memory is exhausted`, () => {
    const kernel = create();
    kernel.exports.memory_limit(1 << 20);
    const large = new Uint8Array(4 << 20);
    for (
      const attempt of [
        () => kernel.copyIn(large),
        () => kernel.scratchKey(large),
        () => kernel.scratch(large.length),
      ]
    ) {
      const error = assertThrows(attempt);
      assert(error instanceof DbError && error.kind === "unavailable");
    }
    assertEquals(kernel.alloc(large.length), 0);
    assertEquals(kernel.scratchKey("still works"), 11);
  });
}

test("new Kernel() refuses another version of the interface", () => {
  const { exports } = Kernel.reference();
  const error = assertThrows(() =>
    new Kernel({ ...exports, abi_version: () => ABI_VERSION + 1 })
  );
  assert(error instanceof DbError && error.kind === "internal");
});

test("Kernel.create() loads a module of its own each time", async () => {
  const [a, b] = await Promise.all([Kernel.create(), Kernel.create()]);
  a.alloc(1_000);
  assert(a.exports.memory_used() > b.exports.memory_used());
});

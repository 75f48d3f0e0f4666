import fc from "fast-check";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS } from "./kernels.ts";

const MIB = 1 << 20;

for (const [name, create] of KERNELS) {
  test(`alloc() of the ${name} hands out memory that does not overlap`, () => {
    const kernel = create();
    const step = fc.record({
      size: fc.oneof(
        fc.nat(64),
        fc.nat(5_000),
        fc.constantFrom(0, 255, 256, 4096, 70_000, 300_000),
      ),
      release: fc.nat(100),
    });
    const baseline = kernel.exports.memory_used();
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const held: { pointer: number; size: number; fill: number }[] = [];
      for (const [i, { size, release }] of steps.entries()) {
        const pointer = kernel.alloc(size);
        assert(pointer > 0 && pointer % 8 === 0);
        const fill = i & 0xff;
        kernel.u8.fill(fill, pointer, pointer + size);
        held.push({ pointer, size, fill });
        if (release > 50) {
          const [gone] = held.splice(release % held.length, 1);
          kernel.free(gone!.pointer);
        }
      }
      for (const { pointer, size, fill } of held) {
        const bytes = kernel.u8.subarray(pointer, pointer + size);
        assert(bytes.every((byte) => byte === fill));
        kernel.free(pointer);
      }
      assertEquals(kernel.exports.memory_used(), baseline);
    }));
  });

  test(`free() of the ${name} makes memory usable again`, () => {
    const kernel = create();
    const sizes = Array.from({ length: 500 }, (_, i) => 100 + i * 7);
    const cycle = () => {
      const pointers = sizes.map((size) => kernel.alloc(size));
      pointers.forEach((pointer) => kernel.free(pointer));
    };
    cycle();
    const { byteLength } = kernel.exports.memory.buffer;
    for (let i = 0; i < 50; i++) cycle();
    assertEquals(kernel.exports.memory.buffer.byteLength, byteLength);
  });

  test(`free() of the ${name} takes 0, and nothing twice`, () => {
    const kernel = create();
    kernel.free(0);
    const pointer = kernel.alloc(40);
    kernel.free(pointer);
    assertThrows(() => kernel.free(pointer));
  });

  test(`memory_limit() of the ${name} caps what alloc() may take`, () => {
    const kernel = create();
    const pointers = [kernel.alloc(MIB)];
    kernel.exports.memory_limit(4 * MIB);
    for (let last = 1; last !== 0;) pointers.push(last = kernel.alloc(MIB / 4));
    assert(kernel.exports.memory.buffer.byteLength <= 4 * MIB);
    assert(pointers.length > 6);
    assertEquals(kernel.alloc(3 * MIB), 0);
    for (const pointer of pointers) kernel.free(pointer);
    assert(kernel.alloc(MIB) !== 0);
    kernel.exports.memory_limit(0);
    assert(kernel.alloc(8 * MIB) !== 0);
  });

  test(`alloc() of the ${name} refuses what no memory could hold`, () => {
    const kernel = create();
    for (const bytes of [0xffff_ffff, 0xffff_fff0, 0x8000_0000, 0x7fff_fff8]) {
      assertEquals(kernel.alloc(bytes), 0);
    }
    assert(kernel.alloc(16) !== 0);
  });

  test(`scratch() of the ${name} moves only to grow`, () => {
    const kernel = create();
    const small = kernel.exports.scratch(100);
    assertEquals(kernel.exports.scratch(50), small);
    const used = kernel.exports.memory_used();
    const large = kernel.exports.scratch(100_000);
    assert(large !== 0);
    assertEquals(kernel.exports.scratch(99_999), large);
    assert(kernel.exports.memory_used() > used);
  });
}

test("free() of the kernel joins neighbours into one block", () => {
  const [, create] = KERNELS[0]!;
  const kernel = create();
  const pieces = Array.from({ length: 4_000 }, () => kernel.alloc(1_000));
  const { byteLength } = kernel.exports.memory.buffer;
  for (let i = 0; i < pieces.length; i += 2) kernel.free(pieces[i]!);
  for (let i = 1; i < pieces.length; i += 2) kernel.free(pieces[i]!);
  assert(kernel.alloc(3_800_000) !== 0);
  assertEquals(kernel.exports.memory.buffer.byteLength, byteLength);
});

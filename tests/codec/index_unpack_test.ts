import fc from "fast-check";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { encodeIndex } from "../../lib/format/sst_index.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { KERNELS, utf8 } from "./kernels.ts";

/** What the kernel makes of an index block; `undefined`: it is refused. */
function unpack(kernel: Kernel, bytes: Uint8Array, dataEnd: number) {
  const { index_unpack } = kernel.exports;
  const stored = kernel.copyIn(bytes);
  const offsets = kernel.alloc(8 + 2 * bytes.length);
  const size = index_unpack(stored, bytes.length, dataEnd, 0, 0);
  const index = kernel.alloc(Math.max(size, 0));
  const count = size < 0
    ? size
    : index_unpack(stored, bytes.length, dataEnd, index, offsets);
  const unpacked = count < 0 ? undefined : {
    index: kernel.slice(index, size),
    offsets: Array.from(
      new Float64Array(kernel.slice(offsets, 8 * (count + 1)).buffer),
    ),
  };
  for (const pointer of [stored, offsets, index]) kernel.free(pointer);
  return unpacked;
}

for (const [name, createKernel] of KERNELS) {
  test(`index_unpack() of the ${name} lays out separators and blocks`, () => {
    const kernel = createKernel();
    const bytes = encodeIndex({
      offsets: [0, 7, 2 ** 33],
      firstKeys: ["", "b", "cd"].map(utf8),
    });

    const unpacked = unpack(kernel, bytes, 2 ** 40)!;

    const words = new Uint32Array(unpacked.index.slice(0, 20).buffer);
    assertEquals([...words], [3, 20, 20, 21, 23]);
    assertEquals(unpacked.index.slice(20, 23), utf8("bcd"));
    const windows = new Uint32Array(unpacked.index.slice(23).buffer);
    assertEquals([...windows], [0, 0, 0x62000000, 0x63640000]);
    assertEquals(unpacked.offsets, [0, 7, 2 ** 33, 2 ** 40]);
  });

  test(`index_unpack() of the ${name} refuses blocks that do not rise or lie outside the data`, () => {
    const kernel = createKernel();
    const firstKeys = ["", "b"].map(utf8);

    for (const offsets of [[0, 0], [5, 4], [0, 10], [0, 11]]) {
      const bytes = encodeIndex({ offsets, firstKeys });
      assertEquals(unpack(kernel, bytes, 10), undefined);
    }
  });

  test(`index_unpack() of the ${name} refuses every truncation`, () => {
    const kernel = createKernel();
    const bytes = encodeIndex({
      offsets: [0, 7],
      firstKeys: ["", "separator"].map(utf8),
    });
    const whole = unpack(kernel, bytes, 100);

    for (let length = 0; length < bytes.length; length++) {
      const cut = unpack(kernel, bytes.subarray(0, length), 100);
      // Only padding may be missing.
      assert(cut === undefined || length > bytes.length - 4);
      if (cut !== undefined) assertEquals(cut, whole);
    }
  });
}

test("property: index_unpack() agrees with its twin on damaged index blocks", () => {
  const [kernel, twin] = KERNELS.map(([, create]) => create()) as [
    Kernel,
    Kernel,
  ];
  const entry = fc.tuple(
    fc.integer({ min: 1, max: 1000 }),
    fc.uint8Array({ maxLength: 5 }),
  );
  const damage = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 8 }),
      fc.array(damage, { maxLength: 3 }),
      (entries, damages) => {
        let offset = -1;
        const bytes = encodeIndex({
          offsets: entries.map(([bytes]) => offset += bytes),
          firstKeys: entries.map(([, key]) => key),
        }).slice();
        for (const [at, value] of damages) bytes[at % bytes.length] = value;

        assertEquals(
          unpack(kernel, bytes, 10_000),
          unpack(twin, bytes, 10_000),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

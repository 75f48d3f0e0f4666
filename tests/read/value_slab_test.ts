import fc from "fast-check";
import { ValueSlab } from "../../lib/read/value_slab.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("property: ValueSlab copies values that nothing changes afterwards", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(20_000), { maxLength: 40 }),
    (lengths) => {
      const memory = new Uint8Array(32_768);
      const slab = new ValueSlab();

      const copies = lengths.map((length, i) => {
        memory.fill(i + 1);
        return slab.copy(memory, 7, length);
      });

      copies.forEach((copy, i) => {
        assertEquals(copy.length, lengths[i]);
        assert(copy.every((byte) => byte === ((i + 1) & 0xff)));
      });
    },
  ));
});

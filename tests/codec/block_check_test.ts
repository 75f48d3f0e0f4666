import fc from "fast-check";
import { concatBytes } from "../../lib/base/bytes.ts";
import { AbiError } from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryRow,
  arbitraryRows,
  bigEndian,
  decodeBlock,
  encodeBlock,
  EXAMPLE,
  row,
  show,
} from "./blocks.ts";
import { KERNELS, utf8 } from "./kernels.ts";

function check(kernel: Kernel, block: Uint8Array): number {
  const pointer = kernel.copyIn(block);
  const rows = kernel.exports.block_check(pointer, block.length);
  kernel.free(pointer);
  return rows;
}

for (const [name, create] of KERNELS) {
  test(`block_check() of the ${name} accepts the format's example`, () => {
    const kernel = create();
    assertEquals(check(kernel, EXAMPLE), 3);
    const createTs = 0x1a1f980d550n;
    assertEquals(
      show(decodeBlock(kernel, EXAMPLE)),
      show([
        row("put", "apple", 1, "1", { createTs }),
        row("put", "apricot", 1, "two", { createTs }),
        row("delete", "banana", 1, "", { createTs }),
      ]),
    );
  });

  test(`block_check() of the ${name} rejects what the format forbids`, () => {
    const kernel = create();
    const rest = [...bigEndian(1n, 8), 0];
    const tail = [0, 0, 0, 1];
    const block = (...bytes: number[]) => Uint8Array.from(bytes);
    const good = block(0, 1, 0, 97, ...rest, ...tail);
    assertEquals(check(kernel, good), 1);
    const bad = {
      empty: block(),
      "one byte": block(0),
      "no restarts": block(0, 0),
      "no rows": block(0, 0, 0, 1),
      "more restarts than bytes": block(0, 9),
      "a shared prefix at a restart": block(1, 0, 0, ...rest, ...tail),
      "an empty key": block(0, 0, 0, ...rest, ...tail),
      "an unknown flag": block(0, 1, 0, 97, ...rest.with(8, 16), ...tail),
      "tombstone and merge": block(0, 1, 0, 97, ...rest.with(8, 9), ...tail),
      "a tombstone's value": block(0, 1, 1, 97, 0, ...rest.with(8, 1), ...tail),
      "no room for a timestamp": block(
        ...[0, 1, 0, 97, ...rest.with(8, 2)],
        ...tail,
      ),
      "a suffix past the end": block(0, 99, 0, 97, ...rest, ...tail),
      "a value past the end": block(0, 1, 99, 97, ...rest, ...tail),
      "a varint past the end": block(0, 0x81, ...tail),
      "a varint of six bytes": block(
        ...[0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 0, 97],
        ...rest,
        ...tail,
      ),
      "a varint of 33 bits": block(
        ...[0, 1, 0x80, 0x80, 0x80, 0x80, 0x10, 97],
        ...rest,
        ...tail,
      ),
      "more shared than the key before has": block(
        ...[0, 1, 0, 97, ...rest],
        ...[2, 1, 0, 97, ...rest],
        ...tail,
      ),
      "a restart inside a row": block(
        ...[0, 1, 0, 97, ...rest],
        ...[0, 0, 0, 1, 0, 2],
      ),
      "a first restart that is not the first row": block(
        ...[0, 1, 0, 97, ...rest],
        ...[0, 1, 0, 98, ...rest],
        ...[0, 13, 0, 1],
      ),
      "restarts out of order": block(
        ...[0, 1, 0, 97, ...rest],
        ...[0, 1, 0, 98, ...rest],
        ...[0, 0, 0, 13, 0, 0, 0, 3],
      ),
      "a restart past the rows": block(
        ...[0, 1, 0, 97, ...rest],
        ...[0, 0, 0, 13, 0, 2],
      ),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      assertEquals(check(kernel, bytes), AbiError.MALFORMED, what);
    }
  });

  test(`block_check() of the ${name} accepts a key of 65,535 bytes and no longer one`, () => {
    const kernel = create();
    const long = { ...row("put", "", 1, "v"), key: new Uint8Array(65_535) };
    assertEquals(check(kernel, encodeBlock([long])), 1);
    assertEquals(show(decodeBlock(kernel, encodeBlock([long]))), show([long]));
    const longer = { ...long, key: new Uint8Array(65_536) };
    assertEquals(check(kernel, encodeBlock([longer])), AbiError.MALFORMED);
    const grown = concatBytes([long.key.subarray(0, 65_530), utf8("abcdef")]);
    assertEquals(
      check(kernel, encodeBlock([long, { ...long, key: grown }])),
      AbiError.MALFORMED,
    );
  });
}

test("property: block_check() accepts any restarts and any sharing", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    fc.array(arbitraryRow, { minLength: 1, maxLength: 40 }),
    fc.infiniteStream(fc.nat(9)),
    (rows, choices) => {
      const choose = () => choices.next().value as number;
      const block = encodeBlock(rows, {
        restartsAt: () => choose() === 0,
        sharing: (_, n) => choose() === 0 ? n >> 1 : n,
      });
      for (const kernel of kernels) {
        assertEquals(check(kernel, block), rows.length);
        assertEquals(show(decodeBlock(kernel, block)), show(rows));
      }
    },
  ));
});

test("property: damaged blocks are rejected, or read without leaving them", () => {
  const kernel = KERNELS[0]![1]();
  const twin = KERNELS[1]![1]();
  const { exports } = kernel;
  const damage = fc.record({
    flips: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
    cut: fc.option(fc.nat(20)),
  });
  fc.assert(
    fc.property(arbitraryRows(40, 1), damage, (rows, { flips, cut }) => {
      const block = encodeBlock(rows);
      for (const [at, byte] of flips) block[at % block.length]! ^= byte;
      const damaged = block.subarray(0, block.length - (cut ?? 0));
      const result = check(kernel, damaged);
      assertEquals(result, check(twin, damaged));
      if (result < 0) return;
      assertEquals(
        show(decodeBlock(kernel, damaged)),
        show(decodeBlock(twin, damaged)),
      );
      const pointer = kernel.copyIn(damaged);
      const found = kernel.alloc(40);
      const directory = exports.block_directory(pointer, damaged.length);
      for (const { key } of rows) {
        const length = kernel.scratchKey(key);
        for (const by of [0, directory]) {
          const status = exports.block_get(
            ...[pointer, damaged.length, by] as const,
            ...[kernel.scratchPointer, length, 7n, found] as const,
          );
          if (status !== 1) continue;
          const value = kernel.u32[found / 4 + 9]!;
          const end = value + kernel.u32[found / 4 + 7]!;
          assert(pointer <= value && end <= pointer + damaged.length);
        }
      }
      for (const part of [found, directory, pointer]) kernel.free(part);
    }),
    { numRuns: 500 },
  );
});

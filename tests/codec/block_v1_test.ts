import fc from "fast-check";
import { equalBytes, fromHex } from "../../lib/base/bytes.ts";
import type { Row } from "../../lib/base/row.ts";
import { AbiError } from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryRow,
  arbitraryRows,
  bigEndian,
  decodeBlock,
  encodeBlockV1,
  EXAMPLE,
  row,
  show,
} from "./blocks.ts";
import { KERNELS, utf8 } from "./kernels.ts";

/** The same three rows as {@link EXAMPLE}, but older, as a V1 block. */
const EXAMPLE_V1 = fromHex(
  "000000056170706c6500000000000000010400000" + "18bcfe568000000000131" +
    "000200057269636f7400000000000000010400000" + "18bcfe5680000000003" +
    "74776f" +
    "0000000662616e616e6100000000000000010500000" + "18bcfe56800" +
    "0000001f00400003",
)!;

/** The V2 block, or an error. */
function convert(kernel: Kernel, block: Uint8Array): Uint8Array | number {
  const { exports } = kernel;
  const used = exports.memory_used();
  const pointer = kernel.copyIn(block);
  const target = kernel.alloc(8);
  const rows = exports.block_from_v1(pointer, block.length, target);
  let result: Uint8Array | number = rows;
  if (rows >= 0) {
    const [v2, bytes] = [0, 4].map((at) =>
      kernel.view.getUint32(target + at, true)
    );
    assertEquals(exports.block_check(v2!, bytes!), rows);
    result = kernel.slice(v2!, bytes!);
    kernel.free(v2!);
  }
  kernel.free(pointer);
  kernel.free(target);
  assertEquals(exports.memory_used(), used);
  return result;
}

/** What V1 keeps: a tombstone's expiry is lost. */
function kept(rows: readonly Row[]): Row[] {
  return rows.map((row) => {
    const { expireTs: _, ...rest } = row;
    return row.kind === "delete" ? rest : row;
  });
}

for (const [name, create] of KERNELS) {
  test(`block_from_v1() of the ${name} rewrites the format's example`, () => {
    const kernel = create();
    const v2 = convert(kernel, EXAMPLE_V1) as Uint8Array;
    const older = EXAMPLE.slice();
    for (const at of [18, 46, 72]) older.set(fromHex("0000018bcfe56800")!, at);
    assertEquals(v2, older);
  });

  test(`block_from_v1() of the ${name} takes prefixes from the first key`, () => {
    const kernel = create();
    const block = Uint8Array.from([
      ...[0, 0, 0, 2, 97, 97, ...bigEndian(1n, 8), 0, 0, 0, 0, 0],
      ...[0, 1, 0, 1, 98, ...bigEndian(1n, 8), 0, 0, 0, 0, 0],
      ...[0, 2, 0, 1, 99, ...bigEndian(1n, 8), 0, 0, 0, 0, 0],
      ...[0, 0, 0, 19, 0, 37, 0, 3],
    ]);
    assertEquals(
      decodeBlock(kernel, convert(kernel, block) as Uint8Array).map(({ key }) =>
        key
      ),
      ["aa", "ab", "aac"].map(utf8),
    );
  });

  test(`block_from_v1() of the ${name} rejects what the format forbids`, () => {
    const kernel = create();
    const row = (
      prefix: number,
      key: number[],
      flags: number,
      rest: number[],
    ) => [
      0,
      prefix,
      0,
      key.length,
      ...key,
      ...bigEndian(1n, 8),
      flags,
      ...rest,
    ];
    const a = row(0, [97], 0, [0, 0, 0, 0]);
    const block = (...bytes: number[]) => Uint8Array.from(bytes);
    assert(typeof convert(kernel, block(...a, 0, 0, 0, 1)) !== "number");
    const bad = {
      empty: block(),
      "no rows": block(0, 0),
      "more offsets than bytes": block(0, 7),
      "a prefix in the first row": block(
        ...row(1, [97], 0, [0, 0, 0, 0]),
        ...[0, 0, 0, 1],
      ),
      "a prefix longer than the first key": block(
        ...[...a, ...row(2, [97], 0, [0, 0, 0, 0])],
        ...[0, 0, 0, 18, 0, 2],
      ),
      "an empty key": block(...row(0, [], 0, [0, 0, 0, 0]), 0, 0, 0, 1),
      "an unknown flag": block(...row(0, [97], 16, [0, 0, 0, 0]), 0, 0, 0, 1),
      "tombstone and merge": block(...row(0, [97], 9, []), 0, 0, 0, 1),
      "a value past the end": block(
        ...row(0, [97], 0, [0, 0, 0, 9]),
        ...[0, 0, 0, 1],
      ),
      "no value length": block(...row(0, [97], 0, [0]), 0, 0, 0, 1),
      "a missing timestamp": block(...row(0, [97], 5, [1, 2, 3]), 0, 0, 0, 1),
      "an offset inside a row": block(...a, ...a, 0, 0, 0, 17, 0, 2),
      "bytes after the last row": block(...a, 0, 0, 0, 0, 1),
      "a suffix past the end": block(0, 0, 255, 255, 97, 0, 0, 0, 1),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      assertEquals(convert(kernel, bytes), AbiError.MALFORMED, what);
    }
  });

  test(`block_from_v1() of the ${name} goes without restarts that no offset can name`, () => {
    const kernel = create();
    const rows = Array.from({ length: 40 }, (_, n) => ({
      ...row("put", "", 1, "v"),
      key: new Uint8Array(50_000).fill(7).with(49_999, n),
    }));
    const v2 = convert(kernel, encodeBlockV1(rows)) as Uint8Array;
    assertEquals(v2.slice(-6), Uint8Array.from([0, 0, 0xc4, 0x4f, 0, 2]));
    const keys = decodeBlock(kernel, v2).map(({ key }) => key);
    assert(rows.every(({ key }, n) => equalBytes(key, keys[n]!)));
  });

  test(`block_from_v1() of the ${name} leaves nothing behind without memory`, () => {
    const kernel = create();
    const rows = [row("put", "a", 1, "v".repeat(60_000))];
    const block = encodeBlockV1(rows);
    const pointer = kernel.copyIn(block);
    const used = kernel.exports.memory_used();
    kernel.exports.memory_limit(kernel.u8.length);
    const held: number[] = [];
    for (let bytes = 1 << 20; bytes >= 64;) {
      const pointer = kernel.alloc(bytes);
      if (pointer === 0) bytes >>= 1;
      else held.push(pointer);
    }
    assertEquals(
      kernel.exports.block_from_v1(pointer, block.length, pointer),
      AbiError.OUT_OF_MEMORY,
    );
    for (const pointer of held) kernel.free(pointer);
    assertEquals(kernel.exports.memory_used(), used);
  });
}

test("property: block_from_v1() keeps every row, in both kernels", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    fc.oneof(
      arbitraryRows(60, 1),
      fc.array(arbitraryRow, { minLength: 1, maxLength: 20 }),
    ),
    (rows) => {
      const [v2, twin] = kernels.map((kernel) =>
        convert(kernel, encodeBlockV1(rows))
      );
      assertEquals(v2, twin);
      assertEquals(
        show(decodeBlock(kernels[0]!, v2 as Uint8Array)),
        show(kept(rows)),
      );
    },
  ));
});

test("property: damaged V1 blocks are rejected, or become proper V2 blocks", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(
    fc.property(
      arbitraryRows(20, 1),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
      fc.nat(3),
      (rows, flips, cut) => {
        const block = encodeBlockV1(rows);
        for (const [at, byte] of flips) block[at % block.length]! ^= byte;
        const damaged = block.subarray(0, block.length - (cut === 3 ? 9 : cut));
        const [v2, twin] = kernels.map((kernel) => convert(kernel, damaged));
        assertEquals(v2, twin);
      },
    ),
    { numRuns: 500 },
  );
});

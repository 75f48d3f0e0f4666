import fc from "fast-check";
import {
  compareBytes,
  concatBytes,
  equalBytes,
  toText,
} from "../../lib/base/bytes.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { RowFlag } from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import { readRow, rowFlags } from "../../lib/codec/row_record.ts";
import { encodeIndex } from "../../lib/format/sst_index.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryKey,
  arbitraryRows,
  encodeBlock,
  EXAMPLE,
  row,
  show,
} from "./blocks.ts";
import { KERNELS, utf8 } from "./kernels.ts";

/** A block in memory that can be searched. */
class Searchable {
  readonly #kernel: Kernel;
  readonly #pointer: number;
  readonly #bytes: number;
  readonly #directory: number;
  readonly #found: number;

  constructor(kernel: Kernel, block: Uint8Array) {
    this.#kernel = kernel;
    this.#pointer = kernel.copyIn(block);
    this.#bytes = block.length;
    this.#directory = kernel.exports.block_directory(
      this.#pointer,
      this.#bytes,
    );
    this.#found = kernel.alloc(40);
  }

  /** The row found, or the other two answers: the same with a directory. */
  get(key: Uint8Array | string, seqMax = MAX_SEQ): Row | 0 | 2 {
    const found = this.#get(key, seqMax, 0);
    const directed = this.#get(key, seqMax, this.#directory);
    assertEquals(showFound(directed), showFound(found));
    return found;
  }

  #get(
    key: Uint8Array | string,
    seqMax: bigint,
    directory: number,
  ): Row | 0 | 2 {
    const kernel = this.#kernel;
    const length = kernel.scratchKey(key);
    const status = kernel.exports.block_get(
      this.#pointer,
      this.#bytes,
      directory,
      kernel.scratchPointer,
      length,
      seqMax,
      this.#found,
    );
    if (status !== 1) return status as 0 | 2;
    const field = (at: number) => kernel.view.getUint32(this.#found + at, true);
    assertEquals(field(24), length);
    const value = kernel.slice(field(36), field(28));
    kernel.view.setUint32(this.#found + 24, 0, true);
    kernel.view.setUint32(this.#found + 28, 0, true);
    const header = readRow(kernel, this.#found);
    const flags = field(32);
    if ((flags & RowFlag.CREATE) === 0) {
      assertEquals(kernel.readI64(this.#found + 8), 0n);
    }
    if ((flags & RowFlag.EXPIRE) === 0) {
      assertEquals(kernel.readI64(this.#found + 16), 0n);
    }
    assertEquals(flags, rowFlags(header));
    return {
      ...header,
      key: typeof key === "string" ? utf8(key) : key,
      value,
    };
  }

  free(): void {
    for (const pointer of [this.#pointer, this.#directory, this.#found]) {
      this.#kernel.free(pointer);
    }
  }
}

/** What `get` must answer. */
function lookUp(rows: readonly Row[], key: Uint8Array, seqMax: bigint) {
  const found = rows.find((row) =>
    equalBytes(row.key, key) && row.seq <= seqMax
  );
  if (found !== undefined) return found;
  return rows.some((row) => compareBytes(row.key, key) > 0) ? 0 : 2;
}

function showFound(found: Row | 0 | 2): string[] | number {
  return typeof found === "number" ? found : show([found]);
}

/** Packs an index, and seeks in it. */
function indexSeek(
  kernel: Kernel,
  separators: readonly Uint8Array[],
  key: Uint8Array | string,
): number {
  const stored = encodeIndex({
    offsets: separators.map((_, i) => i),
    firstKeys: separators,
  });
  const { index_seek, index_unpack } = kernel.exports;
  const source = kernel.copyIn(stored);
  const end = separators.length;
  const bytes = index_unpack(source, stored.length, end, 0, 0);
  const index = kernel.alloc(bytes);
  const offsets = kernel.alloc(8 * (end + 1));
  index_unpack(source, stored.length, end, index, offsets);
  const length = kernel.scratchKey(key);
  const block = index_seek(index, kernel.scratchPointer, length);
  for (const pointer of [source, index, offsets]) kernel.free(pointer);
  return block;
}

for (const [name, create] of KERNELS) {
  test(`block_get() of the ${name} reads the format's example`, () => {
    const block = new Searchable(create(), EXAMPLE);
    const createTs = 0x1a1f980d550n;
    const found = (key: string) => showFound(block.get(key));
    assertEquals(
      found("apple"),
      show([row("put", "apple", 1, "1", { createTs })]),
    );
    assertEquals(
      found("apricot"),
      show([row("put", "apricot", 1, "two", { createTs })]),
    );
    assertEquals(
      found("banana"),
      show([row("delete", "banana", 1, "", { createTs })]),
    );
    assertEquals(found("a"), 0);
    assertEquals(found("apples"), 0);
    assertEquals(found("bananas"), 2);
    assertEquals(showFound(block.get("banana", 0n)), 2);
    assertEquals(showFound(block.get("apple", 0n)), 0);
  });

  test(`block_get() of the ${name} finds each version of a key over many restarts`, () => {
    const rows = [row("put", "a", 1), row("put", "b", 1)];
    for (let seq = 100; seq > 0; seq--) {
      rows.push(row("put", "k", seq, `v${seq}`));
    }
    rows.push(row("put", "l", 1));
    const block = new Searchable(create(), encodeBlock(rows));
    for (let seq = 1; seq <= 100; seq++) {
      const found = block.get("k", BigInt(seq)) as Row;
      assertEquals(toText(found.value), `v${seq}`);
    }
    assertEquals(block.get("k", 0n), 0);
  });

  test(`block_get() of the ${name} takes no key for another that differs where rows share`, () => {
    const rows = ["a", "commonNNNN1", "commonNNNN2", "commonNNNN3"];
    const encoded = encodeBlock(rows.map((key) => row("put", key, 1)));
    const block = new Searchable(create(), encoded);
    assertEquals(
      ["commonMMMM2", "commonNNNN", "commonNNNN25"].map((key) =>
        block.get(key)
      ),
      [0, 0, 0],
    );
    assertEquals(block.get("commonOOOO2"), 2);
    assertEquals((block.get("commonNNNN2") as Row).seq, 1n);
  });

  test(`block_get() of the ${name} takes a seq above 63 bits for what it is`, () => {
    const seq = MAX_SEQ - 1n;
    const rows = [{ ...row("put", "k", 0, "new"), seq }, row("put", "k", 5)];
    const block = new Searchable(create(), encodeBlock(rows));
    assertEquals((block.get("k") as Row).seq, seq);
    assertEquals((block.get("k", seq - 1n) as Row).seq, 5n);
  });

  test(`index_seek() of the ${name} takes the last separator that is smaller`, () => {
    const kernel = create();
    const separators = ["", "b", "d", "d", "d", "f"].map(utf8);
    const seek = (key: string) => indexSeek(kernel, separators, key);
    assertEquals(["a", "b", "ba", "c"].map(seek), [0, 0, 1, 1]);
    assertEquals(["e", "f", "fa"].map(seek), [4, 4, 5]);
    assertEquals(indexSeek(kernel, [], "a"), 0);
    assertEquals(indexSeek(kernel, [utf8("")], "a"), 0);
  });

  test(`index_seek() of the ${name} leads to the newest version of a key that fills blocks`, () => {
    const kernel = create();
    // Blocks 1 to 3 begin with versions of "d", so their separator is "d" itself.
    const separators = ["", "d", "d", "d", "e"].map(utf8);
    assertEquals(indexSeek(kernel, separators, "d"), 0);
    const blocks = [
      [row("put", "c", 1), row("put", "d", 9)],
      [row("put", "d", 8), row("put", "d", 7)],
      [row("put", "d", 6)],
      [row("put", "d", 5), row("put", "d", 4)],
      [row("put", "e", 1)],
    ].map((rows) => new Searchable(kernel, encodeBlock(rows)));
    // From there on: every block is asked until one knows.
    const get = (seqMax: bigint) => {
      for (const block of blocks) {
        const found = block.get("d", seqMax);
        if (found !== 2) return found === 0 ? "none" : found.seq;
      }
      return "end";
    };
    assertEquals([20n, 8n, 6n, 4n, 3n].map(get), [9n, 8n, 6n, 4n, "none"]);
  });
}

test("block_directory() has four bytes of each key and its row's place", () => {
  const kernel = KERNELS[0]![1]();
  const rows = ["key/a", "key/abcdefgh", "key/abcdefgi", "key/b"].map((key) =>
    row("put", key, 1, "v")
  );
  const block = kernel.copyIn(encodeBlock(rows));
  const bytes = encodeBlock(rows).length;
  const directory = kernel.exports.block_directory(block, bytes);
  const { view } = kernel;
  assertEquals(view.getUint32(directory, true), 8 + 4 * 6 + "key/".length);
  assertEquals(view.getUint16(directory + 4, true), 4);
  assertEquals(view.getUint16(directory + 6, true), "key/".length);
  const windows = [0, 1, 2, 3].map((i) =>
    view.getUint32(directory + 12 + 4 * i, true).toString(16)
  );
  assertEquals(windows, ["61000000", "61626364", "61626364", "62000000"]);
  assertEquals(view.getUint16(directory + 28, true), 0);
  assertEquals(toText(kernel.slice(directory + 8, 4)), "key/");
});

test("block_directory() has none for a block that is empty or past what an offset says", () => {
  const kernel = KERNELS[0]![1]();
  const large = encodeBlock([row("put", "k", 1, "v".repeat(0x10000))]);
  const used = kernel.exports.memory_used();
  const pointer = kernel.copyIn(large);
  assertEquals(kernel.exports.block_directory(pointer, large.length), 0);
  assertEquals(kernel.exports.block_directory(pointer, 0), 0);
  kernel.free(pointer);
  assertEquals(kernel.exports.memory_used(), used);
});

test("property: block_get() finds what a look at every row finds", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    arbitraryRows(60, 1),
    fc.array(arbitraryKey, { maxLength: 10 }),
    fc.bigInt({ min: 0n, max: 9n }),
    fc.infiniteStream(fc.nat(5)),
    (rows, others, seqMax, choices) => {
      const choose = () => choices.next().value as number;
      const block = encodeBlock(rows, {
        restartsAt: () => choose() === 0,
        sharing: (_, n) => choose() === 0 ? n >> 1 : n,
      });
      const keys = [...rows.map(({ key }) => key), ...others];
      for (const kernel of kernels) {
        const searchable = new Searchable(kernel, block);
        for (const key of keys) {
          for (const limit of [seqMax, MAX_SEQ]) {
            assertEquals(
              showFound(searchable.get(key, limit)),
              showFound(lookUp(rows, key, limit)),
            );
          }
        }
        searchable.free();
      }
    },
  ));
});

test("property: index_seek() agrees with a look at every separator", () => {
  const kernels = KERNELS.map(([, create]) => create());
  const prefixes = ["", "c", "common/", "common/prefix/"].map(utf8);
  fc.assert(fc.property(
    fc.constantFrom(...prefixes),
    fc.array(arbitraryKey, { maxLength: 40 }),
    fc.oneof(arbitraryKey, fc.constantFrom(...prefixes.slice(1))),
    fc.boolean(),
    (prefix, keys, other, within) => {
      const behind = keys.map((key) => concatBytes([prefix, key]));
      const separators = [utf8(""), ...behind.sort(compareBytes)];
      const wanted = within ? concatBytes([prefix, other]) : other;
      for (const key of [wanted, ...separators.slice(1)]) {
        const below = separators.findLastIndex((separator) =>
          compareBytes(separator, key) < 0
        );
        for (const kernel of kernels) {
          assertEquals(indexSeek(kernel, separators, key), below);
        }
      }
    },
  ));
});

import fc from "fast-check";
import { toText } from "../../lib/base/bytes.ts";
import { compareRows, type Row } from "../../lib/base/row.ts";
import {
  MERGE_STATE,
  MergeMode,
  MergeOption,
  MergeStatus,
} from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import {
  rowFlags,
  rowRecordBytes,
  writeRow,
} from "../../lib/codec/row_record.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import {
  arbitraryRow,
  encodeBlock,
  fillMemtable,
  readRecords,
  row,
  show,
} from "./blocks.ts";
import { KERNELS, utf8 } from "./kernels.ts";
import { arbitraryPlan, mergeAll, Merging, model } from "./merging.ts";

const { VISIBLE, RAW, RETAIN } = MergeMode;
const { DESCENDING } = MergeOption;

function at(key: string, inclusive = true) {
  return { key: utf8(key), inclusive };
}

/** Keys in order, a few per block. */
function blocksOf(perBlock: number, ...keys: string[]): Row[][] {
  const rows = keys.map((key) => row("put", key, 1));
  const blocks: Row[][] = [];
  for (let n = 0; n < rows.length; n += perBlock) {
    blocks.push(rows.slice(n, n + perBlock));
  }
  return blocks;
}

test("merge_run() asks for no block after the last key of its range", () => {
  const kernel = Kernel.createSync();
  const sources = [{ blocks: blocksOf(2, "a", "b", "c", "d", "e", "f") }];
  const plan = { mode: VISIBLE, sources, lower: at("c"), upper: at("d") };
  const merging = new Merging(kernel, plan);
  assertEquals(show(merging.batches().flat()), show(sources[0]!.blocks[1]!));
  // The first block is before the range; the second ends with its last key.
  assertEquals(merging.blocksGiven, 2);
  merging.free();
  const open = new Merging(kernel, { ...plan, upper: at("d", false) });
  assertEquals(open.batches().flat().length, 1);
  assertEquals(open.blocksGiven, 2);
  open.free();
  const retaining = new Merging(kernel, {
    ...plan,
    mode: RETAIN,
    retainSeq: 9n,
  });
  retaining.batches();
  assertEquals(retaining.blocksGiven, 2);
  retaining.free();
});

test("merge_run() asks for no block to fill a batch that is full", () => {
  const kernel = Kernel.createSync();
  const sources = [
    { blocks: blocksOf(2, "a", "c", "e", "g") },
    { blocks: blocksOf(2, "b", "d", "f", "h") },
  ];
  const merging = new Merging(kernel, { mode: VISIBLE, sources, maxRows: 2 });
  assertEquals(merging.next()!.length, 2);
  assertEquals(merging.blocksGiven, 2);
  assertEquals(merging.next(1)!.length, 1);
  assertEquals(merging.blocksGiven, 2);
  assertEquals(merging.next()!.length, 2);
  assertEquals(merging.blocksGiven, 4);
  merging.free();
});

for (const [name, create] of KERNELS) {
  test(`merge_run() of the ${name} asks the lowest source first and stays done`, () => {
    const kernel = create();
    const { exports } = kernel;
    const merge = exports.merge_create(3, VISIBLE, 0, 1024);
    const wanted = () => kernel.u32[(merge + MERGE_STATE.WANTED) / 4];
    for (const n of [0, 1, 2]) {
      assertEquals(exports.merge_run(merge, 9), MergeStatus.WANT_BLOCK);
      assertEquals(wanted(), n);
      exports.merge_end(merge, n);
    }
    for (let n = 0; n < 3; n++) {
      assertEquals(exports.merge_run(merge, 9), MergeStatus.DONE);
      assertEquals(kernel.u32[(merge + MERGE_STATE.ROWS) / 4], 0);
    }
    // Sources that are not there are nobody's.
    exports.merge_end(merge, 3);
    exports.merge_restart(merge);
    assertEquals(exports.merge_run(merge, 9), MergeStatus.WANT_BLOCK);
    exports.merge_free(merge);
    exports.merge_free(0);
    assertEquals(exports.memory_used(), 0);
  });

  test(`merge_run() of the ${name} reads keys that grow and shrink`, () => {
    const lengths = [1, 2, 100, 119, 121, 250, 400, 1000, 400, 3, 2000];
    const rows = lengths.map((length, n) =>
      row("put", "k".repeat(length) + String.fromCharCode(65 + n), 1)
    ).toSorted(compareRows);
    for (const options of [0, DESCENDING]) {
      const plan = { mode: VISIBLE, sources: [{ blocks: [rows] }], options };
      assertEquals(show(mergeAll(create(), plan)), show(model(plan)));
    }
  });

  test(`merge_restart() of the ${name} forgets where the last range ended`, () => {
    const kernel = create();
    const sources = [{ blocks: blocksOf(2, "a", "b", "c", "d", "e") }];
    const merging = new Merging(kernel, {
      mode: VISIBLE,
      sources,
      upper: at("b"),
    });
    assertEquals(merging.batches().flat().length, 2);
    merging.restart(undefined, undefined);
    assertEquals(merging.batches().flat().length, 5);
    merging.free();
  });

  test(`merge_end() of the ${name} ends a source that has rows left`, () => {
    const kernel = create();
    const { exports } = kernel;
    const merge = exports.merge_create(4, VISIBLE, 0, 1024);
    const pointers = ["ae", "bf", "cg", "dh"].map((keys, n) => {
      const block = encodeBlock([...keys].map((key) => row("put", key, 1)));
      const pointer = kernel.copyIn(block);
      exports.merge_block(merge, n, pointer, block.length);
      return pointer;
    });
    const keys: string[] = [];
    const take = (): number => {
      const status = exports.merge_run(merge, 1);
      if (status === MergeStatus.WANT_BLOCK) {
        exports.merge_end(merge, kernel.u32[(merge + MERGE_STATE.WANTED) / 4]!);
        return take();
      }
      const output = kernel.u32[(merge + MERGE_STATE.OUTPUT) / 4]!;
      const rows = kernel.u32[(merge + MERGE_STATE.ROWS) / 4]!;
      for (const { key } of readRecords(kernel, output, rows)) {
        keys.push(toText(key));
      }
      return status;
    };
    take();
    exports.merge_end(merge, 2);
    while (take() !== MergeStatus.DONE);
    assertEquals(keys.join(""), "abdefh");
    exports.merge_free(merge);
    for (const pointer of pointers) kernel.free(pointer);
  });

  test(`merge_block() of the ${name} replaces a block that was not read to its end`, () => {
    const kernel = create();
    const { exports } = kernel;
    const merge = exports.merge_create(1, VISIBLE, 0, 1);
    const pointer = kernel.alloc(1024);
    const give = (...keys: string[]) => {
      const block = encodeBlock(keys.map((key) => row("put", key, 1)));
      kernel.u8.set(block, pointer);
      exports.merge_block(merge, 0, pointer, block.length);
      assertEquals(exports.merge_run(merge, 1), MergeStatus.BATCH);
      const output = kernel.u32[(merge + MERGE_STATE.OUTPUT) / 4]!;
      return readRecords(kernel, output, 1).map(({ key }) => toText(key));
    };
    assertEquals(give("a", "b"), ["a"]);
    assertEquals(give("c", "d"), ["c"]);
    exports.merge_free(merge);
  });

  test(`merge_create() of the ${name} refuses a mode there is not`, () => {
    assertEquals(create().exports.merge_create(1, 3, 0, 1024), 0);
  });

  test(`merge_run() of the ${name} takes rows inserted while it runs`, () => {
    const kernel = create();
    const { exports } = kernel;
    const memtable = fillMemtable(
      kernel,
      ["b", "d", "f"].map((key) => row("put", key, 5)),
    );
    const merge = exports.merge_create(1, VISIBLE, 0, 1024);
    exports.merge_limits(merge, 7n, 0n, 0n);
    exports.merge_memtable(merge, 0, memtable);
    const next = () => {
      assert(exports.merge_run(merge, 1) >= 0);
      const [output, rows] = [MERGE_STATE.OUTPUT, MERGE_STATE.ROWS].map((at) =>
        kernel.u32[(merge + at) / 4]!
      );
      return show(readRecords(kernel, output!, rows!));
    };
    const insert = (given: Row) => {
      const bytes = rowRecordBytes(given);
      writeRow(kernel, exports.memtable_reserve(memtable, bytes), given);
      exports.memtable_insert(
        memtable,
        given.key.length,
        given.value.length,
        rowFlags(given),
        given.seq,
        0n,
        0n,
      );
    };
    assertEquals(next(), show([row("put", "b", 5)]));
    for (const key of ["a", "c", "e", "g", "f"]) insert(row("put", key, 6));
    for (const key of ["d", "e", "h"]) insert(row("delete", key, 8));
    // The merge had gone on to "d" already; what lies behind it is new.
    const rest = [next(), next(), next(), next(), next()].flat();
    assertEquals(
      rest.filter((text) => !text.startsWith("63")),
      show([
        ...[row("put", "d", 5), row("put", "e", 6)],
        ...[row("put", "f", 6), row("put", "g", 6)],
      ]),
    );
    exports.merge_free(merge);
    exports.memtable_free(memtable);
  });

  test(`merge_run() of the ${name} holds a key of any length and any number of versions`, () => {
    const kernel = create();
    const long = "k".repeat(65_530);
    const rows = [
      row("put", "a", 1),
      ...[5, 4, 3, 2, 1].map((seq) => row("merge", `${long}1`, seq, "+1")),
      row("put", `${long}1`, 0, "0"),
      row("merge", `${long}2`, 9, "v".repeat(200_000)),
      row("delete", `${long}2`, 8),
      row("put", "z", 1),
    ];
    for (const options of [0, DESCENDING]) {
      const plan = {
        mode: VISIBLE,
        options,
        outputBytes: 1,
        sources: [
          { blocks: rows.slice(0, 8).map((row) => [row]) },
          { blocks: [rows.slice(8)] },
        ],
      };
      const merging = new Merging(kernel, plan);
      const batches = merging.batches();
      merging.free();
      const sizes = batches.map(({ length }) => length);
      assertEquals(sizes, options ? [1, 1, 6, 1] : [1, 6, 1, 1]);
      assertEquals(show(batches.flat()), show(model(plan)));
    }
  });
}

test("property: sources out of order do no harm", () => {
  const kernel = Kernel.createSync();
  const arbitrarySource = fc.record({
    blocks: fc.array(
      fc.array(arbitraryRow, { minLength: 1, maxLength: 12 }),
      { maxLength: 5 },
    ),
  });
  fc.assert(fc.property(
    fc.array(arbitrarySource, { maxLength: 4 }),
    arbitraryPlan,
    fc.boolean(),
    (sources, plan, bounded) => {
      const bounds = bounded ? {} : { lower: undefined, upper: undefined };
      const rows = sources.flatMap(({ blocks }) => blocks.flat());
      const merging = new Merging(kernel, { ...plan, ...bounds, sources });
      const merged = merging.batches().flat();
      assert(merging.consumed <= rows.length);
      if (!bounded) assertEquals(merging.consumed, rows.length);
      merging.free();
      const known = new Set(rows.map(({ seq }) => seq));
      assert(merged.every(({ seq }) => known.has(seq)));
    },
  ));
});

test("property: a block that replaces one half read does no harm", () => {
  const kernel = Kernel.createSync();
  fc.assert(fc.property(
    fc.array(fc.array(arbitraryRow, { minLength: 1, maxLength: 20 }), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.constantFrom(0, DESCENDING),
    (blocks, options) => {
      const { exports } = kernel;
      const merge = exports.merge_create(1, RAW, options, 1);
      for (const rows of blocks) {
        const block = encodeBlock(rows);
        const pointer = kernel.copyIn(block);
        exports.merge_block(merge, 0, pointer, block.length);
        for (let n = 0; n < 3; n++) assert(exports.merge_run(merge, 1) >= 0);
        kernel.u8.fill(0xdd, pointer, pointer + block.length);
        kernel.free(pointer);
      }
      exports.merge_free(merge);
    },
  ));
});

test("merge_run() merges more sources than a few", () => {
  const keys = Array.from(
    { length: 600 },
    (_, n) => String(n).padStart(3, "0"),
  );
  for (const count of [7, 8, 33, 100]) {
    const sources = Array.from({ length: count }, (_, s) => ({
      blocks: blocksOf(3, ...keys.filter((_, n) => n % count === s)),
    }));
    for (const options of [0, DESCENDING]) {
      const plan = { mode: VISIBLE, sources, options };
      const merged = mergeAll(Kernel.createSync(), plan);
      assertEquals(show(merged), show(model(plan)));
    }
  }
});

import fc from "fast-check";
import { compareBytes } from "../../lib/base/bytes.ts";
import type { Row } from "../../lib/base/row.ts";
import { MergeMode, MergeOption } from "../../lib/codec/abi.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { row, show } from "./blocks.ts";
import { KERNELS, utf8 } from "./kernels.ts";
import {
  arbitraryPlan,
  arbitrarySource,
  mergeAll,
  Merging,
  model,
  type Plan,
} from "./merging.ts";

const { VISIBLE, RAW, RETAIN } = MergeMode;
const { DESCENDING, HIDE_EXPIRED, DROP_TOMBSTONES } = MergeOption;

/** One source of one block. */
function single(...rows: Row[]) {
  return { blocks: [rows] };
}

/** Runs a plan and its mirror image in each kernel; keys are single letters. */
function checkBoth(plan: Plan, expected: readonly Row[]): void {
  const byKey = expected.map((row, n) => ({ row, n }));
  byKey.sort((a, b) => compareBytes(b.row.key, a.row.key) || a.n - b.n);
  for (const [name, create] of KERNELS) {
    const kernel = create();
    assertEquals(show(mergeAll(kernel, plan)), show(expected), name);
    const descending = { ...plan, options: (plan.options ?? 0) | DESCENDING };
    assertEquals(
      show(mergeAll(kernel, descending)),
      show(byKey.map(({ row }) => row)),
      `${name}, descending`,
    );
  }
}

test("merge_run() shows a reader the newest version of each key", () => {
  const sources = [
    single(row("put", "a", 5, "new"), row("delete", "b", 6)),
    single(row("put", "a", 3), row("put", "b", 2), row("put", "c", 1, "only")),
  ];
  checkBoth({ mode: VISIBLE, sources }, [
    row("put", "a", 5, "new"),
    row("put", "c", 1, "only"),
  ]);
  checkBoth({ mode: VISIBLE, sources, seqMax: 4n }, [
    row("put", "a", 3),
    row("put", "b", 2),
    row("put", "c", 1, "only"),
  ]);
});

test("merge_run() shows merge operands down to the put they rest on", () => {
  const rows = [
    ...[row("merge", "a", 9, "+3"), row("merge", "a", 8, "+2")],
    ...[row("put", "a", 7, "1"), row("merge", "a", 6, "hidden")],
    ...[row("merge", "b", 5, "+1"), row("delete", "b", 4), row("put", "b", 3)],
    row("merge", "c", 2, "+1"),
  ];
  checkBoth({ mode: VISIBLE, sources: [single(...rows)] }, [
    ...rows.slice(0, 3),
    rows[4]!,
    rows[7]!,
  ]);
});

test("merge_run() hides expired rows only where it is asked to", () => {
  const times = { createTs: 1n, expireTs: 10n };
  const rows = [
    ...[row("put", "a", 9, "gone", times), row("put", "a", 8, "older")],
    ...[row("merge", "b", 7, "gone", times), row("merge", "b", 6, "+1")],
    row("put", "b", 5, "base"),
  ];
  const plan = { mode: VISIBLE, sources: [single(...rows)], now: 10n };
  checkBoth({ ...plan, options: HIDE_EXPIRED }, [rows[3]!, rows[4]!]);
  checkBoth({ ...plan, options: HIDE_EXPIRED, now: 9n }, [
    ...[rows[0]!, rows[2]!, rows[3]!, rows[4]!],
  ]);
  checkBoth(plan, [rows[0]!, rows[2]!, rows[3]!, rows[4]!]);
});

test("merge_run() takes the lower of two sources with the same key and seq", () => {
  const sources = [
    single(row("merge", "a", 5, "newer", { expireTs: 1n })),
    single(row("put", "a", 5, "older")),
    single(row("put", "a", 4, "beneath")),
  ];
  const newer = row("merge", "a", 5, "newer", { expireTs: 1n });
  const beneath = row("put", "a", 4, "beneath");
  checkBoth({ mode: VISIBLE, sources }, [newer, beneath]);
  // Even a row that vanishes takes the other one with it.
  const now = 2n;
  checkBoth({ mode: VISIBLE, sources, now, options: HIDE_EXPIRED }, [beneath]);
  checkBoth({ mode: RETAIN, sources, now }, [beneath]);
  checkBoth({ mode: RAW, sources }, [
    newer,
    row("put", "a", 5, "older"),
    beneath,
  ]);
});

test("merge_run() retains what a snapshot can still see", () => {
  const versions = [9, 7, 5, 3].map((seq) => row("put", "a", seq));
  const sources = [single(...versions)];
  const retain = (retainSeq: bigint, count: number) =>
    checkBoth(
      { mode: RETAIN, sources, retainSeq },
      versions.slice(0, count),
    );
  retain(20n, 1);
  retain(9n, 1);
  retain(8n, 2);
  retain(5n, 3);
  retain(0n, 4);
});

test("merge_run() retains what a merge operand at the limit rests on", () => {
  const rows = [
    ...[row("merge", "a", 9), row("merge", "a", 7), row("merge", "a", 5)],
    ...[row("put", "a", 3), row("put", "a", 2)],
  ];
  const sources = [single(...rows)];
  checkBoth({ mode: RETAIN, sources, retainSeq: 7n }, rows.slice(0, 4));
});

test("merge_run() turns an expired put into a tombstone and drops an expired operand", () => {
  const times = { createTs: 4n, expireTs: 10n };
  const sources = [single(
    ...[row("put", "a", 9, "gone", times), row("put", "a", 8)],
    ...[row("merge", "b", 7, "gone", times), row("put", "b", 6)],
    row("delete", "c", 5, "", times),
  )];
  const tombstone = row("delete", "a", 9, "", { createTs: 4n });
  const plan = { mode: RETAIN, sources, now: 10n };
  const other = row("delete", "c", 5, "", { createTs: 4n });
  checkBoth({ ...plan, retainSeq: 9n }, [tombstone, row("put", "b", 6), other]);
  checkBoth({ ...plan, retainSeq: 8n }, [
    ...[tombstone, row("put", "a", 8), row("put", "b", 6), other],
  ]);
  checkBoth({ ...plan, retainSeq: 9n, options: DROP_TOMBSTONES }, [
    row("put", "b", 6),
  ]);
});

test("merge_run() drops tombstones only at the old end of a key", () => {
  const rows = [
    ...[row("put", "a", 9), row("delete", "a", 8), row("put", "a", 7)],
    ...[row("delete", "a", 6), row("delete", "a", 5)],
    ...[row("delete", "b", 4), row("delete", "b", 3)],
    ...[row("merge", "c", 2), row("delete", "c", 1)],
  ];
  const plan = { mode: RETAIN, sources: [single(...rows)], retainSeq: 0n };
  checkBoth({ ...plan, options: DROP_TOMBSTONES }, [
    ...[rows[0]!, rows[1]!, rows[2]!, rows[7]!],
  ]);
  checkBoth(plan, rows);
});

test("merge_run() knows a key again in the next block", () => {
  const rows = [row("put", "a", 5), row("put", "a", 4), row("put", "a", 3)];
  const last = row("put", "b", 2);
  const sources = [{ blocks: [...rows.map((row) => [row]), [last]] }];
  checkBoth({ mode: VISIBLE, sources }, [rows[0]!, last]);
  checkBoth({ mode: RETAIN, sources, retainSeq: 4n }, [
    ...[rows[0]!, rows[1]!, last],
  ]);
});

test("merge_run() begins with all versions of the key that bounds it", () => {
  // Ten versions of each key: they lie in several restart intervals.
  const versions = (key: string) =>
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((seq) => row("put", key, seq));
  const rows = [...versions("a"), ...versions("b"), ...versions("c")];
  const key = utf8("b");
  for (
    const sources of [[single(...rows)], [{
      ...single(...rows),
      memtable: true,
    }]]
  ) {
    const plan = { mode: RAW, sources };
    const inclusive = { key, inclusive: true };
    checkBoth({ ...plan, lower: inclusive, upper: inclusive }, versions("b"));
    checkBoth({ ...plan, lower: inclusive }, rows.slice(10));
    checkBoth({ ...plan, upper: inclusive }, rows.slice(0, 20));
    const exclusive = { key, inclusive: false };
    checkBoth({ ...plan, lower: exclusive }, versions("c"));
    checkBoth({ ...plan, upper: exclusive }, versions("a"));
  }
});

test("merge_run() gives rows of one source in any order back as they are", () => {
  const rows = ["c", "a", "b", "b", "a"].map((key, n) =>
    row("put", key, 9 - n)
  );
  for (const [, create] of KERNELS) {
    assertEquals(
      show(mergeAll(create(), { mode: RAW, sources: [single(...rows)] })),
      show(rows),
    );
  }
});

test("merge_run() without sources is done", () => {
  for (const [, create] of KERNELS) {
    assertEquals(mergeAll(create(), { mode: VISIBLE, sources: [] }), []);
  }
});

test("property: merge_run() gives what a look at all rows gives", () => {
  const kernels = KERNELS.map(([, create]) => create());
  // What the scratch area takes is not to be given back.
  for (const kernel of kernels) kernel.scratch(1 << 12);
  fc.assert(
    fc.property(arbitraryPlan, (plan) => {
      const expected = show(model(plan));
      const batches = kernels.map((kernel) => {
        const used = kernel.exports.memory_used();
        const merging = new Merging(kernel, plan);
        const batches = merging.batches();
        merging.free();
        assertEquals(kernel.exports.memory_used(), used);
        return batches.map(show);
      });
      assertEquals(batches[0]!.flat(), expected);
      assertEquals(batches[0], batches[1]!);
    }),
    { numRuns: 1000 },
  );
});

test("property: merge_run() ends a batch at the first key past its bounds", () => {
  const kernel = KERNELS[0]![1]();
  fc.assert(fc.property(arbitraryPlan, (plan) => {
    const merging = new Merging(kernel, plan);
    const batches = merging.batches();
    merging.free();
    for (const [n, batch] of batches.entries()) {
      const last = batch.at(-1)!;
      const next = batches[n + 1]?.[0];
      if (next === undefined) continue;
      assert(compareBytes(last.key, next.key) !== 0);
      const before = batch.findIndex(({ key }) =>
        compareBytes(key, last.key) === 0
      );
      const bytes = batch.slice(0, before).reduce(
        (sum, { key, value }) =>
          sum + Math.ceil((40 + key.length + value.length) / 8) * 8,
        0,
      );
      assert(before < Math.max(plan.maxRows!, 1));
      assert(bytes < Math.max(plan.outputBytes!, 1));
    }
  }));
});

test("property: merge_restart() with other bounds is a seek", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    arbitraryPlan,
    arbitraryPlan,
    fc.nat(3),
    (plan, { lower, upper }, batches) => {
      for (const kernel of kernels) {
        const merging = new Merging(kernel, plan);
        for (let n = 0; n < batches; n++) merging.next();
        merging.restart(lower, upper);
        assertEquals(
          show(merging.batches().flat()),
          show(model({ ...plan, lower, upper })),
        );
        merging.free();
      }
    },
  ));
});

test("property: merge_run() looks at every row once", () => {
  const kernels = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    fc.array(arbitrarySource, { maxLength: 5 }),
    fc.constantFrom(VISIBLE, RAW, RETAIN),
    fc.constantFrom(0, DESCENDING),
    (sources, mode, options) => {
      const rows = sources.flatMap(({ blocks }) => blocks.flat());
      for (const kernel of kernels) {
        const merging = new Merging(kernel, { sources, mode, options });
        merging.batches();
        assertEquals(merging.consumed, rows.length);
        merging.free();
      }
    },
  ));
});

test("property: merge_run() counts what retention finds expired, alike in both kernels", () => {
  const [wasm, twin] = KERNELS.map(([, create]) => create());
  fc.assert(fc.property(
    fc.array(arbitrarySource, { maxLength: 5 }),
    fc.constantFrom(0, DESCENDING),
    fc.bigInt({ min: 0n, max: 40n }),
    fc.bigInt({ min: 0n, max: 40n }),
    (sources, options, now, retainSeq) => {
      const counts = [wasm!, twin!].map((kernel) => {
        const plan = { sources, mode: RETAIN, options, now, retainSeq };
        const merging = new Merging(kernel, plan);
        merging.batches();
        const { expired } = merging;
        merging.free();
        return expired;
      });
      assertEquals(counts[0], counts[1]);
    },
  ));
});

test("merge_run() counts expired puts and operands, and what is hidden not", () => {
  const times = { expireTs: 10n };
  const rows = [
    ...[row("put", "a", 9, "gone", times), row("put", "a", 8, "hidden", times)],
    ...[row("merge", "b", 7, "gone", times), row("merge", "b", 6, "+1")],
    ...[row("put", "b", 5, "gone", times), row("put", "c", 4, "stays")],
  ];
  for (const [name, create] of KERNELS) {
    for (const options of [0, DESCENDING]) {
      const kernel = create();
      const plan = { sources: [single(...rows)], options, retainSeq: 20n };
      const expired = (mode: number, now: bigint) => {
        const merging = new Merging(kernel, { ...plan, mode, now });
        merging.batches();
        const { expired } = merging;
        merging.free();
        return expired;
      };
      assertEquals(expired(RETAIN, 10n), [2, 1], name);
      assertEquals(expired(RETAIN, 9n), [0, 0], name);
      assertEquals(expired(VISIBLE, 10n), [0, 0], name);
    }
  }
});

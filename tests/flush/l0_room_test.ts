import fc from "fast-check";
import { toBytes } from "../../lib/base/bytes.ts";
import { rangeContains } from "../../lib/base/key_range.ts";
import type { SstHandle } from "../../lib/format/manifest.ts";
import { l0Full, maxOverlap } from "../../lib/flush/l0_room.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { handle } from "../manifest/handles.ts";

const LETTERS = "abcdefghij";

function covers({ info, visibleRange }: SstHandle, key: Uint8Array): boolean {
  const own = {
    lower: { key: info.firstEntry!, inclusive: true },
    ...(info.lastEntry === undefined
      ? {}
      : { upper: { key: info.lastEntry, inclusive: true } }),
  };
  return rangeContains(own, key) && rangeContains(visibleRange ?? {}, key);
}

test("maxOverlap() is the most SSTs over any key", () => {
  const letter = fc.constantFrom(...LETTERS);
  const span = fc.record({
    ends: fc.tuple(letter, letter),
    view: fc.option(fc.tuple(letter, letter, fc.boolean())),
    open: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(span, { maxLength: 12 }), (spans) => {
      const handles = spans.flatMap(({ ends, view, open }, i): SstHandle[] => {
        const [first, last] = ends.toSorted() as [string, string];
        let made: SstHandle = handle(i + 1, first, last);
        if (open) {
          const { lastEntry: _, ...info } = made.info;
          made = { ...made, info };
        }
        if (view !== null) {
          const [from, to] = [view[0], view[1]].toSorted() as [string, string];
          made = {
            ...made,
            visibleRange: {
              lower: { key: toBytes(from), inclusive: true },
              upper: { key: toBytes(to), inclusive: view[2] },
            },
          };
        }
        // A view apart from its SST is not allowed in a manifest.
        return [...LETTERS].some((key) => covers(made, toBytes(key)))
          ? [made]
          : [];
      });
      const most = Math.max(
        0,
        ...[...LETTERS].map((key) =>
          handles.filter((each) => covers(each, toBytes(key))).length
        ),
      );
      assertEquals(maxOverlap(handles), most);
    }),
  );
});

test("l0Full() counts SSTs on their way", () => {
  const limits = { l0MaxSsts: 4, l0MaxSstsPerKey: 3 };
  const tree = {
    l0: [handle(1, "a", "b"), handle(2, "c", "d")],
    runs: [],
  };
  assertEquals(l0Full(tree, 0, limits), undefined);
  assertEquals(l0Full(tree, 1, limits), undefined);
  assertEquals(l0Full(tree, 2, limits), "num_ssts");
  assertEquals(
    l0Full(tree, 2, { ...limits, l0MaxSsts: 9 }),
    "num_ssts_per_key",
  );
});

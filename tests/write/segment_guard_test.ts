import { toBytes } from "../../lib/base/bytes.ts";
import type { DbError } from "../../lib/base/errors.ts";
import type { PrefixExtractor } from "../../lib/sst/prefix_extractor.ts";
import { SegmentGuard } from "../../lib/write/segment_guard.ts";
import { WriteBatch } from "../../lib/write/write_batch.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { test } from "../support/test.ts";

/** Everything before the last dash, which other keys may begin with. */
const LAST_DASH: PrefixExtractor = {
  name: "last dash",
  prefixLength(bytes) {
    const at = bytes.lastIndexOf(0x2d);
    return at < 0 ? undefined : at;
  },
};

function guardOf(stored: readonly string[]) {
  const live = { prefixes: [...stored], gathered: 0 };
  const guard = new SegmentGuard({
    extractor: LAST_DASH,
    prefixes: () => {
      live.gathered++;
      return live.prefixes.map(toBytes);
    },
  });
  return { guard, live };
}

function refusal(call: () => void): string {
  const error = assertThrows(call) as DbError;
  assertEquals(error.kind, "invalid");
  return error.message;
}

function batchOf(keys: readonly string[]) {
  const batch = new WriteBatch();
  for (const key of keys) batch.put(key, "");
  return batch.consume();
}

test("SegmentGuard lets keys of known and new segments pass", () => {
  const { guard, live } = guardOf(["m"]);

  for (const key of ["m-1", "b-1", "z-1", "m-2", "b-2"]) {
    guard.checkKey(toBytes(key));
  }
  guard.checkBatch(batchOf(["b-3", "c-1", "c-2"]));

  assertEquals(live.gathered, 1);
});

test("SegmentGuard refuses keys without a segment", () => {
  const { guard } = guardOf([]);

  assert(refusal(() => guard.checkKey(toBytes("none"))).includes("none"));
  assert(refusal(() => guard.checkKey(toBytes("-empty"))).includes("empty"));
  refusal(() => guard.checkBatch(batchOf(["a-1", "none"])));
});

test("SegmentGuard refuses segments inside others, whichever came first", () => {
  const { guard, live } = guardOf(["bb", "dd"]);

  for (const key of ["bbb-1", "b-1", "dd-x-1", "d-1"]) {
    assert(refusal(() => guard.checkKey(toBytes(key))).includes("last dash"));
  }
  guard.checkKey(toBytes("bc-1"));
  guard.checkKey(toBytes("ba-1"));
  live.prefixes.push("bc", "ba");
  refusal(() => guard.checkKey(toBytes("bc-2-1")));
});

test("SegmentGuard refuses segments of one batch inside each other", () => {
  for (const keys of [["a-1", "a-b-1"], ["a-b-1", "x-1", "a-1"]]) {
    const { guard } = guardOf([]);
    refusal(() => guard.checkBatch(batchOf(keys)));
    // Nothing of it was written, so nothing of it counts.
    guard.checkKey(toBytes(keys.at(-1)!));
  }
});

test("SegmentGuard forgets segments that are gone", () => {
  const { guard, live } = guardOf(["hour1"]);
  refusal(() => guard.checkKey(toBytes("hour1-x-1")));

  live.prefixes = [];
  guard.checkKey(toBytes("hour1-x-1"));

  live.prefixes = ["hour1-x"];
  refusal(() => guard.checkKey(toBytes("hour1-1")));
});

test("SegmentGuard looks what there is before it remembers too many", () => {
  const { guard, live } = guardOf([]);

  for (let i = 0; i < 5000; i++) guard.checkKey(toBytes(`s${i}x-1`));

  assert(live.gathered > 1 && live.gathered < 10, `${live.gathered}`);
});

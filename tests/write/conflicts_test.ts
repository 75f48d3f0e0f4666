import fc from "fast-check";
import type { KeyRange } from "../../lib/base/key_range.ts";
import {
  Conflicts,
  type Footprint,
  keyName,
} from "../../lib/write/conflicts.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const names = (...keys: string[]) =>
  new Set(keys.map((key) => keyName(bytes(key))));

function footprint(
  startedSeq: bigint,
  parts: Partial<Omit<Footprint, "startedSeq">> = {},
): Footprint {
  return {
    startedSeq,
    writeKeys: new Set(),
    readKeys: new Set(),
    readRanges: [],
    ...parts,
  };
}

const RANGE: KeyRange = {
  lower: { key: bytes("b"), inclusive: true },
  upper: { key: bytes("d"), inclusive: false },
};

test("Conflicts.has() finds a key written by both", () => {
  const conflicts = new Conflicts();
  conflicts.begin(5n);
  conflicts.record(6n, names("a", "b"));

  assertEquals(
    conflicts.has(footprint(5n, { writeKeys: names("b", "z") })),
    true,
  );
  assertEquals(conflicts.has(footprint(5n, { writeKeys: names("z") })), false);
});

test("Conflicts.has() looks at commits after the start alone", () => {
  const conflicts = new Conflicts();
  conflicts.begin(4n);
  conflicts.record(5n, names("a"));

  assertEquals(conflicts.has(footprint(5n, { writeKeys: names("a") })), false);
  assertEquals(conflicts.has(footprint(4n, { writeKeys: names("a") })), true);
});

test("Conflicts.has() finds a key or range that was read and then written", () => {
  const conflicts = new Conflicts();
  conflicts.begin(1n);
  conflicts.record(2n, names("c"));

  assertEquals(conflicts.has(footprint(1n, { readKeys: names("c") })), true);
  assertEquals(conflicts.has(footprint(1n, { readRanges: [RANGE] })), true);
  assertEquals(conflicts.has(footprint(1n, { readKeys: names("d") })), false);
});

test("Conflicts keeps nothing once no transaction is live", () => {
  const conflicts = new Conflicts();
  const [first, second] = [conflicts.begin(1n), conflicts.begin(3n)];
  conflicts.record(2n, names("a"));
  conflicts.record(4n, names("b"));

  conflicts.end(first);
  conflicts.end(first);
  assertEquals(conflicts.tracking, true);
  assertEquals(conflicts.has(footprint(1n, { writeKeys: names("a") })), false);
  assertEquals(conflicts.has(footprint(1n, { writeKeys: names("b") })), true);

  conflicts.end(second);
  assertEquals(conflicts.tracking, false);
  assertEquals(conflicts.has(footprint(1n, { writeKeys: names("b") })), false);
});

const key = fc.constantFrom("a", "b", "c", "d");
const keys = fc.array(key, { maxLength: 3 });

test("property: Conflicts agrees with looking at every commit since the start", () => {
  const commits = fc.array(keys, { maxLength: 6 });
  const start = fc.integer({ min: 0, max: 6 });
  fc.assert(
    fc.property(commits, start, keys, keys, (written, at, reads, writes) => {
      const conflicts = new Conflicts();
      conflicts.begin(0n);
      written.forEach((some, i) =>
        conflicts.record(BigInt(i + 1), names(...some))
      );

      const later = written.slice(at).flat();
      assertEquals(
        conflicts.has(footprint(BigInt(at), {
          readKeys: names(...reads),
          writeKeys: names(...writes),
        })),
        later.some((one) => reads.includes(one) || writes.includes(one)),
      );
    }),
  );
});

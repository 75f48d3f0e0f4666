import fc from "fast-check";
import { fromHex, toHex } from "../../lib/base/bytes.ts";
import { encodeGorilla, GorillaReader } from "../../lib/format/gorilla.ts";
import { SeqTracker } from "../../lib/format/seq_tracker.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { assertDamage } from "./damage.ts";

const START = 1_700_000_000;

test("encode() writes what SlateDB reads", () => {
  const tracker = new SeqTracker();
  assertEquals(toHex(tracker.encode()), "01" + "00".repeat(12));
  tracker.record(1n, START);
  tracker.record(10n, START + 60);
  tracker.record(500n, START + 120);
  assertEquals(
    toHex(tracker.encode()),
    "0103000000" + "00000003" + "0000000000000001" + "84f0f080" +
      "00000003" + "000000006553f100" + "9e00",
  );
});

test("decode() reads what encode() wrote", () => {
  const sample = fc.tuple(
    fc.bigInt({ min: 1n, max: 2n ** 40n }),
    fc.integer({ min: 60, max: 100_000 }),
  );
  const steps = fc.array(sample, { maxLength: 60 });
  fc.assert(fc.property(steps, (steps) => {
    const tracker = new SeqTracker();
    let seq = 0n;
    let time = 0;
    for (const [seqs, seconds] of steps) {
      seq += seqs;
      time += seconds;
      assert(tracker.record(seq, time));
    }
    const bytes = tracker.encode();
    const read = SeqTracker.decode(bytes);
    assert(read.length <= tracker.length);
    assertEquals(read.encode(), bytes);
    if (steps.length > 0) assertEquals(read.timeAt(seq, "down"), time);
  }));
});

test("record() takes one sample a minute", () => {
  const tracker = new SeqTracker();
  assert(tracker.record(1n, START));
  assert(!tracker.record(2n, START + 59));
  assert(tracker.record(3n, START + 60));
  assertEquals(tracker.length, 2);
  // After a load the first sample is not limited.
  const loaded = SeqTracker.decode(tracker.encode());
  assert(loaded.record(4n, START + 61));
  assert(!loaded.record(5n, START + 62));
});

test("record() ignores clocks and seqs that go back", () => {
  const tracker = new SeqTracker();
  tracker.record(10n, START);
  assert(!tracker.record(11n, START - 1000));
  assert(!tracker.record(9n, START + 1000));
  const loaded = SeqTracker.decode(tracker.encode());
  assert(!loaded.record(11n, START - 1));
  assert(loaded.record(11n, START));
});

test("record() keeps every second sample once there are too many", () => {
  const tracker = new SeqTracker();
  for (let i = 0; i <= 8192; i++) tracker.record(BigInt(i), START + 60 * i);
  assertEquals(tracker.length, 4097);
  assertEquals(tracker.seqAt(START + 60, "down"), 0n);
  assertEquals(tracker.seqAt(START + 60, "up"), 2n);
  assertEquals(tracker.seqAt(START + 60 * 8192, "down"), 8192n);
  assertEquals(SeqTracker.decode(tracker.encode()).length, 4097);
});

test("append() adds the samples of later writes", () => {
  const older = new SeqTracker();
  older.record(1n, START);
  const newer = new SeqTracker();
  newer.record(2n, START + 30);
  newer.record(3n, START + 90);
  older.append(newer);
  assertEquals(older.length, 2);
  assertEquals(older.timeAt(3n, "down"), START + 90);
  older.append(new SeqTracker());
  assertEquals(older.length, 2);
});

test("seqAt() and timeAt() round to the neighbour asked for", () => {
  const tracker = new SeqTracker();
  assertEquals(tracker.seqAt(START, "up"), undefined);
  assertEquals(tracker.timeAt(1n, "down"), undefined);
  tracker.record(10n, START);
  tracker.record(20n, START + 100);
  assertEquals(tracker.seqAt(START + 50, "down"), 10n);
  assertEquals(tracker.seqAt(START + 50, "up"), 20n);
  assertEquals(tracker.seqAt(START, "up"), 10n);
  assertEquals(tracker.seqAt(START - 1, "down"), undefined);
  assertEquals(tracker.seqAt(START + 101, "up"), undefined);
  assertEquals(tracker.timeAt(15n, "down"), START);
  assertEquals(tracker.timeAt(15n, "up"), START + 100);
  assertEquals(tracker.timeAt(9n, "down"), undefined);
  assertEquals(tracker.timeAt(21n, "up"), undefined);
});

/** Trap: seqs given by the user may jump by more than 32 bits can say. */
test("encode() starts anew at a jump that the format cannot say", () => {
  const tracker = new SeqTracker();
  const micros = 1_700_000_000_000_000n;
  tracker.record(1n, START);
  tracker.record(2n, START + 60);
  tracker.record(micros, START + 120);
  tracker.record(micros + 60_000_000n, START + 180);
  assertEquals(tracker.timeAt(1n, "down"), START);
  const read = SeqTracker.decode(tracker.encode());
  assertEquals(read.length, 2);
  assertEquals(read.timeAt(micros, "down"), START + 120);
  assertEquals(read.timeAt(micros + 60_000_000n, "down"), START + 180);
});

test("encode() reaches the largest seqs", () => {
  const tracker = new SeqTracker();
  tracker.record(2n ** 63n - 1n, START);
  tracker.record(2n ** 63n + 5n, START + 60);
  tracker.record(2n ** 64n - 2n, START + 120);
  const read = SeqTracker.decode(tracker.encode());
  assertEquals(read.timeAt(2n ** 64n - 2n, "down"), START + 120);
});

test("decode() drops samples that go back, which such a jump may leave", () => {
  const bytes = new Uint8Array([
    ...[1, 4, 0, 0, 0],
    ...encodeGorilla([1n, 100n, 50n, 200n]),
    ...encodeGorilla([0n, 60n, 120n, 180n]),
  ]);
  const read = SeqTracker.decode(bytes);
  assertEquals(read.length, 3);
  assertEquals(read.timeAt(100n, "down"), 60);
  assertEquals(read.timeAt(200n, "down"), 180);
});

test("decode() refuses other versions and counts that differ", () => {
  const bytes = fromHex("01" + "00".repeat(12))!;
  assertEquals(SeqTracker.decode(bytes).length, 0);
  for (const at of [0, 1, 5, 9]) {
    const damaged = bytes.slice();
    damaged[at] = 2;
    assertDamage(() => SeqTracker.decode(damaged));
  }
  assertDamage(() => SeqTracker.decode(bytes.subarray(0, 4)));
});

test("encodeGorilla() has a form for every size of a change", () => {
  const changes = [0n, 1n, -63n, 63n, 64n, -64n, 255n, 256n, 2047n, -2048n];
  const largest = [2n ** 31n - 1n, -(2n ** 31n)];
  let difference = 0n;
  let value = 0n;
  const values = [0n];
  for (const change of [...changes, ...largest]) {
    difference += change;
    value += difference;
    values.push(value);
  }
  assertEquals(new GorillaReader(encodeGorilla(values), 0).next(), values);
});

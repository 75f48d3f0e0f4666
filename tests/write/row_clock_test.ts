import { silentLogger } from "../../lib/base/log.ts";
import { MIN_TIMESTAMP } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { RowClock } from "../../lib/write/row_clock.ts";
import { assertEquals, assertStringIncludes } from "../support/assert.ts";
import { test } from "../support/test.ts";

function clockOver(times: number[], last = MIN_TIMESTAMP) {
  const warnings: string[] = [];
  const clock = new RowClock(
    { ...systemRuntime, now: () => times.shift()! },
    { ...silentLogger, warn: (message) => warnings.push(message) },
    last,
  );
  return { clock, warnings };
}

test("RowClock.tick() never goes back", () => {
  const { clock, warnings } = clockOver([100, 90, 101.7]);

  assertEquals([clock.tick(), clock.tick(), clock.tick()], [100n, 100n, 101n]);
  assertEquals(warnings, []);
});

test("RowClock.tick() starts at the newest stored row, and warns once of a large skew", () => {
  const { clock, warnings } = clockOver([1000, 1001, 60_000], 50_000n);

  assertEquals([clock.tick(), clock.skewMs], [50_000n, 49_000]);
  assertEquals(clock.tick(), 50_000n);
  assertEquals([clock.tick(), clock.skewMs], [60_000n, 0]);
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0]!, "49000 ms");
});

import { sleep } from "../../lib/base/runtime.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("advance() runs due timers in order, each at its own time", async () => {
  const runtime = new ManualRuntime({ now: 1000 });
  const seen: [string, number, number][] = [];
  const note = (name: string) => () =>
    seen.push([name, runtime.now(), runtime.monotonicMs()]);
  runtime.after(20, note("late"));
  runtime.after(10, note("early"));
  runtime.after(10, note("early too"));
  runtime.after(31, note("never"));
  runtime.after(15, note("cancelled"))();

  await runtime.advance(30);

  assertEquals(seen, [
    ["early", 1010, 10],
    ["early too", 1010, 10],
    ["late", 1020, 20],
  ]);
  assertEquals([runtime.now(), runtime.timers], [1030, 1]);
});

test("advance() lets what a timer starts set timers of its own", async () => {
  const runtime = new ManualRuntime();
  const seen: number[] = [];
  const body = async () => {
    for (;;) {
      await sleep(runtime, 10);
      await runtime.yield();
      seen.push(runtime.monotonicMs());
    }
  };
  void body();

  await runtime.advance(35);

  assertEquals(seen, [10, 20, 30]);
});

test("shiftClock() moves the clock and no timer", async () => {
  const runtime = new ManualRuntime({ now: 1000 });
  let isDone = false;
  runtime.after(10, () => isDone = true);

  runtime.shiftClock(-500);
  await runtime.advance(9);

  assertEquals([runtime.now(), runtime.monotonicMs(), isDone], [509, 9, false]);
});

test("run() moves time until a promise settles", async () => {
  const runtime = new ManualRuntime();
  const slow = async () => {
    for (let i = 0; i < 3; i++) await sleep(runtime, 1000);
    return runtime.monotonicMs();
  };

  assertEquals(await runtime.run(slow()), 3000);
  const failing = sleep(runtime, 5).then(() => Promise.reject(new Error("x")));
  await assertRejects(() => runtime.run(failing));
  await assertRejects(() => runtime.run(sleep(runtime, 100), 99));
  await assertRejects(() => runtime.run(new Promise(() => {})));
});

test("randomFill() repeats for equal seeds and differs for others", () => {
  const bytes = (seed: number) => {
    const filled = new Uint8Array(16);
    new ManualRuntime({ seed }).randomFill(filled);
    return filled;
  };

  assertEquals(bytes(7), bytes(7));
  assertEquals(bytes(7).join() === bytes(8).join(), false);
});

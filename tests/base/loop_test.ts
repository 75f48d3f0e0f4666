import { Loop } from "../../lib/base/loop.ts";
import { type Runtime, systemRuntime } from "../../lib/base/runtime.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

/** Timers that fire when told. */
function manualTimers() {
  const timers: { ms: number; body: () => void }[] = [];
  const runtime: Runtime = {
    ...systemRuntime,
    after(ms, body) {
      const timer = { ms, body };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  };
  return { runtime, timers };
}

const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

test("Loop runs a round for a poke, and again after the pause it asked for", async () => {
  const { runtime, timers } = manualTimers();
  let rounds = 0;
  const loop = new Loop({
    runtime,
    body: () => Promise.resolve(++rounds === 1 ? 50 : undefined),
    onFailure: () => {},
  });

  loop.poke();
  await settle();
  assertEquals([rounds, timers.map(({ ms }) => ms)], [1, [50]]);
  timers.pop()!.body();
  await settle();

  assertEquals([rounds, timers.length], [2, 0]);
  await loop.stop();
});

test("Loop runs one more round for all pokes during a round", async () => {
  const { runtime } = manualTimers();
  let rounds = 0;
  const loop: Loop = new Loop({
    runtime,
    body: async () => {
      if (++rounds === 1) {
        loop.poke();
        loop.poke();
      }
      await settle();
      return undefined;
    },
    onFailure: () => {},
  });

  loop.poke();
  await settle();
  await settle();
  await loop.stop();

  assertEquals(rounds, 2);
});

test("Loop.stop() waits for the round and starts no other", async () => {
  const { runtime, timers } = manualTimers();
  let ended = 0;
  const loop = new Loop({
    runtime,
    body: async () => {
      await settle();
      ended++;
      return 10;
    },
    onFailure: () => {},
  });

  loop.poke();
  await Promise.resolve();
  await loop.stop();
  loop.poke();
  await settle();

  assertEquals([ended, timers.length], [1, 0]);
});

test("Loop tells a failure once and is over", async () => {
  const { runtime } = manualTimers();
  const failures: unknown[] = [];
  const loop = new Loop({
    runtime,
    body: () => Promise.reject("broken"),
    onFailure: (error) => failures.push(error),
  });

  loop.poke();
  await settle();
  loop.poke();
  await settle();

  assertEquals(failures, ["broken"]);
  await loop.stop();
});

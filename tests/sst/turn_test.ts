import { systemRuntime } from "../../lib/base/runtime.ts";
import { Turn } from "../../lib/sst/turn.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

/** A clock that stands still, and a loop that goes round when told to. */
function createLoop() {
  const rounds: (() => void)[] = [];
  const loop = {
    nowMs: 1000,
    runtime: {
      ...systemRuntime,
      monotonicMs: () => loop.nowMs,
      yield: () => new Promise<void>((resolve) => rounds.push(resolve)),
    },
    rounds,
    async round() {
      for (const resolve of rounds.splice(0)) resolve();
      await systemRuntime.yield();
    },
  };
  return loop;
}

test("check() lets others run when the turn is over", async () => {
  const loop = createLoop();
  const turn = new Turn(loop.runtime);
  loop.nowMs += 2.9;
  assertEquals(turn.check(), undefined);
  loop.nowMs += 0.1;
  const waiting = turn.check();
  assertEquals(loop.rounds.length, 1);
  await loop.round();
  await waiting;
  assertEquals(turn.check(), undefined);
  loop.nowMs += 4;
  assertEquals(turn.check() === undefined, false);
});

test("check() looks at the clock once there was work on 32 KiB", async () => {
  const loop = createLoop();
  const turn = new Turn(loop.runtime);
  loop.nowMs += 4;
  for (let kib = 4; kib < 32; kib += 4) {
    assertEquals(turn.check(4096), undefined);
  }
  const waiting = turn.check(4096);
  assertEquals(waiting === undefined, false);
  await loop.round();
  await waiting;

  loop.nowMs += 4;
  assertEquals(turn.check(32 * 1024 - 1), undefined);
  assertEquals(turn.check() === undefined, false);
});

test("check() gives turns to one work after the other, one a round", async () => {
  const loop = createLoop();
  const turns = ["a", "b", "c"].map((name) => ({
    name,
    turn: new Turn(loop.runtime),
  }));
  const had: string[] = [];
  loop.nowMs += 4;
  for (const { name, turn } of turns) turn.check()!.then(() => had.push(name));
  assertEquals(loop.rounds.length, 1);
  await loop.round();
  assertEquals(had, ["a"]);
  await loop.round();
  assertEquals(had, ["a", "b"]);
  await loop.round();
  assertEquals(had, ["a", "b", "c"]);
  assertEquals(loop.rounds.length, 0);
});

test("new Turn() makes no turn longer that is going on", () => {
  const loop = createLoop();
  const first = new Turn(loop.runtime);
  loop.nowMs += 4.5;
  const second = new Turn(loop.runtime);
  assertEquals(first.check() === undefined, false);
  assertEquals(second.check() === undefined, false);
});

test("new Turn() begins a turn where none is going on", () => {
  const loop = createLoop();
  new Turn(loop.runtime);
  loop.nowMs += 100;
  const later = new Turn(loop.runtime);
  loop.nowMs += 2.9;
  assertEquals(later.check(), undefined);
});

import { Pulse, Watermark } from "../../lib/base/watch.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";

test("Watermark.reached() answers at once for a level that is reached", () => {
  assertEquals(new Watermark(5n).reached(5n), undefined);
});

test("Watermark.reached() waits for its own level, not for the next rise", async () => {
  const watermark = new Watermark(0n);
  const order: string[] = [];
  const waits = [
    watermark.reached(3n)!.then(() => order.push("three")),
    watermark.reached(1n)!.then(() => order.push("one")),
  ];

  watermark.raise(2n);
  await waits[1];
  watermark.raise(3n);
  await Promise.all(waits);

  assertEquals(order, ["one", "three"]);
  assertEquals(watermark.hasWaiters, false);
});

test("Watermark.raise() ignores a lower level", () => {
  const watermark = new Watermark(4n);
  watermark.raise(2n);
  assertEquals(watermark.level, 4n);
});

test("Watermark.fail() ends present and later waits with the first reason", async () => {
  const watermark = new Watermark(1n);
  const present = watermark.reached(2n)!;

  watermark.fail("first");
  watermark.fail("second");

  assertEquals(await present.catch((reason) => reason), "first");
  assertEquals(await watermark.reached(9n)!.catch((reason) => reason), "first");
  assertEquals(watermark.reached(1n), undefined);
});

test("Pulse.next resolves at the next fire and not by an earlier one", async () => {
  const pulse = new Pulse();
  pulse.fire();
  let fired = false;
  const next = pulse.next.then(() => fired = true);

  await Promise.resolve();
  assertEquals(fired, false);
  pulse.fire();
  await next;

  assertEquals(fired, true);
});

import { ManualCompactions } from "../../lib/compactor/manual_compactions.ts";
import { UlidSource } from "../../lib/base/ids.ts";
import { ManualRuntime } from "../../lib/testing/manual_runtime.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { fill, manifestOf } from "./compactors.ts";

test("ManualCompactions.take() leaves a call that came after the look for the next one", async () => {
  const store = new MemoryStore();
  await fill(store, 2);
  const ids = new UlidSource(new ManualRuntime());
  const manual = new ManualCompactions();
  const view = { manifest: await manifestOf(store), compactions: [] };
  const take = () => manual.take(view, () => ids.next()).length;

  manual.look();
  const done = manual.add({});
  assertEquals(take(), 0);

  manual.look();
  assertEquals(take(), 1);
  manual.fail("over");
  assertEquals(await done.catch((error) => error), "over");
});

test("ManualCompactions.quiet() says nothing to a call that came after the look", async () => {
  const manual = new ManualCompactions();
  let isDone = false;
  manual.look();
  const done = manual.add({ full: false }).then(() => isDone = true);
  manual.quiet();
  await Promise.resolve();
  assertEquals([isDone, manual.isEmpty], [false, false]);

  manual.look();
  manual.quiet();
  await done;
  assertEquals([isDone, manual.isEmpty], [true, true]);
});

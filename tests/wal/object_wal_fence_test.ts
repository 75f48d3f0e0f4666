import fc from "fast-check";
import type { DbError } from "../../lib/base/errors.ts";
import { walName } from "../../lib/format/paths.ts";
import { FENCE_FILE } from "../../lib/format/wal_file.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import type { ObjectStore } from "../../lib/object_store/object_store.ts";
import {
  fencedError,
  fenceWal,
  findWalEnd,
} from "../../lib/wal/object_wal_fence.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const BYTES = new Uint8Array([1]);

async function storeWith(ids: readonly number[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  for (const id of ids) await store.put(walName("db", id), BYTES);
  return store;
}

/** Lets a test act between two requests. */
function watched(
  store: ObjectStore,
  before: (call: "head" | "put", name: string) => Promise<void> | void,
): ObjectStore {
  return {
    get: (name, options) => store.get(name, options),
    async head(name, options) {
      await before("head", name);
      return await store.head(name, options);
    },
    async put(name, body, options) {
      await before("put", name);
      return await store.put(name, body, options);
    },
    delete: (name, options) => store.delete(name, options),
    list: () => {
      throw new Error("no listing");
    },
  };
}

test("findWalEnd() finds the last of numbers without gaps", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(1000),
      fc.nat(200),
      fc.nat(3),
      async (after, count, below) => {
        const ids = Array.from({ length: count }, (_, i) => after + 1 + i);
        // What lies below was collected, or not yet.
        for (let i = 0; i < below && after - i > 0; i++) ids.push(after - i);
        const store = await storeWith(ids);
        assertEquals(await findWalEnd(store, "db", after), after + count);
      },
    ),
    { numRuns: 60 },
  );
});

test("findWalEnd() takes few probes and no listing", async () => {
  let probes = 0;
  const store = watched(
    await storeWith(Array.from({ length: 100 }, (_, i) => i + 1)),
    () => void probes++,
  );
  assertEquals(await findWalEnd(store, "db", 0), 100);
  assert(probes <= 16, `${probes} probes`);
  probes = 0;
  assertEquals(await findWalEnd(store, "db", 100), 100);
  assertEquals(probes, 4);
});

test("findWalEnd() tells of a missing number below one that it meets", async () => {
  const store = await storeWith([3, 5]);
  const error = await assertRejects(() => findWalEnd(store, "db", 3));
  assertEquals((error as DbError).kind, "data");
  assert((error as DbError).message.includes("WAL file 4 is missing"));
});

test("findWalEnd() takes no gap for one that the old writer just filled", async () => {
  const memory = await storeWith([3]);
  let raced = false;
  const store = watched(memory, async (_call, name) => {
    if (raced || name !== walName("db", 5)) return;
    raced = true;
    for (const id of [4, 5]) await memory.put(walName("db", id), BYTES);
  });
  assertEquals(await findWalEnd(store, "db", 3), 5);
});

test("findWalEnd() gives up on a store that has everything", async () => {
  const store = watched(new MemoryStore(), () => {});
  const everything: ObjectStore = {
    ...store,
    head: (name) =>
      Promise.resolve({
        name,
        size: 1,
        lastModified: 0,
        etag: "",
        metadata: {},
      }),
  };
  const error = await assertRejects(() => findWalEnd(everything, "db", 0));
  assertEquals((error as DbError).kind, "data");
});

test("fenceWal() puts the fence behind the last file", async () => {
  const store = await storeWith([3, 4, 5]);
  let checks = 0;
  const id = await fenceWal({
    store,
    root: "db",
    replayAfterWalId: 3,
    fence: FENCE_FILE,
    checkEpoch: () => Promise.resolve((checks++, 3)),
  });
  assertEquals(id, 6);
  assertEquals((await store.get(walName("db", 6)))!.bytes, FENCE_FILE);
  assertEquals(checks, 1);
});

test("fenceWal() goes behind files the old writer puts meanwhile", async () => {
  const memory = await storeWith([1]);
  let raced = 0;
  const store = watched(memory, async (call, name) => {
    if (call !== "put" || raced === 3) return;
    raced++;
    await memory.put(name, BYTES);
  });
  let checks = 0;
  const id = await fenceWal({
    store,
    root: "db",
    replayAfterWalId: 0,
    fence: FENCE_FILE,
    checkEpoch: () => Promise.resolve((checks++, 0)),
  });
  assertEquals(id, 5);
  assertEquals(checks, 4);
});

test("fenceWal() ends with the error where a newer writer came", async () => {
  for (const taken of [true, false]) {
    const memory = await storeWith([]);
    const store = watched(memory, async (call, name) => {
      if (call === "put" && taken) await memory.put(name, BYTES);
    });
    const error = await assertRejects(() =>
      fenceWal({
        store,
        root: "db",
        replayAfterWalId: 0,
        fence: FENCE_FILE,
        checkEpoch: () => Promise.reject(fencedError()),
      })
    );
    assertEquals((error as DbError).reason, "fenced");
  }
});

test("fenceWal() begins anew where its fence lies below the replay point", async () => {
  // Slept between probing and fencing; what it had found was collected.
  const store = await storeWith([8, 9]);
  const id = await fenceWal({
    store,
    root: "db",
    replayAfterWalId: 2,
    fence: FENCE_FILE,
    checkEpoch: () => Promise.resolve(7),
  });
  assertEquals(id, 10);
});

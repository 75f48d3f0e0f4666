import { test } from "../support/test.ts";
import {
  assert,
  assertEquals,
  assertStringIncludes,
} from "../support/assert.ts";
import { DbError } from "../../lib/base/errors.ts";
import type { Row } from "../../lib/base/row.ts";
import type { Compression } from "../../lib/codec/compression.ts";
import { MemoryStore } from "../../lib/object_store/memory_store.ts";
import { sstName } from "../../lib/format/paths.ts";
import { FaultStore } from "../../lib/testing/mod.ts";
import {
  createWorld,
  encode,
  plainRows,
  readRows,
  storeTable,
  type World,
} from "./world.ts";

/** Reads a damaged SST whole; answers its rows, or the kind of the error. */
async function readDamaged(
  world: World,
  rows: readonly Row[],
  compression: Compression,
  damage: (body: Uint8Array) => Uint8Array,
): Promise<Row[] | string> {
  const { info, body, formatVersion } = await encode(world, rows, {
    compression,
    blockBytes: 1024,
  });
  const id = world.ssts.nextId();
  await world.store.put(sstName("db", id), damage(body.slice()));
  const table = world.ssts.table({ id, info, formatVersion, viewId: id });
  table.acquire();
  try {
    return await readRows([table]);
  } catch (error) {
    assert(error instanceof DbError, String(error));
    return (error as DbError).kind;
  } finally {
    table.release();
    assertEquals(world.budget.cacheUsed, 0);
  }
}

for (const compression of ["none", "snappy", "zstd"] as const) {
  test(`SstTable reports every flipped bit of an SST with ${compression}`, async () => {
    const world = createWorld();
    const rows = plainRows(60, 20);
    const { body } = await encode(world, rows, {
      compression,
      blockBytes: 1024,
    });

    for (let at = 0; at < body.length; at++) {
      const outcome = await readDamaged(world, rows, compression, (bytes) => {
        bytes[at]! ^= 1 << (at & 7);
        return bytes;
      });
      // The upper bits of the footer's version and offset included.
      assertEquals(outcome, "data", `byte ${at} of ${body.length}`);
    }
  });

  test(`SstTable reports every truncation of an SST with ${compression}`, async () => {
    const world = createWorld();
    const rows = plainRows(60, 20);
    const { body } = await encode(world, rows, {
      compression,
      blockBytes: 1024,
    });

    for (let length = 0; length < body.length; length += 3) {
      const outcome = await readDamaged(
        world,
        rows,
        compression,
        (bytes) => bytes.subarray(0, length),
      );
      assertEquals(outcome, "data", `${length} bytes`);
    }
  });
}

test("SstTable reports a missing object, and says which", async () => {
  for (const store of [new MemoryStore(), new FaultStore(new MemoryStore())]) {
    const world = createWorld({ store });
    const table = await storeTable(world, plainRows(3));
    await store.delete(table.name);

    const failure = await readRows([table]).catch((error) => error);

    assertEquals((failure as DbError).kind, "data");
    assertStringIncludes((failure as DbError).message, table.name);
    table.release();
  }
});

test("SstTable reads a damaged range once more before it gives up", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const table = await storeTable(world, plainRows(30));
  store.fail(({ operation }) => operation === "get", { kind: "short-body" });

  assertEquals(await readRows([table]), plainRows(30));

  store.calls.length = 0;
  store.fail(
    ({ operation }) => operation === "get",
    { kind: "short-body" },
    Infinity,
  );
  const failure = await readRows([table]).catch((error) => error);
  assertEquals((failure as DbError).kind, "data");
  assertStringIncludes((failure as DbError).message, "data block at byte 0");
  assertEquals(store.count("get"), 2);
  table.release();
});

test("SstTable passes on what the store fails with, and works again later", async () => {
  const store = new FaultStore(new MemoryStore());
  const world = createWorld({ store });
  const table = await storeTable(world, plainRows(30));
  const error = new DbError("unavailable", "no network");
  store.fail(({ operation }) => operation === "get", {
    kind: "fail-before",
    error,
  });

  assertEquals(await readRows([table]).catch((error) => error), error);
  assertEquals(await readRows([table]), plainRows(30));
  table.release();
});

test("SstTable reports a transformer that fails as damaged data", async () => {
  const world = createWorld({
    transformer: {
      encode: (bytes) => bytes,
      decode() {
        throw new Error("wrong key");
      },
    },
  });
  const table = await storeTable(world, plainRows(3));

  const failure = await readRows([table]).catch((error) => error);

  assertEquals((failure as DbError).kind, "data");
  assertStringIncludes((failure as DbError).message, "wrong key");
  table.release();
});

test("SstTable reports an SST that is not the one its manifest describes", async () => {
  const world = createWorld();
  const table = await storeTable(world, plainRows(30));
  const other = await encode(world, plainRows(30, 99));
  await world.store.put(table.name, other.body);

  const failure = await readRows([table]).catch((error) => error);

  assertEquals((failure as DbError).kind, "data");
  table.release();
});

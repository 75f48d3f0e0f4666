/**
 * Databases that the real engines wrote read the same once Shale has compacted
 * them: layers, runs, merge operands, versions across SSTs, segments, every
 * compression, old blocks, transformed blocks.
 *
 * @module
 */
import { Db, MemoryStore } from "../../mod.ts";
import { hexRows } from "./fixture_rows.ts";
import { assertEquals } from "../support/assert.ts";
import { concatOperator } from "../support/db_ops.ts";
import {
  type Fixture,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { plusOne } from "../interop/shale.ts";
import { test } from "../support/test.ts";
import { assertWhole, manifestOf } from "./compactors.ts";

async function openFixture(
  { info }: Fixture,
  store: MemoryStore,
): Promise<Db> {
  const segment = info.segment_prefix_bytes;
  return await Db.open("db", {
    store,
    mergeOperator: concatOperator,
    settings: { compactor_options: { worker: { max_sst_size: 20_000 } } },
    ...(info.transform === undefined ? {} : { blockTransformer: plusOne }),
    ...(segment === undefined ? {} : {
      formatTarget: "0.15" as const,
      segmentExtractor: {
        name: `fixed${segment}`,
        prefixLength: (bytes: Uint8Array) =>
          bytes.length >= segment ? segment : undefined,
      },
    }),
  });
}

for (const { engine, name } of listFixtures()) {
  test(`Db.compact() leaves ${engine}/${name} as it reads`, async () => {
    const fixture = await loadFixture(engine, name);
    const store = new MemoryStore();
    for (const [name, bytes] of fixture.files) await store.put(name, bytes);
    const db = await openFixture(fixture, store);
    const before = await hexRows(db);
    await db.compact();
    assertEquals(await hexRows(db), before);
    await db.close();
    const manifest = await manifestOf(store);
    for (const { l0, runs } of [manifest.tree, ...manifest.segments]) {
      assertEquals(l0.length, 0);
      assertEquals(runs.length <= 1, true);
    }
    await assertWhole(store);
    const again = await openFixture(fixture, store);
    assertEquals(await hexRows(again), before);
    await again.close();
  });
}

import fc from "fast-check";
import { DbError } from "../../lib/base/errors.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { crc32 } from "../../lib/codec/crc32.ts";
import type { SstInfo } from "../../lib/format/sst_info.ts";
import { sstName } from "../../lib/format/paths.ts";
import { LsmView } from "../../lib/lsm/lsm_view.ts";
import { initialManifest } from "../../lib/format/manifest.ts";
import { pointGet } from "../../lib/read/point_get.ts";
import { ReadContext } from "../../lib/read/read_context.ts";
import { createMemtable } from "../read/view.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { test } from "../support/test.ts";
import { createWorld, encode, plainRows, readRows } from "./world.ts";

const ROWS: readonly Row[] = plainRows(120, 30).map((row, i): Row => ({
  ...row,
  kind: i % 5 === 0 ? "merge" : "put",
}));

/** Where a section is, its checksum included. */
type Section = readonly [start: number, end: number];

function sectionsOf(info: SstInfo, blocks: Float64Array): Section[] {
  return [
    ...[...blocks.subarray(0, -1)].map((start, i): Section => [
      start,
      blocks[i + 1]!,
    ]),
    [info.filterOffset, info.filterOffset + info.filterBytes],
    [info.indexOffset, info.indexOffset + info.indexBytes],
    [info.statsOffset, info.statsOffset + info.statsBytes],
  ];
}

/** Changes bytes of a section and makes its checksum right again. */
function forge(
  body: Uint8Array,
  [start, end]: Section,
  changes: readonly (readonly [number, number])[],
): void {
  for (const [at, byte] of changes) body[start + at % (end - 4 - start)] = byte;
  new DataView(body.buffer, body.byteOffset).setUint32(
    end - 4,
    crc32(body.subarray(start, end - 4)),
  );
}

test("property: sections with wrong content and right checksums never do worse than a data error", async () => {
  const world = createWorld();
  const { info, body, formatVersion } = await encode(world, ROWS, {
    blockBytes: 1024,
  });
  const original = world.ssts.nextId();
  await world.store.put(sstName("db", original), body);
  const whole = world.ssts.table({
    id: original,
    info,
    formatVersion,
    viewId: original,
  });
  whole.acquire();
  whole.load();
  const offsets = Float64Array.from(
    { length: whole.blocks.count + 1 },
    (_, i) => whole.blocks.bytes(0, i),
  );
  whole.release();
  const sections = sectionsOf(info, offsets);
  const context = new ReadContext({ kernel: world.kernel, hideExpired: false });

  await fc.assert(
    fc.asyncProperty(
      fc.nat(sections.length - 1),
      fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      }),
      async (section, changes) => {
        const forged = body.slice();
        forge(forged, sections[section]!, changes);
        const id = world.ssts.nextId();
        await world.store.put(sstName("db", id), forged);
        const table = world.ssts.table({ id, info, formatVersion, viewId: id });
        const memtable = createMemtable(world, []);
        const view = new LsmView(memtable, [], initialManifest(), {
          l0: [table],
          runs: [],
          segments: [],
        });
        memtable.release();

        await attempt(() => readRows([table]));
        await attempt(() => readRows([table], { descending: true }));
        for (const { key } of [ROWS[0]!, ROWS[60]!, ROWS[119]!]) {
          await attempt(async () =>
            await pointGet(context, view, key, {
              seqMax: MAX_SEQ,
              nowMs: 0,
              cacheBlocks: true,
            })
          );
        }

        view.release();
        assertEquals(world.budget.cacheUsed, 0);
      },
    ),
    { numRuns: 600 },
  );
});

/** Lets pass what damaged data may lead to. */
async function attempt(body: () => Promise<unknown>): Promise<void> {
  try {
    await body();
  } catch (error) {
    assert(error instanceof DbError, String(error));
    const { kind } = error as DbError;
    // A put may have become an operand, for which there is no operator here.
    assert(kind === "data" || kind === "invalid", `${kind}: ${error}`);
  }
}

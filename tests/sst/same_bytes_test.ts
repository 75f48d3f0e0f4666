/**
 * What SlateDB wrote, decoded and written again: the same bytes, filters of both
 * layouts included.
 *
 * @module
 */
import { toHex } from "../../lib/base/bytes.ts";
import type { FilterPolicy } from "../../lib/sst/filter_policy.ts";
import { fixedPrefix } from "../../lib/sst/prefix_extractor.ts";
import { readSstFile } from "../format/sst_file.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  type Fixture,
  listFixtures,
  loadFixture,
} from "../support/fixtures.ts";
import { test } from "../support/test.ts";
import { createWorld, encode } from "./world.ts";

/** What a fixture's text says, such as `bloom:10,prefix:8,only:8`. */
function policiesOf({ filters }: Fixture["info"]): FilterPolicy[] | undefined {
  return filters?.split(",").map((text): FilterPolicy => {
    const [kind, number] = text.split(":");
    if (kind === "bloom") return { bitsPerKey: Number(number) };
    const prefixExtractor = fixedPrefix(Number(number));
    return { prefixExtractor, wholeKeys: kind === "prefix" };
  });
}

async function encodeAgain({ info }: Fixture, bytes: Uint8Array) {
  const sst = readSstFile(bytes);
  return await encode(createWorld(), sst.blocks.flat(), {
    sstType: sst.info.sstType,
    blockBytes: (info.block_kib ?? 4) * 1024,
    filterPolicies: policiesOf(info),
    filterFormat: info.engine === "0.15" ? "composite" : "legacy",
    minFilterKeys: info.settings["min_filter_keys"] as number ?? 1000,
  });
}

for (const { engine, name } of listFixtures()) {
  // Compressors are free to find other bytes; see the tests of codecs.
  if (name.startsWith("codec_") || name === "transformed") continue;

  test(`SstEncoder writes the same SSTs as ${engine} did in ${name}`, async () => {
    const fixture = await loadFixture(engine, name);
    const ssts = [...fixture.files].filter(([file, { length }]) =>
      file.endsWith(".sst") && length > 0
    );
    assert(ssts.length > 0);
    for (const [file, bytes] of ssts) {
      // A fence of 0.12 has the type of the tree, and is tested by itself.
      const isFence = file.includes("/wal/") &&
        readSstFile(bytes).blocks.length === 0;
      if (isFence) continue;
      const { body } = await encodeAgain(fixture, bytes);
      assertEquals(toHex(body), toHex(bytes), file);
    }
  });
}

/**
 * Memory that grows while an SST is encoded.
 *
 * @module
 */
import { toBytes, toHex } from "../../lib/base/bytes.ts";
import type { Row } from "../../lib/base/row.ts";
import { systemRuntime } from "../../lib/base/runtime.ts";
import { COMPRESSIONS } from "../../lib/codec/compression.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { rowRecordBytes, writeRow } from "../../lib/codec/row_record.ts";
import {
  SstEncoder,
  type SstEncoderOptions,
} from "../../lib/sst/sst_encoder.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { fillMemory } from "../support/grown_memory.ts";
import { test } from "../support/test.ts";

const ROWS = 500;

type Format = Pick<SstEncoderOptions, "compression" | "sstType"> & {
  readonly filterFormat?: SstEncoderOptions["filterFormat"];
};

/** Encodes the same rows; the memory is full before some of the steps. */
async function encode(format: Format, leave: number | undefined) {
  const kernel = Kernel.createSync();
  const pointer = kernel.alloc(1024);
  using encoder = new SstEncoder(kernel, {
    ...format,
    blockBytes: 4096,
    filterBitsPerKey: 10,
    minFilterKeys: 0,
    runtime: systemRuntime,
  });
  const before = kernel.exports.memory.buffer.byteLength;
  for (let i = 0; i < ROWS; i++) {
    if (i % 100 === 99 && leave !== undefined) fillMemory(kernel, leave);
    const row: Row = {
      key: toBytes(`key${String(i).padStart(5, "0")}`),
      value: toBytes("value ".repeat(5 + i % 7)),
      kind: "put",
      seq: BigInt(i + 1),
    };
    const bytes = rowRecordBytes(row);
    writeRow(kernel, pointer, row);
    await encoder.add(pointer, bytes);
  }
  if (leave !== undefined) fillMemory(kernel, leave);
  const { body } = await encoder.finish();
  const grown = kernel.exports.memory.buffer.byteLength - before;
  return { hex: toHex(body), grown };
}

for (const compression of COMPRESSIONS) {
  test(`SstEncoder writes the same with ${compression} when memory grows under it`, async () => {
    const formats: Format[] = [
      { compression, sstType: "compacted" },
      { compression, sstType: "compacted", filterFormat: "composite" },
      { compression, sstType: "wal" },
    ];
    let grownBytes = 0;
    for (const format of formats) {
      const expected = await encode(format, undefined);
      for (const leave of [0, 64, 600, 4200, 5000, 8500]) {
        const { hex, grown } = await encode(format, leave);
        assertEquals(hex === expected.hex, true, `${leave} bytes left`);
        grownBytes += grown;
      }
    }
    assert(grownBytes > 0);
  });
}

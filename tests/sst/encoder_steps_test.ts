/**
 * The end of a long SST: how much is done at once. Work is counted, not timed.
 *
 * @module
 */
import { toBytes } from "../../lib/base/bytes.ts";
import { DbError } from "../../lib/base/errors.ts";
import { type Runtime, systemRuntime } from "../../lib/base/runtime.ts";
import type { KernelExports } from "../../lib/codec/abi.ts";
import { COMPRESSIONS } from "../../lib/codec/compression.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { rowRecordBytes, writeRow } from "../../lib/codec/row_record.ts";
import {
  SstEncoder,
  type SstEncoderOptions,
} from "../../lib/sst/sst_encoder.ts";
import { fixedPrefix } from "../../lib/sst/prefix_extractor.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { test } from "../support/test.ts";

const ROWS = 40_000;
/** Keys that go into a filter, and blocks that a list names, between two turns. */
const MAX_KEYS = 16 * 1024;
const MAX_BLOCKS = 4096;
/** Bytes that one of the kernel's codecs is given. */
const MAX_BYTES = 64 * 1024;

/** A clock that stands still, until every turn is over as soon as it is looked at. */
class Clock {
  hurries = false;
  readonly runtime: Runtime;

  constructor(onYield: () => void = () => {}) {
    let nowMs = 0;
    this.runtime = {
      ...systemRuntime,
      monotonicMs: () => this.hurries ? nowMs += 100 : nowMs,
      yield: () => {
        onYield();
        return systemRuntime.yield();
      },
    };
  }
}

/** Counts what each turn gives the kernel to do. */
class Counted {
  readonly kernel: Kernel;
  yields = 0;
  mostKeys = 0;
  mostBytes = 0;
  #keys = 0;
  #bytes = 0;

  constructor(exports: KernelExports) {
    const codec = (name: "snappy_encode" | "lz4_encode") => ({
      [name]: (from: number, bytes: number, to: number, capacity: number) => {
        this.#bytes += bytes;
        this.mostBytes = Math.max(this.mostBytes, this.#bytes);
        return exports[name](from, bytes, to, capacity);
      },
    });
    this.kernel = new Kernel({
      ...exports,
      ...codec("snappy_encode"),
      ...codec("lz4_encode"),
      bloom_add: (hashes, count, bits, bytes, probes) => {
        this.#keys += count;
        this.mostKeys = Math.max(this.mostKeys, this.#keys);
        exports.bloom_add(hashes, count, bits, bytes, probes);
      },
    });
  }

  endTurn(): void {
    this.yields++;
    this.#keys = 0;
    this.#bytes = 0;
  }
}

const { exports } = await Kernel.create();

/** An encoder with many rows, each in a block of its own. */
async function filled(
  kernel: Kernel,
  clock: Clock,
  options: Partial<SstEncoderOptions> = {},
): Promise<SstEncoder> {
  const encoder = new SstEncoder(kernel, {
    sstType: "compacted",
    blockBytes: 1,
    compression: "none",
    filterBitsPerKey: 10,
    minFilterKeys: 0,
    runtime: clock.runtime,
    ...options,
  });
  const rows = Array.from({ length: 1000 }, (_, i) => i);
  for (let from = 0; from < ROWS; from += rows.length) {
    const records = rows.map((i) => ({
      key: toBytes(`key${String(from + i).padStart(9, "0")}`),
      value: toBytes("v"),
      kind: "put" as const,
      seq: 1n,
    }));
    const bytes = records.reduce((sum, row) => sum + rowRecordBytes(row), 0);
    const pointer = kernel.alloc(bytes);
    let at = pointer;
    for (const row of records) at += writeRow(kernel, at, row);
    await encoder.add(pointer, bytes);
    kernel.free(pointer);
  }
  clock.hurries = true;
  return encoder;
}

for (const compression of COMPRESSIONS) {
  test(`finish() of a long SST with ${compression} does little at once`, async () => {
    const counted = new Counted(exports);
    const { kernel } = counted;
    const clock = new Clock(() => counted.endTurn());
    using encoder = await filled(kernel, clock, { compression });
    assertEquals(counted.yields, 0);
    counted.endTurn();
    counted.mostBytes = 0;
    const { rows, info } = await encoder.finish();
    assertEquals(rows, ROWS);
    assert(info.filterBytes > 0);
    assert(counted.mostKeys > 0 && counted.mostKeys <= MAX_KEYS);
    assert(counted.mostBytes <= 2 * MAX_BYTES, `${counted.mostBytes}`);
    // Index and stats each name every block.
    assert(counted.yields >= ROWS / MAX_KEYS + 2 * ROWS / MAX_BLOCKS);
  });
}

test("finish() of filters over prefixes takes few of them at once", async () => {
  const counted = new Counted(exports);
  using encoder = await filled(
    counted.kernel,
    new Clock(() => counted.endTurn()),
    {
      filterFormat: "composite",
      filterPolicies: [{ prefixExtractor: fixedPrefix(11) }],
    },
  );
  await encoder.finish();
  assert(counted.mostKeys > 0 && counted.mostKeys <= MAX_KEYS);
});

test("finish() gives the same bytes in however many steps", async () => {
  const kernel = new Kernel(exports);
  const bodies: Uint8Array[] = [];
  for (const hurries of [false, true]) {
    const clock = new Clock();
    using encoder = await filled(kernel, clock);
    clock.hurries = hurries;
    bodies.push((await encoder.finish()).body);
  }
  assertEquals(bodies[0], bodies[1]);
});

test("finish() ends where the encoder is disposed of, and frees everything", async () => {
  const kernel = new Kernel(exports);
  const used = exports.memory_used();
  for (const after of [1, 2, 4, 8, 16]) {
    let left = after;
    const clock = new Clock(() => {
      if (--left === 0) encoder.dispose();
    });
    const encoder = await filled(kernel, clock);
    const reason = await assertRejects(() => encoder.finish());
    assert(reason instanceof DbError && reason.kind === "closed", `${reason}`);
  }
  assertEquals(exports.memory_used(), used);
});

/**
 * A compaction in parts, each with its own range of keys.
 *
 * Owns: where to divide. The parts have about the same size, and none is much
 * smaller than the largest input SST: dividing what is small costs more than it
 * spares.
 *
 * The sizes come from the indexes of the inputs: of each, evenly spaced blocks
 * say how many bytes lie from one key to the next.
 *
 * @module
 */
import { compareBytes } from "../base/bytes.ts";
import { FULL_RANGE, type KeyRange, rangeContains } from "../base/key_range.ts";
import type { Kernel } from "../codec/kernel.ts";
import type { ExternalDb, SstHandle } from "../format/manifest.ts";
import type { SstStore } from "../sst/sst_store.ts";
import type { SstTable } from "../sst/sst_table.ts";
import { sstBytes } from "./scheduler.ts";

/** Bytes of an input from a key on, up to the next anchor. */
export interface Anchor {
  /** The key. */
  readonly key: Uint8Array;
  /** The bytes. */
  readonly bytes: number;
}

/** What {@linkcode planRanges} reads. */
export interface PlanOptions {
  /** Where indexes are read to. */
  readonly kernel: Kernel;
  /** Reads them, and nothing else: it is closed where the signal fires. */
  readonly ssts: SstStore;
  /** The inputs, in any order. */
  readonly inputs: readonly SstHandle[];
  /** Where SSTs of other databases live. */
  readonly externalDbs: readonly ExternalDb[];
  /** Most parts. */
  readonly maxParts: number;
  /** Ends the planning with its reason. */
  readonly signal: AbortSignal;
}

const MAX_ANCHORS_PER_SST = 128;

/**
 * Divides the keys of a compaction.
 *
 * @param options What it compacts.
 * @returns Ranges that cover all keys, ascending; none overlaps another.
 */
export async function planRanges(
  options: PlanOptions,
): Promise<readonly KeyRange[]> {
  const { kernel, ssts, inputs, externalDbs, maxParts, signal } = options;
  const largest = Math.max(0, ...inputs.map(sstBytes));
  const total = inputs.reduce((sum, handle) => sum + sstBytes(handle), 0);
  if (maxParts <= 1 || total < 2 * largest) return [FULL_RANGE];
  const anchors: Anchor[] = [];
  // A store that is down is not asked for ever.
  const endReads = () => ssts.close();
  signal.addEventListener("abort", endReads, { once: true });
  try {
    for (const handle of inputs) {
      signal.throwIfAborted();
      const table = ssts.table(handle, externalDbs);
      table.acquire();
      try {
        await table.load();
        anchors.push(...anchorsOf(kernel, table));
      } finally {
        table.release();
      }
    }
  } finally {
    signal.removeEventListener("abort", endReads);
  }
  return divide(anchors, maxParts, largest);
}

/**
 * Divides keys so that the parts have about the same size.
 *
 * @param anchors Where the bytes are, in any order.
 * @param maxParts Most parts.
 * @param minBytes Fewest bytes of a part.
 * @returns Ranges that cover all keys, ascending.
 */
export function divide(
  anchors: readonly Anchor[],
  maxParts: number,
  minBytes: number,
): readonly KeyRange[] {
  const total = anchors.reduce((sum, { bytes }) => sum + bytes, 0);
  const target = Math.max(Math.floor(total / maxParts), minBytes);
  if (maxParts <= 1 || target === 0 || target >= total) return [FULL_RANGE];
  const sorted = anchors.toSorted((a, b) => compareBytes(a.key, b.key));
  const cuts: Uint8Array[] = [];
  let before = 0;
  for (const { key, bytes } of sorted) {
    const previous = cuts.at(-1) ?? sorted[0]!.key;
    if (
      cuts.length < maxParts - 1 && before >= (cuts.length + 1) * target &&
      compareBytes(key, previous) > 0
    ) cuts.push(key);
    before += bytes;
  }
  return [...cuts, undefined].map((cut, i): KeyRange => {
    const from = cuts[i - 1];
    return {
      ...(from === undefined ? {} : { lower: { key: from, inclusive: true } }),
      ...(cut === undefined ? {} : { upper: { key: cut, inclusive: false } }),
    };
  });
}

/** Evenly spaced blocks of a table that is loaded. */
function anchorsOf(kernel: Kernel, table: SstTable): Anchor[] {
  const { count } = table.blocks;
  const stride = Math.ceil(count / MAX_ANCHORS_PER_SST);
  const anchors: Anchor[] = [];
  for (let block = 0; block < count; block += stride) {
    const end = Math.min(block + stride, count);
    // The separator of the first block is empty.
    const key = block === 0
      ? table.handle.info.firstEntry
      : separatorOf(kernel, table.index, block);
    if (key === undefined || !rangeContains(table.range, key)) continue;
    anchors.push({ key, bytes: table.blocks.bytes(block, end) });
  }
  return anchors;
}

/** See `index_seek` in `codec/abi.ts` for the layout. */
function separatorOf(
  kernel: Kernel,
  index: number,
  block: number,
): Uint8Array {
  const { u32 } = kernel;
  const from = u32[(index >> 2) + 1 + block]!;
  const to = u32[(index >> 2) + 2 + block]!;
  return kernel.slice(index + from, to - from);
}

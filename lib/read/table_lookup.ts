/**
 * One key in one table.
 *
 * Owns: the order of questions, cheapest first: range, filters, index, block; and
 * going on to the next block where a key's versions straddle two. Does not own:
 * what a found row means.
 *
 * @module
 */
import { isAbove, isBelow } from "../base/key_range.ts";
import type { CachedBlock } from "../cache/cached_block.ts";
import type { SstTable } from "../sst/sst_table.ts";
import type { ReadContext } from "./read_context.ts";

/** The key is not in the table. */
export const ABSENT = 0;
/** Something must be read first, which takes time. */
export const WAIT: number = -1;

/** What `block_get` answers. */
const FOUND = 1;
const MAYBE_NEXT = 2;

/** How a read of one key looks at the data. */
export interface PointRead {
  /** Rows above this are invisible. */
  readonly seqMax: bigint;
  /** The clock by which rows expire, in milliseconds. */
  readonly nowMs: number;
  /** Whether blocks that are read stay in the cache. */
  readonly cacheBlocks: boolean;
  /** What users' own filters are told. */
  readonly filterContext?: unknown;
}

/**
 * Whether a key lies where a table may hold it.
 *
 * @param table The table.
 * @param key The key.
 * @returns `false` when it is certainly not there.
 */
export function covers(table: SstTable, key: Uint8Array): boolean {
  return !table.empty && !isBelow(table.range, key) &&
    !isAbove(table.range, key);
}

/**
 * Asks a table's filters.
 *
 * @param context What reads work with; its probe holds the key.
 * @param table The table, ready.
 * @param key The key.
 * @param read What users' own filters are told.
 * @returns `false` when the key is certainly not there.
 */
export function passesFilters(
  context: ReadContext,
  table: SstTable,
  key: Uint8Array,
  read: PointRead,
): boolean {
  const filter = table.wholeKeyFilter;
  if (filter !== undefined) {
    const { probe, kernel } = context;
    const passes = kernel.exports.bloom_probe_key(
      filter.pointer,
      filter.bytes,
      filter.probes,
      probe.pointer,
      probe.bytes,
    );
    if (passes === 0) {
      table.metrics.filterNegatives.add();
      return false;
    }
    table.metrics.filterPositives.add();
  }
  if (!table.asksMoreOfKeys) return true;
  const passes = table.passesFurther(key, read.filterContext);
  if (!passes) table.metrics.filterNegatives.add();
  context.probe.set(key);
  return passes;
}

/**
 * Looks a key up with what is in memory or can be read at once.
 *
 * @param context What reads work with; its probe holds the key.
 * @param table The table, which covers the key.
 * @param key The key.
 * @param read What is visible.
 * @returns `context.found`, filled in; {@linkcode ABSENT}, or {@linkcode WAIT}.
 */
export function lookUp(
  context: ReadContext,
  table: SstTable,
  key: Uint8Array,
  read: PointRead,
): number {
  if (table.index === 0) {
    if (!table.synchronous) return WAIT;
    // Synchronous, so there is nothing to wait for.
    void table.load();
    context.probe.set(key);
  } else table.metrics.hits?.table(table.handle.info.filterBytes > 0);
  if (!passesFilters(context, table, key, read)) return ABSENT;
  const { probe, kernel, found } = context;
  const { blocks } = table;
  const { seqMax } = read;
  let at = kernel.exports.index_seek(table.index, probe.pointer, probe.bytes);
  for (const { count } = blocks; at < count; at++) {
    let block = blocks.cached[at];
    let directory = 0;
    if (block !== undefined) {
      directory = block.revisit();
      table.metrics.hits?.blocks.add();
    } else {
      if (!table.synchronous) return WAIT;
      block = (blocks.fetch(at, at + 1, read.cacheBlocks) as CachedBlock[])[0]!;
      context.hold(block);
      probe.set(key);
    }
    const answer = blockGet(context, block, directory, seqMax);
    if (answer === FOUND) return found;
    if (answer !== MAYBE_NEXT) break;
  }
  if (table.wholeKeyFilter !== undefined) {
    table.metrics.filterFalsePositives.add();
  }
  return ABSENT;
}

/**
 * Looks a key up, reading what is not in memory. On return the found row's block
 * is held, and the key has to be probed anew.
 *
 * @param context What reads work with.
 * @param table The table, which covers the key; the caller holds it.
 * @param key The key; nobody changes it meanwhile.
 * @param read What is visible.
 * @param take Makes something of a found row, at once.
 * @returns What `take` returned; `undefined` where the key is not in the table.
 */
export async function lookUpAsync<Taken>(
  context: ReadContext,
  table: SstTable,
  key: Uint8Array,
  read: PointRead,
  take: (record: number) => Taken,
): Promise<Taken | undefined> {
  if (table.ready) table.metrics.hits?.table(table.handle.info.filterBytes > 0);
  while (!table.ready) await table.load();
  const { probe, kernel } = context;
  probe.set(key);
  if (!passesFilters(context, table, key, read)) return undefined;
  const { blocks } = table;
  let at = kernel.exports.index_seek(table.index, probe.pointer, probe.bytes);
  for (const { count } = blocks; at < count; at++) {
    const [block] = await blocks.fetch(at, at + 1, read.cacheBlocks);
    try {
      probe.set(key);
      const answer = blockGet(
        context,
        block!,
        block!.directory,
        read.seqMax,
      );
      if (answer === FOUND) return take(context.found);
      if (answer !== MAYBE_NEXT) break;
    } finally {
      block!.unpin();
    }
  }
  if (table.wholeKeyFilter !== undefined) {
    table.metrics.filterFalsePositives.add();
  }
  return undefined;
}

function blockGet(
  context: ReadContext,
  block: CachedBlock,
  directory: number,
  seqMax: bigint,
): number {
  const { kernel, probe, found } = context;
  // A clipped block may have no rows left; the next one may have some.
  if (block.bytes === 0) return MAYBE_NEXT;
  return kernel.exports.block_get(
    block.pointer,
    block.bytes,
    directory,
    probe.pointer,
    probe.bytes,
    seqMax,
    found,
  );
}

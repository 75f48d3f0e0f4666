/**
 * The memtable: an ordered arena.
 *
 * Rows live in one arena, in the order they were inserted; the tree over them
 * (memtable_tree.ts) lives in a second one. Nothing is freed before the whole
 * memtable is, so a record's address is good until then, also after its place
 * in the tree was taken by another with the same key and seq. Only a reservation
 * can run out of memory, and then nothing has changed.
 *
 * The header begins with what the host reads (MEMTABLE_STATE in ../abi.ts), then
 *
 *   +52 .. +76 the tree, see memtable_tree.ts
 *   +76 reserved   the record that was reserved and not yet inserted, or 0
 *   +80 reserved bytes   +84 whether it has a chunk of its own
 *   +88 arena of rows   +112 arena of nodes
 *
 * Counts describe the tree: a record that was replaced is in none of them,
 * though it stays in the commit order.
 */
import {
  ARENA_BYTES,
  arenaFits,
  arenaFree,
  arenaHeld,
  arenaInit,
  arenaIsLarge,
  arenaOpen,
  arenaOversized,
  arenaPop,
  arenaReopen,
  arenaTake,
} from "./arena";
import { alloc, free } from "./memory";
import {
  nodeCount,
  nodeNext,
  nodePrefix,
  nodeRecord,
  nodeSkip,
  prefixOf,
} from "./memtable_node";
import {
  FIRST_RECORD,
  NODE_ARENA,
  treeInsert,
  treeIsEmpty,
  treeLocate,
  treeReserve,
  treeSide,
} from "./memtable_tree";
import {
  compareKeys,
  FLAG_CREATE,
  FLAG_EXPIRE,
  FLAG_MERGE,
  ROW_CREATE_TS,
  ROW_EXPIRE_TS,
  ROW_FLAGS,
  ROW_HEADER,
  ROW_KEY_LEN,
  ROW_LINK,
  ROW_SEQ,
  ROW_VALUE_LEN,
} from "./row";
import { varintBytes } from "./varint";

const ROWS: usize = 0;
const ENCODED_BYTES: usize = 4;
const FIRST_SEQ: usize = 8;
const LAST_SEQ: usize = 16;
const MAX_CREATE_TS: usize = 24;
const HELD_BYTES: usize = 32;
const LAST_RECORD: usize = 40;
const MERGES: usize = 44;
const EXPIRING: usize = 48;
const RESERVED: usize = 76;
const RESERVED_BYTES: usize = 80;
const OVERSIZED: usize = 84;
const ROW_ARENA: usize = 88;
const HEADER_BYTES: u32 = <u32>NODE_ARENA + ARENA_BYTES;

const MAX_RECORD: u32 = 0x7c000000;

/** Makes an empty memtable; 0 when memory is exhausted. */
export function memtable_create(): usize {
  const mt = alloc(HEADER_BYTES);
  if (!mt) return 0;
  memory.fill(mt, 0, HEADER_BYTES);
  store<i64>(mt, i64.MIN_VALUE, MAX_CREATE_TS);
  store<u32>(mt, HEADER_BYTES, HELD_BYTES);
  arenaInit(mt + ROW_ARENA, 64 << 10, 1 << 20);
  arenaInit(mt + NODE_ARENA, 16 << 10, 256 << 10);
  return mt;
}

/** Frees a memtable with all its rows; 0 is allowed. */
export function memtable_free(mt: usize): void {
  if (!mt) return;
  arenaFree(mt + ROW_ARENA);
  arenaFree(mt + NODE_ARENA);
  free(mt);
}

/**
 * Room for a record of at most `bytes`, header included, and for the nodes that
 * inserting it may take; 0 when memory is exhausted. A reservation that is not
 * inserted is forgotten by the next one, which lies at the same address if it
 * asks for no more: so a batch is reserved as a whole, then record by record.
 */
export function memtable_reserve(mt: usize, bytes: u32): usize {
  const arena = mt + ROW_ARENA;
  const size = (max(bytes, ROW_HEADER) + 7) & ~7;
  if (load<u32>(mt, OVERSIZED)) {
    if (size > load<u32>(mt, RESERVED_BYTES)) arenaPop(arena);
    else arenaReopen(arena);
    store<u32>(mt, 0, OVERSIZED);
  }
  store<u32>(mt, 0, RESERVED);
  if (bytes > MAX_RECORD || !treeReserve(mt)) return 0;
  let record: usize = 0;
  if (!arenaFits(arena, size) && arenaIsLarge(arena, size)) {
    record = arenaOversized(arena, size);
    if (record) store<u32>(mt, 1, OVERSIZED);
  } else if (arenaFits(arena, size) || arenaOpen(arena, size)) {
    record = arenaTake(arena, 0);
  }
  store<u32>(mt, <u32>record, RESERVED);
  store<u32>(mt, size, RESERVED_BYTES);
  store<u32>(
    mt,
    HEADER_BYTES + arenaHeld(arena) + arenaHeld(mt + NODE_ARENA),
    HELD_BYTES,
  );
  return record;
}

/**
 * Inserts the reserved record, which cannot fail: 0, or the record with the same
 * key and seq whose place it took. Traps if nothing that large was reserved.
 */
export function memtable_insert(
  mt: usize,
  keyBytes: u32,
  valueBytes: u32,
  flags: u32,
  seq: u64,
  createTs: i64,
  expireTs: i64,
): usize {
  const record: usize = load<u32>(mt, RESERVED);
  const bytes = <u64>ROW_HEADER + keyBytes + valueBytes;
  if (!record || bytes > load<u32>(mt, RESERVED_BYTES)) unreachable();
  store<u64>(record, seq, ROW_SEQ);
  store<i64>(record, createTs, ROW_CREATE_TS);
  store<i64>(record, expireTs, ROW_EXPIRE_TS);
  store<u32>(record, keyBytes, ROW_KEY_LEN);
  store<u32>(record, valueBytes, ROW_VALUE_LEN);
  store<u32>(record, flags, ROW_FLAGS);
  store<u32>(record, 0, ROW_LINK);
  store<u32>(mt, 0, RESERVED);
  if (load<u32>(mt, OVERSIZED)) store<u32>(mt, 0, OVERSIZED);
  else arenaTake(mt + ROW_ARENA, (<u32>bytes + 7) & ~7);
  const last = load<u32>(mt, LAST_RECORD);
  if (last) store<u32>(last, <u32>record, ROW_LINK);
  else store<u32>(mt, <u32>record, FIRST_RECORD);
  store<u32>(mt, <u32>record, LAST_RECORD);
  const replaced = treeInsert(mt, record);
  if (replaced) count(mt, replaced, -1);
  count(mt, record, 1);
  if (seq > load<u64>(mt, LAST_SEQ)) store<u64>(mt, seq, LAST_SEQ);
  if (!last || seq < load<u64>(mt, FIRST_SEQ)) store<u64>(mt, seq, FIRST_SEQ);
  if (flags & FLAG_CREATE && createTs > load<i64>(mt, MAX_CREATE_TS)) {
    store<i64>(mt, createTs, MAX_CREATE_TS);
  }
  return replaced;
}

/** The newest record of the key with seq <= `seqMax`, or 0. */
export function memtable_get(
  mt: usize,
  key: usize,
  bytes: u32,
  seqMax: u64,
): usize {
  if (treeIsEmpty(mt) || treeSide(mt, key, bytes)) return 0;
  const place = treeLocate(mt, key, bytes, seqMax);
  const leaf = <usize>(place >>> 32);
  const at = <u32>place >>> 1;
  let record: usize;
  let same: u32 = 0;
  if (at < nodeCount(leaf)) {
    record = nodeRecord(leaf, at);
    if (<u32>place & 1) return record;
    const skip = nodeSkip(leaf);
    if (nodePrefix(leaf, at) != prefixOf(key, bytes, skip)) return 0;
    same = min(skip + 8, bytes);
  } else {
    // The key lies outside the neighbour's fences: its prefixes say nothing.
    const next = nodeNext(leaf);
    if (!next) return 0;
    record = nodeRecord(next, 0);
  }
  const length = load<u32>(record, ROW_KEY_LEN);
  if (length != bytes) return 0;
  return compareKeys(record + ROW_HEADER, length, key, bytes, same) ? 0 : record;
}

/** Adds a record to the counts, or takes it out with `sign` -1. */
function count(mt: usize, record: usize, sign: i32): void {
  const flags = load<u32>(record, ROW_FLAGS);
  add(mt, ROWS, sign);
  add(mt, ENCODED_BYTES, sign * encodedBytes(record, flags));
  if (flags & FLAG_MERGE) add(mt, MERGES, sign);
  if (flags & FLAG_EXPIRE) add(mt, EXPIRING, sign);
}

// @ts-ignore: decorator
@inline
function add(mt: usize, counter: usize, amount: i32): void {
  const at = mt + counter;
  store<i32>(at, load<i32>(at) + amount);
}

/** What a row takes in a block, if it shares nothing with the one before it. */
function encodedBytes(record: usize, flags: u32): i32 {
  const keyBytes = load<u32>(record, ROW_KEY_LEN);
  const valueBytes = load<u32>(record, ROW_VALUE_LEN);
  const lengths = 1 + varintBytes(keyBytes) + varintBytes(valueBytes);
  const times = (flags & FLAG_CREATE ? 8 : 0) + (flags & FLAG_EXPIRE ? 8 : 0);
  return lengths + keyBytes + valueBytes + 8 + 1 + times;
}

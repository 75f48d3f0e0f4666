/**
 * One row into the block under construction: prefix compression against the key
 * before, restarts, the rule that ends a block, statistics, the filter's hash.
 */
import { RESTART_INTERVAL, ROW_TAIL, timestampBytes } from "./block_row";
import { bufferAssign, bufferData, bufferReserve, copyWords } from "./buffer";
import {
  HASHED,
  BLOCK_ROWS,
  DATA,
  DELETES,
  FIRST_KEY,
  FIRST_KEY_AT,
  FIRST_KEY_BUFFER,
  FIRST_KEY_BYTES,
  HASHES,
  LAST_KEY,
  LAST_KEY_BUFFER,
  LAST_KEY_BYTES,
  LIMIT,
  MAX_SEQ,
  MERGES,
  MIN_SEQ,
  OFFSETS,
  OPEN_FIRST_SEQ,
  OPEN_SEPARATOR,
  PUTS,
  RAW_KEY_BYTES,
  RAW_VALUE_BYTES,
  RESTARTS,
  ROWS,
  SIZE,
} from "./builder_state";
import { OUT_OF_MEMORY } from "./results";
import {
  FLAG_CREATE,
  FLAG_EXPIRE,
  FLAG_MERGE,
  FLAG_TOMBSTONE,
  ROW_CREATE_TS,
  ROW_EXPIRE_TS,
  ROW_FLAGS,
  ROW_HEADER,
  ROW_KEY_LEN,
  ROW_SEQ,
  ROW_VALUE_LEN,
  sharedBytes,
} from "./row";
import { siphash13 } from "./siphash13";
import { varintBytes, writeVarint } from "./varint";

/** What {@link addRow} returns besides OUT_OF_MEMORY. */
export const ADDED: i32 = 1;
const FULL: i32 = 0;

/** The last key added; between {@link findLastKey} and {@link keepLastKey} still in its record. */
let lastKey: usize = 0;
let lastKeyLen: u32 = 0;

/** Begins a series of rows. */
export function findLastKey(builder: usize): void {
  lastKey = load<u32>(builder, LAST_KEY);
  lastKeyLen = load<u32>(builder, LAST_KEY_BYTES);
}

/** Ends a series of rows, whose records may go now; false when memory is exhausted. */
export function keepLastKey(builder: usize): bool {
  if (lastKey == load<u32>(builder, LAST_KEY)) return true;
  const buffer = builder + LAST_KEY_BUFFER;
  if (!bufferAssign(buffer, lastKey, lastKeyLen)) return false;
  store<u32>(builder, <u32>bufferData(buffer), LAST_KEY);
  store<u32>(builder, lastKeyLen, LAST_KEY_BYTES);
  return true;
}

/** Adds a row, unless the block has no room for it. */
export function addRow(builder: usize, record: usize): i32 {
  const key = record + ROW_HEADER;
  const keyLen = load<u32>(record, ROW_KEY_LEN);
  const flags = load<u32>(record, ROW_FLAGS);
  const valueLen = flags & FLAG_TOMBSTONE
    ? 0
    : load<u32>(record, ROW_VALUE_LEN);
  const rows = load<u32>(builder, BLOCK_ROWS);
  const common = sharedBytes(lastKey, key, min(lastKeyLen, keyLen));
  const restart = rows % RESTART_INTERVAL == 0;
  const shared = restart ? 0 : common;
  const head = varintBytes(shared) + varintBytes(keyLen - shared) +
    varintBytes(valueLen);
  const bytes = head + keyLen - shared + valueLen + ROW_TAIL +
    timestampBytes(flags);

  const size = load<u32>(builder, SIZE);
  const restarts = load<u32>(builder, RESTARTS) + <u32>restart;
  const total = size + bytes + (restarts << 1) + 2;
  const limit = load<u32>(builder, LIMIT);
  if (rows && total > limit) return FULL;
  const data = builder + DATA;
  if (!bufferReserve(data, max(total, limit), size)) return OUT_OF_MEMORY;
  if (load<u32>(builder, HASHED) && !addHash(builder, key, keyLen)) {
    return OUT_OF_MEMORY;
  }
  if (restart && !addRestart(builder, restarts, size)) return OUT_OF_MEMORY;
  if (!rows && !openBlock(builder, record, head, common)) return OUT_OF_MEMORY;

  writeRow(bufferData(data) + size, record, shared, valueLen, flags);
  store<u32>(builder, size + bytes, SIZE);
  store<u32>(builder, rows + 1, BLOCK_ROWS);
  count(builder, flags, keyLen, valueLen, load<u64>(record, ROW_SEQ));
  lastKey = key;
  lastKeyLen = keyLen;
  return ADDED;
}

// @ts-ignore: decorator
@inline
function writeRow(
  target: usize,
  record: usize,
  shared: u32,
  valueLen: u32,
  flags: u32,
): void {
  const suffixLen = load<u32>(record, ROW_KEY_LEN) - shared;
  let at = writeVarint(target, shared);
  at = writeVarint(at, suffixLen);
  at = writeVarint(at, valueLen);
  // Key and value are neighbours in the record as in the row.
  copyWords(at, record + ROW_HEADER + shared, suffixLen + valueLen);
  at += suffixLen + valueLen;
  store<u64>(at, bswap(load<u64>(record, ROW_SEQ)));
  store<u8>(at, flags, 8);
  at += ROW_TAIL;
  if (flags & FLAG_EXPIRE) {
    store<u64>(at, bswap(load<u64>(record, ROW_EXPIRE_TS)));
    at += 8;
  }
  if (flags & FLAG_CREATE) {
    store<u64>(at, bswap(load<u64>(record, ROW_CREATE_TS)));
  }
}

/** Notes what the closed block's index entry needs. */
function openBlock(
  builder: usize,
  record: usize,
  keyAt: u32,
  common: u32,
): bool {
  const keyLen = load<u32>(record, ROW_KEY_LEN);
  // The shortest prefix of the first key that differs from the key before.
  let separator = min(common + 1, keyLen);
  if (!load<u32>(builder, ROWS)) {
    const buffer = builder + FIRST_KEY_BUFFER;
    if (!bufferAssign(buffer, record + ROW_HEADER, keyLen)) return false;
    store<u32>(builder, <u32>bufferData(buffer), FIRST_KEY);
    store<u32>(builder, keyLen, FIRST_KEY_BYTES);
    separator = 0;
  }
  store<u32>(builder, separator, OPEN_SEPARATOR);
  store<u32>(builder, keyAt, FIRST_KEY_AT);
  store<u64>(builder, load<u64>(record, ROW_SEQ), OPEN_FIRST_SEQ);
  return true;
}

function addRestart(builder: usize, restarts: u32, offset: u32): bool {
  const bytes = restarts << 1;
  const offsets = builder + OFFSETS;
  if (!bufferReserve(offsets, bytes, bytes - 2)) return false;
  store<u16>(bufferData(offsets) + bytes - 2, bswap(<u16>offset));
  store<u32>(builder, restarts, RESTARTS);
  return true;
}

function addHash(builder: usize, key: usize, keyLen: u32): bool {
  const bytes = load<u32>(builder, ROWS) << 3;
  const hashes = builder + HASHES;
  if (!bufferReserve(hashes, bytes + 8, bytes)) return false;
  store<u64>(bufferData(hashes) + bytes, siphash13(key, keyLen));
  return true;
}

// @ts-ignore: decorator
@inline
function count(
  builder: usize,
  flags: u32,
  keyLen: u32,
  valueLen: u32,
  seq: u64,
): void {
  const kind = flags & FLAG_TOMBSTONE
    ? DELETES
    : flags & FLAG_MERGE
    ? MERGES
    : PUTS;
  store<u32>(builder + kind, load<u32>(builder + kind) + 1);
  const rows = load<u32>(builder, ROWS);
  store<u32>(builder, rows + 1, ROWS);
  const keyBytes = load<u64>(builder, RAW_KEY_BYTES) + keyLen;
  store<u64>(builder, keyBytes, RAW_KEY_BYTES);
  const valueBytes = load<u64>(builder, RAW_VALUE_BYTES) + valueLen;
  store<u64>(builder, valueBytes, RAW_VALUE_BYTES);
  if (seq > load<u64>(builder, MAX_SEQ)) store<u64>(builder, seq, MAX_SEQ);
  if (!rows || seq < load<u64>(builder, MIN_SEQ)) {
    store<u64>(builder, seq, MIN_SEQ);
  }
}

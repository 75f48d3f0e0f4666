/**
 * The SST builder: row records to V2 blocks, with what goes into the index, the
 * statistics, and hashes for the filter.
 *
 * See ../abi.ts for the contract, builder_state.ts for the header, and
 * builder_row.ts for how a row is written. The block under construction lies in
 * one buffer, which the restart offsets join when it is closed; its separator is
 * a prefix of its first key, which stands in its first row.
 */
import { BUFFER_BYTES, bufferData, bufferFree, bufferReserve } from "./buffer";
import { ADDED, addRow, findLastKey, keepLastKey } from "./builder_row";
import {
  BLOCK,
  BLOCK_BYTES,
  BLOCK_DELETES,
  BLOCK_FIRST_SEQ,
  BLOCK_MERGES,
  BLOCK_PUTS,
  BLOCK_ROWS,
  DATA,
  DELETES,
  FIRST_KEY_AT,
  HASHED,
  HASHES,
  HEADER_BYTES,
  LIMIT,
  MERGES,
  OFFSETS,
  OPEN_FIRST_SEQ,
  OPEN_SEPARATOR,
  PUTS,
  RESTARTS,
  ROWS,
  SEPARATOR,
  SEPARATOR_BYTES,
  SIZE,
} from "./builder_state";
import { alloc, free } from "./memory";
import { OUT_OF_MEMORY } from "./results";
import { ROW_HEADER, ROW_KEY_LEN, ROW_LINK, ROW_VALUE_LEN } from "./row";

/** The largest block; a restart's offset has 16 bits. */
const MAX_LIMIT: u32 = 1 << 16;

/** See `builder_create` in ../abi.ts. */
export function builder_create(blockBytes: u32, hashed: u32): usize {
  const builder = alloc(HEADER_BYTES);
  if (!builder) return 0;
  memory.fill(builder, 0, HEADER_BYTES);
  store<u32>(builder, min(blockBytes, MAX_LIMIT), LIMIT);
  store<u32>(builder, hashed, HASHED);
  return builder;
}

/** See `builder_free` in ../abi.ts. */
export function builder_free(builder: usize): void {
  if (!builder) return;
  for (let at = DATA; at < <usize>HEADER_BYTES; at += BUFFER_BYTES) {
    bufferFree(builder + at);
  }
  free(builder);
}

/** See `builder_add` in ../abi.ts; OUT_OF_MEMORY when memory is exhausted. */
export function builder_add(builder: usize, records: usize, bytes: u32): u32 {
  findLastKey(builder);
  let added = ADDED;
  let at: u32 = 0;
  while (at < bytes) {
    const record = records + at;
    added = addRow(builder, record);
    if (added != ADDED) break;
    at += (ROW_HEADER + load<u32>(record, ROW_KEY_LEN) +
      load<u32>(record, ROW_VALUE_LEN) + 7) & ~7;
  }
  return keepLastKey(builder) && added >= 0 ? at : OUT_OF_MEMORY;
}

/** See `builder_add_chain` in ../abi.ts; OUT_OF_MEMORY when memory is exhausted. */
export function builder_add_chain(
  builder: usize,
  first: usize,
  last: usize,
): usize {
  findLastKey(builder);
  let added = ADDED;
  let record = first;
  while (record) {
    added = addRow(builder, record);
    if (added != ADDED) break;
    record = record == last ? 0 : <usize>load<u32>(record, ROW_LINK);
  }
  return keepLastKey(builder) && added >= 0 ? record : OUT_OF_MEMORY;
}

/** See `builder_finish_block` in ../abi.ts. */
export function builder_finish_block(builder: usize): u32 {
  if (!load<u32>(builder, BLOCK_ROWS)) return 0;
  const block = bufferData(builder + DATA);
  const size = load<u32>(builder, SIZE);
  const restarts = load<u32>(builder, RESTARTS);
  // Every row was added with room for this behind it.
  memory.copy(block + size, bufferData(builder + OFFSETS), restarts << 1);
  const bytes = size + (restarts << 1) + 2;
  store<u16>(block + bytes - 2, bswap(<u16>restarts));

  store<u32>(builder, <u32>block, BLOCK);
  store<u32>(builder, bytes, BLOCK_BYTES);
  const key = <u32>block + load<u32>(builder, FIRST_KEY_AT);
  store<u32>(builder, key, SEPARATOR);
  store<u32>(builder, load<u32>(builder, OPEN_SEPARATOR), SEPARATOR_BYTES);
  store<u32>(builder, load<u32>(builder, PUTS), BLOCK_PUTS);
  store<u32>(builder, load<u32>(builder, DELETES), BLOCK_DELETES);
  store<u32>(builder, load<u32>(builder, MERGES), BLOCK_MERGES);
  store<u64>(builder, load<u64>(builder, OPEN_FIRST_SEQ), BLOCK_FIRST_SEQ);

  store<u32>(builder, 0, BLOCK_ROWS);
  store<u32>(builder, 0, SIZE);
  store<u32>(builder, 0, RESTARTS);
  store<u32>(builder, 0, PUTS);
  store<u32>(builder, 0, DELETES);
  store<u32>(builder, 0, MERGES);
  return bytes;
}

/** See `builder_hashes` in ../abi.ts. */
export function builder_hashes(builder: usize): usize {
  const rows = load<u32>(builder, ROWS);
  if (!rows || !load<u32>(builder, HASHED)) return 0;
  return bufferData(builder + HASHES);
}

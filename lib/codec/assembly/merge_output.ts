/** The output of a merge: packed row records. */
import {
  bufferData,
  bufferFree,
  bufferReserve,
  bufferRoom,
  copyWords,
} from "./buffer";
import {
  BATCH_BYTES,
  BYTES,
  FIRST_ROOM,
  OUTPUT,
  OUTPUT_BUFFER,
  ROWS,
} from "./merge_state";
import {
  ROW_CREATE_TS,
  ROW_EXPIRE_TS,
  ROW_FLAGS,
  ROW_HEADER,
  ROW_KEY_LEN,
  ROW_LINK,
  ROW_SEQ,
  ROW_VALUE_LEN,
} from "./row";
import {
  VIEW_CREATE_TS,
  VIEW_KEY,
  VIEW_KEY_LEN,
  VIEW_SEQ,
  VIEW_VALUE,
} from "./row_view";

/** Whether the output ends a batch. */
// @ts-ignore: decorator
@inline
export function outputFull(merge: usize, maxRows: u32): bool {
  return load<u32>(merge, ROWS) >= maxRows ||
    load<u32>(merge, BYTES) >= load<u32>(merge, BATCH_BYTES);
}

/**
 * Appends the row a view stands on, with these flags, this much of its value and
 * this expiry; false when memory is exhausted.
 */
export function outputRow(
  merge: usize,
  view: usize,
  flags: u32,
  valueLen: u32,
  expireTs: i64,
): bool {
  const bytes = load<u32>(merge, BYTES);
  const keyLen = load<u32>(view, VIEW_KEY_LEN);
  const size = (ROW_HEADER + keyLen + valueLen + 7) & ~7;
  if (bytes + size > bufferRoom(merge + OUTPUT_BUFFER)) {
    if (!outputGrow(merge, bytes + size)) return false;
  }
  const record: usize = load<u32>(merge, OUTPUT) + bytes;
  store<u64>(record, load<u64>(view, VIEW_SEQ), ROW_SEQ);
  store<i64>(record, load<i64>(view, VIEW_CREATE_TS), ROW_CREATE_TS);
  store<i64>(record, expireTs, ROW_EXPIRE_TS);
  store<u32>(record, keyLen, ROW_KEY_LEN);
  store<u32>(record, valueLen, ROW_VALUE_LEN);
  store<u32>(record, flags, ROW_FLAGS);
  store<u32>(record, size, ROW_LINK);
  const target = record + ROW_HEADER;
  const key: usize = load<u32>(view, VIEW_KEY);
  const value: usize = load<u32>(view, VIEW_VALUE);
  if (key + keyLen == value) {
    copyWords(target, key, keyLen + valueLen);
  } else {
    copyWords(target, key, keyLen);
    copyWords(target + keyLen, value, valueLen);
  }
  store<u32>(merge, bytes + size, BYTES);
  store<u32>(merge, load<u32>(merge, ROWS) + 1, ROWS);
  return true;
}

/** Starts a new output, in memory of the usual size. */
export function outputClear(merge: usize): void {
  store<u32>(merge, 0, ROWS);
  store<u32>(merge, 0, BYTES);
  const room = bufferRoom(merge + OUTPUT_BUFFER);
  if (room >>> 2 > load<u32>(merge, FIRST_ROOM)) {
    bufferFree(merge + OUTPUT_BUFFER);
    store<u32>(merge, 0, OUTPUT);
  }
}

function outputGrow(merge: usize, bytes: u32): bool {
  const buffer = merge + OUTPUT_BUFFER;
  const wanted = max(bytes, load<u32>(merge, FIRST_ROOM));
  if (!bufferReserve(buffer, wanted, load<u32>(merge, BYTES))) return false;
  store<u32>(merge, <u32>bufferData(buffer), OUTPUT);
  return true;
}

/**
 * Point lookups: a key in a block.
 *
 * No key is rebuilt. Going along the rows, it is enough to know how many bytes
 * the last row's key, which is smaller, has in common with the wanted one: a row
 * that shares more than that with it is smaller for the same reason.
 */
import {
  directoryOffset,
  directoryRows,
  directorySeek,
  directorySkip,
  directoryWindow,
  wanted,
} from "./block_directory";
import { WINDOW } from "./key_window";
import {
  loadU64,
  readRowHead,
  restartCount,
  restartRow,
  ROW_TAIL,
  rowBehind,
  rowsEnd,
  rowShared,
  rowSuffix,
  rowValue,
  timestampBytes,
} from "./block_row";
import {
  compareKeys,
  FLAG_CREATE,
  FLAG_EXPIRE,
  ROW_CREATE_TS,
  ROW_EXPIRE_TS,
  ROW_FLAGS,
  ROW_KEY_LEN,
  ROW_LINK,
  ROW_SEQ,
  ROW_VALUE_LEN,
  sharedBytes,
} from "./row";

const FOUND: i32 = 1;
const ABSENT: i32 = 0;
const MAYBE_LATER: i32 = 2;
const UNDECIDED: i32 = -1;

/** See `block_get` in ../abi.ts. */
export function block_get(
  block: usize,
  bytes: u32,
  directory: usize,
  key: usize,
  keyBytes: u32,
  seqMax: u64,
  found: usize,
): i32 {
  if (directory) {
    const answer = findRow(block, directory, key, keyBytes, seqMax, found);
    if (answer != UNDECIDED) return answer;
  }
  const end = rowsEnd(block, bytes);
  let row = seekRestart(block, bytes, key, keyBytes, seqMax);
  let matched: u32 = 0;
  while (row < end) {
    const suffix = readRowHead(row);
    const length = rowSuffix;
    const value = suffix + length;
    const tail = value + rowValue;
    if (rowShared <= matched) {
      const rest = keyBytes - rowShared;
      const most = min(length, rest);
      const common = sharedBytes(suffix, key + rowShared, most);
      matched = rowShared + common;
      if (common < most) {
        if (load<u8>(suffix + common) > load<u8>(key + matched)) return ABSENT;
      } else if (length > rest) {
        return ABSENT;
      } else if (length == rest && loadU64(tail) <= seqMax) {
        report(found, keyBytes, value, tail);
        return FOUND;
      }
    }
    row = rowBehind(tail);
  }
  return MAYBE_LATER;
}

/** The same by the block's directory, where windows and suffixes can tell. */
function findRow(
  block: usize,
  directory: usize,
  key: usize,
  keyBytes: u32,
  seqMax: u64,
  found: usize,
): i32 {
  const first = directorySeek(directory, key, keyBytes);
  if (first < 0) return UNDECIDED;
  const rows = directoryRows(directory);
  const shown = directorySkip(directory) + WINDOW;
  for (let i: u32 = first; i < rows; i++) {
    if (directoryWindow(directory, i) != wanted) return ABSENT;
    const suffix = readRowHead(block + directoryOffset(directory, i));
    const rowBytes = rowShared + rowSuffix;
    let order: i32;
    if (max(rowBytes, keyBytes) <= shown) {
      order = <i32>rowBytes - <i32>keyBytes;
    } else if (rowShared <= min(shown, keyBytes)) {
      const rest = key + rowShared;
      order = compareKeys(suffix, rowSuffix, rest, keyBytes - rowShared, 0);
    } else {
      return UNDECIDED;
    }
    if (order > 0) return ABSENT;
    const value = suffix + rowSuffix;
    const tail = value + rowValue;
    if (!order && loadU64(tail) <= seqMax) {
      report(found, keyBytes, value, tail);
      return FOUND;
    }
  }
  return MAYBE_LATER;
}

/** The last restart's row before (key, seqMax), or the first row. */
function seekRestart(
  block: usize,
  bytes: u32,
  key: usize,
  keyBytes: u32,
  seqMax: u64,
): usize {
  const restarts = rowsEnd(block, bytes);
  let low: u32 = 0;
  let high = restartCount(block, bytes);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const suffix = readRowHead(restartRow(block, restarts, middle));
    const order = compareKeys(suffix, rowSuffix, key, keyBytes, 0);
    const before = order
      ? order < 0
      : loadU64(suffix + rowSuffix + rowValue) > seqMax;
    if (before) low = middle + 1;
    else high = middle;
  }
  return low ? restartRow(block, restarts, low - 1) : block;
}

/** Fills in the header of a row record for the row with this value and tail. */
function report(found: usize, keyBytes: u32, value: usize, tail: usize): void {
  const flags: u32 = load<u8>(tail, 8);
  const at = tail + ROW_TAIL;
  store<u64>(found, loadU64(tail), ROW_SEQ);
  store<u64>(
    found,
    flags & FLAG_CREATE ? loadU64(at + timestampBytes(flags & FLAG_EXPIRE)) : 0,
    ROW_CREATE_TS,
  );
  store<u64>(found, flags & FLAG_EXPIRE ? loadU64(at) : 0, ROW_EXPIRE_TS);
  store<u32>(found, keyBytes, ROW_KEY_LEN);
  store<u32>(found, <u32>(tail - value), ROW_VALUE_LEN);
  store<u32>(found, flags, ROW_FLAGS);
  store<u32>(found, <u32>value, ROW_LINK);
}

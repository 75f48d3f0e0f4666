/**
 * Where the rows of a block are, for gets that come to it again: four bytes of
 * each key, those behind what all keys begin with, and the row's offset.
 *
 *   bytes u32 | rows u16 | skip u16 | skip common bytes | window u32[rows] | offset u16[rows]
 *
 * A get that goes along the rows instead waits for three times as much memory.
 */
import {
  readRowHead,
  rowBehind,
  rowsEnd,
  rowShared,
  rowSuffix,
  rowValue,
} from "./block_row";
import { leading, WINDOW, windowOf, windowsBelow } from "./key_window";
import { alloc } from "./memory";
import { sharedBytes } from "./row";

const ROWS: usize = 4;
const SKIP: usize = 6;
const HEAD: u32 = 8;
/** What a row takes: its window and its offset. */
const ROW_BYTES: u32 = 6;
/** Offsets have two bytes. */
const MAX_BLOCK: u32 = 0x10000;

/** The window of the key that {@link directorySeek} looked for. */
export let wanted: u32 = 0;

/** See `block_directory` in ../abi.ts. */
export function block_directory(block: usize, bytes: u32): usize {
  if (!bytes || bytes > MAX_BLOCK) return 0;
  const end = rowsEnd(block, bytes);
  const first = readRowHead(block);
  const firstBytes = rowSuffix;
  let rows: u32 = 0;
  let skip = firstBytes;
  let matched = firstBytes;
  for (let row = block; row < end; rows++) {
    const suffix = readRowHead(row);
    if (rowShared <= matched) {
      const most = min(rowSuffix, firstBytes - rowShared);
      matched = rowShared + sharedBytes(suffix, first + rowShared, most);
    }
    skip = min(skip, matched);
    row = rowBehind(suffix + rowSuffix + rowValue);
  }
  const total = HEAD + ROW_BYTES * rows + skip;
  const directory = alloc(total);
  if (!directory) return 0;
  store<u32>(directory, total);
  store<u16>(directory, rows, ROWS);
  store<u16>(directory, skip, SKIP);
  memory.copy(directory + HEAD, first, skip);
  fillRows(directory, block, end);
  return directory;
}

function fillRows(directory: usize, block: usize, end: usize): void {
  const skip = directorySkip(directory);
  let window = windowsAt(directory);
  let offset = window + (directoryRows(directory) << 2);
  let last: u32 = 0;
  for (let row = block; row < end;) {
    const suffix = readRowHead(row);
    // The window begins with what the key shares with the one before.
    const shared = min(max(rowShared, skip) - skip, WINDOW);
    const hidden = skip + shared - min(rowShared, skip + shared);
    const rest = windowOf(suffix + hidden, rowSuffix - min(hidden, rowSuffix));
    last = (last & leading(shared)) | (shared < WINDOW ? rest >>> (shared << 3) : 0);
    store<u32>(window, last);
    store<u16>(offset, <u16>(row - block));
    window += 4;
    offset += 2;
    row = rowBehind(suffix + rowSuffix + rowValue);
  }
}

/**
 * The first row whose window is not below that of the key, or how many rows there
 * are; -1: the key does not begin as all the others do.
 */
export function directorySeek(
  directory: usize,
  key: usize,
  keyBytes: u32,
): i32 {
  const skip = directorySkip(directory);
  if (keyBytes < skip) return -1;
  if (sharedBytes(key, directory + HEAD, skip) < skip) return -1;
  wanted = windowOf(key + skip, keyBytes - skip);
  const rows = directoryRows(directory);
  return <i32>windowsBelow(windowsAt(directory), rows, wanted);
}

/** How many rows there are. */
// @ts-ignore: decorator
@inline
export function directoryRows(directory: usize): u32 {
  return load<u16>(directory, ROWS);
}

/** How many bytes all keys begin with. */
// @ts-ignore: decorator
@inline
export function directorySkip(directory: usize): u32 {
  return load<u16>(directory, SKIP);
}

/** The window of a row. */
// @ts-ignore: decorator
@inline
export function directoryWindow(directory: usize, index: u32): u32 {
  return load<u32>(windowsAt(directory) + (index << 2));
}

/** Where in the block a row begins. */
// @ts-ignore: decorator
@inline
export function directoryOffset(directory: usize, index: u32): usize {
  const offsets = windowsAt(directory) + (directoryRows(directory) << 2);
  return load<u16>(offsets + (index << 1));
}

// @ts-ignore: decorator
@inline
function windowsAt(directory: usize): usize {
  return directory + HEAD + directorySkip(directory);
}

/**
 * Which block of an SST a key is in, by the separators of its index.
 *
 * Behind the separators stand windows on them, past what all but the first, which
 * is empty, begin with:
 *
 *   skip u32 | window u32[count]
 */
import { windowOf, windowsBelow } from "./key_window";
import { compareKeys, sharedBytes } from "./row";

const HEAD: u32 = 4;

/** Bytes of the windows of so many blocks. */
// @ts-ignore: decorator
@inline
export function windowBytes(count: u64): u64 {
  return HEAD + 4 * count;
}

/** Writes the windows of an index whose separators are there. */
export function writeWindows(index: usize): void {
  const count = load<u32>(index);
  const head = windowsHead(index, count);
  let skip: u32 = 0;
  if (count > 1) {
    const first = index + startOf(index, 1);
    skip = bytesOf(index, 1);
    for (let i: u32 = 2; i < count; i++) {
      const most = min(skip, bytesOf(index, i));
      skip = sharedBytes(index + startOf(index, i), first, most);
    }
  }
  store<u32>(head, skip);
  if (count) store<u32>(head, 0, HEAD);
  for (let i: u32 = 1; i < count; i++) {
    const window = windowOf(
      index + startOf(index, i) + skip,
      bytesOf(index, i) - skip,
    );
    store<u32>(head + (i << 2), window, HEAD);
  }
}

/** See `index_seek` in ../abi.ts. */
export function index_seek(index: usize, key: usize, keyBytes: u32): i32 {
  const count = load<u32>(index);
  if (count < 2) return 0;
  const head = windowsHead(index, count);
  const skip = load<u32>(head);
  const order = compareKeys(
    index + startOf(index, 1),
    skip,
    key,
    min(skip, keyBytes),
    0,
  );
  // All the separators are on one side of the key.
  if (order) return order < 0 ? count - 1 : 0;
  const wanted = windowOf(key + skip, keyBytes - skip);
  const windows = head + HEAD;
  let low: u32 = 1 + windowsBelow(windows + 4, count - 1, wanted);
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const isBelow = load<u32>(windows + (middle << 2)) == wanted &&
      compareKeys(
          index + startOf(index, middle) + skip,
          bytesOf(index, middle) - skip,
          key + skip,
          keyBytes - skip,
          0,
        ) < 0;
    if (isBelow) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// @ts-ignore: decorator
@inline
function windowsHead(index: usize, count: u32): usize {
  return index + startOf(index, count);
}

/** Where a separator begins; of one behind the last: where that ends. */
// @ts-ignore: decorator
@inline
function startOf(index: usize, block: u32): u32 {
  return load<u32>(index + (block << 2), 4);
}

// @ts-ignore: decorator
@inline
function bytesOf(index: usize, block: u32): u32 {
  return startOf(index, block + 1) - startOf(index, block);
}

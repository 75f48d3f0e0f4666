/**
 * Windows: four bytes of a key, big-endian and padded with zeros, so that windows
 * of keys that begin alike sort as the keys do. Many of them in one place take a
 * search to a key, or close to it, with few lines of memory.
 */

/** Bytes of a key that its window shows. */
export const WINDOW: u32 = 4;

/** The window on these bytes, of which so many belong to the key. */
// @ts-ignore: decorator
@inline
export function windowOf(at: usize, bytes: u32): u32 {
  return bswap(load<u32>(at)) & leading(min(bytes, WINDOW));
}

/** Masks the first bytes of a window. */
// @ts-ignore: decorator
@inline
export function leading(bytes: u32): u32 {
  return bytes ? <u32>-1 << (32 - (bytes << 3)) : 0;
}

/** How many of the windows, which are sorted, come before one. */
// @ts-ignore: decorator
@inline
export function windowsBelow(windows: usize, count: u32, window: u32): u32 {
  if (!count) return 0;
  let at = windows;
  // No branch depends on what is compared: it could not be predicted.
  while (count > 1) {
    const half = count >>> 1;
    const middle = at + (half << 2);
    at = select<usize>(middle, at, load<u32>(middle - 4) < window);
    count -= half;
  }
  return <u32>((at - windows) >>> 2) + <u32>(load<u32>(at) < window);
}

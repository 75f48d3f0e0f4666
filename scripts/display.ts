/**
 * Numbers as people read them, and a little colour.
 *
 * @module
 */

const UNITS: readonly string[] = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * A size with three digits and its unit.
 *
 * @param bytes How many.
 * @returns Such as `1.24 MiB`.
 */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/**
 * A count with its thousands apart.
 *
 * @param count How many.
 * @returns Such as `171,075`.
 */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en");
}

/**
 * A time with three digits and its unit.
 *
 * @param ms Milliseconds.
 * @returns Such as `1.24 s` or `870 ns`.
 */
export function formatDuration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms >= 1) return `${ms.toPrecision(3)} ms`;
  if (ms >= 0.001) return `${(ms * 1000).toPrecision(3)} µs`;
  return `${Math.round(ms * 1e6)} ns`;
}

/** Colours, or none of them. */
export interface Palette {
  /** What matters. */
  bold(text: string): string;
  /** What does not. */
  dim(text: string): string;
  /** A heading's mark. */
  accent(text: string): string;
}

/**
 * Colours for a terminal that shows them.
 *
 * @param colour Whether it does.
 * @returns Functions that wrap text, or leave it as it is.
 */
export function createPalette(colour: boolean): Palette {
  const wrap = (on: number, off: number) => (text: string) =>
    colour ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return { bold: wrap(1, 22), dim: wrap(2, 22), accent: wrap(36, 39) };
}

/**
 * The kernel and its twin, and a way to hand them bytes.
 *
 * @module
 */
import { Kernel } from "../../lib/codec/kernel.ts";

/** What each test of an export runs against. */
export const KERNELS: readonly (readonly [string, () => Kernel])[] = [
  ["kernel", () => Kernel.createSync()],
  ["twin", () => Kernel.reference()],
];

/** Text as bytes. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** What a block codec's export returns, and what it wrote. */
export interface Coded {
  readonly result: number;
  readonly output: Uint8Array<ArrayBuffer>;
}

/** The exports that take `(source, bytes, target, capacity)`. */
export type CodecName =
  | "snappy_encode"
  | "snappy_decode"
  | "lz4_encode"
  | "lz4_decode";

/**
 * Runs a block codec; fails if it writes outside of its output.
 *
 * @param kernel Which kernel.
 * @param name Which export.
 * @param input What to encode or decode.
 * @param capacity How much it may write.
 * @returns What came of it.
 */
export function runCodec(
  kernel: Kernel,
  name: CodecName,
  input: Uint8Array,
  capacity: number,
): Coded {
  const source = kernel.copyIn(input);
  const target = kernel.alloc(capacity + 16);
  const guard = target + capacity;
  kernel.u8.fill(0xa5, target, guard + 16);
  const result = kernel.exports[name](source, input.length, target, capacity);
  if (kernel.u8.subarray(guard, guard + 16).some((byte) => byte !== 0xa5)) {
    throw new Error(`${name} wrote past ${capacity} bytes`);
  }
  const output = kernel.slice(target, Math.max(result, 0));
  kernel.free(source);
  kernel.free(target);
  return { result, output };
}

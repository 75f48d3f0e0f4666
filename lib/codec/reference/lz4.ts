/**
 * Raw LZ4 blocks, in the kernel's TypeScript twin.
 *
 * Where input is wrong in two ways, the kernel may report the other one.
 *
 * @module
 */
import { AbiError, type KernelExports } from "../abi.ts";
import { findSequences, MIN_MATCH, repeatMatch } from "./matching.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type Lz4Exports = Pick<KernelExports, "lz4_encode" | "lz4_decode">;

const LAST_MATCH = 12;
const LAST_LITERALS = 5;

/**
 * Makes the LZ4 exports over a memory.
 *
 * @param memory Where pointers point to.
 * @returns The functions.
 */
export function createReferenceLz4(memory: ReferenceMemory): Lz4Exports {
  return {
    lz4_encode: (source, bytes, target, capacity) => {
      const out = encode(memory.u8.subarray(source, source + bytes));
      if (out.length > capacity) return AbiError.OUTPUT_FULL;
      memory.u8.set(out, target);
      return out.length;
    },
    lz4_decode: (source, bytes, target, capacity) => {
      const input = memory.u8.subarray(source, source + bytes);
      const out = decode(input, capacity);
      if (typeof out === "number") return out;
      memory.u8.set(out, target);
      return out.length;
    },
  };
}

function encode(bytes: Uint8Array): number[] {
  const out: number[] = [];
  const sequences = findSequences(bytes, LAST_MATCH, LAST_LITERALS);
  for (const { literal, at, offset, length } of sequences) {
    const more = Math.max(0, length - MIN_MATCH);
    out.push(Math.min(at - literal, 15) << 4 | Math.min(more, 15));
    putLength(out, at - literal);
    for (let i = literal; i < at; i++) out.push(bytes[i]!);
    if (offset === 0) break;
    out.push(offset & 0xff, offset >>> 8);
    putLength(out, more);
  }
  return out;
}

function putLength(out: number[], length: number): void {
  if (length < 15) return;
  let left = length - 15;
  for (; left >= 255; left -= 255) out.push(255);
  out.push(left);
}

function decode(bytes: Uint8Array, capacity: number): number[] | number {
  const out: number[] = [];
  let at = 0;
  const length = (nibble: number) => {
    let sum = nibble;
    if (nibble < 15) return sum;
    for (let byte = 255; byte === 255;) {
      if (at === bytes.length) return undefined;
      byte = bytes[at++]!;
      sum += byte;
    }
    return sum;
  };
  while (at < bytes.length) {
    const token = bytes[at++]!;
    const literals = length(token >>> 4);
    if (literals === undefined) return AbiError.MALFORMED;
    if (out.length + literals > capacity) return AbiError.OUTPUT_FULL;
    if (literals > bytes.length - at) return AbiError.MALFORMED;
    for (let i = 0; i < literals; i++) out.push(bytes[at++]!);
    if (at === bytes.length) return out;
    if (bytes.length - at < 2) return AbiError.MALFORMED;
    const offset = bytes[at]! | bytes[at + 1]! << 8;
    at += 2;
    if (offset === 0 || offset > out.length) return AbiError.MALFORMED;
    const more = length(token & 15);
    if (more === undefined) return AbiError.MALFORMED;
    if (out.length + more + MIN_MATCH > capacity) return AbiError.OUTPUT_FULL;
    repeatMatch(out, offset, more + MIN_MATCH);
  }
  return AbiError.MALFORMED;
}

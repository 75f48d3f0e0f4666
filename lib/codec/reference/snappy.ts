/**
 * Raw Snappy blocks, in the kernel's TypeScript twin.
 *
 * @module
 */
import { AbiError, type KernelExports } from "../abi.ts";
import { findSequences, repeatMatch } from "./matching.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type SnappyExports = Pick<
  KernelExports,
  "snappy_encode" | "snappy_decode" | "snappy_length"
>;

/** No element decodes to more than 64 bytes for 3; a longer claim is a lie. */
const MAX_RATIO = 22;
const TAIL = 15;

/**
 * Makes the Snappy exports over a memory.
 *
 * @param memory Where pointers point to.
 * @returns The functions.
 */
export function createReferenceSnappy(memory: ReferenceMemory): SnappyExports {
  const input = (pointer: number, bytes: number) =>
    memory.u8.subarray(pointer, pointer + bytes);
  const length = (pointer: number, bytes: number) =>
    readPreamble(input(pointer, bytes))?.length ?? AbiError.MALFORMED;
  return {
    snappy_length: length,
    snappy_encode: (source, bytes, target, capacity) => {
      const out = encode(input(source, bytes));
      if (out.length > capacity) return AbiError.OUTPUT_FULL;
      memory.u8.set(out, target);
      return out.length;
    },
    snappy_decode: (source, bytes, target, capacity) => {
      const claimed = length(source, bytes);
      if (claimed < 0) return AbiError.MALFORMED;
      if (claimed > capacity) return AbiError.OUTPUT_FULL;
      const out = decode(input(source, bytes));
      if (out === undefined) return AbiError.MALFORMED;
      memory.u8.set(out, target);
      return out.length;
    },
  };
}

function readPreamble(
  bytes: Uint8Array,
): { length: number; end: number } | undefined {
  let length = 0;
  for (let i = 0; i < 5 && i < bytes.length; i++) {
    length += (bytes[i]! & 0x7f) * 2 ** (7 * i);
    if (bytes[i]! >= 0x80) continue;
    const possible = length <= 0x7fff_ffff &&
      length <= bytes.length * MAX_RATIO;
    return possible ? { length, end: i + 1 } : undefined;
  }
  return undefined;
}

function encode(bytes: Uint8Array): number[] {
  const out: number[] = [];
  let rest = bytes.length;
  for (; rest >= 0x80; rest >>>= 7) out.push(rest & 0x7f | 0x80);
  out.push(rest);
  for (
    const { literal, at, offset, length } of findSequences(bytes, TAIL, 0)
  ) {
    putLiteral(out, bytes.subarray(literal, at));
    for (let left = length; left > 0; left -= 64) {
      out.push((Math.min(left, 64) - 1) << 2 | 2, offset & 0xff, offset >>> 8);
    }
  }
  return out;
}

function putLiteral(out: number[], bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  const value = bytes.length - 1;
  if (value < 60) out.push(value << 2);
  else {
    out.push(
      63 << 2,
      value & 0xff,
      value >>> 8 & 0xff,
      value >>> 16 & 0xff,
      value >>> 24,
    );
  }
  for (const byte of bytes) out.push(byte);
}

function decode(bytes: Uint8Array): number[] | undefined {
  const preamble = readPreamble(bytes);
  if (preamble === undefined) return undefined;
  const out: number[] = [];
  let at = preamble.end;
  const little = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++) value += bytes[at++]! * 2 ** (8 * i);
    return value;
  };
  while (at < bytes.length) {
    const tag = bytes[at++]!;
    const left = bytes.length - at;
    const room = preamble.length - out.length;
    if ((tag & 3) === 0) {
      let value = tag >>> 2;
      if (value >= 60) {
        if (left < value - 59) return undefined;
        value = little(value - 59);
      }
      if (value >= bytes.length - at || value >= room) return undefined;
      for (let i = 0; i <= value; i++) out.push(bytes[at++]!);
      continue;
    }
    const kind = tag & 3;
    if (left < (kind === 3 ? 4 : kind)) return undefined;
    const length = kind === 1 ? (tag >>> 2 & 7) + 4 : (tag >>> 2) + 1;
    const offset = kind === 1
      ? (tag >>> 5) * 256 + little(1)
      : little(kind === 2 ? 2 : 4);
    if (offset === 0 || offset > out.length || length > room) return undefined;
    repeatMatch(out, offset, length);
  }
  return out.length === preamble.length ? out : undefined;
}

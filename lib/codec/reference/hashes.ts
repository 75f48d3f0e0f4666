/**
 * Checks and hashes of the kernel's TypeScript twin: the plainest code there is.
 *
 * Results look as WebAssembly hands them out: 32 and 64 bits, signed.
 *
 * @module
 */
import type { KernelExports } from "../abi.ts";
import type { ReferenceMemory } from "./memory.ts";

/** The exports made here. */
export type HashExports = Pick<
  KernelExports,
  "crc32" | "siphash13" | "bloom_probe" | "bloom_probe_key" | "bloom_add"
>;

/**
 * Makes the hash exports over a memory.
 *
 * @param memory Where pointers point to.
 * @returns The functions.
 */
export function createReferenceHashes(memory: ReferenceMemory): HashExports {
  const probe: HashExports["bloom_probe"] = (bits, bytes, probes, hash) => {
    if (bytes === 0) return 0;
    for (const bit of bloomBits(hash, bytes, probes)) {
      if ((memory.u8[bits + (bit >>> 3)]! & 1 << (bit & 7)) === 0) return 0;
    }
    return 1;
  };
  return {
    crc32: (pointer, bytes) =>
      crc32(memory.u8.subarray(pointer, pointer + bytes)),
    siphash13: (pointer, bytes) =>
      siphash13(memory.u8.subarray(pointer, pointer + bytes)),
    bloom_probe: probe,
    bloom_probe_key: (bits, bytes, probes, key, keyBytes) =>
      probe(
        bits,
        bytes,
        probes,
        siphash13(memory.u8.subarray(key, key + keyBytes)),
      ),
    bloom_add: (hashes, count, bits, bytes, probes) => {
      const { u8, view } = memory;
      if (bytes === 0) return;
      for (let n = 0; n < count; n++) {
        const hash = view.getBigUint64(hashes + n * 8, true);
        for (const bit of bloomBits(hash, bytes, probes)) {
          u8[bits + (bit >>> 3)]! |= 1 << (bit & 7);
        }
      }
    },
  };
}

function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = (crc & 1) === 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    }
  }
  return ~crc;
}

const U64 = 0xffff_ffff_ffff_ffffn;

function rotate(value: bigint, by: bigint): bigint {
  return (value << by | value >> (64n - by)) & U64;
}

function siphash13(bytes: Uint8Array): bigint {
  let v0 = 0x736f6d6570736575n;
  let v1 = 0x646f72616e646f6dn;
  let v2 = 0x6c7967656e657261n;
  let v3 = 0x7465646279746573n;
  const round = () => {
    v0 = (v0 + v1) & U64;
    v1 = rotate(v1, 13n) ^ v0;
    v0 = rotate(v0, 32n);
    v2 = (v2 + v3) & U64;
    v3 = rotate(v3, 16n) ^ v2;
    v0 = (v0 + v3) & U64;
    v3 = rotate(v3, 21n) ^ v0;
    v2 = (v2 + v1) & U64;
    v1 = rotate(v1, 17n) ^ v2;
    v2 = rotate(v2, 32n);
  };
  // The last word is what is left over, with the length in its upper byte.
  const padded = new Uint8Array((bytes.length >> 3) * 8 + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    v3 ^= word;
    round();
    v0 ^= word;
  }
  v2 ^= 0xffn;
  round();
  round();
  round();
  return BigInt.asIntN(64, v0 ^ v1 ^ v2 ^ v3);
}

/** The bits that stand for a hash in a filter of so many bytes. */
function bloomBits(signed: bigint, bytes: number, probes: number): number[] {
  const hash = BigInt.asUintN(64, signed);
  const modulus = bytes * 8;
  const bits: number[] = [];
  let position = Number(hash & 0xffff_ffffn) % modulus;
  let step = Number(hash >> 32n) % modulus;
  for (let i = 0; i < probes; i++) {
    step = (step + i) % modulus;
    bits.push(position);
    position = (position + step) % modulus;
  }
  return bits;
}

/**
 * The file format's bloom filter: enhanced double hashing over the two halves
 * of a SipHash. Bit p is bit `p & 7` of byte `p >> 3`.
 *
 * Both the position and the step stay below the number of bits, so a sum needs
 * one subtraction instead of a division; only what the probe's number adds to
 * the step of a tiny filter may be larger.
 */
import { siphash13 } from "./siphash13";

/** 1 if the filter may hold the hash, 0 if it certainly does not. */
export function bloom_probe(
  bits: usize,
  bytes: u32,
  probes: u32,
  hash: u64,
): i32 {
  if (!bytes) return 0;
  const modulus = <u64>bytes << 3;
  let position = (hash & 0xffffffff) % modulus;
  let step = (hash >>> 32) % modulus;
  for (let i: u32 = 0; i < probes; i++) {
    step += i;
    if (step >= modulus) step %= modulus;
    const byte: u32 = load<u8>(bits + <usize>(position >>> 3));
    if (!(byte & (<u32>1 << (<u32>position & 7)))) return 0;
    position += step;
    if (position >= modulus) position -= modulus;
  }
  return 1;
}

/** The same of a key. */
export function bloom_probe_key(
  bits: usize,
  bytes: u32,
  probes: u32,
  key: usize,
  keyBytes: u32,
): i32 {
  return bloom_probe(bits, bytes, probes, siphash13(key, keyBytes));
}

/** Sets the bits of `count` hashes, besides those that are set. */
export function bloom_add(
  hashes: usize,
  count: u32,
  bits: usize,
  bytes: u32,
  probes: u32,
): void {
  if (!bytes) return;
  const modulus = <u64>bytes << 3;
  for (let n: u32 = 0; n < count; n++) {
    const hash = load<u64>(hashes + (n << 3));
    let position = (hash & 0xffffffff) % modulus;
    let step = (hash >>> 32) % modulus;
    for (let i: u32 = 0; i < probes; i++) {
      step += i;
      if (step >= modulus) step %= modulus;
      const at = bits + <usize>(position >>> 3);
      store<u8>(at, <u32>load<u8>(at) | (<u32>1 << (<u32>position & 7)));
      position += step;
      if (position >= modulus) position -= modulus;
    }
  }
}

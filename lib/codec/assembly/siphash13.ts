/** SipHash-1-3 with zero keys: the hash of the file format's bloom filters. */

/** SipHash-1-3 of `length` bytes; one round a word, three to finish. */
export function siphash13(pointer: usize, length: u32): u64 {
  let v0: u64 = 0x736f6d6570736575;
  let v1: u64 = 0x646f72616e646f6d;
  let v2: u64 = 0x6c7967656e657261;
  let v3: u64 = 0x7465646279746573;
  const words = length >>> 3;
  const rest = length & 7;
  for (let i: u32 = 0; i <= words; i++) {
    let word: u64;
    if (i < words) {
      word = load<u64>(pointer + (i << 3));
    } else {
      word = <u64>length << 56;
      for (let at: u32 = 0; at < rest; at++) {
        word |= <u64>load<u8>(pointer + (words << 3) + at) << (at << 3);
      }
    }
    v3 ^= word;
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
    v0 ^= word;
  }
  v2 ^= 0xff;
  for (let i = 0; i < 3; i++) {
    v0 += v1;
    v1 = rotl(v1, 13) ^ v0;
    v0 = rotl(v0, 32);
    v2 += v3;
    v3 = rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl(v1, 17) ^ v2;
    v2 = rotl(v2, 32);
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

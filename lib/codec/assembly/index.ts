/** The kernel's exports; see ../abi.ts. One line per file. */
export { bloom_build, bloom_probe } from "./bloom";
export { crc32 } from "./crc32";
export { lz4_decode, lz4_encode } from "./lz4";
export { alloc, free, memory_limit, memory_used, scratch } from "./memory";
export {
  memtable_create,
  memtable_free,
  memtable_get,
  memtable_insert,
  memtable_reserve,
} from "./memtable";
export { siphash13 } from "./siphash13";
export { snappy_decode, snappy_encode, snappy_length } from "./snappy";

/** See `ABI_VERSION` in ../abi.ts. */
export function abi_version(): u32 {
  return 1;
}

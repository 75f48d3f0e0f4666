/** The kernel's exports; see ../abi.ts. One line per file. */
export { block_check } from "./block_check";
export { block_directory } from "./block_directory";
export { block_get } from "./block_seek";
export { block_from_v1 } from "./block_v1";
export { bloom_add, bloom_probe, bloom_probe_key } from "./bloom";
export {
  builder_add,
  builder_add_chain,
  builder_create,
  builder_finish_block,
  builder_free,
  builder_hashes,
} from "./builder";
export { crc32 } from "./crc32";
export { index_seek } from "./index_seek";
export { index_unpack } from "./index_unpack";
export { lz4_decode, lz4_encode } from "./lz4";
export { alloc, free, memory_limit, memory_used, scratch } from "./memory";
export {
  memtable_create,
  memtable_free,
  memtable_get,
  memtable_insert,
  memtable_reserve,
} from "./memtable";
export {
  merge_block,
  merge_bound,
  merge_create,
  merge_end,
  merge_free,
  merge_limits,
  merge_memtable,
  merge_restart,
  merge_run,
} from "./merge";
export { siphash13 } from "./siphash13";
export { snappy_decode, snappy_encode, snappy_length } from "./snappy";

/** See `ABI_VERSION` in ../abi.ts. */
export function abi_version(): u32 {
  return 7;
}

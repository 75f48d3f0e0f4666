/** The kernel's exports; see ../abi.ts. One line per file. */
export { alloc, free, memory_limit, memory_used, scratch } from "./memory";

/** See `ABI_VERSION` in ../abi.ts. */
export function abi_version(): u32 {
  return 1;
}

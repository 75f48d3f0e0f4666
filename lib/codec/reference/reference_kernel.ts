/**
 * The kernel's TypeScript twin: the specification the WebAssembly module is
 * compared with, and the fallback where WebAssembly is switched off.
 *
 * @module
 */
import { ABI_VERSION, type KernelExports } from "../abi.ts";
import { createReferenceBlocks } from "./blocks.ts";
import { createReferenceBuilders } from "./builder.ts";
import { createReferenceHashes } from "./hashes.ts";
import { createReferenceLz4 } from "./lz4.ts";
import { ReferenceMemory } from "./memory.ts";
import { ReferenceMemtables } from "./memtable.ts";
import { createReferenceMerges } from "./merge.ts";
import { createReferenceSnappy } from "./snappy.ts";

/**
 * Makes a kernel of plain functions over a memory of its own.
 *
 * @returns The same exports as the module's.
 */
export function createReferenceKernel(): KernelExports {
  const memory = new ReferenceMemory();
  const memtables = new ReferenceMemtables(memory);
  return {
    abi_version: () => ABI_VERSION,
    ...memory.exports(),
    ...createReferenceHashes(memory),
    ...createReferenceSnappy(memory),
    ...createReferenceLz4(memory),
    ...memtables.exports(),
    ...createReferenceBlocks(memory),
    ...createReferenceBuilders(memory),
    ...createReferenceMerges(memory, memtables),
  };
}

/**
 * What tests of stores, and of databases over them, are made of: the
 * requirements of an object store as data, a store that fails on purpose, time
 * that moves when told, a disk that can lose power.
 *
 * @module
 */
export {
  type CallMatcher,
  type Fault,
  type FaultPlan,
  FaultStore,
  type FaultStoreOptions,
  type StoreCall,
  type StoreOperation,
} from "./fault_store.ts";
export { Hold } from "./hold.ts";
export { ManualRuntime, type ManualRuntimeOptions } from "./manual_runtime.ts";
export {
  METADATA_SUITE,
  OBJECT_STORE_SUITE,
  SYNC_READS_SUITE,
} from "./object_store_suite.ts";
export { type FaultRates, seededFaults } from "./seeded_faults.ts";
export type { SuiteCase } from "./suite_case.ts";
export {
  MemoryVfs,
  type MemoryVfsOptions,
  type VfsOperation,
} from "../vfs/memory_vfs.ts";
export {
  type DirectoryEntry,
  type EntryKind,
  type FileStat,
  type OpenMode,
  type Vfs,
  VfsError,
  type VfsFile,
} from "../vfs/vfs.ts";
export type {
  ByteRange,
  CallOptions,
  GetOptions,
  GetResult,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutOptions,
  PutResult,
  SyncReads,
} from "../object_store/object_store.ts";
export type { Runtime } from "../base/runtime.ts";

/**
 * The kernel's binary interface, in the shape `Deno.dlopen` takes.
 *
 * Numbers, pointers and lengths only: no strings, no objects, no callbacks. A
 * pointer is a byte offset into the kernel's linear memory; 0 is "none". A
 * negative result is an {@linkcode AbiError}. Calls marked (A) may allocate and
 * therefore grow the memory: every typed-array view taken before is detached.
 *
 * Two records cross the interface; everything in them is little-endian.
 *
 * ```text
 * row record (8-byte aligned, {@linkcode ROW_HEADER_BYTES} + key + value, padded to 8)
 *   +0  seq        u64
 *   +8  create_ts  i64     meaningful iff flag CREATE
 *   +16 expire_ts  i64     meaningful iff flag EXPIRE
 *   +24 key_len    u32
 *   +28 value_len  u32
 *   +32 flags      u32     the bits of the file format's V2 row
 *   +36 link       u32     memtable: next record in commit order; merge output:
 *                          bytes to the next record; found: pointer to the value
 *   +40 key bytes, value bytes
 * ```
 *
 * Blocks handed to the kernel are V2 blocks without their checksum, already
 * decompressed, that {@linkcode KERNEL_SYMBOLS.block_check} has accepted: the
 * hot functions do not check bounds again.
 *
 * @module
 */

/** Checked when the module is loaded; bumped with any change to this file. */
export const ABI_VERSION = 7;

/** Bytes of a row record before its key. */
export const ROW_HEADER_BYTES = 40;

/** Bits of a row's `flags`, as in the file format. */
export const RowFlag = {
  TOMBSTONE: 1,
  EXPIRE: 2,
  CREATE: 4,
  MERGE: 8,
} as const;

/** Negative results. */
export const AbiError = {
  /** The output does not fit; grow it and call again. */
  OUTPUT_FULL: -1,
  /** The input is not what the format says. */
  MALFORMED: -2,
  /** Linear memory cannot grow any further. */
  OUT_OF_MEMORY: -3,
} as const;

/** What {@linkcode KERNEL_SYMBOLS.merge_run} returns. */
export const MergeStatus = {
  /** No rows are left inside the bounds; the output may hold the last ones. */
  DONE: 0,
  /** The output holds a batch; take it, then run again. */
  BATCH: 1,
  /** Source {@linkcode MERGE_STATE.WANTED} wants its next block; keep the output. */
  WANT_BLOCK: 2,
} as const;

/** Which rows a merge lets through. */
export const MergeMode = {
  /**
   * What a reader sees: per key the newest row with seq <= `seq_max`. A put comes
   * out alone; tombstones and, with `hide_expired`, rows whose expire_ts <= `now`
   * come out not at all (an expired put hides what is below it like a tombstone, an
   * expired merge operand is skipped). Where the newest is a merge operand, the
   * operands come out newest first, followed by the put they rest on if there is one.
   */
  VISIBLE: 0,
  /** Every row with seq <= `seq_max`, in order; nothing is hidden. */
  RAW: 1,
  /**
   * What a flush or compaction keeps: expiry, retention and tombstones.
   * Per key, newest first: a row whose expire_ts <= `now` becomes a tombstone
   * that keeps seq and create_ts (a merge operand vanishes instead); rows are
   * kept while seq > `retain_seq`, plus the first at or below it and, while
   * that one is a merge operand, those beneath down to and including the first
   * that is not; with `drop_tombstones`, tombstones at the old end of what is
   * kept are dropped. `seq_max` still applies first.
   */
  RETAIN: 2,
} as const;

/** Bits of `merge_create`'s `options`. */
export const MergeOption = {
  DESCENDING: 1,
  HIDE_EXPIRED: 2,
  DROP_TOMBSTONES: 4,
} as const;

/** Byte offsets into a memtable's header (its handle is a pointer to it). */
export const MEMTABLE_STATE = {
  /** u32: rows. */
  ROWS: 0,
  /** u32: estimated bytes of the rows once encoded. */
  ENCODED_BYTES: 4,
  /** u64: smallest and largest seq inserted; 0 while empty. */
  FIRST_SEQ: 8,
  LAST_SEQ: 16,
  /** i64: largest create_ts inserted; i64 minimum while empty. */
  MAX_CREATE_TS: 24,
  /** u32: linear memory held by the arena. */
  ARENA_BYTES: 32,
  /** u32: first and last record in commit order. */
  FIRST_RECORD: 36,
  LAST_RECORD: 40,
  /** u32: rows that are merge operands. */
  MERGES: 44,
  /** u32: rows that carry an expire_ts. */
  EXPIRING: 48,
} as const;

/** Byte offsets into a merge's header (its handle is a pointer to it). */
export const MERGE_STATE = {
  /** u32: rows in the output. */
  ROWS: 0,
  /** u32: bytes in the output. */
  BYTES: 4,
  /** u32: pointer to the output; may move with every call of `merge_run`. */
  OUTPUT: 8,
  /** u32: the source that wants a block. */
  WANTED: 12,
  /** u32: rows read from sources since creation (before any filter). */
  CONSUMED: 16,
  /** u32: puts that `RETAIN` made tombstones, operands that it left out, since creation. */
  EXPIRED_PUTS: 20,
  EXPIRED_MERGES: 24,
} as const;

/** Byte offsets into an SST builder's header (its handle is a pointer to it). */
export const BUILDER_STATE = {
  /** u32: rows in the block under construction. */
  BLOCK_ROWS: 0,
  /** u32: pointer to and length of the block that `builder_finish_block` closed. */
  BLOCK: 4,
  BLOCK_BYTES: 8,
  /** u32: pointer to and length of the separator of that block (see FORMAT 3.7). */
  SEPARATOR: 12,
  SEPARATOR_BYTES: 16,
  /** u32: puts, deletes, merges in that block. */
  BLOCK_PUTS: 20,
  BLOCK_DELETES: 24,
  BLOCK_MERGES: 28,
  /** u32: rows in all closed blocks and the open one. */
  ROWS: 32,
  /** u32: pointer to and length of the first key, and of the last key so far. */
  FIRST_KEY: 36,
  FIRST_KEY_BYTES: 40,
  LAST_KEY: 44,
  LAST_KEY_BYTES: 48,
  /** u64: sums over all rows. */
  RAW_KEY_BYTES: 56,
  RAW_VALUE_BYTES: 64,
  /** u64: seq of the first row of the block that was closed; WAL index keys. */
  BLOCK_FIRST_SEQ: 72,
  /** u64: largest seq and smallest seq of all rows. */
  MAX_SEQ: 80,
  MIN_SEQ: 88,
} as const;

/** Every exported function, and its signature. */
export const KERNEL_SYMBOLS = {
  abi_version: { parameters: [], result: "u32" },

  // Memory: one allocator for everything; payloads are 8-byte aligned.
  /** (A) `(bytes) -> pointer`, 0 when memory is exhausted. */
  alloc: { parameters: ["u32"], result: "pointer" },
  /** `(pointer)`; freeing 0 is allowed. */
  free: { parameters: ["pointer"], result: "void" },
  /** `(bytes)`: caps linear memory, in bytes; 0 lifts the cap. */
  memory_limit: { parameters: ["u32"], result: "void" },
  /** `() -> bytes` handed out and not freed. */
  memory_used: { parameters: [], result: "u32" },
  /** (A) `(bytes) -> pointer` to the one shared scratch area, at least that long; stays until the next call with a larger size. */
  scratch: { parameters: ["u32"], result: "pointer" },

  // Checks and hashes.
  /** `(pointer, bytes) -> crc` CRC-32 (IEEE). */
  crc32: { parameters: ["pointer", "u32"], result: "u32" },
  /** `(pointer, bytes) -> hash` SipHash-1-3 with zero keys. */
  siphash13: { parameters: ["pointer", "u32"], result: "u64" },
  /** `(bits, bytes, probes, hash) -> 1 maybe | 0 certainly not`; 0 when `bytes` is 0. */
  bloom_probe: { parameters: ["pointer", "u32", "u32", "u64"], result: "i32" },
  /** `(bits, bytes, probes, key, key bytes) -> 1 maybe | 0 certainly not`: the same of a key, without a 64-bit integer crossing. */
  bloom_probe_key: {
    parameters: ["pointer", "u32", "u32", "pointer", "u32"],
    result: "i32",
  },
  /** `(hashes u64[], count, bits, bytes, probes)`: sets their bits besides those that are set; a filter begins as zeros. Give it many hashes in several calls. */
  bloom_add: {
    parameters: ["pointer", "u32", "pointer", "u32", "u32"],
    result: "void",
  },

  // Block codecs; every length is checked. `(source, bytes, target, capacity) -> bytes | error`.
  snappy_encode: {
    parameters: ["pointer", "u32", "pointer", "u32"],
    result: "i32",
  },
  /** MALFORMED unless the output is exactly what the preamble says. */
  snappy_decode: {
    parameters: ["pointer", "u32", "pointer", "u32"],
    result: "i32",
  },
  /** `(source, bytes) -> decoded length by the preamble | error`. */
  snappy_length: { parameters: ["pointer", "u32"], result: "i32" },
  /** One raw LZ4 block, without the length prefix. */
  lz4_encode: {
    parameters: ["pointer", "u32", "pointer", "u32"],
    result: "i32",
  },
  lz4_decode: {
    parameters: ["pointer", "u32", "pointer", "u32"],
    result: "i32",
  },

  // Blocks.
  /** `(block, bytes) -> rows | MALFORMED`: every length, restart and flag of a V2 block. */
  block_check: { parameters: ["pointer", "u32"], result: "i32" },
  /** (A) `(v1 block, bytes, target u32 out[2]) -> rows | error`: rewrites a V1 block as V2 into memory it allocates; out is pointer and length. */
  block_from_v1: { parameters: ["pointer", "u32", "pointer"], result: "i32" },
  /** (A) `(block, bytes) -> directory`, to give to `block_get` and then to `free`; its first u32 is how long it is. 0 where the block is empty or too long for one, or there is no memory. */
  block_directory: { parameters: ["pointer", "u32"], result: "pointer" },
  /**
   * `(block, bytes, directory | 0, key, key bytes, seq_max, found) -> 1 found | 0 not in this
   * block nor any later one | 2 not here, but the next block may hold it`.
   * Finds the newest row of the key with seq <= seq_max; `found` is a row record
   * header whose link points to the value inside the block.
   */
  block_get: {
    parameters: [
      "pointer",
      "u32",
      "pointer",
      "pointer",
      "u32",
      "u64",
      "pointer",
    ],
    result: "i32",
  },

  // An index: `count u32, offsets u32[count + 1], separators, skip u32, windows u32[count]`,
  // offsets from the pointer. A window has four bytes of a separator, big-endian, behind
  // the `skip` bytes that all separators but the first begin with.
  /**
   * `(flatbuffer, bytes, data end, index, offsets f64[]) -> blocks | MALFORMED`:
   * an SST's index block, decompressed, to an index and to where each block
   * starts, then where the last one ends. With 0 for the index nothing is written
   * and the result is how many bytes the index will take. Offsets must rise and
   * lie before the data's end.
   */
  index_unpack: {
    parameters: ["pointer", "u32", "f64", "pointer", "pointer"],
    result: "i32",
  },
  /** `(index, key, key bytes) -> block`: the last whose separator is < key; 0 when none is. */
  index_seek: { parameters: ["pointer", "pointer", "u32"], result: "i32" },

  // Memtables.
  /** (A) `() -> memtable`. */
  memtable_create: { parameters: [], result: "pointer" },
  memtable_free: { parameters: ["pointer"], result: "void" },
  /** (A) `(memtable, bytes) -> record`: room for a record of `bytes` (header included); the caller fills in key and value, then inserts. */
  memtable_reserve: { parameters: ["pointer", "u32"], result: "pointer" },
  /**
   * (A) `(memtable, key bytes, value bytes, flags, seq, create_ts, expire_ts) -> 0`.
   * Links the reserved record into the tree and the commit order. Where (key, seq)
   * is there already the new record takes its place in the tree, and the result is
   * the pointer of the record it replaced.
   */
  memtable_insert: {
    parameters: ["pointer", "u32", "u32", "u32", "u64", "i64", "i64"],
    result: "pointer",
  },
  /** `(memtable, key, key bytes, seq_max) -> record` the newest version at or below seq_max, or 0. */
  memtable_get: {
    parameters: ["pointer", "pointer", "u32", "u64"],
    result: "pointer",
  },

  // The SST builder: rows to blocks, separators, statistics and hashes.
  /** (A) `(block bytes, whether keys are hashed) -> builder`. */
  builder_create: { parameters: ["u32", "u32"], result: "pointer" },
  builder_free: { parameters: ["pointer"], result: "void" },
  /**
   * (A) `(builder, records, bytes) -> bytes taken`: adds packed row records (as a
   * merge puts them out) until the block is full or the input is spent. Fewer than
   * `bytes` means: close the block, then call again with the rest.
   */
  builder_add: { parameters: ["pointer", "pointer", "u32"], result: "u32" },
  /**
   * (A) `(builder, record, last) -> record`: the same along commit-order links, up
   * to and including `last` (the chain may be longer). The record that did not fit
   * is returned: close the block, then go on with it; 0 when `last` is in.
   */
  builder_add_chain: {
    parameters: ["pointer", "pointer", "pointer"],
    result: "pointer",
  },
  /** (A) `(builder) -> bytes` of the closed block (see BUILDER_STATE); 0 when it has no rows. Valid until the next add. */
  builder_finish_block: { parameters: ["pointer"], result: "u32" },
  /** (A) `(builder) -> hashes u64[]` of the keys of all rows added, in order, until the next add; 0 where they are not hashed, or without rows. */
  builder_hashes: { parameters: ["pointer"], result: "pointer" },

  // The merge: sorted sources to one stream of row records.
  /** (A) `(sources, mode, options, output bytes) -> merge`. The output bound is soft: a batch ends at the first key boundary past it. */
  merge_create: { parameters: ["u32", "u32", "u32", "u32"], result: "pointer" },
  merge_free: { parameters: ["pointer"], result: "void" },
  /** `(merge, seq_max, now, retain_seq)`. */
  merge_limits: {
    parameters: ["pointer", "u64", "i64", "u64"],
    result: "void",
  },
  /** (A) `(merge, which: 0 lower | 1 upper, key, key bytes, inclusive)`; copies the key. `which | 2` removes that bound. */
  merge_bound: {
    parameters: ["pointer", "u32", "pointer", "u32", "u32"],
    result: "void",
  },
  /** `(merge, source, memtable)`: lower sources are newer. The memtable may take inserts meanwhile. */
  merge_memtable: { parameters: ["pointer", "u32", "pointer"], result: "void" },
  /** (A) `(merge, source, block, bytes)`: the first, or next, block of a source; it must stay until the source's next block, its end, or `merge_free`. */
  merge_block: {
    parameters: ["pointer", "u32", "pointer", "u32"],
    result: "void",
  },
  /** `(merge, source)`: the source has no more blocks. */
  merge_end: { parameters: ["pointer", "u32"], result: "void" },
  /**
   * (A) `(merge)`: forgets position, output and blocks; memtables stay. Then move
   * the bounds, give each block source its first block again, and run: that is a seek.
   */
  merge_restart: { parameters: ["pointer"], result: "void" },
  /** (A) `(merge, max rows) -> MergeStatus | error`. After BATCH or DONE the next call starts a new output. */
  merge_run: { parameters: ["pointer", "u32"], result: "i32" },
} as const;

/** A parameter or result type of the interface, as TypeScript sees it. */
type AbiValue<Kind> = Kind extends "u64" | "i64" ? bigint
  : Kind extends "void" ? void
  : number;

/** The exports a kernel must have: {@linkcode KERNEL_SYMBOLS} as functions, and its memory. */
export type KernelExports =
  & {
    -readonly [Name in keyof typeof KERNEL_SYMBOLS]: (
      ...args: AbiArguments<(typeof KERNEL_SYMBOLS)[Name]["parameters"]>
    ) => AbiValue<(typeof KERNEL_SYMBOLS)[Name]["result"]>;
  }
  & { readonly memory: { readonly buffer: ArrayBuffer } };

type AbiArguments<Kinds extends readonly unknown[]> = {
  -readonly [Index in keyof Kinds]: AbiValue<Kinds[Index]>;
};

/**
 * The header of a merge: what the host reads (MERGE_STATE in ../abi.ts), then
 * what the parts of the merge share. All fields are u32 unless said otherwise.
 */
import { BUFFER_BYTES } from "./buffer";

export const ROWS: usize = 0;
export const BYTES: usize = 4;
export const OUTPUT: usize = 8;
export const WANTED: usize = 12;
export const CONSUMED: usize = 16;
export const EXPIRED_PUTS: usize = 20;
export const EXPIRED_MERGES: usize = 24;

export const MODE: usize = 28;
export const DESCENDING: usize = 32;
export const HIDE_EXPIRED: usize = 36;
export const DROP_TOMBSTONES: usize = 40;
/** How many sources; their address; the address of the tree over them. */
export const COUNT: usize = 44;
export const SOURCES: usize = 48;
export const TREE: usize = 52;
/** u64, i64, u64. */
export const SEQ_MAX: usize = 56;
export const NOW: usize = 64;
export const RETAIN_SEQ: usize = 72;

/** The error that every further run returns, or 0. */
export const FAILED: usize = 80;
/** Whether the host has the output; whether there is nothing after it. */
export const DELIVERED: usize = 84;
export const FINISHED: usize = 88;
/** Whether a source was given something; whether the tree was ever built. */
export const CHANGED: usize = 92;
export const BUILT: usize = 96;

/** Bytes at which a batch ends; a buffer for them, and its first size. */
export const BATCH_BYTES: usize = 100;
export const FIRST_ROOM: usize = 104;
export const OUTPUT_BUFFER: usize = 108;

/** Two bounds: a buffer with the key, its length, and how it bounds. */
export const LOWER: usize = 116;
export const UPPER: usize = 132;
export const BOUND_LEN: usize = BUFFER_BYTES;
export const BOUND_KIND: usize = BUFFER_BYTES + 4;

/** The key that is being worked on; see merge_group.ts. */
export const GROUP: usize = 148;
export const GROUP_KEY: usize = 152;
export const GROUP_KEY_LEN: usize = 160;
export const GROUP_AT_BOUND: usize = 164;
/** u64: seq of the last row that was looked at. */
export const GROUP_SEQ: usize = 168;
/** Trailing tombstones in the output: how many, and where they begin. */
export const TRAIL_ROWS: usize = 176;
export const TRAIL_BYTES: usize = 180;
/** Descending: rows and bytes before the group, the last record, a copy of all. */
export const GROUP_ROWS: usize = 184;
export const GROUP_START: usize = 188;
export const GROUP_LAST: usize = 192;
export const GROUP_COPY: usize = 196;

/** Bytes of the header. */
export const HEADER_BYTES: u32 = 208;

/** Modes. */
export const VISIBLE: u32 = 0;
export const RAW: u32 = 1;
export const RETAIN: u32 = 2;

/** Kinds of a bound. */
export const UNBOUNDED: u32 = 0;
export const EXCLUSIVE: u32 = 1;
export const INCLUSIVE: u32 = 2;

/** The bound on the side where the merge begins, and where it ends. */
// @ts-ignore: decorator
@inline
export function firstBound(merge: usize): usize {
  return merge + (load<u32>(merge, DESCENDING) ? UPPER : LOWER);
}

// @ts-ignore: decorator
@inline
export function lastBound(merge: usize): usize {
  return merge + (load<u32>(merge, DESCENDING) ? LOWER : UPPER);
}

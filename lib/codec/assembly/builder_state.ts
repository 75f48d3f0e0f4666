/**
 * The header of an SST builder: BUILDER_STATE of ../abi.ts, then what is not for
 * the host. All fields are u32 unless said otherwise.
 */
import { BUFFER_BYTES } from "./buffer";

export const BLOCK_ROWS: usize = 0;
export const BLOCK: usize = 4;
export const BLOCK_BYTES: usize = 8;
export const SEPARATOR: usize = 12;
export const SEPARATOR_BYTES: usize = 16;
export const BLOCK_PUTS: usize = 20;
export const BLOCK_DELETES: usize = 24;
export const BLOCK_MERGES: usize = 28;
export const ROWS: usize = 32;
export const FIRST_KEY: usize = 36;
export const FIRST_KEY_BYTES: usize = 40;
export const LAST_KEY: usize = 44;
export const LAST_KEY_BYTES: usize = 48;
/** u64 each. */
export const RAW_KEY_BYTES: usize = 56;
export const RAW_VALUE_BYTES: usize = 64;
export const BLOCK_FIRST_SEQ: usize = 72;
export const MAX_SEQ: usize = 80;
export const MIN_SEQ: usize = 88;

/** The most bytes of a block; whether the hashes of keys are kept. */
export const LIMIT: usize = 96;
export const HASHED: usize = 100;
/** The open block: bytes and restarts so far, and its rows by kind. */
export const SIZE: usize = 104;
export const RESTARTS: usize = 108;
export const PUTS: usize = 112;
export const DELETES: usize = 116;
export const MERGES: usize = 120;
/** Length of its separator; where the key of its first row begins; u64 that row's seq. */
export const OPEN_SEPARATOR: usize = 124;
export const FIRST_KEY_AT: usize = 128;
export const OPEN_FIRST_SEQ: usize = 136;
/** Buffers: the block, its restart offsets, first key, last key, hashes. */
export const DATA: usize = 144;
export const OFFSETS: usize = DATA + BUFFER_BYTES;
export const FIRST_KEY_BUFFER: usize = OFFSETS + BUFFER_BYTES;
export const LAST_KEY_BUFFER: usize = FIRST_KEY_BUFFER + BUFFER_BYTES;
export const HASHES: usize = LAST_KEY_BUFFER + BUFFER_BYTES;

/** Bytes of the header. */
export const HEADER_BYTES: u32 = <u32>HASHES + BUFFER_BYTES;

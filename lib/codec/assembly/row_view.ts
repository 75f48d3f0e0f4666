/**
 * The row a merge source stands on, wherever its bytes are.
 *
 *   +0  u32 key, +4 key length    +8  u32 value, +12 value length
 *   +16 u32 flags
 *   +20 u32 same   whether the key is that of the row before; going forward only
 *   +24 u64 seq    +32 i64 create_ts    +40 i64 expire_ts; 0 without their flag
 */
import { loadU64, ROW_TAIL } from "./block_row";
import {
  FLAG_CREATE,
  FLAG_EXPIRE,
  ROW_CREATE_TS,
  ROW_EXPIRE_TS,
  ROW_FLAGS,
  ROW_HEADER,
  ROW_KEY_LEN,
  ROW_SEQ,
  ROW_VALUE_LEN,
  sharedBytes,
} from "./row";

export const VIEW_KEY: usize = 0;
export const VIEW_KEY_LEN: usize = 4;
export const VIEW_VALUE: usize = 8;
export const VIEW_VALUE_LEN: usize = 12;
export const VIEW_FLAGS: usize = 16;
export const VIEW_SAME: usize = 20;
export const VIEW_SEQ: usize = 24;
export const VIEW_CREATE_TS: usize = 32;
export const VIEW_EXPIRE_TS: usize = 40;

/** Bytes of a view. */
export const VIEW_BYTES: usize = 48;

/** Whether two keys are the same. */
// @ts-ignore: decorator
@inline
export function equalKeys(a: usize, aLen: u32, b: usize, bLen: u32): bool {
  return aLen == bLen && sharedBytes(a, b, aLen) == aLen;
}

/** Fills in all but the key from a block's row; returns where the row ends. */
// @ts-ignore: decorator
@inline
export function viewBlockRow(view: usize, value: usize, length: u32): usize {
  const tail = value + length;
  const flags: u32 = load<u8>(tail, 8);
  let at = tail + ROW_TAIL;
  let expireTs: u64 = 0;
  let createTs: u64 = 0;
  if (flags & FLAG_EXPIRE) {
    expireTs = loadU64(at);
    at += 8;
  }
  if (flags & FLAG_CREATE) {
    createTs = loadU64(at);
    at += 8;
  }
  store<u32>(view, <u32>value, VIEW_VALUE);
  store<u32>(view, length, VIEW_VALUE_LEN);
  store<u32>(view, flags, VIEW_FLAGS);
  store<u64>(view, loadU64(tail), VIEW_SEQ);
  store<u64>(view, createTs, VIEW_CREATE_TS);
  store<u64>(view, expireTs, VIEW_EXPIRE_TS);
  return at;
}

/** Fills in all but `same` from a row record. */
export function viewRecord(view: usize, record: usize): void {
  const key = record + ROW_HEADER;
  const keyLen = load<u32>(record, ROW_KEY_LEN);
  const flags = load<u32>(record, ROW_FLAGS);
  store<u32>(view, <u32>key, VIEW_KEY);
  store<u32>(view, keyLen, VIEW_KEY_LEN);
  store<u32>(view, <u32>key + keyLen, VIEW_VALUE);
  store<u32>(view, load<u32>(record, ROW_VALUE_LEN), VIEW_VALUE_LEN);
  store<u32>(view, flags, VIEW_FLAGS);
  store<u64>(view, load<u64>(record, ROW_SEQ), VIEW_SEQ);
  const createTs = load<i64>(record, ROW_CREATE_TS);
  const expireTs = load<i64>(record, ROW_EXPIRE_TS);
  store<i64>(view, flags & FLAG_CREATE ? createTs : 0, VIEW_CREATE_TS);
  store<i64>(view, flags & FLAG_EXPIRE ? expireTs : 0, VIEW_EXPIRE_TS);
}

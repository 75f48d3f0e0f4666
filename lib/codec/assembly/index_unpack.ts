/**
 * An SST's index block as it is stored, a FlatBuffer, to the kernel's layout.
 *
 *   root u32 -> table: vtable i32 back, fields;  vtable: bytes u16, table bytes u16, field u16 ...
 *   index    field 0: vector of references to entries
 *   entry    field 0: offset u64, absent means 0; field 1: reference to the separator, a byte vector
 *
 * Nothing in it is trusted: a reference is looked at before it is followed.
 */
import { windowBytes, writeWindows } from "./index_seek";
import { MALFORMED } from "./results";

/** Separators may be shared between entries; a bomb shares one very often. */
const MAX_SHARING: u64 = 4;

let base: usize = 0;
let size: u64 = 0;

/** Whether `bytes` at a position lie inside the buffer. */
@inline
function inside(at: u64, bytes: u64): bool {
  return at + bytes <= size;
}

@inline
function u32At(at: u64): u64 {
  return load<u32>(base + <usize> at);
}

/**
 * Where a table has a field; 0: left out. -1 as u64: the table is damaged.
 */
function fieldOf(table: u64, field: u64, bytes: u64): u64 {
  const damaged: u64 = u64.MAX_VALUE;
  if (!inside(table, 4)) return damaged;
  const vtable = <i64> table - <i64> load<i32>(base + <usize> table);
  if (vtable < 0 || !inside(vtable, 4)) return damaged;
  const vtableBytes = <u64> load<u16>(base + <usize> vtable);
  const tableBytes = <u64> load<u16>(base + <usize> vtable, 2);
  if (!inside(vtable, vtableBytes) || !inside(table, tableBytes)) {
    return damaged;
  }
  const slot: u64 = 4 + 2 * field;
  if (slot + 2 > vtableBytes) return 0;
  const offset = <u64> load<u16>(base + <usize> (<u64> vtable + slot));
  if (offset == 0) return 0;
  if (offset < 4 || offset + bytes > tableBytes) return damaged;
  return table + offset;
}

/** See `index_unpack` in ../abi.ts. */
export function index_unpack(
  flatbuffer: usize,
  bytes: u32,
  dataEnd: f64,
  packed: usize,
  offsets: usize,
): i32 {
  base = flatbuffer;
  size = bytes;
  if (!inside(0, 4)) return MALFORMED;
  const list = fieldOf(u32At(0), 0, 4);
  if (list == 0 || list == u64.MAX_VALUE) return MALFORMED;
  const start = list + u32At(list);
  if (!inside(start, 4)) return MALFORMED;
  const count = u32At(start);
  if (!inside(start + 4, 4 * count)) return MALFORMED;

  let previous: f64 = -1;
  let at: u64 = 4 * (count + 2);
  const limit = at + MAX_SHARING * size;
  for (let i: u64 = 0; i < count; i++) {
    const reference = start + 4 + 4 * i;
    const entry = reference + u32At(reference);
    const offsetAt = fieldOf(entry, 0, 8);
    const keyAt = fieldOf(entry, 1, 4);
    if (offsetAt == u64.MAX_VALUE || keyAt == u64.MAX_VALUE || keyAt == 0) {
      return MALFORMED;
    }
    const offset: f64 = offsetAt == 0
      ? 0
      : <f64> load<u64>(base + <usize> offsetAt);
    if (offset <= previous || offset >= dataEnd) return MALFORMED;
    previous = offset;
    const key = keyAt + u32At(keyAt);
    if (!inside(key, 4)) return MALFORMED;
    const keyBytes = u32At(key);
    if (!inside(key + 4, keyBytes)) return MALFORMED;
    if (packed != 0) {
      store<f64>(offsets + <usize> (8 * i), offset);
      store<u32>(packed + <usize> (4 + 4 * i), <u32> at);
      memory.copy(
        packed + <usize> at,
        base + <usize> (key + 4),
        <usize> keyBytes,
      );
    }
    at += keyBytes;
    if (at > limit || at > <u64> i32.MAX_VALUE) return MALFORMED;
  }
  if (packed != 0) {
    store<u32>(packed, <u32> count);
    store<u32>(packed + <usize> (4 + 4 * count), <u32> at);
    store<f64>(offsets + <usize> (8 * count), dataEnd);
    writeWindows(packed);
    return <i32> count;
  }
  at += windowBytes(count);
  return at > <u64> i32.MAX_VALUE ? MALFORMED : <i32> at;
}

/**
 * Cursors over a memtable, for the merge; not exported to the host.
 *
 * A cursor is 32 bytes at an address the caller gives:
 *
 *   +0  memtable
 *   +4  leaf       where the current record was last seen
 *   +8  index      in that leaf
 *   +12 record     the current record; 0 before the first seek and past an end
 *   +16 version    of the memtable when leaf and index were right
 *
 * Rows may be inserted between two moves: when the memtable's version differs,
 * a move first looks the current record's (key, seq) up again. A record that was
 * replaced stays readable until the memtable is freed, so the lookup finds its
 * replacement. Past an end a cursor stays at 0 until the next seek.
 */

/** Bytes of a cursor. */
export const CURSOR_BYTES: u32 = 32;

/** Binds the cursor to a memtable, without a position. */
export function mtCursorInit(cur: usize, mt: usize): void {
  unreachable();
}

/** Moves to the first record: the newest version of the smallest key. */
export function mtCursorSeekFirst(cur: usize): usize {
  unreachable();
  return 0;
}

/** Moves to the last record: the oldest version of the largest key. */
export function mtCursorSeekLast(cur: usize): usize {
  unreachable();
  return 0;
}

/** Moves to the first record with a key >= (or >, unless `inclusive`) the given one. */
export function mtCursorSeek(
  cur: usize,
  keyPtr: usize,
  keyLen: u32,
  inclusive: bool,
): usize {
  unreachable();
  return 0;
}

/** Moves to the last record with a key <= (or <, unless `inclusive`) the given one. */
export function mtCursorSeekBack(
  cur: usize,
  keyPtr: usize,
  keyLen: u32,
  inclusive: bool,
): usize {
  unreachable();
  return 0;
}

/** Moves one record on; 0 past the last. */
export function mtCursorNext(cur: usize): usize {
  unreachable();
  return 0;
}

/** Moves one record back; 0 past the first. */
export function mtCursorPrev(cur: usize): usize {
  unreachable();
  return 0;
}

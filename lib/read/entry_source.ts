/**
 * Where a scan's entries come from.
 *
 * @module
 */
import type { Entry } from "../base/row.ts";

/** Entries of a range in order, batch by batch; close it when done. */
export interface EntrySource {
  /**
   * Reads the next entries.
   *
   * @param maxRows How many at most, more or less.
   * @returns At least one entry, or `undefined` after the last; at once where nothing has to be waited for.
   */
  next(maxRows: number): Entry[] | undefined | Promise<Entry[] | undefined>;
  /**
   * Passes over the next entries.
   *
   * @param maxRows How many at most, more or less.
   * @returns How many there were; 0 after the last.
   */
  countNext(maxRows: number): number | Promise<number>;
  /**
   * Moves to the first entry at or behind `key`, in the source's direction.
   * Nothing may be under way.
   */
  seek(key: Uint8Array): void;
  /** Frees everything; a second time is fine. */
  close(): void;
}

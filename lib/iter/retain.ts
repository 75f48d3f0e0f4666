/**
 * Which versions of a key a flush or compaction may forget.
 *
 * Owns: the rule, in plain TypeScript: for rows that pass through JavaScript
 * because an operator folds them, and as the oracle of the kernel's.
 *
 * @module
 */
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Row } from "../base/row.ts";

/** What is still needed. */
export interface RetainOptions {
  /** Versions above this are kept, and what a reader at this seq sees. */
  readonly retainSeq: bigint;
  /** Rows whose expireTs is at or below this have expired; in milliseconds. */
  readonly nowMs: bigint;
  /** Whether nothing older lies beneath, so that a tombstone has done its work. */
  readonly dropTombstones: boolean;
}

/** Counts rows that had expired. */
export interface ExpiredRows {
  /** Puts, which became tombstones. */
  puts: number;
  /** Merge operands, which vanished. */
  merges: number;
}

/**
 * Leaves out the versions of one key that nobody can see.
 *
 * An expired put becomes a tombstone, since what lies beneath must stay hidden;
 * an expired merge operand vanishes, since what lies beneath may be alive.
 *
 * @param rows All versions of the key at hand, newest first.
 * @param options What is still needed.
 * @param counts Takes note of what had expired.
 * @returns The versions to keep, newest first.
 */
export function retainVersions(
  rows: readonly Row[],
  options: RetainOptions,
  counts: ExpiredRows = { puts: 0, merges: 0 },
): Row[] {
  const { retainSeq, nowMs, dropTombstones } = options;
  const kept: Row[] = [];
  for (const row of rows) {
    const expired = row.expireTs !== undefined && row.expireTs <= nowMs;
    if (expired && row.kind === "merge") {
      counts.merges++;
      continue;
    }
    if (expired) counts.puts++;
    kept.push(expired ? toTombstone(row) : row);
    if (row.seq <= retainSeq && row.kind !== "merge") break;
  }
  if (dropTombstones) {
    while (kept.at(-1)?.kind === "delete") kept.pop();
  }
  return kept;
}

function toTombstone({ key, seq, createTs }: Row): Row {
  return {
    key,
    value: EMPTY_BYTES,
    seq,
    kind: "delete",
    ...(createTs === undefined ? {} : { createTs }),
  };
}

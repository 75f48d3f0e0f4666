/**
 * Which rows of one key a merge lets through, as the kernel's TypeScript twin
 * sees it: all versions at once, newest first.
 *
 * @module
 */
import type { Row } from "../../base/row.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { MergeMode, MergeOption } from "../abi.ts";

/** Limits and options of a merge. */
export interface MergeRules {
  /** One of {@linkcode MergeMode}. */
  readonly mode: number;
  /** Bits of {@linkcode MergeOption}. */
  readonly options: number;
  /** Newer rows are not there at all. */
  readonly seqMax: bigint;
  /** When the merge happens, for expiry. */
  readonly now: bigint;
  /** A snapshot at this seq must go on seeing what it sees. */
  readonly retainSeq: bigint;
}

/** Counts rows that a merge in mode `RETAIN` found expired. */
export interface ExpiredCounts {
  /** Puts, which become tombstones. */
  puts: number;
  /** Merge operands, which vanish. */
  merges: number;
}

/**
 * Applies the rules to the versions of one key.
 *
 * @param versions Newest first; of two with the same seq, the newer source's first.
 * @param rules The rules.
 * @param expired Counts what retention finds expired.
 * @returns What comes out, newest first.
 */
export function admitted(
  versions: readonly Row[],
  rules: MergeRules,
  expired: ExpiredCounts,
): Row[] {
  const rows = versions.filter((row) => row.seq <= rules.seqMax);
  if (rules.mode === MergeMode.RAW) return rows;
  const distinct = rows.filter((row, n) => row.seq !== rows[n - 1]?.seq);
  return rules.mode === MergeMode.VISIBLE
    ? visible(distinct, rules)
    : retained(distinct, rules, expired);
}

function isExpired(row: Row, { now }: MergeRules): boolean {
  return row.expireTs !== undefined && row.expireTs <= now;
}

function visible(versions: readonly Row[], rules: MergeRules): Row[] {
  const hides = (rules.options & MergeOption.HIDE_EXPIRED) !== 0;
  const seen: Row[] = [];
  for (const row of versions) {
    const gone = hides && isExpired(row, rules);
    if (row.kind === "delete") return seen;
    if (!gone) seen.push(row);
    if (row.kind === "put") return seen;
  }
  return seen;
}

function retained(
  versions: readonly Row[],
  rules: MergeRules,
  expired: ExpiredCounts,
): Row[] {
  const kept: Row[] = [];
  for (const row of versions) {
    if (!isExpired(row, rules)) {
      kept.push(row);
    } else if (row.kind === "merge") {
      expired.merges++;
    } else {
      expired.puts++;
      const { expireTs: _, ...rest } = row;
      kept.push({ ...rest, kind: "delete", value: EMPTY_BYTES });
    }
    if (row.seq <= rules.retainSeq && row.kind !== "merge") break;
  }
  if ((rules.options & MergeOption.DROP_TOMBSTONES) !== 0) {
    while (kept.at(-1)?.kind === "delete") kept.pop();
  }
  return kept;
}

/** What a memtable holds, and what a reader would make of it. */
import { toText } from "../../lib/base/bytes.ts";
import { MAX_SEQ, type Row } from "../../lib/base/row.ts";
import { MERGE_STATE, MergeMode, MergeStatus } from "../../lib/codec/abi.ts";
import { readRow } from "../../lib/codec/row_record.ts";
import { foldForRead } from "../../lib/iter/fold.ts";
import type { MergeOperator } from "../../lib/iter/merge_operator.ts";
import type { Memtable } from "../../lib/memtable/memtable.ts";
import { KERNEL } from "./wal_harness.ts";

/** The operator of the reference databases. */
export const CONCAT: MergeOperator = {
  merge(_key, existing = new Uint8Array(0), operand) {
    return new Uint8Array([...existing, ...operand]);
  },
};

/** All rows, in row order. */
export function rowsOf(memtable: Memtable): Row[] {
  const { exports } = KERNEL;
  const merge = exports.merge_create(1, MergeMode.RAW, 0, 4096);
  exports.merge_limits(merge, MAX_SEQ, 0n, 0n);
  exports.merge_memtable(merge, 0, memtable.pointer);
  const rows: Row[] = [];
  for (;;) {
    const status = exports.merge_run(merge, 1000);
    const bytes = KERNEL.u32[(merge + MERGE_STATE.BYTES) >> 2]!;
    const pointer = KERNEL.u32[(merge + MERGE_STATE.OUTPUT) >> 2]!;
    for (let at = pointer; at < pointer + bytes;) {
      rows.push(readRow(KERNEL, at));
      at += KERNEL.u32[(at + 36) >> 2]!;
    }
    if (status === MergeStatus.DONE) break;
  }
  exports.merge_free(merge);
  return rows;
}

/** The newest value of each key, merge operands folded; `key@seq` to value. */
export function visible(rows: readonly Row[]): Map<string, string> {
  const byKey = new Map<string, Row[]>();
  for (const row of rows) {
    const key = row.key.join(",");
    const versions = byKey.get(key) ?? [];
    // What lies beneath a put or tombstone is out of sight.
    if (versions.length > 0 && versions.at(-1)!.kind !== "merge") continue;
    byKey.set(key, [...versions, row]);
  }
  const values = new Map<string, string>();
  for (const [key, versions] of byKey) {
    const newest = versions[0]!;
    if (newest.kind === "delete") continue;
    const row = newest.kind === "put" ? newest : foldForRead(versions, CONCAT);
    values.set(`${key}@${newest.seq}`, toText(row.value));
  }
  return values;
}

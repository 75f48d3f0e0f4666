/**
 * The merge of the kernel's TypeScript twin: sources are arrays of rows, a key's
 * versions are gathered before `merge_rules.ts` looks at them.
 *
 * It gives the same rows in the same batches as the kernel. It may ask for a
 * block that the kernel does without, because it does not stop inside a key.
 *
 * @module
 */
import { compareBytes, equalBytes } from "../../base/bytes.ts";
import {
  compareRows,
  MAX_SEQ,
  MIN_TIMESTAMP,
  type Row,
} from "../../base/row.ts";
import {
  AbiError,
  type KernelExports,
  MERGE_STATE,
  MergeMode,
  MergeOption,
  MergeStatus,
} from "../abi.ts";
import { rowRecordBytes, writeRow } from "../row_record.ts";
import { decodeBlock } from "./block_format.ts";
import type { ReferenceMemory } from "./memory.ts";
import type { ReferenceMemtables } from "./memtable.ts";
import {
  admitted,
  type ExpiredCounts,
  type MergeRules,
} from "./merge_rules.ts";
import {
  type MergeBound,
  MergeSource,
  type SourceHead,
} from "./merge_source.ts";

/** The exports made here. */
export type MergeExports = Pick<
  KernelExports,
  | "merge_create"
  | "merge_free"
  | "merge_limits"
  | "merge_bound"
  | "merge_memtable"
  | "merge_block"
  | "merge_end"
  | "merge_restart"
  | "merge_run"
>;

const HEADER_BYTES = 32;
const LOWER = 0;
const UPPER = 1;

/**
 * Makes the merge exports over a memory.
 *
 * @param memory Where pointers point to.
 * @param memtables Where memtable handles lead.
 * @returns The functions.
 */
export function createReferenceMerges(
  memory: ReferenceMemory,
  memtables: ReferenceMemtables,
): MergeExports {
  const merges = new Map<number, ReferenceMerge>();
  const at = (handle: number): ReferenceMerge => {
    const merge = merges.get(handle);
    if (merge !== undefined) return merge;
    throw new RangeError(`Cannot use a merge: there is none at ${handle}`);
  };
  const slice = (pointer: number, bytes: number) =>
    memory.u8.slice(pointer, pointer + bytes);
  return {
    merge_create: (sources, mode, options, outputBytes) => {
      const handle = mode > MergeMode.RETAIN ? 0 : memory.alloc(HEADER_BYTES);
      if (handle === 0) return 0;
      const rules = { ...NO_LIMITS, mode, options };
      const batchBytes = Math.max(outputBytes >>> 0, 1);
      const merge = new ReferenceMerge(memory, handle, rules, batchBytes);
      merge.addSources(sources);
      merges.set(handle, merge);
      return handle;
    },
    merge_free: (handle) => {
      if (handle === 0) return;
      at(handle).free();
      merges.delete(handle);
    },
    merge_limits: (handle, seqMax, now, retainSeq) =>
      at(handle).limit(
        BigInt.asUintN(64, seqMax),
        now,
        BigInt.asUintN(64, retainSeq),
      ),
    merge_bound: (handle, which, key, bytes, inclusive) =>
      at(handle).bound(
        which & 1,
        (which & 2) !== 0
          ? undefined
          : { key: slice(key, bytes), inclusive: inclusive !== 0 },
      ),
    merge_memtable: (handle, source, memtable) =>
      at(handle).source(source)?.useMemtable(memtables.cursor(memtable)),
    merge_block: (handle, source, block, bytes) => {
      const rows = decodeBlock(slice(block, bytes)) ?? [];
      at(handle).source(source)?.useBlock(rows.map(({ row }) => row));
    },
    merge_end: (handle, source) => at(handle).source(source)?.end(),
    merge_restart: (handle) => at(handle).restart(),
    merge_run: (handle, maxRows) => at(handle).run(Math.max(maxRows >>> 0, 1)),
  };
}

const NO_LIMITS = { seqMax: MAX_SEQ, now: MIN_TIMESTAMP, retainSeq: 0n };

class ReferenceMerge {
  readonly #memory: ReferenceMemory;
  readonly #handle: number;
  readonly #batchBytes: number;
  readonly #descending: boolean;
  readonly #sources: MergeSource[] = [];
  readonly #bounds: (MergeBound | undefined)[] = [undefined, undefined];
  #rules: MergeRules;
  /** The versions of the key that is being gathered, as they arrive. */
  #group: Row[] = [];
  #batch: Row[] = [];
  #consumed = 0;
  readonly #expired: ExpiredCounts = { puts: 0, merges: 0 };
  #output = 0;
  #delivered = false;
  #finished = false;

  constructor(
    memory: ReferenceMemory,
    handle: number,
    rules: MergeRules,
    batchBytes: number,
  ) {
    this.#memory = memory;
    this.#handle = handle;
    this.#rules = rules;
    this.#batchBytes = batchBytes;
    this.#descending = (rules.options & MergeOption.DESCENDING) !== 0;
    memory.u8.fill(0, handle, handle + HEADER_BYTES);
  }

  addSources(count: number): void {
    for (let n = 0; n < count; n++) {
      this.#sources.push(new MergeSource(this.#memory, this.#descending));
    }
  }

  source(index: number): MergeSource | undefined {
    return this.#sources[index];
  }

  limit(seqMax: bigint, now: bigint, retainSeq: bigint): void {
    this.#rules = { ...this.#rules, seqMax, now, retainSeq };
  }

  bound(which: number, bound: MergeBound | undefined): void {
    this.#bounds[which] = bound;
  }

  restart(): void {
    for (const source of this.#sources) source.forget();
    this.#group = [];
    this.#batch = [];
    this.#delivered = false;
    this.#finished = false;
    this.#store(MERGE_STATE.ROWS, 0);
    this.#store(MERGE_STATE.BYTES, 0);
  }

  free(): void {
    this.#memory.free(this.#output);
    this.#memory.free(this.#handle);
  }

  run(maxRows: number): number {
    if (this.#delivered) this.#batch = [];
    this.#delivered = false;
    if (this.#finished) return this.#deliver(MergeStatus.DONE);
    const first = this.#bounds[this.#descending ? UPPER : LOWER];
    while (true) {
      const heads = this.#sources.map((source) => source.head(first));
      const wanted = heads.indexOf("wants");
      if (wanted !== -1) {
        this.#store(MERGE_STATE.WANTED, wanted);
        return MergeStatus.WANT_BLOCK;
      }
      const next = this.#firstOf(heads);
      const row = heads[next] as Row | undefined;
      const key = this.#group[0]?.key;
      if (key !== undefined && (!row || !equalBytes(key, row.key))) {
        this.#closeGroup();
        if (this.#isFull(maxRows)) return this.#deliver(MergeStatus.BATCH);
      }
      if (row === undefined || this.#isPastEnd(row.key)) {
        return this.#deliver(MergeStatus.DONE);
      }
      this.#group.push(row);
      this.#store(MERGE_STATE.CONSUMED, ++this.#consumed);
      this.#sources[next]!.advance();
    }
  }

  /** The source whose row comes first; -1 where none has one. */
  #firstOf(heads: readonly SourceHead[]): number {
    const sign = this.#descending ? -1 : 1;
    const rows = heads.flatMap((row, n) =>
      typeof row === "string" ? [] : [{ row, n }]
    );
    rows.sort((a, b) => sign * (compareRows(a.row, b.row) || a.n - b.n));
    return rows[0]?.n ?? -1;
  }

  #isPastEnd(key: Uint8Array): boolean {
    const bound = this.#bounds[this.#descending ? LOWER : UPPER];
    if (bound === undefined) return false;
    const order = compareBytes(key, bound.key);
    return order === 0 ? !bound.inclusive : order < 0 === this.#descending;
  }

  #isFull(maxRows: number): boolean {
    return this.#batch.length >= maxRows || this.#bytes() >= this.#batchBytes;
  }

  #closeGroup(): void {
    const newestFirst = this.#descending
      ? this.#group.toReversed()
      : this.#group;
    this.#batch.push(...admitted(newestFirst, this.#rules, this.#expired));
    this.#store(MERGE_STATE.EXPIRED_PUTS, this.#expired.puts);
    this.#store(MERGE_STATE.EXPIRED_MERGES, this.#expired.merges);
    this.#group = [];
  }

  #bytes(): number {
    return this.#batch.reduce((sum, row) => sum + rowRecordBytes(row), 0);
  }

  /** Writes the batch where the host finds it. */
  #deliver(status: number): number {
    const bytes = this.#bytes();
    this.#memory.free(this.#output);
    this.#output = this.#memory.alloc(bytes);
    if (this.#output === 0) return AbiError.OUT_OF_MEMORY;
    let at = this.#output;
    for (const row of this.#batch) at += writeRow(this.#memory, at, row);
    this.#store(MERGE_STATE.ROWS, this.#batch.length);
    this.#store(MERGE_STATE.BYTES, bytes);
    this.#store(MERGE_STATE.OUTPUT, this.#output);
    this.#delivered = true;
    this.#finished = status === MergeStatus.DONE;
    return status;
  }

  #store(at: number, value: number): void {
    this.#memory.view.setUint32(this.#handle + at, value, true);
  }
}

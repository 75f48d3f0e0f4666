/**
 * Merges for tests: a driver that feeds sources as a host would, and a model
 * that sees all rows at once.
 *
 * @module
 */
import fc from "fast-check";
import { compareBytes, toHex } from "../../lib/base/bytes.ts";
import { MAX_SEQ, MIN_TIMESTAMP, type Row } from "../../lib/base/row.ts";
import {
  MERGE_STATE,
  MergeMode,
  MergeOption,
  MergeStatus,
} from "../../lib/codec/abi.ts";
import type { Kernel } from "../../lib/codec/kernel.ts";
import {
  arbitraryKey,
  arbitraryRows,
  encodeBlock,
  fillMemtable,
  readRecords,
} from "./blocks.ts";

/** One side of a merge's range. */
export interface Bound {
  readonly key: Uint8Array;
  readonly inclusive: boolean;
}

/** The rows of one source, in order; a memtable, or cut into blocks. */
export interface Source {
  readonly blocks: readonly (readonly Row[])[];
  readonly memtable?: boolean;
}

/** What a merge is to do. */
export interface Plan {
  readonly sources: readonly Source[];
  readonly mode: number;
  readonly options?: number;
  readonly seqMax?: bigint;
  readonly now?: bigint;
  readonly retainSeq?: bigint;
  readonly lower?: Bound | undefined;
  readonly upper?: Bound | undefined;
  readonly maxRows?: number;
  readonly outputBytes?: number;
}

/** A merge of one kernel, fed with what its plan says. */
export class Merging {
  /** How many blocks it asked for and got. */
  blocksGiven = 0;
  readonly #kernel: Kernel;
  readonly #plan: Plan;
  readonly #handle: number;
  readonly #memtables: number[] = [];
  /** Per source: which block comes next, and the one in memory. */
  readonly #next: number[] = [];
  readonly #blocks: ({ pointer: number; bytes: number } | undefined)[] = [];

  constructor(kernel: Kernel, plan: Plan) {
    this.#kernel = kernel;
    this.#plan = plan;
    const { exports } = kernel;
    const { sources, mode, options = 0, outputBytes = 1 << 16 } = plan;
    this.#handle = exports.merge_create(
      sources.length,
      mode,
      options,
      outputBytes,
    );
    exports.merge_limits(
      this.#handle,
      plan.seqMax ?? MAX_SEQ,
      plan.now ?? MIN_TIMESTAMP,
      plan.retainSeq ?? 0n,
    );
    for (const [n, { blocks, memtable }] of sources.entries()) {
      this.#next.push(0);
      if (!memtable) continue;
      this.#memtables[n] = fillMemtable(kernel, blocks.flat());
      exports.merge_memtable(this.#handle, n, this.#memtables[n]);
    }
    this.bound(0, plan.lower);
    this.bound(1, plan.upper);
  }

  /** Sets or removes a bound. */
  bound(which: 0 | 1, bound: Bound | undefined): void {
    const kernel = this.#kernel;
    const length = kernel.scratchKey(bound?.key ?? "");
    kernel.exports.merge_bound(
      this.#handle,
      which | (bound === undefined ? 2 : 0),
      kernel.scratchPointer,
      length,
      bound?.inclusive ? 1 : 0,
    );
    // The key is copied, so the merge must not mind what comes here next.
    kernel.u8.fill(0xdd, kernel.scratchPointer, kernel.scratchPointer + length);
  }

  /** Seeks: new bounds, sources from the start. */
  restart(lower: Bound | undefined, upper: Bound | undefined): void {
    this.#kernel.exports.merge_restart(this.#handle);
    this.bound(0, lower);
    this.bound(1, upper);
    this.#next.fill(0);
    for (const n of this.#blocks.keys()) this.#drop(n);
  }

  /** Runs to the next batch; `undefined` after the last. */
  next(maxRows = this.#plan.maxRows ?? 1000): Row[] | undefined {
    const { exports } = this.#kernel;
    while (true) {
      const status = exports.merge_run(this.#handle, maxRows);
      if (status < 0) throw new Error(`merge_run() returned ${status}`);
      if (status === MergeStatus.WANT_BLOCK) {
        this.#feed(this.#state(MERGE_STATE.WANTED));
        continue;
      }
      const rows = readRecords(
        this.#kernel,
        this.#state(MERGE_STATE.OUTPUT),
        this.#state(MERGE_STATE.ROWS),
      );
      const done = status === MergeStatus.DONE;
      return done && rows.length === 0 ? undefined : rows;
    }
  }

  /** All batches to the end. */
  batches(): Row[][] {
    const batches: Row[][] = [];
    for (let rows = this.next(); rows !== undefined; rows = this.next()) {
      if (rows.length > 0) batches.push(rows);
    }
    return batches;
  }

  /** Rows read from the sources so far. */
  get consumed(): number {
    return this.#state(MERGE_STATE.CONSUMED);
  }

  /** Puts and operands that retention found expired so far. */
  get expired(): [puts: number, merges: number] {
    return [
      this.#state(MERGE_STATE.EXPIRED_PUTS),
      this.#state(MERGE_STATE.EXPIRED_MERGES),
    ];
  }

  free(): void {
    this.#kernel.exports.merge_free(this.#handle);
    for (const n of this.#blocks.keys()) this.#drop(n);
    for (const memtable of this.#memtables) {
      if (memtable) this.#kernel.exports.memtable_free(memtable);
    }
  }

  #state(at: number): number {
    return this.#kernel.view.getUint32(this.#handle + at, true);
  }

  #feed(n: number): void {
    const { options = 0, sources } = this.#plan;
    const { blocks } = sources[n]!;
    const at = this.#next[n]!++;
    const descending = (options & MergeOption.DESCENDING) !== 0;
    const rows = blocks[descending ? blocks.length - 1 - at : at];
    const old = this.#blocks[n];
    this.#blocks[n] = undefined;
    if (rows === undefined) {
      this.#kernel.exports.merge_end(this.#handle, n);
    } else {
      const block = encodeBlock(rows, { restartsAt: (n) => n % 3 === 0 });
      const pointer = this.#kernel.copyIn(block);
      this.#blocks[n] = { pointer, bytes: block.length };
      const { merge_block } = this.#kernel.exports;
      merge_block(this.#handle, n, pointer, block.length);
      this.blocksGiven++;
    }
    this.#release(old);
  }

  #drop(n: number): void {
    this.#release(this.#blocks[n]);
    this.#blocks[n] = undefined;
  }

  /** Whoever reads a block after its time reads nonsense. */
  #release(block: { pointer: number; bytes: number } | undefined): void {
    if (block === undefined) return;
    const { pointer, bytes } = block;
    this.#kernel.u8.fill(0xdd, pointer, pointer + bytes);
    this.#kernel.free(pointer);
  }
}

/** Runs a plan to its end. */
export function mergeAll(kernel: Kernel, plan: Plan): Row[] {
  const merging = new Merging(kernel, plan);
  const rows = merging.batches().flat();
  merging.free();
  return rows;
}

/** The rows that a plan must give, by looking at all of them at once. */
export function model(plan: Plan): Row[] {
  const keys = new Map<string, { row: Row; source: number }[]>();
  for (const [source, { blocks }] of plan.sources.entries()) {
    for (const row of blocks.flat()) {
      if (!isInside(row.key, plan) || row.seq > (plan.seqMax ?? MAX_SEQ)) {
        continue;
      }
      const name = toHex(row.key);
      keys.set(name, [...keys.get(name) ?? [], { row, source }]);
    }
  }
  const names = [...keys.keys()].sort();
  if (((plan.options ?? 0) & MergeOption.DESCENDING) !== 0) names.reverse();
  return names.flatMap((name) => {
    const versions = keys.get(name)!;
    versions.sort((a, b) =>
      a.row.seq === b.row.seq
        ? a.source - b.source
        : a.row.seq > b.row.seq
        ? -1
        : 1
    );
    const rows = versions.map(({ row }) => row);
    if (plan.mode === MergeMode.RAW) return rows;
    const once = rows.filter((row, n) =>
      rows.findIndex(({ seq }) => seq === row.seq) === n
    );
    return plan.mode === MergeMode.VISIBLE
      ? visible(once, plan)
      : retained(once, plan);
  });
}

function isInside(key: Uint8Array, { lower, upper }: Plan): boolean {
  const low = lower ? compareBytes(key, lower.key) : 1;
  const high = upper ? compareBytes(key, upper.key) : -1;
  return (low > 0 || (low === 0 && lower!.inclusive)) &&
    (high < 0 || (high === 0 && upper!.inclusive));
}

function isExpired(row: Row, plan: Plan): boolean {
  return row.expireTs !== undefined &&
    row.expireTs <= (plan.now ?? MIN_TIMESTAMP);
}

function visible(rows: readonly Row[], plan: Plan): Row[] {
  const hide = ((plan.options ?? 0) & MergeOption.HIDE_EXPIRED) !== 0;
  const base = rows.findIndex(({ kind }) => kind !== "merge");
  const stack = base === -1 ? rows : rows.slice(0, base + 1);
  return stack.filter((row) =>
    row.kind !== "delete" && !(hide && isExpired(row, plan))
  );
}

function retained(rows: readonly Row[], plan: Plan): Row[] {
  const retainSeq = plan.retainSeq ?? 0n;
  const barrier = rows.findIndex(({ kind, seq }) =>
    seq <= retainSeq && kind !== "merge"
  );
  const kept = (barrier === -1 ? rows : rows.slice(0, barrier + 1))
    .filter((row) => row.kind !== "merge" || !isExpired(row, plan))
    .map((row): Row => {
      if (!isExpired(row, plan)) return row;
      const { expireTs: _, ...rest } = row;
      return { ...rest, kind: "delete", value: new Uint8Array(0) };
    });
  if (((plan.options ?? 0) & MergeOption.DROP_TOMBSTONES) === 0) return kept;
  const last = kept.findLastIndex(({ kind }) => kind !== "delete");
  return kept.slice(0, last + 1);
}

const arbitraryBound: fc.Arbitrary<Bound | undefined> = fc.option(
  fc.record({ key: arbitraryKey, inclusive: fc.boolean() }),
  { nil: undefined },
);

/** A source whose rows are cut into blocks anywhere. */
export const arbitrarySource: fc.Arbitrary<Source> = fc.tuple(
  arbitraryRows(30),
  fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 6 }),
  fc.nat(3),
).map(([rows, sizes, kind]) => {
  const blocks: Row[][] = [];
  for (let from = 0; from < rows.length;) {
    const size = sizes[blocks.length % sizes.length]!;
    blocks.push(rows.slice(from, from + size));
    from += size;
  }
  return { blocks, memtable: kind === 0 };
});

/** Any plan there is. */
export const arbitraryPlan: fc.Arbitrary<Plan> = fc.record({
  sources: fc.array(arbitrarySource, { maxLength: 6 }),
  mode: fc.constantFrom(MergeMode.VISIBLE, MergeMode.RAW, MergeMode.RETAIN),
  options: fc.nat(7),
  seqMax: fc.oneof(fc.constant(MAX_SEQ), fc.bigInt({ min: 0n, max: 8n })),
  now: fc.oneof(fc.constant(MIN_TIMESTAMP), fc.bigInt({ min: -3n, max: 9n })),
  retainSeq: fc.oneof(
    fc.constant(MAX_SEQ),
    fc.bigInt({ min: 0n, max: 8n }),
  ),
  lower: arbitraryBound,
  upper: arbitraryBound,
  maxRows: fc.oneof(fc.constant(1000), fc.nat(9)),
  outputBytes: fc.oneof(fc.constant(1 << 16), fc.nat(400)),
});

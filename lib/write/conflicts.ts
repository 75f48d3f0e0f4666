/**
 * Conflicts between transactions.
 *
 * Owns: what was committed since the oldest live transaction began, and whether
 * a commit may go on top of it. Does not own: sequence numbers, rows.
 *
 * Snapshot isolation: two transactions that overlap must not write one key.
 * Serializable: moreover, nothing that one read (keys, and whole ranges, whether
 * or not rows were there) may have been written meanwhile. Writes outside of
 * transactions count like commits. While no transaction is live nothing is kept.
 *
 * @module
 */
import { fromHex, toHex } from "../base/bytes.ts";
import { type KeyRange, rangeContains } from "../base/key_range.ts";

/** What a transaction read and wrote, as far as it can conflict. */
export interface Footprint {
  /** Commits up to this one are what it saw. */
  readonly startedSeq: bigint;
  /** Keys it writes, by {@linkcode keyName}. */
  readonly writeKeys: ReadonlySet<string>;
  /** Keys it read and that must not have changed. */
  readonly readKeys: ReadonlySet<string>;
  /** Ranges it read and that must not have changed. */
  readonly readRanges: readonly KeyRange[];
}

/** The keys of one commit. */
interface RecentCommit {
  readonly seq: bigint;
  readonly keys: ReadonlySet<string>;
}

/**
 * A key as a member of sets.
 *
 * @param key The key.
 * @returns Text that is equal for equal keys.
 */
export function keyName(key: Uint8Array): string {
  return toHex(key);
}

/** The commits that live transactions may conflict with. */
export class Conflicts {
  /** Start of each live transaction; several may share one. */
  readonly #live = new Map<symbol, bigint>();
  /** Oldest first. */
  #recent: RecentCommit[] = [];

  /** Whether commits must be recorded. */
  get tracking(): boolean {
    return this.#live.size > 0;
  }

  /**
   * Registers a transaction.
   *
   * @param startedSeq The last commit it sees.
   * @returns What to give to {@linkcode end}.
   */
  begin(startedSeq: bigint): symbol {
    const id = Symbol();
    this.#live.set(id, startedSeq);
    return id;
  }

  /**
   * Forgets a transaction, and the commits that none is left to conflict with.
   *
   * @param id What {@linkcode begin} returned; a second time is fine.
   */
  end(id: symbol): void {
    if (!this.#live.delete(id)) return;
    if (this.#live.size === 0) {
      this.#recent = [];
      return;
    }
    let oldest: bigint | undefined;
    for (const seq of this.#live.values()) {
      if (oldest === undefined || seq < oldest) oldest = seq;
    }
    const first = this.#recent.findIndex(({ seq }) => seq > oldest!);
    this.#recent.splice(0, first < 0 ? this.#recent.length : first);
  }

  /**
   * Records a commit; to be called while {@linkcode tracking}, in the commit's
   * own step.
   *
   * @param seq Its sequence number.
   * @param keys What it wrote.
   */
  record(seq: bigint, keys: ReadonlySet<string>): void {
    if (keys.size > 0) this.#recent.push({ seq, keys });
  }

  /**
   * Whether a transaction may not commit.
   *
   * @param footprint What it read and wrote.
   * @returns Whether something it depends on was written since it began.
   */
  has(footprint: Footprint): boolean {
    for (let i = this.#recent.length - 1; i >= 0; i--) {
      const { seq, keys } = this.#recent[i]!;
      if (seq <= footprint.startedSeq) return false;
      if (meets(footprint, keys)) return true;
    }
    return false;
  }
}

function meets(footprint: Footprint, written: ReadonlySet<string>): boolean {
  const { writeKeys, readKeys, readRanges } = footprint;
  if (overlap(writeKeys, written) || overlap(readKeys, written)) return true;
  if (readRanges.length === 0) return false;
  for (const name of written) {
    const key = fromHex(name)!;
    if (readRanges.some((range) => rangeContains(range, key))) return true;
  }
  return false;
}

function overlap(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const name of few) if (many.has(name)) return true;
  return false;
}

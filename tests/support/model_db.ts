/**
 * What a database must answer, by the simplest means: every version of every
 * key, kept for ever. The oracle of the model, interop and simulation tests.
 *
 * @module
 */
import type { Op, RowOp } from "./op.ts";

/** A visible row; keys and values in hex. */
export interface ModelEntry {
  readonly k: string;
  readonly v: string;
  readonly seq: bigint;
  readonly createTs: bigint;
  readonly expireTs: bigint | undefined;
}

/** From where a read looks. */
export interface ModelView {
  /** Sees nothing above; everything unless given. */
  readonly seq?: bigint | undefined;
  /** The clock that decides what has expired; nothing has unless given. */
  readonly nowMs?: number | undefined;
}

/** A range of keys, in hex. */
export interface ModelRange {
  readonly gt?: string;
  readonly gte?: string;
  readonly lt?: string;
  readonly lte?: string;
  readonly prefix?: string;
}

interface Version {
  readonly kind: RowOp["op"];
  readonly v: string;
  readonly seq: bigint;
  readonly createTs: bigint;
  readonly expireTs: bigint | undefined;
}

/** A sorted map of versions; merges concatenate. */
export class ModelDb {
  /** Default time to live, as the setting of that name. */
  readonly #defaultTtl: number | undefined;
  /** Oldest version first. */
  readonly #versions = new Map<string, Version[]>();
  #lastSeq = 0n;

  constructor(options: { defaultTtl?: number | undefined } = {}) {
    this.#defaultTtl = options.defaultTtl;
  }

  /** The largest sequence number of a write. */
  get lastSeq(): bigint {
    return this.#lastSeq;
  }

  /** Every key that was ever written, in order. */
  get keys(): string[] {
    return [...this.#versions.keys()].sort();
  }

  /**
   * Takes over one operation; only writes change anything.
   *
   * @param op The operation.
   * @param seq The sequence number it was given.
   * @param createTs When it was written.
   */
  apply(op: Op, seq: bigint, createTs: bigint = 0n): void {
    if (op.op === "sleep" || op.op === "flush_mem" || op.op === "flush_wal") {
      return;
    }
    if (seq <= this.#lastSeq) {
      throw new Error(`seq ${seq} does not rise above ${this.#lastSeq}`);
    }
    this.#lastSeq = seq;
    const rows = op.op === "batch" ? netRows(op.rows) : [op];
    for (const row of rows) {
      const expireTs = this.#expiryOf(row, createTs);
      const version = { kind: row.op, v: row.v ?? "", seq, createTs, expireTs };
      const versions = this.#versions.get(row.k);
      if (versions === undefined) this.#versions.set(row.k, [version]);
      else versions.push(version);
    }
  }

  #expiryOf(row: RowOp, createTs: bigint): bigint | undefined {
    if (row.op === "delete") return undefined;
    if (row.ttl !== undefined) return createTs + BigInt(row.ttl);
    if (row.expire_at !== undefined) return BigInt(row.expire_at);
    if (this.#defaultTtl === undefined) return undefined;
    return createTs + BigInt(this.#defaultTtl);
  }

  /** Forgets every write above `seq`, as a crash may. */
  truncate(seq: bigint): void {
    for (const [k, versions] of this.#versions) {
      const kept = versions.filter((version) => version.seq <= seq);
      if (kept.length === 0) this.#versions.delete(k);
      else this.#versions.set(k, kept);
    }
    if (this.#lastSeq > seq) this.#lastSeq = seq;
  }

  /** The row of a key, or `undefined` where there is none to see. */
  entry(k: string, view: ModelView = {}): ModelEntry | undefined {
    const versions = this.#versions.get(k) ?? [];
    const isExpired = (expireTs: bigint | undefined) =>
      expireTs !== undefined && view.nowMs !== undefined &&
      expireTs <= BigInt(view.nowMs);
    let found: ModelEntry | undefined;
    for (let i = versions.length - 1; i >= 0; i--) {
      const version = versions[i]!;
      if (view.seq !== undefined && version.seq > view.seq) continue;
      if (version.kind === "delete") break;
      const expired = isExpired(version.expireTs);
      if (version.kind === "put" && expired) break;
      if (!expired) found = foldOlder(k, found, version);
      if (version.kind === "put") break;
    }
    return found;
  }

  /** All visible rows of a range, in key order. */
  rows(range: ModelRange = {}, view: ModelView = {}): ModelEntry[] {
    const { gt, gte, lt, lte, prefix } = range;
    const rows: ModelEntry[] = [];
    for (const k of this.keys) {
      if (prefix !== undefined && !k.startsWith(prefix)) continue;
      const rest = prefix === undefined ? k : k.slice(prefix.length);
      if (gt !== undefined && rest <= gt) continue;
      if (gte !== undefined && rest < gte) continue;
      if (lt !== undefined && rest >= lt) continue;
      if (lte !== undefined && rest > lte) continue;
      const entry = this.entry(k, view);
      if (entry !== undefined) rows.push(entry);
    }
    return rows;
  }
}

/** An older version under what newer operands made so far. */
function foldOlder(
  k: string,
  newer: ModelEntry | undefined,
  { v, seq, createTs, expireTs }: Version,
): ModelEntry {
  if (newer === undefined) return { k, v, seq, createTs, expireTs };
  const expiries = [newer.expireTs, expireTs].filter((ts) => ts !== undefined);
  return {
    k,
    v: v + newer.v,
    seq: newer.seq,
    createTs: newer.createTs > createTs ? newer.createTs : createTs,
    expireTs: expiries.length === 0
      ? undefined
      : expiries.reduce((a, b) => a < b ? a : b),
  };
}

/** The last word of a batch on each of its keys. */
function netRows(rows: readonly RowOp[]): RowOp[] {
  const net = new Map<string, RowOp>();
  for (const row of rows) {
    const before = net.get(row.k);
    if (row.op !== "merge" || before === undefined) {
      net.set(row.k, row);
      continue;
    }
    // A merge after a put or a delete makes a value, whatever lies beneath.
    const { op } = before;
    const v = op === "delete" ? row.v! : before.v! + row.v!;
    const kind = op === "merge" ? "merge" : "put";
    net.set(
      row.k,
      op === "delete" ? { ...row, op: kind } : {
        ...before,
        op: kind,
        v,
      },
    );
  }
  return [...net.values()];
}

/** What tests of the log share: rows in a memtable, and files as text. */
import { MemoryBudget } from "../../lib/base/budget.ts";
import { toBytes, toText } from "../../lib/base/bytes.ts";
import { RowFlag } from "../../lib/codec/abi.ts";
import { Kernel } from "../../lib/codec/kernel.ts";
import { Memtable } from "../../lib/memtable/memtable.ts";
import type { Wal, WalEncoder } from "../../lib/wal/wal.ts";

export const KERNEL = Kernel.createSync();

/** Writes rows as the committer does: into the memtable, then to the log. */
export class RowWriter {
  memtable = new Memtable(KERNEL, new MemoryBudget());
  seq: bigint;
  readonly #wal: Wal;

  constructor(wal: Wal, seq = 0n) {
    this.#wal = wal;
    this.seq = seq;
  }

  /** One batch of as many rows as keys are given. */
  write(...keys: string[]): bigint {
    const seq = ++this.seq;
    const before = this.memtable.encodedBytes;
    let first = 0;
    for (const key of keys) {
      const record = this.memtable.insert(
        toBytes(key),
        toBytes(`value of ${key}`),
        RowFlag.CREATE,
        seq,
        1000n + seq,
        0n,
      );
      first ||= record;
    }
    this.#wal.append(
      this.memtable,
      first,
      this.memtable.encodedBytes - before,
      seq,
    );
    return seq;
  }

  /** Goes on with a new memtable; only the log may hold the old one. */
  freeze(): void {
    this.memtable.release();
    this.memtable = new Memtable(KERNEL, new MemoryBudget());
  }
}

/** An encoder whose files are lines of `seq key`; adds rows when told. */
export class TextEncoder implements WalEncoder {
  #text = "";
  #rows = 0;
  #maxSeq = 0n;
  readonly #gate: () => Promise<void> | undefined;

  constructor(gate: () => Promise<void> | undefined = () => undefined) {
    this.#gate = gate;
  }

  addChain(firstRecord: number, lastRecord: number): Promise<void> | undefined {
    const gate = this.#gate();
    if (gate !== undefined) {
      return gate.then(() => this.#addChain(firstRecord, lastRecord));
    }
    this.#addChain(firstRecord, lastRecord);
    return undefined;
  }

  #addChain(firstRecord: number, lastRecord: number): void {
    for (let at = firstRecord;; at = KERNEL.u32[(at + 36) >> 2]!) {
      const seq = KERNEL.readU64(at);
      const keyBytes = KERNEL.u32[(at + 24) >> 2]!;
      this.#text += `${seq} ${toText(KERNEL.slice(at + 40, keyBytes))}\n`;
      this.#rows++;
      this.#maxSeq = seq;
      if (at === lastRecord) return;
    }
  }

  finish() {
    return Promise.resolve({
      body: toBytes(this.#text).slice(),
      rows: this.#rows,
      maxSeq: this.#maxSeq,
    });
  }

  dispose(): void {}
}

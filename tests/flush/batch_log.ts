/** What was written, in order: the model that a recovered database must match. */
import { toBytes } from "../../lib/base/bytes.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { visible } from "../wal/memtable_rows.ts";
import type { MiniDb } from "./mini_db.ts";

interface Batch {
  readonly keys: readonly string[];
  readonly kind: "put" | "merge" | "delete";
}

export class BatchLog {
  readonly #batches = new Map<bigint, Batch>();
  /** Everything up to this one was reported as durable. */
  acknowledged = 0n;

  write(db: MiniDb, keys: readonly string[], kind: Batch["kind"] = "put") {
    const seq = db.write(keys, { kind });
    this.#batches.set(seq, { keys, kind });
    return seq;
  }

  /** Notes how far a writer says its rows are durable. */
  acknowledge(db: MiniDb): void {
    const { level } = db.wal.durable;
    if (level > this.acknowledged) this.acknowledged = level;
  }

  /** A database that was opened holds the first batches, whole, and no others. */
  async verify(db: MiniDb, from = undefined as Parameters<MiniDb["rows"]>[0]) {
    assert(
      db.seq >= this.acknowledged,
      `${this.acknowledged} was durable, ${db.seq} is left`,
    );
    assertEquals(visible(await db.rows(from)), this.#at(db.seq));
    // What was lost was never there: its numbers are given out again.
    for (const seq of this.#batches.keys()) {
      if (seq > db.seq) this.#batches.delete(seq);
    }
    this.acknowledged = db.seq;
  }

  #at(last: bigint): Map<string, string> {
    const state = new Map<string, { seq: bigint; value: string }>();
    for (let seq = 1n; seq <= last; seq++) {
      const batch = this.#batches.get(seq);
      assert(batch !== undefined, `${seq} was never written`);
      const { keys, kind } = batch!;
      for (const key of keys) {
        const before = kind === "merge" ? state.get(key)?.value ?? "" : "";
        if (kind === "delete") state.delete(key);
        else state.set(key, { seq, value: `${before}${key}@${seq};` });
      }
    }
    return new Map(
      [...state].map(([key, { seq, value }]) => [
        `${toBytes(key).join(",")}@${seq}`,
        value,
      ]),
    );
  }
}

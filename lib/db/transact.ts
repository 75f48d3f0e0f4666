/**
 * A transaction that is tried again while it meets conflicts.
 *
 * @module
 */
import { DbError, throwIfAborted } from "../base/errors.ts";
import type { Transaction, TransactionOptions } from "./transaction.ts";

/** Options of `Db.transact`. */
export interface TransactOptions extends TransactionOptions {
  /**
   * Attempts before a conflict is thrown. Of transactions that meet, one always
   * commits, so each attempt of the others is with one less.
   *
   * @default {1000}
   */
  maxAttempts?: number;
  /**
   * Whether to wait until the writes would survive a crash.
   *
   * @default {true}
   */
  awaitDurable?: boolean;
  /** Ends waits and further attempts with its reason. */
  signal?: AbortSignal;
}

/**
 * Runs a transaction; see `Db.transact`.
 *
 * @param begin Begins one.
 * @param body What it does.
 * @param options Attempts, durability.
 * @returns What the attempt that committed returned.
 */
export async function transact<Result>(
  begin: () => Promise<Transaction>,
  body: (transaction: Transaction) => Promise<Result> | Result,
  options: TransactOptions,
): Promise<Result> {
  const { maxAttempts = 1000, awaitDurable = true, signal } = options;
  if (!(maxAttempts >= 1)) {
    throw new DbError(
      "invalid",
      `maxAttempts must be a number >= 1, not ${maxAttempts}`,
    );
  }
  for (let attempt = 1;; attempt++) {
    throwIfAborted(signal);
    using transaction = await begin();
    const result = await body(transaction);
    if (transaction.completed) return result;
    try {
      await transaction.commit({
        awaitDurable,
        ...(signal === undefined ? {} : { signal }),
      });
      return result;
    } catch (error) {
      if (!isConflict(error) || attempt >= maxAttempts) throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof DbError && error.kind === "transaction";
}

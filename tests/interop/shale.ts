/**
 * Shale as the other side of the interop tests: over a directory, with the
 * judges' merge operator.
 *
 * @module
 */
import { Db, type DbOptions, FileStore } from "../../mod.ts";
import { concatOperator } from "../support/db_ops.ts";

/** Where a database is, and how to open it. */
export interface ShaleOpen extends Partial<Omit<DbOptions, "store">> {
  /** Directory of the store. */
  readonly dir: string;
  /** The database's path in it. */
  readonly path?: string;
}

/** Opens a database as its writer. */
export function openShale({ dir, path = "db", ...options }: ShaleOpen) {
  return Db.open(path, {
    store: new FileStore(dir),
    mergeOperator: concatOperator,
    ...options,
  });
}

/** The judges' block transformer: every byte plus one. */
export const plusOne = {
  encode: (bytes: Uint8Array) => bytes.map((byte) => byte + 1),
  decode: (bytes: Uint8Array) => bytes.map((byte) => byte - 1),
};
